// In which order rows are shown.

const order = { by: "given", descending: false };

const choices = [
  { by: "given", title: "Report order" },
  { by: "image", title: "Name" },
  { by: "status", title: "Status" },
  rows.some((row) => row.flags.length) ? { by: "flags", title: "Flags", descending: true } : null,
  several.restorer ? { by: "restorer", title: "Method" } : null,
  several.corruption ? { by: "corruption", title: "Damage" } : null,
  // the worst first: it is what wants to be looked at
  ...columns.map(({ title, better }, i) => ({ by: i, title, descending: better !== "higher" })),
].filter((choice) => choice !== null);

const sortKeys = new Map();

function keysOf(by) {
  if (!sortKeys.has(by)) sortKeys.set(by, madeKeys(by));
  return sortKeys.get(by);
}

function madeKeys(by) {
  if (by === "given") return Float64Array.from(rows, (row) => row.index);
  if (by === "flags") return Float64Array.from(rows, (row) => row.flags.length);
  if (typeof by === "number") return Float64Array.from(rows, (row) => row.values[by] ?? NaN);
  return ranks(rows.map((row) => row[by]));
}

// Texts are compared once; sorting goes by their ranks.
function ranks(texts) {
  const sorted = [...new Set(texts)].sort(names.compare);
  const rank = new Map(sorted.map((text, i) => [text, i]));
  return Float64Array.from(texts, (text) => rank.get(text));
}

function sorted(shown) {
  const keys = keysOf(order.by);
  const sign = order.descending ? -1 : 1;
  return shown.sort((a, b) => {
    const x = keys[a];
    const y = keys[b];
    if (x === y) return a - b;
    if (x !== x || y !== y) return (x !== x) - (y !== y) || a - b; // NaN: no value, last in either order
    return x < y ? -sign : sign;
  });
}

function sortBy(by, descending) {
  Object.assign(order, { by, descending });
  byId("by").value = String(by);
  byId("turn").textContent = descending ? "↓" : "↑";
  byId("turn").title = descending ? "Largest first" : "Smallest first";
  refresh();
}

function sortByHead(by) {
  const choice = choices.find((one) => one.by === by);
  sortBy(by, order.by === by ? !order.descending : Boolean(choice.descending));
}

function startOrder() {
  const select = byId("by");
  select.append(...choices.map(({ by, title }) => el("option", { value: String(by) }, title)));
  select.addEventListener("change", () => {
    const { by, descending } = choices[select.selectedIndex];
    sortBy(by, Boolean(descending));
  });
  byId("turn").addEventListener("click", () => sortBy(order.by, !order.descending));
}
