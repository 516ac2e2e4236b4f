/**
 * Create the stage: two frames in which pictures are compared, with one place and one scale for both, a divider between
 * them, and the gestures that move and zoom.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @returns Functions on the stage.
 */
function createStage(dom) {
  const { byId, createElement } = dom;

  const MAX_SCALE = 64; // CSS pixels to one pixel of the image
  const ZOOM_IN = 1.25;
  const ZOOM_OUT = 0.8;
  const WHEEL_LINE_PX = 16;
  const WHEEL_RATE = 0.0015; // logarithm of the zoom to a CSS pixel of the wheel
  const PINCH_RATE = 0.01; // the same where a touchpad reports a pinch, as a wheel with Ctrl

  const stage = byId("stage");
  const divider = byId("divider");
  const frames = { a: createFrame("frame-a"), b: createFrame("frame-b") };
  // x, y: the point of the image, in its pixels, that is in the middle of a frame; scale: CSS pixels to one of them
  const view = { width: 1, height: 1, x: 0.5, y: 0.5, scale: 1, isFitted: true };
  const pointers = new Map(); // by id: last position on the screen and from the middle of its frame
  let split = 50; // position of the divider, percent

  // Frames: a picture stays until the next one is loaded, so that nothing blinks

  function createFrame(id) {
    const element = byId(id);
    const world = createElement("div", { className: "world" });
    const tag = createElement("p", { className: "tag" });
    const lost = createElement("p", { className: "lost", hidden: true });
    element.append(world, lost, tag);
    return { element, world, tag, lost, title: "", url: "", overlay: null };
  }

  /** Remove all pictures from the stage. */
  function clearStage() {
    for (const frame of Object.values(frames)) {
      frame.world.replaceChildren();
      frame.lost.hidden = true;
      Object.assign(frame, { url: "", overlay: null });
    }
  }

  /**
   * Show a picture in a frame.
   *
   * @param {Side} side
   * @param {Picture} picture
   * @param {string} name  Of the image.
   */
  function showPicture(side, { url, title }, name) {
    const frame = frames[side];
    Object.assign(frame, { title, url });
    frame.tag.textContent = title;
    const old = [...frame.world.querySelectorAll(".picture")].find((image) => image.dataset.url === url);
    const image = old || loadImage(frame, url, "picture");
    image.alt = `${title}: ${name}`;
    if (image.complete) settleImage(frame, image);
    drawDivider();
  }

  /**
   * Lay an overlay over the picture of a frame, or remove it.
   *
   * @param {Side} side
   * @param {Overlay | null} overlay
   * @param {string} name  Of the image.
   */
  function showOverlay(side, overlay, name) {
    const frame = frames[side];
    if (frame.overlay && frame.overlay.dataset.url === overlay?.url) return;
    frame.overlay?.remove();
    frame.overlay = null;
    if (!overlay) return;
    frame.overlay = loadImage(frame, overlay.url, "laid");
    frame.overlay.alt = `${overlay.title}: ${name}`;
    if (frame.overlay.complete) settleImage(frame, frame.overlay);
  }

  function loadImage(frame, url, className) {
    const image = createElement("img", { className, draggable: false, hidden: true, "data-url": url, alt: "" });
    image.addEventListener("load", () => settleImage(frame, image));
    image.addEventListener("error", () => settleImage(frame, image));
    image.src = url;
    if (className === "picture") frame.world.prepend(image);
    else frame.world.append(image);
    return image;
  }

  function settleImage(frame, image) {
    sharpenImage(image);
    if (image.classList.contains("laid")) image.hidden = image !== frame.overlay || !image.naturalWidth;
    else if (image.dataset.url === frame.url) revealImage(frame, image);
  }

  function revealImage(frame, image) {
    const isLoaded = image.naturalWidth > 0;
    for (const other of frame.world.querySelectorAll(".picture")) other.hidden = other !== image || !isLoaded;
    frame.lost.hidden = isLoaded;
    frame.lost.textContent = `The picture is not there: ${decodeUrl(image.dataset.url)}`;
  }

  function decodeUrl(url) {
    try {
      return decodeURIComponent(url);
    } catch {
      return url; // a name that is not UTF-8
    }
  }

  // An enlarged picture shows its pixels as squares; it may have fewer of them than the image.
  function sharpenImage(image) {
    const isEnlarged = image.naturalWidth > 0 && view.width * view.scale > image.naturalWidth;
    image.classList.toggle("crisp", isEnlarged);
  }

  // Place and scale

  function measureFrame() {
    const frame = frames.a.element.hidden ? frames.b.element : frames.a.element;
    return { width: frame.clientWidth || 1, height: frame.clientHeight || 1 };
  }

  function computeFitScale() {
    const size = measureFrame();
    return Math.min(size.width / view.width, size.height / view.height, MAX_SCALE);
  }

  function limitScale(scale) {
    return Math.max(Math.min(computeFitScale(), 1), Math.min(MAX_SCALE, scale));
  }

  // No more outside of the image is shown than the shape of the frame requires.
  function limitMiddle(middle, length, visible) {
    if (visible >= length) return length / 2;
    return Math.max(visible / 2, Math.min(length - visible / 2, middle));
  }

  function setView(x, y, scale) {
    const size = measureFrame();
    view.scale = limitScale(scale);
    view.isFitted = Math.abs(view.scale - computeFitScale()) < 1e-6;
    view.x = limitMiddle(x, view.width, size.width / view.scale);
    view.y = limitMiddle(y, view.height, size.height / view.scale);
    drawView();
  }

  /** Show the image as large as it fits. */
  function fitView() {
    setView(view.width / 2, view.height / 2, computeFitScale());
  }

  // `right` and `down`, from the middle of a frame in CSS pixels: the point that keeps its place.
  function zoomAbout(right, down, factor) {
    const before = view.scale;
    const after = limitScale(before * factor);
    setView(view.x + right / before - right / after, view.y + down / before - down / after, after);
  }

  /** Enlarge the image about the middle of a frame. */
  function zoomIn() {
    zoomAbout(0, 0, ZOOM_IN);
  }

  /** Reduce the image about the middle of a frame. */
  function zoomOut() {
    zoomAbout(0, 0, ZOOM_OUT);
  }

  /**
   * Move the image.
   *
   * @param {number} right  CSS pixels.
   * @param {number} down  CSS pixels.
   */
  function moveView(right, down) {
    setView(view.x - right / view.scale, view.y - down / view.scale, view.scale);
  }

  function drawView() {
    const size = measureFrame();
    for (const { world } of Object.values(frames)) {
      world.style.left = `${size.width / 2 - view.x * view.scale}px`;
      world.style.top = `${size.height / 2 - view.y * view.scale}px`;
      world.style.width = `${view.width * view.scale}px`;
      world.style.height = `${view.height * view.scale}px`;
      for (const image of world.children) sharpenImage(image);
    }
    byId("scale").textContent = `${Math.round(view.scale * 100)} %`;
  }

  /**
   * Set the size of the image. One of the same size keeps place and scale, so that images can be compared.
   *
   * @param {Views} size  Width and height, pixels.
   */
  function setImageSize({ width, height }) {
    const isSame = width === view.width && height === view.height;
    Object.assign(view, { width, height });
    if (isSame && !view.isFitted) drawView();
    else fitView();
  }

  function handleResize() {
    if (!byId("viewer").open || stage.hidden) return;
    if (view.isFitted) fitView();
    else setView(view.x, view.y, view.scale);
  }

  // Layout and divider

  /**
   * Arrange the frames.
   *
   * @param {Mode} mode
   * @param {Side} front  The frame that is shown in the mode "single".
   */
  function arrangeFrames(mode, front) {
    stage.dataset.mode = mode;
    divider.hidden = mode !== "divider";
    for (const [side, { element }] of Object.entries(frames)) element.hidden = mode === "single" && side !== front;
    handleResize();
  }

  function setSplit(percent) {
    split = Math.max(0, Math.min(100, percent));
    drawDivider();
  }

  function drawDivider() {
    const percent = Math.round(split);
    const [left, right] = [frames.a.title, frames.b.title];
    stage.style.setProperty("--split", `${split}%`);
    divider.setAttribute("aria-label", `Divider between ${left} and ${right}`);
    divider.setAttribute("aria-valuenow", String(percent));
    divider.setAttribute("aria-valuetext", `${left} ${percent} %, ${right} ${100 - percent} %`);
  }

  function grabDivider(event) {
    event.preventDefault();
    divider.focus();
    divider.setPointerCapture(event.pointerId);
  }

  function dragDivider(event) {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    setSplit(((event.clientX - box.left) / box.width) * 100);
  }

  function handleDividerKey(event) {
    const step = event.shiftKey ? 10 : 1;
    const steps = {
      ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step,
      PageDown: -10, PageUp: 10, Home: -100, End: 100,
    };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    setSplit(split + steps[event.key]);
  }

  // Gestures: wheel, pinch, drag and double click

  function measureFromMiddle({ clientX, clientY }) {
    const boxes = Object.values(frames).map(({ element }) => element.getBoundingClientRect());
    const isInside = (box) => clientX >= box.left && clientX < box.right && clientY >= box.top && clientY < box.bottom;
    const box = boxes.find(isInside) || boxes[0];
    return [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
  }

  function handleWheel(event) {
    event.preventDefault();
    const length = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE_PX : 1);
    const [right, down] = measureFromMiddle(event);
    zoomAbout(right, down, Math.exp(-length * (event.ctrlKey ? PINCH_RATE : WHEEL_RATE)));
  }

  function handlePointerDown(event) {
    if (event.target.closest(".divider") || event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, fromMiddle: measureFromMiddle(event) });
    stage.classList.add("held");
  }

  function handlePointerMove(event) {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const [right, down] = [event.clientX - before.x, event.clientY - before.y];
    const fromMiddle = [before.fromMiddle[0] + right, before.fromMiddle[1] + down];
    const now = { x: event.clientX, y: event.clientY, fromMiddle };
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinchView(before, now, other);
    else moveView(right, down);
    pointers.set(event.pointerId, now);
  }

  function pinchView(before, now, other) {
    const measureSpread = (pointer) => Math.hypot(pointer.x - other.x, pointer.y - other.y) || 1;
    const [right, down] = [0, 1].map((i) => (now.fromMiddle[i] + other.fromMiddle[i]) / 2);
    moveView((now.x - before.x) / 2, (now.y - before.y) / 2);
    zoomAbout(right, down, measureSpread(now) / measureSpread(before));
  }

  function handlePointerUp(event) {
    pointers.delete(event.pointerId);
    if (!pointers.size) stage.classList.remove("held");
  }

  function handleDoubleClick(event) {
    const [right, down] = measureFromMiddle(event);
    zoomAbout(right, down, 2);
  }

  function setOpacity(percent) {
    stage.style.setProperty("--opacity", String(percent / 100));
  }

  /** Start gestures, divider, zoom buttons and the opacity of overlays. */
  function startStage() {
    stage.addEventListener("wheel", handleWheel, { passive: false });
    stage.addEventListener("pointerdown", handlePointerDown);
    stage.addEventListener("pointermove", handlePointerMove);
    stage.addEventListener("pointerup", handlePointerUp);
    stage.addEventListener("pointercancel", handlePointerUp);
    stage.addEventListener("dblclick", handleDoubleClick);
    divider.addEventListener("pointerdown", grabDivider);
    divider.addEventListener("pointermove", dragDivider);
    divider.addEventListener("keydown", handleDividerKey);
    byId("in").addEventListener("click", zoomIn);
    byId("out").addEventListener("click", zoomOut);
    byId("fit").addEventListener("click", fitView);
    byId("real").addEventListener("click", () => setView(view.x, view.y, 1));
    byId("opacity").addEventListener("input", ({ target }) => setOpacity(target.value));
    setOpacity(byId("opacity").value);
    new ResizeObserver(handleResize).observe(stage);
  }

  return {
    arrangeFrames,
    clearStage,
    fitView,
    moveView,
    setImageSize,
    showOverlay,
    showPicture,
    startStage,
    zoomIn,
    zoomOut,
  };
}
