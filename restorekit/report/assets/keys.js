// Keys of the viewer. Where a field or a slider has the focus, its own keys come first.

const ownKeys = {
  SELECT: /^(Arrow|Home|End|Page| |.$)/,
  INPUT: /^(Arrow|Home|End|Page| )/,
  BUTTON: /^ $/,
  SUMMARY: /^ $/,
};

const actions = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  1: () => setMode("divider"),
  2: () => setMode("beside"),
  3: () => setMode("single"),
  " ": swap,
  "+": () => zoomAbout(0, 0, 1.25),
  "=": () => zoomAbout(0, 0, 1.25),
  "-": () => zoomAbout(0, 0, 0.8),
  0: fitView,
  o: nextOverlay,
  ",": () => stepDraw(-1),
  ".": () => stepDraw(1),
  f: () => flicker(!beating),
  x: () => byId("viewer-pick").click(),
  "?": () => byId("keys").showModal(),
};
const ofPictures = new Set(["1", "2", "3", " ", "+", "=", "-", "0", "o", ",", ".", "f"]);
const MOVE = 60; // CSS pixels
const moves = { ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE] };

function onViewerKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (ownKeys[event.target.tagName]?.test(event.key)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = event.shiftKey && moves[key] ? () => moveBy(...moves[key]) : actions[key];
  const pictures = ofPictures.has(key) || (event.shiftKey && moves[key]);
  if (!action || (pictures && !current.row?.views)) return;
  event.preventDefault();
  action();
}

function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (byId("keys").open) return;
    if (viewer.open) onViewerKey(event);
    else if (event.key === "?" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) byId("keys").showModal();
  });
}

function startZoom() {
  byId("in").addEventListener("click", () => zoomAbout(0, 0, 1.25));
  byId("out").addEventListener("click", () => zoomAbout(0, 0, 0.8));
  byId("fit").addEventListener("click", fitView);
  byId("real").addEventListener("click", () => setView(view.x, view.y, 1));
}
