// What is known of one image, as text.

function factsOf(row) {
  return [
    row.error ? remark("failed", "✕ Failed", [row.error]) : null,
    row.flags.length ? remark("flag", "⚑ To look at", row.flags) : null,
    columns.some((_, i) => row.values[i] !== null || row.reasons[i]) ? figures(row) : null,
    row.notes.length ? remark("notes", "Notes", row.notes) : null,
  ].filter((part) => part !== null);
}

function remark(className, title, sentences) {
  return el("section", { className: `remark ${className}` }, el("h3", {}, title),
    ...sentences.map((sentence) => el("p", {}, sentence)));
}

function figures(row) {
  const body = el("tbody", {}, ...columns.map((column, i) => figureLine(row, column, i)));
  return el("section", {}, el("h3", {}, "Figures"), el("table", { className: "figures" }, body));
}

function figureLine(row, column, i) {
  const value = figure(row, i);
  const head = el("th", { scope: "row", title: column.meaning }, column.title);
  if (value === null) return el("tr", {}, head, el("td", { className: "why", colSpan: 2 }, `${DASH} ${row.reasons[i] || ""}`));
  return el("tr", {}, head, el("td", { className: "number" }, value), el("td", { className: "unit" }, column.unit));
}
