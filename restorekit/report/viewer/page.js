/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {"higher" | "lower" | ""} better
 * @property {number | null} goal
 * @property {string} meaning
 * @property {number} digits  Decimals of its values.
 *
 * @typedef {object} Overlay
 * @property {string} key
 * @property {string} title
 * @property {string} url
 * @property {number} low  What the lower end of the colour scale stands for, on [0, 1].
 * @property {number} high
 *
 * @typedef {object} Picture
 * @property {string} key
 * @property {string} title
 * @property {string} url
 *
 * @typedef {object} Views  URLs of the pictures of an image; empty if there is none.
 * @property {number} width  Of the image, pixels; its pictures may be smaller.
 * @property {number} height
 * @property {string} thumb
 * @property {string} before
 * @property {string} after
 * @property {string} truth
 * @property {Overlay[]} overlays
 * @property {string[]} draws
 *
 * @typedef {object} Row  One image as one method restored it.
 * @property {number} index  Place in the report.
 * @property {string} image  Name in the folder, with forward slashes.
 * @property {string} folder  Of that name; empty at the top.
 * @property {string} fileName
 * @property {"done" | "failed" | "skipped"} status
 * @property {string} verdict  What became of it; empty for what `status` says.
 * @property {string} corruption
 * @property {string} restorer
 * @property {(number | null)[]} values  By column.
 * @property {Object<number, string>} reasons  Why a value is missing, by column.
 * @property {string[]} flags
 * @property {string[]} notes
 * @property {string} error
 * @property {Views | null} views
 * @property {string} searchText  In lower case.
 *
 * @typedef {object} ReportData
 * @property {Column[]} columns
 * @property {Row[]} rows
 * @property {string[]} corruptions
 * @property {string[]} restorers
 * @property {number[]} pairs  Indices of the rows that are shown as large pairs, in their order.
 * @property {number[]} headline  Columns whose values stand under a pair.
 * @property {{ restorer: boolean, corruption: boolean }} varies  Whether the rows have several of them.
 *
 * @typedef {"report" | "image" | "status" | "flags" | "restorer" | "corruption" | number} OrderKey  A number: a column.
 * @typedef {"divider" | "side-by-side" | "single"} Mode  How two pictures are compared.
 * @typedef {"a" | "b"} Side  Frame of the stage.
 */

/**
 * Create the page: read its data, connect its parts and start those that it has.
 *
 * @param {object} parts  The functions that create them.
 * @param {typeof createDom} parts.createDom
 * @param {typeof createAddresses} parts.createAddresses
 * @param {typeof createTables} parts.createTables
 * @param {typeof createGallery} parts.createGallery
 * @param {typeof createPairs} parts.createPairs
 * @param {typeof createStage} parts.createStage
 * @param {typeof createViewer} parts.createViewer
 * @param {typeof createKeys} parts.createKeys
 */
