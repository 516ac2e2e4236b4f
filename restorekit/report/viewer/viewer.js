/**
 * Create the viewer of one image over the page: its pictures, overlays, draws and facts. The page's address names the
 * image, so that a link opens the viewer and Back closes it.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {ReturnType<typeof createTables>} tables
 * @param {ReturnType<typeof createAddresses>} addresses
 * @param {ReturnType<typeof createGallery>} gallery
 * @param {ReturnType<typeof createStage>} stage
 * @param {ReportData} report
 * @returns Functions on the viewer.
 */
function createViewer(dom, tables, addresses, gallery, stage, report) {
  const { announce, byId, checkRadio, createElement, formatCount, formatNumber, reducedMotion } = dom;
  const { createFacts, readOutcome } = tables;
  const { findAddressedRow, formatAddress } = addresses;
  const { countShown, findPlace, goToPlace, isSelected, readPlace, selectRow } = gallery;
  const { arrangeFrames, clearStage, setImageSize, showOverlay, showPicture, startStage } = stage;
  const { rows } = report;

  const ADDRESS_DELAY_MS = 200; // browsers limit how often the address may change
  const FLICKER_MS = 400; // below three changes a second, the limit of WCAG 2.3.1
  /** @type {Object<string, Side>} */
  const SIDES = { left: "a", right: "b" };

  const viewer = byId("viewer");
  // what stays when another image is shown
  /** @type {{ mode: Mode, left: string, right: string, front: Side, overlay: string }} */
  const choice = { mode: "divider", left: "before", right: "after", front: "b", overlay: "" };
  let current = null; // row, while the viewer is open
  let pictures = [];
  let hasHistoryEntry = false; // made when the viewer was opened
  let addressTimer = 0;
  let flickerTimer = 0;

  // Opening and closing

  function followAddress() {
    const row = findAddressedRow();
    if (!row && viewer.open) viewer.close();
    if (row && row !== current && !addressTimer) openRow(row); // else keys were faster than the address
  }

  function openRow(row) {
    if (!viewer.open) {
      viewer.showModal();
      document.body.classList.add("viewing");
    }
    showRow(row);
    byId("viewer-name").focus({ preventScroll: true });
  }

  function handleClose() {
    clearTimeout(addressTimer);
    addressTimer = 0;
    setFlicker(false);
    document.body.classList.remove("viewing");
    const place = findPlace(current);
    current = null;
    if (findAddressedRow()) leaveAddress();
    if (place >= 0) goToPlace(place);
  }

  function leaveAddress() {
    if (hasHistoryEntry) history.back();
    else history.replaceState(null, "", "#");
    hasHistoryEntry = false;
  }

  /**
   * Tell whether the viewer is open.
   *
   * @returns {boolean}
   */
  function isOpen() {
    return viewer.open;
  }

  /**
   * Tell whether the viewer shows pictures.
   *
   * @returns {boolean}
   */
  function hasPictures() {
    return Boolean(current?.views);
  }

  // The image

  function showRow(row) {
    setFlicker(false);
    clearStage();
    current = row;
    const facts = createFacts(row);
    const origin = [row.restorer, row.corruption, readOutcome(row)].filter(Boolean);
    byId("viewer-name").textContent = row.image;
    byId("viewer-where").textContent = origin.join(" · ");
    byId("viewer-pick").checked = isSelected(row);
    byId("facts").replaceChildren(...facts);
    byId("facts").hidden = !facts.length;
    showViews(row);
    drawPlace();
  }

  function showViews(row) {
    pictures = row.views ? listPictures(row) : [];
    for (const id of ["stage", "controls"]) byId(id).hidden = !row.views;
    byId("nothing").hidden = Boolean(row.views);
    if (!row.views) {
      byId("nothing").textContent = row.status === "failed"
        ? "There is no picture: this image failed."
        : "There are no pictures of this image in the report.";
      byId("strip").hidden = true;
      return;
    }
    fillSelects();
    fillOverlays();
    fillDraws();
    setImageSize(row.views);
    drawPictures();
    setMode(choice.mode);
  }

  function drawPlace() {
    const place = findPlace(current);
    const count = countShown();
    byId("place").textContent = `${place < 0 ? "–" : formatCount(place + 1)} / ${formatCount(count)}`;
    // not `disabled`, which would take the focus from the button
    byId("prev").setAttribute("aria-disabled", String(place <= 0));
    byId("next").setAttribute("aria-disabled", String(place >= count - 1));
    for (const neighbour of [place + 1, place - 1]) preloadPictures(readPlace(neighbour));
  }

  function preloadPictures(row) {
    if (!row?.views) return;
    for (const url of [row.views.before, row.views.after].filter(Boolean)) new Image().src = url;
  }

  /**
   * Show another image of the list.
   *
   * @param {number} by  1 for the next, -1 for the previous one.
   */
  function stepImage(by) {
    const row = readPlace(findPlace(current) + by);
    if (!row) return;
    showRow(row);
    announce(`${row.image}, ${byId("place").textContent}`);
    clearTimeout(addressTimer);
    addressTimer = setTimeout(writeAddress, ADDRESS_DELAY_MS);
  }

  function writeAddress() {
    addressTimer = 0;
    location.replace(formatAddress(current));
  }

  /** Select the image, or remove it from the selection. */
  function toggleSelected() {
    byId("viewer-pick").click();
  }

  // The two pictures that are compared

  function listPictures(row) {
    const { after, before, draws, truth } = row.views;
    return [
      { key: "before", title: "Before", url: before },
      { key: "after", title: "After", url: after },
      { key: "truth", title: "Truth", url: truth },
      ...draws.map((url, i) => ({ key: formatDrawKey(i), title: `Draw ${i + 1}`, url })),
      ...listOtherMethods(row),
    ].filter(({ url }) => url);
  }

  // The same image and corruption as other methods restored it.
  function listOtherMethods(row) {
    const { width, height } = row.views;
    const isOther = (other) => other !== row && other.image === row.image && other.corruption === row.corruption
      && other.views?.width === width && other.views.height === height;
    return rows.filter(isOther)
      .map(({ restorer, views }) => ({ key: `by ${restorer}`, title: `After: ${restorer}`, url: views.after }));
  }

  function findPicture(key) {
    return pictures.find((picture) => picture.key === key);
  }

  function fillSelect(select, options, key) {
    select.replaceChildren(...options.map((one) => createElement("option", { value: one.key }, one.title)));
    select.value = key;
  }

  function fillSelects() {
    for (const [side, usual] of [["left", "before"], ["right", "after"]]) {
      if (!findPicture(choice[side])) choice[side] = (findPicture(usual) || pictures[0]).key;
      fillSelect(byId(side), pictures, choice[side]);
    }
  }

  function drawPictures() {
    for (const [side, frame] of Object.entries(SIDES)) showPicture(frame, findPicture(choice[side]), current.image);
    byId("draws").querySelectorAll("button")
      .forEach((button, i) => button.setAttribute("aria-pressed", String(choice.right === formatDrawKey(i))));
  }

  function choosePicture(side, key) {
    choice[side] = key;
    byId(side).value = key;
    drawPictures();
  }

  /**
   * Set how pictures are compared.
   *
   * @param {Mode} mode
   */
  function setMode(mode) {
    choice.mode = mode;
    checkRadio(byId("mode"), mode);
    byId("swap").hidden = mode !== "single";
    setFront(choice.front);
  }

  function setFront(frame) {
    choice.front = frame;
    arrangeFrames(choice.mode, frame);
    drawOverlay();
  }

  /** Show the other picture, in the mode "single". */
  function swapPictures() {
    if (choice.mode === "single") setFront(choice.front === "a" ? "b" : "a");
  }

  // Overlays: maps over the right picture, or over the one that is shown

  function fillOverlays() {
    const { overlays } = current.views;
    const key = overlays.some((overlay) => overlay.key === choice.overlay) ? choice.overlay : "";
    byId("laid").hidden = !overlays.length;
    fillSelect(byId("overlay"), [{ key: "", title: "None" }, ...overlays], key);
  }

  function drawOverlay() {
    const overlay = current.views.overlays.find(({ key }) => key === byId("overlay").value) || null;
    const top = choice.mode === "single" ? choice.front : "b";
    for (const frame of Object.values(SIDES)) showOverlay(frame, frame === top ? overlay : null, current.image);
    drawLegend(overlay);
  }

  function drawLegend(overlay) {
    const hasScale = overlay !== null && (overlay.low !== 0 || overlay.high !== 0);
    byId("opacity-label").hidden = !overlay;
    byId("legend").hidden = !hasScale;
    if (!hasScale) return;
    const [low, high] = [overlay.low, overlay.high].map(formatLegendEnd);
    byId("legend-low").textContent = low;
    byId("legend-high").textContent = high;
    byId("ramp").setAttribute("aria-label", `${overlay.title}: dark blue is ${low}, bright yellow is ${high}`);
  }

  // On the scale of 8-bit files, and on [0, 1].
  function formatLegendEnd(value) {
    const levels = value * 255;
    const decimals = Math.abs(levels) >= 10 || Number.isInteger(levels) ? 0 : 1;
    return `${formatNumber(levels, decimals)}/255 = ${formatNumber(value, value === 0 ? 0 : 3)}`;
  }

  function chooseOverlay(key) {
    choice.overlay = key;
    byId("overlay").value = key;
    drawOverlay();
  }

  /** Show the next overlay; after the last one, none. */
  function stepOverlay() {
    const select = byId("overlay");
    chooseOverlay(select.options[(select.selectedIndex + 1) % select.options.length].value);
    announce(`Overlay: ${select.selectedOptions[0].textContent}`);
  }

  // Draws: samples of the posterior, as a strip, step by step, or as a flicker

  function formatDrawKey(i) {
    return `draw ${i + 1}`;
  }

  function listDraws() {
    return current?.views?.draws || [];
  }

  function fillDraws() {
    const draws = listDraws();
    byId("strip").hidden = !draws.length;
    byId("draws").replaceChildren(...draws.map((src, i) => {
      const title = `Draw ${i + 1}`;
      const image = createElement("img", { loading: "lazy", decoding: "async", alt: "", src });
      const settings = { type: "button", "aria-label": title, title, onclick: () => chooseDraw(i) };
      return createElement("li", {}, createElement("button", settings, image));
    }));
    allowFlicker();
  }

  function chooseDraw(i) {
    choosePicture("right", formatDrawKey(i));
    if (choice.mode === "single") setFront("b");
  }

  /**
   * Show another draw, in a circle.
   *
   * @param {number} by  1 for the next, -1 for the previous one.
   */
  function stepDraw(by) {
    const draws = listDraws();
    if (!draws.length) return;
    const i = draws.findIndex((_, draw) => choice.right === formatDrawKey(draw));
    if (i < 0) chooseDraw(by > 0 ? 0 : draws.length - 1);
    else chooseDraw((i + by + draws.length) % draws.length);
  }

  function setFlicker(isOn) {
    const isFlickering = isOn && !reducedMotion.matches && listDraws().length > 1;
    clearInterval(flickerTimer);
    flickerTimer = isFlickering ? setInterval(() => stepDraw(1), FLICKER_MS) : 0;
    byId("flicker").setAttribute("aria-pressed", String(isFlickering));
    byId("flicker").textContent = isFlickering ? "Stop" : "Flicker";
  }

  /** Start or stop the flicker between draws. */
  function toggleFlicker() {
    setFlicker(!flickerTimer);
  }

  function allowFlicker() {
    byId("flicker").disabled = reducedMotion.matches || listDraws().length < 2;
    byId("still").hidden = !reducedMotion.matches;
    if (reducedMotion.matches) setFlicker(false);
  }

  /** Start the viewer, and open it if the page's address names an image. */
  function startViewer() {
    startStage();
    byId("mode").addEventListener("change", ({ target }) => setMode(target.value));
    for (const side of Object.keys(SIDES)) {
      byId(side).addEventListener("change", ({ target }) => choosePicture(side, target.value));
    }
    byId("swap").addEventListener("click", swapPictures);
    byId("overlay").addEventListener("change", ({ target }) => chooseOverlay(target.value));
    byId("flicker").addEventListener("click", toggleFlicker);
    byId("draw-prev").addEventListener("click", () => stepDraw(-1));
    byId("draw-next").addEventListener("click", () => stepDraw(1));
    reducedMotion.addEventListener("change", allowFlicker);
    window.addEventListener("hashchange", () => {
      hasHistoryEntry = hasHistoryEntry || !viewer.open;
      followAddress();
    });
    viewer.addEventListener("close", handleClose);
    byId("shut").addEventListener("click", () => viewer.close());
    byId("prev").addEventListener("click", () => stepImage(-1));
    byId("next").addEventListener("click", () => stepImage(1));
    byId("viewer-pick").addEventListener("change", ({ target }) => selectRow(current, target.checked));
    followAddress();
  }

  return {
    hasPictures,
    isOpen,
    setMode,
    startViewer,
    stepDraw,
    stepImage,
    stepOverlay,
    swapPictures,
    toggleFlicker,
    toggleSelected,
  };
}
