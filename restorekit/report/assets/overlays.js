// Maps over the right picture, or the one that is shown, with the scale of their colours.

const laidOver = { key: "" };

function fillOverlays() {
  const overlays = current.row.views.overlays;
  const options = [{ key: "", title: "None" }, ...overlays];
  byId("laid").hidden = !overlays.length;
  byId("overlay").replaceChildren(...options.map(({ key, title }) => el("option", { value: key }, title)));
  byId("overlay").value = overlays.some(({ key }) => key === laidOver.key) ? laidOver.key : "";
}

function overlayNow() {
  return current.row.views.overlays.find(({ key }) => key === byId("overlay").value) || null;
}

function drawOverlay() {
  const overlay = overlayNow();
  const front = shownNow.mode === "single" ? shownNow.front : "b";
  layOver(frames.a, front === "a" ? overlay : null, current.row.image);
  layOver(frames.b, front === "b" ? overlay : null, current.row.image);
  drawView();
  drawLegend(overlay);
}

function drawLegend(overlay) {
  byId("opacity-label").hidden = !overlay;
  const scaled = overlay !== null && (overlay.low !== 0 || overlay.high !== 0);
  byId("legend").hidden = !scaled;
  if (!scaled) return;
  const [low, high] = [overlay.low, overlay.high].map(both);
  byId("legend-low").textContent = low;
  byId("legend-high").textContent = high;
  byId("ramp").setAttribute("aria-label", `${overlay.title}: dark blue is ${low}, bright yellow is ${high}`);
}

// On the scale of 8-bit files, and on [0, 1].
function both(value) {
  const eight = value * 255;
  const decimals = Math.abs(eight) >= 10 || Number.isInteger(eight) ? 0 : 1;
  return `${written(eight, decimals)}/255 = ${written(value, value === 0 ? 0 : 3)}`;
}

function chooseOverlay(key) {
  laidOver.key = key;
  byId("overlay").value = key;
  drawOverlay();
}

function nextOverlay() {
  const select = byId("overlay");
  chooseOverlay(select.options[(select.selectedIndex + 1) % select.options.length].value);
  say(`Overlay: ${select.selectedOptions[0].textContent}`);
}

function startOverlays() {
  byId("overlay").addEventListener("change", ({ target }) => chooseOverlay(target.value));
  const opacity = byId("opacity");
  opacity.addEventListener("input", () => stage.style.setProperty("--opacity", opacity.value / 100));
  stage.style.setProperty("--opacity", opacity.value / 100);
}
