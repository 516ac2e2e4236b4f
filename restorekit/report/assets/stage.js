// Where on the stage the pictures lie: one place and one scale for all of them, so that they move together.

const MOST = 64; // CSS pixels that a pixel of the image may take

const stage = byId("stage");
// x, y: which point of the image, in its pixels, is in the middle of a frame; scale: CSS pixels to one of its pixels.
const view = { width: 1, height: 1, x: 0.5, y: 0.5, scale: 1, fitted: true };

function frameSize() {
  const frame = frames.a.element.hidden ? frames.b.element : frames.a.element;
  return { width: frame.clientWidth || 1, height: frame.clientHeight || 1 };
}

function fitScale() {
  const size = frameSize();
  return Math.min(size.width / view.width, size.height / view.height, MOST);
}

function setView(x, y, scale) {
  view.scale = Math.max(Math.min(fitScale(), 1), Math.min(MOST, scale));
  view.fitted = Math.abs(view.scale - fitScale()) < 1e-6;
  const size = frameSize();
  view.x = within(x, view.width, size.width / view.scale);
  view.y = within(y, view.height, size.height / view.scale);
  drawView();
}

// Keeps the middle so that no more than the frame asks for lies outside of the image.
function within(middle, whole, seen) {
  if (seen >= whole) return whole / 2;
  return Math.max(seen / 2, Math.min(whole - seen / 2, middle));
}

function fitView() {
  setView(view.width / 2, view.height / 2, fitScale());
}

// `right` and `down` say how far from the middle of the frame the point is that stays where it is.
function zoomAbout(right, down, factor) {
  const before = view.scale;
  const after = Math.max(Math.min(fitScale(), 1), Math.min(MOST, before * factor));
  setView(view.x + right / before - right / after, view.y + down / before - down / after, after);
}

function moveBy(right, down) {
  setView(view.x - right / view.scale, view.y - down / view.scale, view.scale);
}

function drawView() {
  const size = frameSize();
  for (const { world } of Object.values(frames)) {
    world.style.left = `${size.width / 2 - view.x * view.scale}px`;
    world.style.top = `${size.height / 2 - view.y * view.scale}px`;
    world.style.width = `${view.width * view.scale}px`;
    world.style.height = `${view.height * view.scale}px`;
    for (const picture of world.children) sharpen(picture);
  }
  byId("scale").textContent = `${Math.round(view.scale * 100)} %`;
}

// Pixels show as squares where the picture is enlarged: pictures may have fewer of them than the image.
function sharpen(picture) {
  const enlarged = picture.naturalWidth > 0 && view.width * view.scale > picture.naturalWidth;
  picture.classList.toggle("crisp", enlarged);
}

// A further image of the same size is shown at the same place: so one can compare it.
function setImage({ width, height }) {
  const same = width === view.width && height === view.height;
  Object.assign(view, { width, height });
  if (same && !view.fitted) drawView();
  else fitView();
}

function resized() {
  if (!byId("viewer").open || stage.hidden) return;
  if (view.fitted) fitView();
  else setView(view.x, view.y, view.scale);
}
