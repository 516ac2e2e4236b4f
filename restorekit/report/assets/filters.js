// Which rows are shown: what was asked for, and how many each further choice would leave.

const STATUSES = { failed: "failed", done: "done", skipped: "done before" };
const asked = { text: "", folder: null, flagged: false, status: new Set(), restorer: new Set(), corruption: new Set() };

// Each returns whether a row is out. A row that fails one alone counts for the choices of that one.
const tests = {
  text: (row) => asked.text !== "" && !row.text.includes(asked.text),
  folder: (row) => asked.folder !== null && !`${placeOf(row)}/`.startsWith(asked.folder ? `${asked.folder}/` : ""),
  flagged: (row) => asked.flagged && !row.flags.length,
  status: (row) => asked.status.size > 0 && !asked.status.has(row.status),
  restorer: (row) => asked.restorer.size > 0 && !asked.restorer.has(row.restorer),
  corruption: (row) => asked.corruption.size > 0 && !asked.corruption.has(row.corruption),
};
const kinds = Object.keys(tests);
const faults = new Uint8Array(rows.length);

function filtered() {
  const shown = [];
  rows.forEach((row, i) => {
    faults[i] = kinds.reduce((bits, kind, bit) => (tests[kind](row) ? bits | (1 << bit) : bits), 0);
    if (!faults[i]) shown.push(i);
  });
  return shown;
}

// How many rows each value of a kind would show, all other filters as they are.
function countsOf(kind, valueOf) {
  const own = 1 << kinds.indexOf(kind);
  const counts = new Map();
  rows.forEach((row, i) => {
    if (!(faults[i] & ~own)) counts.set(valueOf(row), (counts.get(valueOf(row)) || 0) + 1);
  });
  return counts;
}

const facets = []; // functions that write the counts anew

function box(kind, value, text, onchange) {
  const count = el("span", { className: "count" });
  const input = el("input", { type: "checkbox", name: kind, value, onchange });
  return { count, element: el("label", {}, input, " ", el("bdi", { className: "choice-name", title: text }, text), count) };
}

function facet(kind, title, choices) {
  const boxes = choices.map(([value, text]) => {
    const made = box(kind, value, text, ({ target }) => {
      asked[kind][target.checked ? "add" : "delete"](value);
      refresh();
    });
    return { value, ...made };
  });
  facets.push(() => {
    const counts = countsOf(kind, (row) => row[kind]);
    for (const { value, count } of boxes) count.textContent = (counts.get(value) || 0).toLocaleString("en");
  });
  return el("fieldset", {}, el("legend", {}, title), ...boxes.map(({ element }) => element));
}

function flaggedFacet() {
  const { count, element } = box("flagged", "flagged", "Only flagged", ({ target }) => {
    asked.flagged = target.checked;
    refresh();
  });
  facets.push(() => { count.textContent = (countsOf("flagged", (row) => row.flags.length > 0).get(true) || 0).toLocaleString("en"); });
  return el("fieldset", {}, el("legend", {}, "Flags"), element);
}

function startFilters() {
  const found = new Set(rows.map((row) => row.status));
  const statuses = Object.entries(STATUSES).filter(([status]) => found.has(status));
  const same = (texts) => texts.map((text) => [text, text || "(none)"]);
  const made = [
    statuses.length > 1 ? facet("status", "Status", statuses) : null,
    rows.some((row) => row.flags.length) ? flaggedFacet() : null,
    several.restorer ? facet("restorer", "Method", same(data.restorers)) : null,
    several.corruption ? facet("corruption", "Damage", same(data.corruptions)) : null,
    folderFacet(),
  ].filter((part) => part !== null);
  byId("facets").append(...made);
  byId("filters").hidden = !made.length;
  byId("filters").open = window.matchMedia("(min-width: 900px)").matches;
  const form = byId("filters").querySelector("form");
  form.addEventListener("reset", clearFilters);
  byId("unfilter").addEventListener("click", () => form.reset());
  byId("search").addEventListener("input", ({ target }) => {
    asked.text = target.value.trim().toLowerCase();
    refresh();
  });
}

function clearFilters() {
  Object.assign(asked, { text: "", folder: null, flagged: false });
  for (const kind of ["status", "restorer", "corruption"]) asked[kind].clear();
  byId("search").value = "";
  setTimeout(refresh); // when the form has put its fields back
}
