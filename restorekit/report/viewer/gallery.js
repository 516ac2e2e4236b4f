/**
 * Create the list of images, as a table or as a gallery of cards, and the selection in it.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {ReturnType<typeof createTables>} tables
 * @param {ReturnType<typeof createAddresses>} addresses
 * @param {ReportData} report
 * @returns Functions on the list.
 */
function createGallery(dom, tables, addresses, report) {
  const {
    DASH, MAX_PRINTED_ITEMS, announce, byId, checkRadio, copyText, createElement, createHiddenText, createName,
    createVirtualList, formatCount, setMember,
  } = dom;
  const {
    OUTCOME_TITLE, formatValue, markSortedHead, order, readOutcome, selectRows, sortRows, sortRowsByHead, startControls,
    updateCounts,
  } = tables;
  const { formatAddress, listVariant } = addresses;
  const { columns, rows, varies } = report;

  const TABLE_LINE_PX = 56; // as `--line-height` in gallery.css
  const CARD_HEIGHT_PX = 264; // as `grid-auto-rows` of `.cards` in gallery.css
  const MIN_CARD_WIDTH_PX = 176;
  const CARDS_PADDING_PX = 16;
  const NARROW_PX = 640;
  const URL_LIFETIME_MS = 60000;
  const LINE_BREAK = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/; // what ends a line for Python

  // Lines and cards

  function createEmptyThumbnail() {
    return createElement("span", { className: "thumb none", "aria-hidden": "true" });
  }

  function createThumbnail(row) {
    if (!row.views?.thumb) return createEmptyThumbnail();
    const settings = { className: "thumb", loading: "lazy", decoding: "async", alt: "", src: row.views.thumb };
    const image = createElement("img", settings);
    image.addEventListener("error", () => image.replaceWith(createEmptyThumbnail()));
    return image;
  }

  function createSelector(row, place) {
    const settings = { type: "checkbox", className: "pick", "aria-label": `Select ${row.image}` };
    const input = createElement("input", settings);
    input.addEventListener("click", (event) => selectPlaces(place, input.checked, event.shiftKey));
    return input;
  }

  function createLink(row, ...children) {
    const label = [row.image, ...listVariant(row)].join(", ");
    return createElement("a", { href: formatAddress(row), className: "open", "aria-label": label }, ...children);
  }

  function createMarks(row) {
    const word = createElement("span", { className: "word" }, row.flags.length === 1 ? " flag" : " flags");
    const flag = { className: "mark flag", title: row.flags.join("\n") };
    const failed = { className: "mark failed", title: row.error };
    return [
      row.status === "failed" ? createElement("span", failed, "✕ failed") : null,
      row.flags.length ? createElement("span", flag, `⚑ ${row.flags.length}`, word) : null,
    ].filter((mark) => mark !== null);
  }

  /**
   * Create the verdict on a row, or its status; flags are its title.
   *
   * @param {Row} row
   * @returns {HTMLElement}
   */
  function createOutcome(row) {
    const className = !row.verdict ? "plain" : row.flags.length ? "verdict check" : "verdict";
    return createElement("span", { className, title: row.flags.join("\n") }, readOutcome(row));
  }

  function createDash(reason, title) {
    const dash = createElement("span", { "aria-hidden": "true" }, DASH);
    if (!reason) return createElement("span", {}, dash, createHiddenText(`no ${title}`));
    const settings = { type: "button", className: "dash", title: reason, "data-tip": reason };
    return createElement("button", settings, dash, createHiddenText(`no ${title}: ${reason}`));
  }

  const heads = [
    { by: "image", title: "Image" },
    varies.restorer ? { by: "restorer", title: "Method" } : null,
    varies.corruption ? { by: "corruption", title: "Corruption" } : null,
    { by: "status", title: OUTCOME_TITLE },
  ].filter((head) => head !== null);

  // Method and corruption have no columns of their own then.
  function isNarrow() {
    return byId("pane").clientWidth < NARROW_PX;
  }

  // As many columns as there is width for, the most important first, unless all are asked for.
  function listHeads() {
    const own = heads.filter(({ by }) => !isNarrow() || (by !== "restorer" && by !== "corruption"));
    return [...own, ...columns.slice(0, list.columns).map((column, i) => ({ by: i, ...column }))];
  }

  function createHead({ by, title, unit = "", meaning = "", better = "", goal = null }) {
    const hint = goal !== null ? `, best at ${goal}` : better ? `, ${better} is better` : "";
    const button = createElement("button", { type: "button", title: meaning, onclick: () => sortRowsByHead(by) },
      title,
      unit ? createElement("span", { className: "unit" }, ` ${unit}`) : null,
      hint ? createHiddenText(hint) : null);
    return createElement("th", { scope: "col", className: typeof by === "number" ? "number" : by }, button);
  }

  function createLine(place) {
    const row = rows[list.shown[place]];
    const openRow = () => { location.hash = formatAddress(row); };
    const narrow = isNarrow();
    const below = narrow ? [row.folder && `${row.folder}/`, ...listVariant(row)].filter(Boolean).join(" · ")
      : row.folder && `${row.folder}/`;
    const folder = below ? createElement("span", { className: "folder" }, createName(below)) : null;
    const cells = [
      createElement("td", { className: "tick" }, createSelector(row, place)),
      // no link of its own: the tab key stops at the name
      createElement("td", { className: "small", onclick: openRow }, createThumbnail(row)),
      createElement("td", { className: "image" }, createLink(row, createName(row.fileName), folder)),
      varies.restorer && !narrow ? createElement("td", {}, createName(row.restorer)) : null,
      varies.corruption && !narrow ? createElement("td", { className: "spec" }, createName(row.corruption)) : null,
      ...(row.status === "failed" ? [createFailure(row)] : createValues(row)),
    ];
    return createElement("tr", { "aria-rowindex": String(place + 2) }, ...cells);
  }

  function createValues(row) {
    const marks = createMarks(row);
    const status = createElement("td", { className: "status" },
      ...(row.verdict || !marks.length ? [createOutcome(row)] : marks));
    const cells = columns.slice(0, list.columns).map(({ title }, i) =>
      createElement("td", { className: "number" }, formatValue(row, i) ?? createDash(row.reasons[i], title)));
    return [status, ...cells];
  }

  // A failed image has no values: its error is in their place.
  function createFailure(row) {
    const error = createElement("span", { className: "why", title: row.error }, row.error);
    return createElement("td", { className: "failure", colSpan: 1 + list.columns },
      createElement("div", {}, ...createMarks(row), error));
  }

  function createCard(place) {
    const row = rows[list.shown[place]];
    const variant = listVariant(row).join(" · ");
    const i = typeof order.by === "number" ? order.by : 0;
    const value = columns.length ? `${columns[i].title} ${formatValue(row, i) ?? DASH} ${columns[i].unit}` : "";
    const position = { "aria-setsize": String(list.shown.length), "aria-posinset": String(place + 1) };
    return createElement("li", { className: "card", ...position },
      createSelector(row, place),
      createLink(row, createThumbnail(row), createName(row.fileName)),
      createElement("span", { className: "about", title: variant }, variant || (row.folder && `${row.folder}/`)),
      createElement("span", { className: "foot" },
        ...(row.verdict ? [createOutcome(row)] : createMarks(row))),
      createElement("span", { className: "value" }, value));
  }

  // The list

  const list = { shown: [], place: 0, look: "table", virtual: null, columns: columns.length, width: 0, hasAll: false };

  // Leaves out columns until the table is no wider than its pane.
  function createFittingTable(pane) {
    list.columns = columns.length;
    list.width = pane.clientWidth;
    for (;;) {
      list.virtual = createTableList(pane);
      list.virtual.reset(list.shown.length);
      if (list.hasAll || !list.columns || pane.scrollWidth <= pane.clientWidth) break;
      list.columns -= 1;
    }
    const left = columns.length - list.columns;
    byId("columns").hidden = !left && !list.hasAll;
    byId("columns").textContent = list.hasAll ? "Fewer columns" : `All columns (${left} more)`;
    byId("columns").setAttribute("aria-pressed", String(list.hasAll));
    return list.virtual;
  }

  function createTableList(pane) {
    const shownHeads = listHeads();
    const createSpace = () => createElement("td", { colSpan: shownHeads.length + 2 });
    const createSpaceBody = (cell) =>
      createElement("tbody", { className: "space", "aria-hidden": "true" }, createElement("tr", {}, cell));
    const [lead, tail, host] = [createSpace(), createSpace(), createElement("tbody", {})];
    const head = createElement("thead", {}, createElement("tr", {},
      createElement("td", { className: "tick" }), createElement("td", { className: "small" }), ...shownHeads.map(createHead)));
    pane.replaceChildren(
      createElement("table", { className: "lines" }, head, createSpaceBody(lead), host, createSpaceBody(tail)));
    const createItem = (place) => prepareItem(place, createLine(place));
    const sizes = { height: TABLE_LINE_PX, top: head.offsetHeight, countAcross: () => 1 };
    return createVirtualList({ pane, host, lead, tail, ...sizes, createItem });
  }

  function createCardList(pane) {
    const [lead, tail] = [createElement("div", {}), createElement("div", {})];
    const host = createElement("ul", { className: "cards" });
    pane.replaceChildren(lead, host, tail);
    const countAcross = () => Math.max(2, Math.floor((pane.clientWidth - CARDS_PADDING_PX) / MIN_CARD_WIDTH_PX));
    host.style.setProperty("--across", String(countAcross()));
    const createItem = (place) => prepareItem(place, createCard(place));
    return createVirtualList({ pane, host, lead, tail, height: CARD_HEIGHT_PX, top: 0, countAcross, createItem });
  }

  function prepareItem(place, item) {
    item.dataset.place = String(place);
    setReachable(item, place === list.place);
    drawSelected(item, selected.has(list.shown[place]));
    return item;
  }

  // The tab key stops at one row alone; arrows go to the others.
  function setReachable(item, isReachable) {
    for (const part of item.querySelectorAll("a, button, input")) part.tabIndex = isReachable ? 0 : -1;
  }

  function setPlace(place, item) {
    const old = list.virtual.items.get(list.place);
    if (old) setReachable(old, false);
    list.place = place;
    setReachable(item, true);
  }

  /**
   * Scroll the list to a place, and make it the one from which keys move.
   *
   * @param {number} place  Brought into the range of the list.
   * @param {boolean} [hasFocus]  Whether it gets the focus.
   */
  function goToPlace(place, hasFocus = true) {
    if (!list.shown.length) return;
    const target = Math.max(0, Math.min(list.shown.length - 1, place));
    const item = list.virtual.scrollTo(target);
    setPlace(target, item);
    if (hasFocus) item.querySelector("a").focus();
  }

  function updateList() {
    list.shown = selectRows();
    list.place = 0;
    byId("empty").hidden = list.shown.length > 0;
    byId("pane").hidden = !list.shown.length;
    drawList();
    updateCounts();
  }

  function drawList() {
    const cells = [...document.querySelectorAll(".lines th")];
    markSortedHead(cells, cells[listHeads().findIndex((head) => head.by === order.by)] || null, order.descending);
    byId("pane").querySelector("table")?.setAttribute("aria-rowcount", String(list.shown.length + 1));
    list.virtual.reset(list.shown.length);
    drawSelection();
  }

  function setLook(look) {
    const place = list.place;
    list.look = look;
    checkRadio(byId("look"), look);
    byId("columns").hidden = true;
    list.virtual = (look === "table" ? createFittingTable : createCardList)(byId("pane"));
    drawList();
    goToPlace(place, false);
  }

  const moves = {
    ArrowDown: () => list.virtual.countAcross(),
    ArrowUp: () => -list.virtual.countAcross(),
    ArrowRight: () => (list.look === "cards" ? 1 : 0),
    ArrowLeft: () => (list.look === "cards" ? -1 : 0),
    PageDown: () => list.virtual.countPage(),
    PageUp: () => -list.virtual.countPage(),
    Home: () => -list.shown.length,
    End: () => list.shown.length,
  };

  function handleListKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "x" && list.shown.length) {
      selectPlaces(list.place, !selected.has(list.shown[list.place]), false);
      return;
    }
    const move = moves[event.key]?.();
    if (!move) return;
    event.preventDefault();
    goToPlace(event.target === event.currentTarget ? list.place : list.place + move);
  }

  function handleListFocus({ target }) {
    const item = target.closest("[data-place]");
    if (item && Number(item.dataset.place) !== list.place) setPlace(Number(item.dataset.place), item);
  }

  function handleResize() {
    const cards = byId("pane").querySelector(".cards");
    if (cards) cards.style.setProperty("--across", String(list.virtual.countAcross()));
    if (list.look === "table" && byId("pane").clientWidth !== list.width) setLook("table");
    else list.virtual.draw();
  }

  function setPrinting(isPrinting) {
    if (isPrinting) setLook("table");
    list.virtual.setPrinting(isPrinting);
    byId("cut").hidden = !isPrinting || list.shown.length <= MAX_PRINTED_ITEMS;
    byId("cut").textContent = `On paper: the first ${MAX_PRINTED_ITEMS} of ${describeShown()}.`;
  }

  /** Start the list of images, with its filters, order and selection. */
  function startList() {
    const pane = byId("pane");
    startControls(updateList);
    startSelection();
    document.querySelector(".images").removeAttribute("hidden");
    document.querySelector(".images").classList.toggle("one", rows.length === 1);
    pane.addEventListener("scroll", () => list.virtual.draw(), { passive: true });
    pane.addEventListener("keydown", handleListKey);
    pane.addEventListener("focusin", handleListFocus);
    byId("look").addEventListener("change", ({ target }) => setLook(target.value));
    byId("columns").addEventListener("click", () => {
      list.hasAll = !list.hasAll;
      setLook("table");
    });
    list.shown = selectRows(); // which decide what fits
    setLook(window.matchMedia("(min-width: 700px)").matches ? "table" : "cards");
    sortRows("report", false);
    new ResizeObserver(handleResize).observe(pane);
    window.addEventListener("beforeprint", () => setPrinting(true));
    window.addEventListener("afterprint", () => setPrinting(false));
  }

  /**
   * Find a row in the list.
   *
   * @param {Row} row
   * @returns {number} Its place, -1 if filters hide it.
   */
  function findPlace(row) {
    return list.shown.indexOf(row.index);
  }

  /**
   * Return the row at a place of the list.
   *
   * @param {number} place
   * @returns {Row | undefined}
   */
  function readPlace(place) {
    return rows[list.shown[place]];
  }

  /**
   * Count the rows in the list.
   *
   * @returns {number}
   */
  function countShown() {
    return list.shown.length;
  }

  // Selection

  const selected = new Set();
  let rangeStart = 0; // place from which Shift selects a range

  /**
   * Tell whether a row is selected.
   *
   * @param {Row} row
   * @returns {boolean}
   */
  function isSelected(row) {
    return selected.has(row.index);
  }

  /**
   * Select a row or not.
   *
   * @param {Row} row
   * @param {boolean} isOn
   */
  function selectRow(row, isOn) {
    setMember(selected, row.index, isOn);
    drawSelection();
  }

  function selectPlaces(place, isOn, isRange) {
    const [from, to] = isRange ? [Math.min(place, rangeStart), Math.max(place, rangeStart)] : [place, place];
    for (let i = from; i <= to; i += 1) setMember(selected, list.shown[i], isOn);
    rangeStart = place;
    drawSelection();
  }

  function selectShown(isOn) {
    for (const i of list.shown) setMember(selected, i, isOn);
    drawSelection();
  }

  function clearSelection() {
    selected.clear();
    drawSelection();
  }

  // The selected names in the order of the list, then those that filters hide; each name once.
  function listSelectedNames() {
    const shown = new Set(list.shown);
    const hidden = [...selected].filter((i) => !shown.has(i));
    const inOrder = [...list.shown.filter((i) => selected.has(i)), ...hidden];
    return [...new Set(inOrder.map((i) => rows[i].image))];
  }

  function formatSelection() {
    const names = listSelectedNames();
    const safe = names.filter((name) => !LINE_BREAK.test(name));
    const omitted = names.length - safe.length;
    if (omitted) announce(`Left out, as their names have line breaks: ${omitted}`);
    return safe.map((name) => `${name}\n`).join("");
  }

  function saveSelection() {
    const url = URL.createObjectURL(new Blob([formatSelection()], { type: "text/plain" }));
    const link = createElement("a", { href: url, download: "list.txt" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), URL_LIFETIME_MS);
  }

  function drawSelection() {
    for (const [place, item] of list.virtual.items) drawSelected(item, selected.has(list.shown[place]));
    const count = list.shown.filter((i) => selected.has(i)).length;
    const hidden = selected.size - count;
    byId("all").checked = count > 0 && count === list.shown.length;
    byId("all").indeterminate = count > 0 && count < list.shown.length;
    for (const id of ["save", "copy", "none"]) byId(id).disabled = !selected.size;
    byId("count").textContent = [
      describeShown(),
      selected.size ? `, ${formatCount(selected.size)} selected` : "",
      hidden ? ` (${formatCount(hidden)} not shown)` : "",
    ].join("");
  }

  function drawSelected(item, isOn) {
    item.classList.toggle("picked", isOn);
    item.querySelector(".pick").checked = isOn;
  }

  function describeShown() {
    const all = formatCount(rows.length, varies.restorer || varies.corruption ? "result" : "image");
    return list.shown.length === rows.length ? all : `${formatCount(list.shown.length)} of ${all}`;
  }

  function startSelection() {
    byId("all").addEventListener("change", ({ target }) => selectShown(target.checked));
    byId("save").addEventListener("click", saveSelection);
    byId("copy").addEventListener("click", ({ target }) => copyText(formatSelection(), target));
    byId("none").addEventListener("click", clearSelection);
  }

  return {
    countShown,
    createOutcome,
    findPlace,
    goToPlace,
    isSelected,
    readPlace,
    selectRow,
    startList,
  };
}
