/**
 * Create the helpers that all other files use: elements, numbers, the clipboard and long lists.
 * Elements are made of text alone; nothing on the page is ever parsed as HTML.
 *
 * @returns The helpers.
 */
function createDom() {
  const DASH = "–";
  const MINUS = "−";
  const NAME_END_LENGTH = 10; // characters
  const OVERSCAN_LINES = 6; // drawn before the first and after the last visible line of a list
  const MAX_PRINTED_ITEMS = 300;
  const COPY_NOTE_MS = 1500;
  const collator = new Intl.Collator("en", { numeric: true });
  const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * Return the element with an id.
   *
   * @param {string} id
   * @returns {any} The element, of whatever class; null if there is none.
   */
  function byId(id) {
    return document.getElementById(id);
  }

  /**
   * Create an element.
   *
   * @param {string} tag
   * @param {Object<string, *>} settings  Properties, and attributes where the element has no such property.
   * @param {...(Node|string|null)} children  Null is left out.
   * @returns {any} The element.
   */
  function createElement(tag, settings, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(settings)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  /**
   * Create a text for screen readers alone.
   *
   * @param {string} text
   * @returns {HTMLElement}
   */
  function createHiddenText(text) {
    return createElement("span", { className: "visually-hidden" }, text);
  }

  /**
   * Create a name that is shortened in its middle: the end tells files of one series from each other.
   *
   * @param {string} text
   * @returns {HTMLElement}
   */
  function createName(text) {
    const characters = Array.from(text);
    const end = characters.length > 2 * NAME_END_LENGTH ? characters.splice(-NAME_END_LENGTH).join("") : "";
    return createElement("bdi", { className: "name", title: text },
      createElement("span", { className: "stem" }, characters.join("")),
      end ? createElement("span", { className: "tail" }, end) : null);
  }

  /**
   * Announce a text to screen readers.
   *
   * @param {string} text
   */
  function announce(text) {
    byId("said").textContent = text;
  }

  /**
   * Check the radio button that has a value.
   *
   * @param {HTMLElement} group
   * @param {string} value
   */
  function checkRadio(group, value) {
    for (const input of group.querySelectorAll("input")) input.checked = input.value === value;
  }

  /**
   * Add a value to a set or remove it.
   *
   * @param {Set<*>} set
   * @param {*} value
   * @param {boolean} isMember
   */
  function setMember(set, value, isMember) {
    if (isMember) set.add(value);
    else set.delete(value);
  }

  /**
   * Compare texts in alphabetical order; digits count as numbers.
   *
   * @param {string} a
   * @param {string} b
   * @returns {number} Negative if a comes first, positive if b does.
   */
  function compareTexts(a, b) {
    return collator.compare(a, b);
  }

  /**
   * Format a number as restorekit does in Python; one that would round to zero keeps two digits.
   *
   * @param {number} value
   * @param {number} decimals
   * @returns {string}
   */
  function formatNumber(value, decimals) {
    if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
    const roundsToZero = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
    return (roundsToZero ? formatExponential(value) : value.toFixed(decimals)).replaceAll("-", MINUS);
  }

  function formatExponential(value) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }

  /**
   * Format a count, with commas between thousands.
   *
   * @param {number} count
   * @param {string} [noun]  In the singular; the plural adds an s.
   * @returns {string}
   */
  function formatCount(count, noun = "") {
    const text = count.toLocaleString("en");
    return noun ? `${text} ${noun}${count === 1 ? "" : "s"}` : text;
  }

  /**
   * Copy a text to the clipboard, and say on a button whether that was possible.
   *
   * @param {string} text
   * @param {HTMLElement} button
   * @returns {Promise<void>}
   */
  async function copyText(text, button) {
    const isCopied = await writeClipboard(text);
    const label = button.textContent;
    button.textContent = isCopied ? "Copied" : "Not allowed here";
    announce(isCopied ? "Copied" : "The browser does not allow copying here");
    setTimeout(() => { button.textContent = label; }, COPY_NOTE_MS);
  }

  async function writeClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copySelection(text); // some browsers deny the clipboard to a page that is opened from disk
    }
  }

  function copySelection(text) {
    const area = createElement("textarea", { value: text, className: "visually-hidden" });
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }

  /**
   * Create a list of which only the visible lines are in the document; empty space replaces the others.
   *
   * @param {object} settings
   * @param {HTMLElement} settings.pane  Scrolls.
   * @param {HTMLElement} settings.host  Holds the items.
   * @param {HTMLElement} settings.lead  Stands for the lines before the visible ones.
   * @param {HTMLElement} settings.tail  Stands for the lines after them.
   * @param {number} settings.height  Of one line, CSS pixels.
   * @param {number} settings.top  Height of what covers the top of the pane, CSS pixels.
   * @param {() => number} settings.countAcross  Returns the number of items in a line.
   * @param {(place: number) => HTMLElement} settings.createItem
   * @returns The list: its items in the document by place, and its functions.
   */
  function createVirtualList({ pane, host, lead, tail, height, top, countAcross, createItem }) {
    const items = new Map();
    let count = 0;
    let isPrinting = false;

    function findRange() {
      if (isPrinting) return [0, Math.min(count, MAX_PRINTED_ITEMS)];
      const visible = pane.clientHeight || 600;
      const first = Math.max(0, Math.floor((pane.scrollTop - top) / height) - OVERSCAN_LINES);
      const last = Math.ceil((pane.scrollTop - top + visible) / height) + OVERSCAN_LINES;
      return [first * countAcross(), Math.min(count, last * countAcross())];
    }

    function draw() {
      const [from, to] = findRange();
      for (const place of items.keys()) {
        if (place < from || place >= to) removeItem(place);
      }
      let next = host.firstElementChild;
      for (let place = from; place < to; place += 1) next = placeItem(place, next);
      lead.style.height = `${(from / countAcross()) * height}px`;
      tail.style.height = `${Math.ceil((count - to) / countAcross()) * height}px`;
    }

    function placeItem(place, next) {
      const item = items.get(place) || createItem(place);
      items.set(place, item);
      if (item === next) return next.nextElementSibling;
      host.insertBefore(item, next);
      return next;
    }

    function removeItem(place) {
      const item = items.get(place);
      if (item.contains(document.activeElement)) pane.focus({ preventScroll: true });
      item.remove();
      items.delete(place);
    }

    function reset(newCount) {
      for (const place of items.keys()) removeItem(place);
      count = newCount;
      pane.scrollTop = 0;
      draw();
    }

    function setPrinting(printing) {
      isPrinting = printing;
      draw();
    }

    function scrollTo(place) {
      const start = Math.floor(place / countAcross()) * height;
      const visible = pane.clientHeight - top;
      if (start < pane.scrollTop) pane.scrollTop = start;
      else if (start + height > pane.scrollTop + visible) pane.scrollTop = start + height - visible;
      draw();
      return items.get(place);
    }

    function countPage() {
      return Math.max(1, Math.floor((pane.clientHeight - top) / height)) * countAcross();
    }

    return { items, countAcross, countPage, draw, reset, scrollTo, setPrinting };
  }

  return {
    DASH,
    MAX_PRINTED_ITEMS,
    announce,
    byId,
    checkRadio,
    compareTexts,
    copyText,
    createElement,
    createHiddenText,
    createName,
    createVirtualList,
    formatCount,
    formatNumber,
    reducedMotion,
    setMember,
  };
}
