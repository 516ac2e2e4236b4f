// A row as a line of the table, and as a card of the gallery.

function addressOf(row) {
  const parts = new URLSearchParams({ image: row.image });
  if (several.restorer) parts.set("method", row.restorer);
  if (several.corruption) parts.set("damage", row.corruption);
  return `#${parts}`;
}

function thumbOf(row) {
  if (!row.views?.thumb) return el("span", { className: "thumb none", "aria-hidden": "true" });
  const image = el("img", { className: "thumb", loading: "lazy", decoding: "async", alt: "", src: row.views.thumb });
  image.addEventListener("error", () => image.replaceWith(el("span", { className: "thumb none", "aria-hidden": "true" })));
  return image;
}

function pickOf(place) {
  const row = rows[list.shown[place]];
  const input = el("input", { type: "checkbox", className: "pick", "aria-label": `Select ${row.image}` });
  input.addEventListener("click", (event) => pickAt(place, input.checked, event.shiftKey));
  return input;
}

function linkOf(row, ...children) {
  const what = [row.image, several.restorer ? row.restorer : "", several.corruption ? row.corruption : ""];
  return el("a", { href: addressOf(row), className: "open", "aria-label": what.filter(Boolean).join(", ") }, ...children);
}

function marksOf(row) {
  return [
    row.status === "failed" ? el("span", { className: "mark failed", title: row.error }, "✕ failed") : null,
    row.flags.length ? el("span", { className: "mark flag", title: row.flags.join("\n") }, `⚑ ${row.flags.length}`,
      el("span", { className: "word" }, row.flags.length === 1 ? " flag" : " flags")) : null,
  ].filter((mark) => mark !== null);
}

function dashOf(reason, title) {
  if (!reason) return el("span", {}, el("span", { "aria-hidden": "true" }, DASH), unseen(`no ${title}`));
  return el("button", { type: "button", className: "dash", title: reason, "data-tip": reason },
    el("span", { "aria-hidden": "true" }, DASH), unseen(`no ${title}: ${reason}`));
}

const heads = [
  { by: "image", title: "Image" },
  several.restorer ? { by: "restorer", title: "Method" } : null,
  several.corruption ? { by: "corruption", title: "Damage" } : null,
  { by: "status", title: "Status" },
  ...columns.map((column, i) => ({ by: i, ...column, number: true })),
].filter((head) => head !== null);

function headOf({ by, title, unit, meaning, number, better, goal }) {
  const hint = goal !== null && goal !== undefined ? `, best at ${goal}` : better ? `, ${better} is better` : "";
  const button = el("button", { type: "button", title: meaning || "", onclick: () => sortByHead(by) },
    title, unit ? el("span", { className: "unit" }, ` ${unit}`) : null, hint ? unseen(hint) : null);
  return el("th", { scope: "col", className: number ? "number" : by }, button);
}

function drawHeads() {
  document.querySelectorAll(".lines th").forEach((head, i) => {
    if (heads[i].by === order.by) head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function lineOf(place) {
  const row = rows[list.shown[place]];
  const name = el("td", { className: "image" }, linkOf(row, named(row.base),
    row.folder ? el("bdi", { className: "folder" }, row.folder) : null));
  const cells = [
    el("td", { className: "tick" }, pickOf(place)),
    // no link of its own: the name beside it is the one on the way of the tab key
    el("td", { className: "small", onclick: () => { location.hash = addressOf(row); } }, thumbOf(row)),
    name,
    several.restorer ? el("td", {}, named(row.restorer)) : null,
    several.corruption ? el("td", { className: "spec" }, named(row.corruption)) : null,
    ...(row.status === "failed" ? [failureOf(row)] : figuresOf(row)),
  ];
  return el("tr", { "aria-rowindex": String(place + 2) }, ...cells.filter((cell) => cell !== null));
}

function figuresOf(row) {
  const cells = columns.map((column, i) => el("td", { className: "number" }, figure(row, i) ?? dashOf(row.reasons[i], column.title)));
  return [el("td", { className: "status" }, ...statusOf(row)), ...cells];
}

// Why it failed stands where its figures would.
function failureOf(row) {
  return el("td", { className: "failure", colSpan: 1 + columns.length },
    el("div", {}, ...marksOf(row), el("span", { className: "why", title: row.error }, row.error)));
}

// A flag says more than that an image is done.
function statusOf(row) {
  const marks = marksOf(row);
  return marks.length ? marks : [STATUSES[row.status]];
}

function cardOf(place) {
  const row = rows[list.shown[place]];
  const about = [several.restorer ? row.restorer : "", several.corruption ? row.corruption : ""].filter(Boolean).join(" · ");
  const key = typeof order.by === "number" ? order.by : columns.length ? 0 : null;
  const value = key === null ? "" : `${columns[key].title} ${figure(row, key) ?? DASH} ${columns[key].unit}`;
  return el("li", { className: "card", "aria-setsize": String(list.shown.length), "aria-posinset": String(place + 1) },
    pickOf(place),
    linkOf(row, thumbOf(row), named(row.base)),
    el("span", { className: "about", title: about }, about || row.folder),
    el("span", { className: "foot" }, el("span", { className: "value" }, value), ...marksOf(row)));
}
