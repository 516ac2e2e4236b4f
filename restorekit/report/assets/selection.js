// Which rows are selected, and what can be done with them.

const picked = new Set();
let lastPicked = 0; // place in the list, from which Shift selects a range

function pick(index, on) {
  picked[on ? "add" : "delete"](index);
  drawPicks();
}

function pickAt(place, on, range) {
  const [from, to] = range ? [Math.min(place, lastPicked), Math.max(place, lastPicked)] : [place, place];
  for (let i = from; i <= to; i += 1) picked[on ? "add" : "delete"](list.shown[i]);
  lastPicked = place;
  drawPicks();
}

// Names in the order of the list, then those that filters hide; several methods on one image make one name.
function pickedNames() {
  const shown = new Set(list.shown);
  const inOrder = [...list.shown.filter((i) => picked.has(i)), ...[...picked].filter((i) => !shown.has(i))];
  return [...new Set(inOrder.map((i) => rows[i].image))];
}

// What ends a line for whoever reads the list: such a name cannot stand in it.
const BREAKS = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

function listText() {
  const all = pickedNames();
  const good = all.filter((name) => !BREAKS.test(name));
  if (good.length < all.length) say(`Left out, as their names have line breaks: ${all.length - good.length}`);
  return good.map((name) => `${name}\n`).join("");
}

function save() {
  const url = URL.createObjectURL(new Blob([listText()], { type: "text/plain" }));
  const link = el("a", { href: url, download: "list.txt" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function drawPicks() {
  for (const [place, node] of list.window.nodes) drawPick(node, picked.has(list.shown[place]));
  const chosen = list.shown.filter((i) => picked.has(i)).length;
  byId("all").checked = chosen > 0 && chosen === list.shown.length;
  byId("all").indeterminate = chosen > 0 && chosen < list.shown.length;
  for (const id of ["save", "copy", "none"]) byId(id).disabled = !picked.size;
  const hidden = picked.size - chosen;
  const selected = picked.size ? `, ${picked.size.toLocaleString("en")} selected` : "";
  byId("count").textContent = shownText() + selected + (hidden ? ` (${hidden.toLocaleString("en")} not shown)` : "");
}

function drawPick(node, on) {
  node.classList.toggle("picked", on);
  node.querySelector(".pick").checked = on;
}

function shownText() {
  const all = counted(rows.length, several.restorer || several.corruption ? "result" : "image");
  return list.shown.length === rows.length ? all : `${list.shown.length.toLocaleString("en")} of ${all}`;
}

function startSelection() {
  byId("all").addEventListener("change", ({ target }) => {
    for (const i of list.shown) picked[target.checked ? "add" : "delete"](i);
    drawPicks();
  });
  byId("save").addEventListener("click", save);
  byId("copy").addEventListener("click", ({ target }) => copy(listText(), target));
  byId("none").addEventListener("click", () => {
    picked.clear();
    drawPicks();
  });
}
