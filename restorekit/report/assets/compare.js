// Which two pictures are compared, and how: by a divider, side by side, or one after the other.

const shownNow = { mode: "divider", left: "before", right: "after", front: "b", split: 50, pictures: [] };
const divider = byId("divider");

function picturesOf(row) {
  const views = row.views;
  const own = [
    { key: "before", title: "Before", url: views.before },
    { key: "after", title: "After", url: views.after },
    { key: "truth", title: "Truth", url: views.truth },
    ...views.draws.map((url, i) => ({ key: `draw ${i + 1}`, title: `Draw ${i + 1}`, url })),
  ];
  return [...own.filter(({ url }) => url), ...othersOf(row)];
}

// The same image with the same damage as other methods gave it back.
function othersOf(row) {
  const views = row.views;
  const fits = (other) => other !== row && other.image === row.image && other.corruption === row.corruption
    && other.views?.width === views.width && other.views.height === views.height;
  return rows.filter(fits).map((other) => ({ key: `by ${other.restorer}`, title: `After: ${other.restorer}`, url: other.views.after }));
}

function fillChoices() {
  for (const side of ["left", "right"]) {
    const has = (key) => shownNow.pictures.some((picture) => picture.key === key);
    const usual = side === "left" ? "before" : "after";
    if (!has(shownNow[side])) shownNow[side] = has(usual) ? usual : shownNow.pictures[0].key;
    byId(side).replaceChildren(...shownNow.pictures.map(({ key, title }) => el("option", { value: key }, title)));
    byId(side).value = shownNow[side];
  }
}

function pictureOf(side) {
  return shownNow.pictures.find(({ key }) => key === shownNow[side]);
}

function drawPictures() {
  const [left, right] = [pictureOf("left"), pictureOf("right")];
  showIn(frames.a, left, current.row.image);
  showIn(frames.b, right, current.row.image);
  divider.setAttribute("aria-label", `Divider between ${left.title} and ${right.title}`);
  drawSplit();
  drawDraws();
}

function chooseSide(side, key) {
  shownNow[side] = key;
  byId(side).value = key;
  drawPictures();
}

function setMode(mode) {
  shownNow.mode = mode;
  pressed(byId("mode"), mode);
  stage.dataset.mode = mode;
  divider.hidden = mode !== "divider";
  byId("swap").hidden = mode !== "single";
  setFront(shownNow.front);
}

// In the mode of one picture, which of the two.
function setFront(side) {
  shownNow.front = side;
  const alone = shownNow.mode === "single";
  frames.a.element.hidden = alone && side !== "a";
  frames.b.element.hidden = alone && side !== "b";
  if (current.row?.views) drawOverlay();
  resized();
}

function swap() {
  if (shownNow.mode === "single") setFront(shownNow.front === "a" ? "b" : "a");
}

function setSplit(percent) {
  shownNow.split = Math.max(0, Math.min(100, percent));
  drawSplit();
}

function drawSplit() {
  const split = Math.round(shownNow.split);
  stage.style.setProperty("--split", `${shownNow.split}%`);
  divider.setAttribute("aria-valuenow", String(split));
  const [left, right] = [pictureOf("left"), pictureOf("right")];
  divider.setAttribute("aria-valuetext", `${left.title} ${split} %, ${right.title} ${100 - split} %`);
}

function onDividerMove(event) {
  if (!divider.hasPointerCapture(event.pointerId)) return;
  const at = stage.getBoundingClientRect();
  setSplit(((event.clientX - at.left) / at.width) * 100);
}

function onDividerKey(event) {
  const step = event.shiftKey ? 10 : 1;
  const places = {
    ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -10, PageUp: 10, Home: -100, End: 100,
  };
  if (!(event.key in places) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  setSplit(shownNow.split + places[event.key]);
}

function startCompare() {
  byId("mode").addEventListener("change", ({ target }) => setMode(target.value));
  for (const side of ["left", "right"]) byId(side).addEventListener("change", ({ target }) => chooseSide(side, target.value));
  byId("swap").addEventListener("click", swap);
  divider.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    divider.focus();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", onDividerMove);
  divider.addEventListener("keydown", onDividerKey);
}
