// Why a value is missing, beside the dash that has the focus; a mouse sees the same as a title.

const tip = byId("tip");

function showTip(target) {
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const at = target.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const below = at.bottom + 6 + size.height < window.innerHeight;
  tip.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - size.width - 8))}px`;
  tip.style.top = `${below ? at.bottom + 6 : at.top - size.height - 6}px`;
}

function hideTip() {
  tip.hidden = true;
}

document.addEventListener("focusin", ({ target }) => {
  if (target.dataset?.tip) showTip(target);
  else hideTip();
});
document.addEventListener("scroll", hideTip, true);
