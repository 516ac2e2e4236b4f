/**
 * Create what sorts and filters rows and writes their values: tables of means, order and filters of the list of images,
 * and the facts about one image.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {ReportData} report
 * @returns Functions on tables and rows.
 */
function createTables(dom, report) {
  const { DASH, byId, compareTexts, createElement, formatCount, formatNumber, setMember } = dom;
  const { columns, corruptions, restorers, rows, varies } = report;
  const STATUS_LABELS = { failed: "failed", done: "done", skipped: "done before" };
  const OUTCOME_TITLE = rows.some((row) => row.verdict) ? "Verdict" : "Status";

  // Sorting

  /**
   * Make a table sortable: a click on a head sorts by its column.
   *
   * @param {HTMLTableElement} table
   */
  function makeSortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      const button = head.querySelector("button");
      button.addEventListener("click", () => {
        const current = head.getAttribute("aria-sort");
        const descending = current ? current === "ascending" : button.dataset.first === "descending";
        const lines = [...table.tBodies[0].rows];
        const keys = createSortKeys(lines.map((line) => readSortValue(line.cells[i])));
        markSortedHead(heads, head, descending);
        table.tBodies[0].append(...sortByKeys([...lines.keys()], keys, descending).map((place) => lines[place]));
      });
    });
  }

  /**
   * Hide columns of a table that is wider than its place, with a button that shows them. The first column and the
   * first metric always show; the last metrics go first, then what is no metric.
   *
   * @param {HTMLTableElement} table
   */
  function makeFitting(table) {
    const place = table.parentElement;
    const settings = { type: "button", "aria-pressed": "false", className: "more-columns", hidden: true };
    const button = createElement("button", settings);
    const others = [...table.tHead.rows[0].cells].slice(1);
    const metrics = others.filter((head) => !("extra" in head.dataset)).slice(1).reverse();
    const candidates = [...metrics, ...others.filter((head) => "extra" in head.dataset)].map((head) => head.cellIndex);
    let hasAll = false;
    let width = 0;

    function hideColumns(hidden) {
      for (const line of table.rows) [...line.cells].forEach((cell, i) => { cell.hidden = hidden.includes(i); });
    }

    function fit() {
      let count = 0;
      hideColumns([]);
      while (!hasAll && count < candidates.length && place.scrollWidth > place.clientWidth) {
        count += 1;
        hideColumns(candidates.slice(0, count));
      }
      button.hidden = !count && !hasAll;
      button.textContent = hasAll ? "Fewer columns" : `All columns (${formatCount(count)} more)`;
      button.setAttribute("aria-pressed", String(hasAll));
      width = place.clientWidth;
    }

    button.addEventListener("click", () => {
      hasAll = !hasAll;
      fit();
    });
    place.after(button);
    window.addEventListener("beforeprint", () => hideColumns([]));
    window.addEventListener("afterprint", fit);
    new ResizeObserver(() => { if (place.clientWidth !== width) fit(); }).observe(place);
    fit();
  }

  function readSortValue(cell) {
    const text = cell.dataset.order;
    if (text === undefined) return null;
    return cell.tagName === "TH" ? text : Number(text.replace("inf", "Infinity"));
  }

  /**
   * Mark the head by whose column a table is sorted.
   *
   * @param {Element[]} heads  All heads of the table.
   * @param {Element | null} sorted  One of them, or null.
   * @param {boolean} descending
   */
  function markSortedHead(heads, sorted, descending) {
    for (const head of heads) head.removeAttribute("aria-sort");
    sorted?.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  // Texts are compared once; sorting compares their ranks. A missing value is NaN.
  function createSortKeys(values) {
    if (!values.some((value) => typeof value === "string")) return Float64Array.from(values, (value) => value ?? NaN);
    const texts = [...new Set(values)].sort(compareTexts);
    const ranks = new Map(texts.map((text, rank) => [text, rank]));
    return Float64Array.from(values, (text) => ranks.get(text));
  }

  // Equal keys keep the order of their indices; NaN comes last in either direction.
  function sortByKeys(indices, keys, descending) {
    const sign = descending ? -1 : 1;
    return indices.sort((a, b) => {
      const [x, y] = [keys[a], keys[b]];
      if (x < y) return -sign;
      if (x > y) return sign;
      return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
    });
  }

  // Order of the list of images

  /** @type {{ by: OrderKey, descending: boolean }} */
  const order = { by: "report", descending: false };
  const sortKeys = new Map();
  /** @type {({ by: OrderKey, title: string, descending?: boolean } | null)[]} */
  const possibleOrders = [
    { by: "report", title: "Report order" },
    { by: "image", title: "Name" },
    { by: "status", title: OUTCOME_TITLE },
    rows.some((row) => row.flags.length) ? { by: "flags", title: "Flags", descending: true } : null,
    varies.restorer ? { by: "restorer", title: "Method" } : null,
    varies.corruption ? { by: "corruption", title: "Corruption" } : null,
    // the worst image first: it needs attention
    ...columns.map(({ title, better }, i) => ({ by: i, title, descending: better !== "higher" })),
  ];
  const orderChoices = possibleOrders.filter((choice) => choice !== null);

  function readSortKeys(by) {
    if (!sortKeys.has(by)) sortKeys.set(by, createSortKeys(rows.map((row) => readRowValue(row, by))));
    return sortKeys.get(by);
  }

  /**
   * Return what became of the image of a row, in a word or two.
   *
   * @param {Row} row
   * @returns {string}
   */
  function readOutcome(row) {
    return row.verdict || STATUS_LABELS[row.status];
  }

  function readRowValue(row, by) {
    if (by === "report") return row.index;
    if (by === "flags") return row.flags.length;
    if (by === "status") return readOutcome(row);
    return typeof by === "number" ? row.values[by] : row[by];
  }

  /**
   * Sort the list of images.
   *
   * @param {OrderKey} by
   * @param {boolean} descending
   */
  function sortRows(by, descending) {
    Object.assign(order, { by, descending });
    byId("by").value = String(by);
    byId("turn").textContent = descending ? "↓" : "↑";
    byId("turn").title = descending ? "Largest first" : "Smallest first";
    notifyChange();
  }

  /**
   * Sort the list of images by one of its heads; if it is sorted by that one, reverse it.
   *
   * @param {OrderKey} by
   */
  function sortRowsByHead(by) {
    const choice = orderChoices.find((one) => one.by === by);
    sortRows(by, order.by === by ? !order.descending : Boolean(choice.descending));
  }

  function startOrder() {
    const select = byId("by");
    select.append(...orderChoices.map(({ by, title }) => createElement("option", { value: String(by) }, title)));
    select.addEventListener("change", () => {
      const { by, descending } = orderChoices[select.selectedIndex];
      sortRows(by, Boolean(descending));
    });
    byId("turn").addEventListener("click", () => sortRows(order.by, !order.descending));
  }

  // Filters of the list of images

  const wanted = {
    text: "", folder: "", flagged: false, status: new Set(), restorer: new Set(), corruption: new Set(),
  };
  const rejects = {
    text: (row) => !row.searchText.includes(wanted.text),
    folder: (row) => wanted.folder !== "" && !`${row.folder}/`.startsWith(`${wanted.folder}/`),
    flagged: (row) => wanted.flagged && !row.flags.length,
    status: (row) => wanted.status.size > 0 && !wanted.status.has(readOutcome(row)),
    restorer: (row) => wanted.restorer.size > 0 && !wanted.restorer.has(row.restorer),
    corruption: (row) => wanted.corruption.size > 0 && !wanted.corruption.has(row.corruption),
  };
  const filterNames = Object.keys(rejects);
  const rejections = new Uint8Array(rows.length); // of each row: one bit for each filter that rejects it
  const countUpdaters = [];
  let notifyChange = () => {};

  /**
   * Filter and sort the rows.
   *
   * @returns {number[]} Indices of the rows to show, in their order.
   */
  function selectRows() {
    const accepted = [];
    rows.forEach((row, i) => {
      rejections[i] = filterNames.reduce((bits, name, bit) => (rejects[name](row) ? bits | (1 << bit) : bits), 0);
      if (!rejections[i]) accepted.push(i);
    });
    return sortByKeys(accepted, readSortKeys(order.by), order.descending);
  }

  // How many rows each choice of a filter would show if the other filters stay as they are.
  function countChoices(filterName, readChoice) {
    const own = 1 << filterNames.indexOf(filterName);
    const counts = new Map();
    rows.forEach((row, i) => {
      if (rejections[i] & ~own) return;
      counts.set(readChoice(row), (counts.get(readChoice(row)) || 0) + 1);
    });
    return counts;
  }

  /** Update the count at each choice of the filters, after `selectRows`. */
  function updateCounts() {
    for (const update of countUpdaters) update();
  }

  function writeCounts(outputs, counts) {
    for (const [choice, output] of outputs) output.textContent = formatCount(counts.get(choice) || 0);
  }

  function createChoice(settings, text) {
    const input = createElement("input", settings);
    const output = createElement("span", { className: "count" });
    const name = createElement("bdi", { className: "choice-name", title: text }, text);
    return { output, label: createElement("label", {}, input, " ", name, output) };
  }

  function createFilter(title, ...content) {
    return createElement("fieldset", {}, createElement("legend", {}, title), ...content);
  }

  function createSetFilter(name, title, choices) {
    const outputs = new Map();
    const labels = choices.map(([value, text]) => {
      const onchange = ({ target }) => {
        setMember(wanted[name], value, target.checked);
        notifyChange();
      };
      const { label, output } = createChoice({ type: "checkbox", name, value, onchange }, text);
      outputs.set(value, output);
      return label;
    });
    const readChoice = name === "status" ? readOutcome : (row) => row[name];
    countUpdaters.push(() => writeCounts(outputs, countChoices(name, readChoice)));
    return createFilter(title, ...labels);
  }

  function createFlagFilter() {
    const onchange = ({ target }) => {
      wanted.flagged = target.checked;
      notifyChange();
    };
    const settings = { type: "checkbox", name: "flagged", value: "flagged", onchange };
    const { label, output } = createChoice(settings, "Only flagged");
    countUpdaters.push(() => writeCounts([[true, output]], countChoices("flagged", (row) => row.flags.length > 0)));
    return createFilter("Flags", label);
  }

  function createFolderFilter() {
    const folders = new Set(rows.map((row) => row.folder));
    if (folders.size < 2) return null;
    const outputs = new Map();
    const root = createBranch(buildTree(folders), outputs);
    countUpdaters.push(() => countFolders(outputs));
    return createFilter("Folder", createElement("ul", { className: "tree" }, root));
  }

  function buildTree(folders) {
    const root = { path: "", title: "All folders", children: new Map() };
    for (const folder of folders) {
      let node = root;
      for (const title of folder ? folder.split("/") : []) {
        const path = node.path ? `${node.path}/${title}` : title;
        if (!node.children.has(title)) node.children.set(title, { path, title, children: new Map() });
        node = node.children.get(title);
      }
    }
    return root;
  }

  // The branches of a folder are created when it is opened first: there may be thousands.
  function createBranch(node, outputs) {
    const onchange = () => {
      wanted.folder = node.path;
      notifyChange();
    };
    const settings = { type: "radio", name: "folder", value: node.path, defaultChecked: !node.path, onchange };
    const { label, output } = createChoice(settings, node.title);
    outputs.set(node.path, output);
    if (!node.children.size) return createElement("li", { className: "leaf" }, label);
    const opener = createElement("button",
      { type: "button", className: "opener", "aria-label": `Folders in ${node.title}` });
    const item = createElement("li", {}, opener, label);
    const setOpen = (isOpen) => {
      opener.setAttribute("aria-expanded", String(isOpen));
      if (isOpen && !item.querySelector("ul")) {
        item.append(createBranches(node, outputs));
        countFolders(outputs);
      }
      item.querySelector("ul").hidden = !isOpen;
    };
    opener.addEventListener("click", () => setOpen(opener.getAttribute("aria-expanded") !== "true"));
    if (node.path) opener.setAttribute("aria-expanded", "false");
    else setOpen(true);
    return item;
  }

  function createBranches(node, outputs) {
    const children = [...node.children.values()].sort((a, b) => compareTexts(a.title, b.title));
    return createElement("ul", {}, ...children.map((child) => createBranch(child, outputs)));
  }

  function countFolders(outputs) {
    const totals = new Map();
    for (const [folder, count] of countChoices("folder", (row) => row.folder)) {
      for (let path = folder; ; path = path.slice(0, Math.max(0, path.lastIndexOf("/")))) {
        totals.set(path, (totals.get(path) || 0) + count);
        if (!path) break;
      }
    }
    writeCounts(outputs, totals);
  }

  function startFilters() {
    const outcomes = new Set(rows.map(readOutcome));
    const pairTexts = (texts) => texts.map((text) => [text, text || "(none)"]);
    const filters = [
      outcomes.size > 1 ? createSetFilter("status", OUTCOME_TITLE, [...outcomes].map((text) => [text, text])) : null,
      rows.some((row) => row.flags.length) ? createFlagFilter() : null,
      varies.restorer ? createSetFilter("restorer", "Method", pairTexts(restorers)) : null,
      varies.corruption ? createSetFilter("corruption", "Corruption", pairTexts(corruptions)) : null,
      createFolderFilter(),
    ].filter((filter) => filter !== null);
    byId("facets").append(...filters);
    byId("filters").hidden = !filters.length;
    byId("filters").open = window.matchMedia("(min-width: 900px)").matches;
    const form = byId("filters").querySelector("form");
    form.addEventListener("reset", clearFilters);
    byId("unfilter").addEventListener("click", () => form.reset());
    byId("search").addEventListener("input", ({ target }) => {
      wanted.text = target.value.trim().toLowerCase();
      notifyChange();
    });
  }

  function clearFilters() {
    Object.assign(wanted, { text: "", folder: "", flagged: false });
    for (const name of ["status", "restorer", "corruption"]) wanted[name].clear();
    byId("search").value = "";
    setTimeout(notifyChange); // after the form has reset its fields
  }

  /**
   * Start the filters and the order of the list of images.
   *
   * @param {() => void} onChange  Called when other rows, or the same in another order, are to be shown.
   */
  function startControls(onChange) {
    notifyChange = onChange;
    startFilters();
    startOrder();
  }

  // Values and facts of one row

  /**
   * Format a metric value of a row.
   *
   * @param {Row} row
   * @param {number} i  Index of the column.
   * @returns {string | null} Null if it is missing.
   */
  function formatValue(row, i) {
    const value = row.values[i];
    return value === null ? null : formatNumber(value, columns[i].digits);
  }

  /**
   * Create the facts about an image: its error, flags, metric values and notes, as far as it has any.
   *
   * @param {Row} row
   * @returns {HTMLElement[]}
   */
  function createFacts(row) {
    const hasValues = columns.some((_, i) => row.values[i] !== null || row.reasons[i]);
    return [
      row.error ? createRemark("failed", "✕ Failed", [row.error]) : null,
      row.flags.length ? createRemark("flag", "⚑ Needs attention", row.flags) : null,
      hasValues ? createValues(row) : null,
      row.notes.length ? createRemark("notes", "Notes", row.notes) : null,
    ].filter((part) => part !== null);
  }

  function createRemark(className, title, sentences) {
    const paragraphs = sentences.map((sentence) => createElement("p", {}, sentence));
    return createElement("section", { className: `remark ${className}` },
      createElement("h3", {}, title), ...paragraphs);
  }

  function createValues(row) {
    const body = createElement("tbody", {}, ...columns.map((_, i) => createValue(row, i)));
    return createElement("section", {}, createElement("h3", {}, "Metrics"),
      createElement("table", { className: "metrics" }, body));
  }

  function createValue(row, i) {
    const { meaning, title, unit } = columns[i];
    const text = formatValue(row, i);
    const reason = `${DASH} ${row.reasons[i] || ""}`;
    const cells = text === null ? [createElement("td", { className: "why", colSpan: 2 }, reason)] : [
      createElement("td", { className: "number" }, text),
      createElement("td", { className: "unit" }, unit),
    ];
    return createElement("tr", {}, createElement("th", { scope: "row", title: meaning }, title), ...cells);
  }

  return {
    OUTCOME_TITLE,
    createFacts,
    formatValue,
    makeFitting,
    makeSortable,
    markSortedHead,
    order,
    readOutcome,
    selectRows,
    sortRows,
    sortRowsByHead,
    startControls,
    updateCounts,
  };
}
