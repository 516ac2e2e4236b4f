// The list of images: a table or a gallery over the same rows, with one place in it that keys move.

const list = { shown: [], at: 0, look: "table", window: { nodes: new Map() } };
const LINE = 56; // pixels: as `--line` of list.css
const CARD = { height: 244, width: 176 }; // as `--card` of list.css

function tableWindow(pane) {
  const body = el("tbody");
  const space = () => el("td", { colSpan: heads.length + 2 });
  const [lead, tail] = [space(), space()];
  const holder = (cell) => el("tbody", { className: "space", "aria-hidden": "true" }, el("tr", {}, cell));
  const head = el("thead", {}, el("tr", {}, el("td", { className: "tick" }), el("td", { className: "small" }), ...heads.map(headOf)));
  pane.replaceChildren(el("table", { className: "lines" }, head, holder(lead), body, holder(tail)));
  return windowOver({ pane, host: body, lead, tail, height: LINE, across: () => 1, top: head.offsetHeight, make: (place) => reached(place, lineOf(place)) });
}

function cardWindow(pane) {
  const [lead, tail] = [el("div"), el("div")];
  const host = el("ul", { className: "cards" });
  pane.replaceChildren(lead, host, tail);
  const across = () => Math.max(2, Math.floor((pane.clientWidth - 16) / CARD.width));
  host.style.setProperty("--across", across());
  return windowOver({ pane, host, lead, tail, height: CARD.height, across, top: 0, make: (place) => reached(place, cardOf(place)) });
}

// One row alone is on the way of the tab key; arrows go to the others.
function reached(place, node) {
  node.dataset.place = String(place);
  reach(node, place === list.at);
  drawPick(node, picked.has(list.shown[place]));
  return node;
}

function reach(node, on) {
  for (const part of node.querySelectorAll("a, button, input")) part.tabIndex = on ? 0 : -1;
}

function goTo(place, focus = true) {
  if (!list.shown.length) return;
  const old = list.window.nodes.get(list.at);
  if (old) reach(old, false);
  list.at = Math.max(0, Math.min(list.shown.length - 1, place));
  const node = list.window.reveal(list.at);
  reach(node, true);
  if (focus) node.querySelector("a").focus();
}

function refresh() {
  list.shown = sorted(filtered());
  list.at = 0;
  byId("empty").hidden = list.shown.length > 0;
  byId("pane").hidden = !list.shown.length;
  drawList();
  for (const count of facets) count();
}

function drawList() {
  drawHeads();
  byId("pane").querySelector("table")?.setAttribute("aria-rowcount", String(list.shown.length + 1));
  list.window.reset(list.shown.length);
  drawPicks();
}

function show(look) {
  const at = list.at;
  list.look = look;
  pressed(byId("look"), look);
  list.window = (look === "table" ? tableWindow : cardWindow)(byId("pane"));
  drawList();
  goTo(at, false);
}

const steps = {
  ArrowDown: () => list.window.across(),
  ArrowUp: () => -list.window.across(),
  ArrowRight: () => (list.look === "cards" ? 1 : 0),
  ArrowLeft: () => (list.look === "cards" ? -1 : 0),
  PageDown: () => list.window.page() * list.window.across(),
  PageUp: () => -list.window.page() * list.window.across(),
  Home: () => -list.shown.length,
  End: () => list.shown.length,
};

function onListKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "x" && list.shown.length) {
    pickAt(list.at, !picked.has(list.shown[list.at]), false);
    return;
  }
  const step = steps[event.key]?.();
  if (!step) return;
  event.preventDefault();
  goTo(event.target === event.currentTarget ? list.at : list.at + step);
}

function onListFocus({ target }) {
  const node = target.closest("[data-place]");
  if (!node || Number(node.dataset.place) === list.at) return;
  const old = list.window.nodes.get(list.at);
  if (old) reach(old, false);
  list.at = Number(node.dataset.place);
  reach(node, true);
}

function startImages() {
  const pane = byId("pane");
  document.querySelector(".images").hidden = false;
  document.querySelector(".images").classList.toggle("one", rows.length === 1);
  pane.addEventListener("scroll", () => list.window.draw(), { passive: true });
  pane.addEventListener("keydown", onListKey);
  pane.addEventListener("focusin", onListFocus);
  byId("look").addEventListener("change", ({ target }) => show(target.value));
  new ResizeObserver(() => { if (list.look === "cards") fitCards(pane); else list.window.draw(); }).observe(pane);
  window.addEventListener("beforeprint", () => onPrint(true));
  window.addEventListener("afterprint", () => onPrint(false));
  show(window.matchMedia("(min-width: 700px)").matches ? "table" : "cards");
  sortBy("given", false);
}

function onPrint(on) {
  if (on) show("table");
  list.window.print(on);
  byId("cut").hidden = !on || list.shown.length <= PRINTED;
  byId("cut").textContent = `On paper: the first ${PRINTED} of ${shownText()}.`;
}

function fitCards(pane) {
  const host = pane.querySelector(".cards");
  if (host) host.style.setProperty("--across", list.window.across());
  list.window.draw();
}
