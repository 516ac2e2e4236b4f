// The viewer of one image, over the page. The address keeps which, so a link opens it and Back closes it.

const viewer = byId("viewer");
const current = { row: null };
const REST = 200; // milliseconds after which the address follows: browsers allow few changes a second
let pushed = false; // whether opening it made an entry of the history
let resting = 0;

function rowOfAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (!parts.has("image")) return null;
  const fits = (row) => row.image === parts.get("image") && (!parts.has("method") || row.restorer === parts.get("method"))
    && (!parts.has("damage") || row.corruption === parts.get("damage"));
  return rows.find(fits) || null;
}

function onAddress() {
  const row = rowOfAddress();
  if (!row && viewer.open) viewer.close();
  if (row && row !== current.row && !resting) open(row); // else the keys were faster than the address
}

function open(row) {
  if (!viewer.open) {
    viewer.showModal();
    document.body.classList.add("viewing");
  }
  showRow(row);
  byId("viewer-name").focus({ preventScroll: true });
}

function showRow(row) {
  flicker(false);
  Object.values(frames).forEach(clearFrame);
  current.row = row;
  byId("viewer-name").textContent = row.image;
  byId("viewer-where").textContent = [row.restorer, row.corruption, STATUSES[row.status]].filter(Boolean).join(" · ");
  byId("viewer-pick").checked = picked.has(row.index);
  byId("facts").replaceChildren(...factsOf(row));
  byId("facts").hidden = !byId("facts").childElementCount;
  showViews(row);
  drawPlace();
}

function showViews(row) {
  shownNow.pictures = row.views ? picturesOf(row) : [];
  const there = shownNow.pictures.length > 0;
  for (const id of ["stage", "controls"]) byId(id).hidden = !there;
  byId("nothing").hidden = there;
  byId("nothing").textContent = row.status === "failed" ? "There is no picture: this image failed." : "There are no pictures of this image in the report.";
  if (!there) {
    byId("strip").hidden = true;
    return;
  }
  fillChoices();
  fillOverlays();
  fillDraws();
  setImage(row.views);
  drawPictures();
  setMode(shownNow.mode);
}

function placeInList() {
  return list.shown.indexOf(current.row.index);
}

function drawPlace() {
  const place = placeInList();
  const all = list.shown.length.toLocaleString("en");
  byId("place").textContent = place < 0 ? `– / ${all}` : `${(place + 1).toLocaleString("en")} / ${all}`;
  // not `disabled`: a button that has the focus would lose it
  byId("prev").setAttribute("aria-disabled", String(place <= 0));
  byId("next").setAttribute("aria-disabled", String(place >= list.shown.length - 1));
  for (const near of [place + 1, place - 1]) fetchAhead(rows[list.shown[near]]);
}

function fetchAhead(row) {
  if (!row?.views) return;
  for (const url of [row.views.before, row.views.after].filter(Boolean)) new Image().src = url;
}

function step(by) {
  const place = placeInList() + by;
  if (place < 0 || place >= list.shown.length) return;
  showRow(rows[list.shown[place]]);
  say(`${current.row.image}, ${byId("place").textContent}`);
  clearTimeout(resting);
  resting = setTimeout(settleAddress, REST);
}

function settleAddress() {
  resting = 0;
  location.replace(addressOf(current.row));
}

function onClose() {
  clearTimeout(resting);
  resting = 0;
  flicker(false);
  document.body.classList.remove("viewing");
  const row = current.row;
  current.row = null;
  if (rowOfAddress()) leaveAddress();
  const place = list.shown.indexOf(row.index);
  if (place >= 0) goTo(place);
}

function leaveAddress() {
  if (pushed) history.back();
  else history.replaceState(null, "", "#");
  pushed = false;
}

function startViewer() {
  window.addEventListener("hashchange", () => {
    pushed = pushed || !viewer.open;
    onAddress();
  });
  viewer.addEventListener("close", onClose);
  byId("shut").addEventListener("click", () => viewer.close());
  byId("prev").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("viewer-pick").addEventListener("change", ({ target }) => pick(current.row.index, target.checked));
  viewer.querySelector(".ask").addEventListener("click", () => byId("keys").showModal());
  onAddress();
}
