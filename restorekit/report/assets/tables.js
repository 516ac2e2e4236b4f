// Tables that a click on a head sorts; what has no value stays at the end.

function startTable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () => sortTable(table, heads, i)));
}

function sortTable(table, heads, i) {
  const head = heads[i];
  const now = head.getAttribute("aria-sort");
  const order = now ? turned(now) : head.querySelector("button").dataset.first;
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => compared(orderOf(a, i), orderOf(b, i), order === "descending")));
}

function turned(order) {
  return order === "ascending" ? "descending" : "ascending";
}

function orderOf(row, i) {
  const text = row.cells[i].dataset.order;
  if (text === undefined) return null;
  if (row.cells[i].tagName === "TH") return text;
  return Number(text.replace("inf", "Infinity"));
}

function compared(a, b, descending) {
  if (a === null || b === null) return (a === null) - (b === null);
  const sign = typeof a === "string" ? names.compare(a, b) : Math.sign(a - b) || 0;
  return descending ? -sign : sign;
}

const names = new Intl.Collator("en", { numeric: true });
