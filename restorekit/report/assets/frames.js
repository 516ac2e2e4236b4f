// The two frames in which pictures are shown. A picture stays until the next one is loaded, so nothing blinks.

const frames = { a: frame("frame-a"), b: frame("frame-b") };

function frame(id) {
  const element = byId(id);
  const world = el("div", { className: "world" });
  const tag = el("p", { className: "tag" });
  const lost = el("p", { className: "lost", hidden: true });
  element.append(world, lost, tag);
  return { element, world, tag, lost, wanted: "", laid: null };
}

function clearFrame(one) {
  one.world.replaceChildren();
  one.lost.hidden = true;
  one.wanted = "";
  one.laid = null;
}

function showIn(one, { url, title }, name) {
  one.tag.textContent = title;
  one.wanted = url;
  const old = [...one.world.querySelectorAll(".picture")].find((picture) => picture.dataset.url === url);
  const picture = old || loading(one, url, "picture");
  picture.alt = `${title}: ${name}`;
  if (picture.complete) settle(one, picture);
}

function loading(one, url, className) {
  const picture = el("img", { className, draggable: false, hidden: true, "data-url": url, alt: "" });
  picture.addEventListener("load", () => settle(one, picture));
  picture.addEventListener("error", () => settle(one, picture));
  picture.src = url;
  if (className === "picture") one.world.prepend(picture);
  else one.world.append(picture);
  return picture;
}

function settle(one, picture) {
  sharpen(picture);
  if (picture.classList.contains("laid")) picture.hidden = picture !== one.laid || !picture.naturalWidth;
  else if (picture.dataset.url === one.wanted) reveal(one, picture);
}

function reveal(one, picture) {
  const there = picture.naturalWidth > 0;
  for (const other of one.world.querySelectorAll(".picture")) other.hidden = other !== picture || !there;
  one.lost.hidden = there;
  one.lost.textContent = `The picture is not there: ${readable(picture.dataset.url)}`;
}

function readable(url) {
  try {
    return decodeURIComponent(url);
  } catch {
    return url; // a name that is no UTF-8
  }
}

function layOver(one, overlay, name) {
  if (one.laid && one.laid.dataset.url === overlay?.url) return;
  one.laid?.remove();
  one.laid = null;
  if (!overlay) return;
  one.laid = loading(one, overlay.url, "laid");
  one.laid.alt = `${overlay.title}: ${name}`;
  if (one.laid.complete) settle(one, one.laid);
}