function createPage({
  createDom, createTables, createAddresses, createGallery, createPairs, createStage, createViewer, createKeys,
}) {
  const TIP_DISTANCE_PX = 6;
  const TIP_MARGIN_PX = 8;
  const PLAY_INTERVAL_MS = 700;
  const MAX_ENLARGED_PX = [560, 720]; // width and height up to which a small picture is enlarged

  const dom = createDom();
  const { byId, copyText, reducedMotion } = dom;

  function readReport() {
    const element = byId("data");
    const empty = { columns: [], corruptions: [], restorers: [], pairs: [], headline: [], rows: [], pictures: [] };
    const data = element ? JSON.parse(element.textContent) : empty;
    const { columns, corruptions, headline, pairs, restorers } = data;
    const varies = { restorer: restorers.length > 1, corruption: corruptions.length > 1 };
    const rows = data.rows.map((packed, i) => unpackRow(packed, i, data));
    return { columns, corruptions, headline, pairs, restorers, rows, varies };
  }

  // A picture is an address, or the index of one that is in the page: in its data, or already in its HTML.
  function findPicture(picture, pictures) {
    if (typeof picture !== "number") return picture;
    return pictures[picture] ?? document.querySelector(`[data-picture="${picture}"]`).src;
  }

  function unpackRow(packed, index, { corruptions, pictures, restorers }) {
    const [image, status, corruption, restorer, values, reasons, flags, notes, error, views, verdict = ""] = packed;
    const end = image.lastIndexOf("/");
    return {
      index, image, status, reasons, flags, notes, error, verdict,
      folder: image.slice(0, Math.max(0, end)),
      fileName: image.slice(end + 1),
      corruption: corruptions[corruption],
      restorer: restorers[restorer],
      values: values.map((value) => (typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value)),
      views: views && unpackViews(views, (picture) => findPicture(picture, pictures)),
      searchText: [image, error, ...flags].join("\n").toLowerCase(),
    };
  }

  function unpackViews([width, height, ...parts], find) {
    const [thumb, before, after, truth] = parts.slice(0, 4).map(find);
    const [overlays, draws] = parts.slice(4);
    const unpackOverlay = ([key, title, url, low, high]) => ({ key, title, url: find(url), low, high });
    return {
      width, height, before, after, truth,
      thumb: thumb || after,
      draws: draws.map(find),
      overlays: overlays.map(unpackOverlay),
    };
  }

  // Why a value is missing: for a mouse the title of the dash, for keys a tip while the dash has the focus
  function showTip(target) {
    const tip = byId("tip");
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const anchor = target.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const hasSpaceBelow = anchor.bottom + TIP_DISTANCE_PX + size.height < window.innerHeight;
    const left = Math.max(TIP_MARGIN_PX, Math.min(anchor.left, window.innerWidth - size.width - TIP_MARGIN_PX));
    const top = hasSpaceBelow ? anchor.bottom + TIP_DISTANCE_PX : anchor.top - size.height - TIP_DISTANCE_PX;
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }

  function hideTip() {
    byId("tip").hidden = true;
  }

  function startTips() {
    document.addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLElement && target.dataset.tip) showTip(target);
      else hideTip();
    });
    document.addEventListener("scroll", hideTip, true);
  }

  function startCopyButton(button) {
    button.addEventListener("click", () => copyText(byId(button.dataset.copy).textContent, button));
  }

  function openProtocol() {
    for (const protocol of document.querySelectorAll(".protocol")) protocol.setAttribute("open", "");
  }

  // Galleries of pictures over time: one is shown, chosen by a slider, two buttons or the strip. Without this code the
  // strip is a list of links to the pictures.
  function startSlideshow(figure) {
    const image = figure.querySelector(".gallery-shown img");
    image.addEventListener("load", () => enlargeImage(image));
    if (image.complete && image.naturalWidth) enlargeImage(image);
    const strip = figure.querySelector(".gallery-strip");
    if (!strip) return;
    const slideshow = {
      image,
      strip,
      shown: figure.querySelector(".gallery-shown"),
      name: figure.querySelector(".gallery-name"),
      links: [...strip.querySelectorAll("a")],
      slider: figure.querySelector("input"),
      turns: [...figure.querySelectorAll("[data-turn]")],
      play: figure.querySelector("[data-play]"),
      timer: 0,
    };
    slideshow.play.hidden = reducedMotion.matches;
    figure.querySelector(".gallery-bar").hidden = false;
    startSlideshowControls(slideshow);
    showPicture(slideshow, slideshow.links.length - 1);
  }

  function enlargeImage(image) {
    const [width, height] = MAX_ENLARGED_PX;
    const factor = Math.floor(Math.min(width / image.naturalWidth, height / image.naturalHeight));
    image.style.width = factor > 1 ? `${factor * image.naturalWidth}px` : "";
    image.classList.toggle("enlarged", factor > 1);
  }

  function startSlideshowControls(slideshow) {
    const { links, play, slider, turns } = slideshow;
    const choosePicture = (place) => {
      setPlaying(slideshow, false);
      showPicture(slideshow, place);
    };
    slider.addEventListener("input", () => choosePicture(Number(slider.value)));
    play.addEventListener("click", () => setPlaying(slideshow, play.getAttribute("aria-pressed") !== "true"));
    for (const button of turns) {
      button.addEventListener("click", () => choosePicture(Number(slider.value) + Number(button.dataset.turn)));
    }
    for (const [place, link] of links.entries()) {
      link.tabIndex = -1; // by keyboard, the slider does the same
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        choosePicture(place);
      });
    }
  }

  function showPicture(slideshow, place) {
    const { image, links, name, shown, slider, strip, turns } = slideshow;
    const link = links[place];
    if (!link) return;
    for (const other of links) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    slider.value = place;
    slider.setAttribute("aria-valuetext", link.title);
    name.textContent = link.title;
    shown.href = link.href;
    image.src = link.href;
    image.alt = `${slider.getAttribute("aria-label")}, ${link.title}`;
    for (const button of turns) {
      button.setAttribute("aria-disabled", String(!links[place + Number(button.dataset.turn)]));
    }
    scrollStrip(strip, link);
  }

  // scrollIntoView would scroll the page as well
  function scrollStrip(strip, link) {
    const [outer, inner] = [strip.getBoundingClientRect(), link.getBoundingClientRect()];
    if (inner.left < outer.left) strip.scrollLeft -= outer.left - inner.left;
    else if (inner.right > outer.right) strip.scrollLeft += inner.right - outer.right;
  }

  function setPlaying(slideshow, isPlaying) {
    const isLast = () => Number(slideshow.slider.value) === slideshow.links.length - 1;
    clearInterval(slideshow.timer);
    slideshow.play.setAttribute("aria-pressed", String(isPlaying));
    if (!isPlaying) return;
    if (isLast()) showPicture(slideshow, 0);
    slideshow.timer = setInterval(() => {
      showPicture(slideshow, Number(slideshow.slider.value) + 1);
      if (isLast()) setPlaying(slideshow, false);
    }, PLAY_INTERVAL_MS);
  }

  const report = readReport();
  const tables = createTables(dom, report);
  const addresses = createAddresses(report);
  const gallery = createGallery(dom, tables, addresses, report);
  startTips();
  window.addEventListener("beforeprint", openProtocol);
  document.querySelectorAll("[data-copy]").forEach(startCopyButton);
  document.querySelectorAll("table.sortable").forEach(tables.makeSortable);
  document.querySelectorAll("table.sortable").forEach(tables.makeFitting);
  document.querySelectorAll(".gallery").forEach(startSlideshow);
  if (!report.rows.length) return;
  const stage = createStage(dom);
  const viewer = createViewer(dom, tables, addresses, gallery, stage, report);
  const pairs = createPairs(dom, tables, addresses, gallery, report);
  const keys = createKeys(dom, stage, viewer);
  pairs.startPairs();
  gallery.startList();
  keys.startKeys();
  viewer.startViewer();
}
