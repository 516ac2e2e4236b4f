/**
 * Create the keyboard shortcuts of the viewer.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {ReturnType<typeof createStage>} stage
 * @param {ReturnType<typeof createViewer>} viewer
 * @returns Functions on the shortcuts.
 */
function createKeys(dom, stage, viewer) {
  const { byId } = dom;
  const { fitView, moveView, zoomIn, zoomOut } = stage;
  const {
    hasPictures, isOpen, setMode, stepDraw, stepImage, stepOverlay, swapPictures, toggleFlicker, toggleSelected,
  } = viewer;

  const MOVE_PX = 60;
  // keys that an element with the focus handles itself, by its tag
  const ownKeys = {
    SELECT: /^(Arrow|Home|End|Page| |.$)/,
    INPUT: /^(Arrow|Home|End|Page| )/,
    BUTTON: /^ $/,
    SUMMARY: /^ $/,
  };
  const imageActions = {
    ArrowLeft: () => stepImage(-1),
    ArrowRight: () => stepImage(1),
    x: toggleSelected,
    "?": openHelp,
  };
  const pictureActions = {
    1: () => setMode("divider"),
    2: () => setMode("side-by-side"),
    3: () => setMode("single"),
    " ": swapPictures,
    "+": zoomIn,
    "=": zoomIn,
    "-": zoomOut,
    0: fitView,
    o: stepOverlay,
    ",": () => stepDraw(-1),
    ".": () => stepDraw(1),
    f: toggleFlicker,
  };
  const shiftedActions = {
    ArrowLeft: () => moveView(MOVE_PX, 0),
    ArrowRight: () => moveView(-MOVE_PX, 0),
    ArrowUp: () => moveView(0, MOVE_PX),
    ArrowDown: () => moveView(0, -MOVE_PX),
  };

  function openHelp() {
    byId("keys").showModal();
  }

  function findAction(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = (event.shiftKey && shiftedActions[key]) || pictureActions[key];
    if (action) return hasPictures() ? action : null;
    return imageActions[key] || null;
  }

  function handleViewerKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ownKeys[event.target.tagName]?.test(event.key)) return;
    const action = findAction(event);
    if (!action) return;
    event.preventDefault();
    action();
  }

  function handleKey(event) {
    if (byId("keys").open) return;
    if (isOpen()) handleViewerKey(event);
    else if (event.key === "?" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) openHelp();
  }

  /** Start the shortcuts, and the buttons that list them. */
  function startKeys() {
    document.querySelector("#viewer .ask").addEventListener("click", openHelp);
    document.addEventListener("keydown", handleKey);
  }

  return { startKeys };
}
