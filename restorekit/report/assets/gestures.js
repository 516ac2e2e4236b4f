// Wheel, pinch, drag and double click on the stage.

const fingers = new Map(); // pointer -> where it was last

function fromMiddle(event) {
  const places = Object.values(frames).map(({ element }) => element.getBoundingClientRect());
  const over = (at) => event.clientX >= at.left && event.clientX < at.right && event.clientY >= at.top && event.clientY < at.bottom;
  const at = places.find(over) || places[0];
  return [event.clientX - at.left - at.width / 2, event.clientY - at.top - at.height / 2];
}

function onWheel(event) {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  zoomAbout(...fromMiddle(event), Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)));
}

function onDown(event) {
  if (event.target.closest(".divider") || event.button > 0) return;
  stage.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, frame: fromMiddle(event) });
  stage.classList.add("held");
}

function onMove(event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const step = [event.clientX - before.x, event.clientY - before.y];
  const now = { x: event.clientX, y: event.clientY, frame: [before.frame[0] + step[0], before.frame[1] + step[1]] };
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  if (other) pinch(before, now, other, step);
  else moveBy(...step);
  fingers.set(event.pointerId, now);
}

function pinch(before, now, other, step) {
  moveBy(step[0] / 2, step[1] / 2);
  const spread = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
  const middle = [0, 1].map((i) => (now.frame[i] + other.frame[i]) / 2);
  zoomAbout(...middle, spread(now) / spread(before));
}

function onUp(event) {
  fingers.delete(event.pointerId);
  if (!fingers.size) stage.classList.remove("held");
}

function startGestures() {
  stage.addEventListener("wheel", onWheel, { passive: false });
  stage.addEventListener("pointerdown", onDown);
  stage.addEventListener("pointermove", onMove);
  stage.addEventListener("pointerup", onUp);
  stage.addEventListener("pointercancel", onUp);
  stage.addEventListener("dblclick", (event) => zoomAbout(...fromMiddle(event), 2));
  new ResizeObserver(resized).observe(stage);
}
