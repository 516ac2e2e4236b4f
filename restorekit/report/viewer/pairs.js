/**
 * Create the large pairs of pictures before and after, which come first on the page, the worst of them first. The
 * HTML has the first few, so that they show without this code; it adds the others, and a choice of verdicts.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {ReturnType<typeof createTables>} tables
 * @param {ReturnType<typeof createAddresses>} addresses
 * @param {ReturnType<typeof createGallery>} gallery
 * @param {ReportData} report
 * @returns Functions on the pairs.
 */
function createPairs(dom, tables, addresses, gallery, report) {
  const { announce, byId, createElement, createName, formatCount } = dom;
  const { formatValue, readOutcome } = tables;
  const { formatAddress, listVariant } = addresses;
  const { createOutcome } = gallery;
  const { columns, headline, pairs, rows, varies } = report;

  const STEP = 12; // pairs that a click adds
  const TALL = 0.5; // width to height under which the top alone is shown; all three as in pairs.html.j2
  const WIDE = 2; // over which one picture stands under the other
  const PANORAMA = 4; // over which both are as wide as the page
  const SMALL_PX = 300; // side up to which pixels are shown as squares
  let wanted = ""; // verdict; empty for all
  let count = 0; // of pairs that are shown

  function listWanted() {
    return pairs.filter((index) => !wanted || readOutcome(rows[index]) === wanted);
  }

  function createSide(word, url, row) {
    const settings = { loading: "lazy", decoding: "async", alt: `${word}: ${row.image}`, src: url };
    return createElement("span", { className: "pair-side" },
      createElement("img", settings), createElement("span", { className: "tag", "aria-hidden": "true" }, word));
  }

  function describeValues(row) {
    const formatUnit = (unit) => (!unit || unit.startsWith("/") ? unit : ` ${unit}`);
    return headline.filter((i) => row.values[i])
      .map((i) => `${columns[i].title} ${formatValue(row, i)}${formatUnit(columns[i].unit)}`).join(", ");
  }

  function createPair(index) {
    const row = rows[index];
    const { after, before } = row.views;
    const link = createElement("a", { className: "pair-pictures", href: after },
      before ? createSide("Before", before, row) : null, createSide("After", after, row));
    const facts = [describeValues(row), ...listVariant(row)].filter(Boolean).join(" · ");
    return createElement("li", { className: "pair", "data-row": String(index) }, link,
      createElement("div", { className: "pair-text" },
        createElement("p", { className: "pair-head" },
          createElement("span", { className: "pair-name" }, createName(row.fileName)),
          createOutcome(row)),
        createElement("p", { className: "pair-facts" }, facts),
        createElement("p", { className: "pair-why", hidden: !row.flags.length }, row.flags.join(" "))));
  }

  // Shape and size of the image decide how its pictures are laid out; a click opens the viewer.
  function preparePair(item) {
    const row = rows[Number(item.dataset.row)];
    const { height, width } = row.views;
    const link = item.querySelector("a");
    link.href = formatAddress(row);
    link.style.setProperty("--ratio", String(width / height));
    item.classList.toggle("tall", width / height < TALL);
    item.classList.toggle("wide", width / height > WIDE);
    item.classList.toggle("panorama", width / height > PANORAMA);
    item.classList.toggle("small", Math.max(width, height) <= SMALL_PX);
    for (const image of item.querySelectorAll("img")) {
      const mark = () => image.parentElement.classList.add("lost");
      image.addEventListener("error", mark);
      if (image.complete && !image.naturalWidth) mark();
    }
  }

  function drawPairs(to) {
    const list = document.querySelector(".pairs");
    const all = listWanted();
    const added = all.slice(count, to).map(createPair);
    list.append(...added);
    added.forEach(preparePair);
    count = Math.min(to, all.length);
    byId("more-pairs").hidden = count >= all.length;
    byId("pairs-count").textContent = `${formatCount(count)} of ${formatCount(all.length, varies.restorer || varies.corruption ? "result" : "image")} with pictures`;
    return added;
  }

  function chooseVerdict(verdict) {
    const first = count;
    wanted = verdict;
    count = 0;
    document.querySelector(".pairs").replaceChildren();
    drawPairs(Math.min(first, STEP));
  }

  function addPairs() {
    const [next] = drawPairs(count + STEP);
    next.querySelector("a").focus();
    announce(byId("pairs-count").textContent);
  }

  function createVerdict(verdict, title, number) {
    const input = createElement("input", { type: "radio", name: "verdict", value: verdict, checked: !verdict });
    input.addEventListener("change", () => chooseVerdict(verdict));
    return createElement("label", {}, input, `${title} ${formatCount(number)}`);
  }

  /** Start the pairs, if the page has any. */
  function startPairs() {
    const items = [...document.querySelectorAll(".pair")];
    if (!items.length) return;
    items.forEach(preparePair);
    count = items.length;
    const counts = new Map();
    for (const outcome of pairs.map((index) => readOutcome(rows[index]))) {
      counts.set(outcome, (counts.get(outcome) || 0) + 1);
    }
    byId("verdicts").append(createVerdict("", "All", pairs.length),
      ...[...counts].map(([verdict, number]) => createVerdict(verdict, verdict, number)));
    byId("verdicts").hidden = counts.size < 2;
    document.querySelector(".pairs-bar").removeAttribute("hidden");
    byId("more-pairs").addEventListener("click", addPairs);
    drawPairs(count);
  }

  return { startPairs };
}
