// Elements, made of text alone: nothing on this page is ever parsed as HTML.

function byId(id) {
  return document.getElementById(id);
}

function el(tag, settings, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings || {})) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function unseen(text) {
  return el("span", { className: "unseen" }, text);
}

function say(text) {
  byId("said").textContent = text;
}

// A long name shows its beginning and its end: the end tells files of one series apart.
const TAIL = 10;

function named(text) {
  const signs = Array.from(text);
  const tail = signs.length > 2 * TAIL ? signs.splice(-TAIL).join("") : "";
  return el("bdi", { className: "name", title: text },
    el("span", { className: "stem" }, signs.join("")), tail ? el("span", { className: "tail" }, tail) : null);
}

async function copy(text, button) {
  const done = await toClipboard(text);
  const before = button.textContent;
  button.textContent = done ? "Copied" : "Not allowed here";
  say(done ? "Copied" : "The browser does not allow copying here");
  setTimeout(() => { button.textContent = before; }, 1500);
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byCommand(text); // where a page from disk is not trusted with the clipboard
  }
}

function byCommand(text) {
  const area = el("textarea", { value: text, className: "unseen" });
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

function pressed(group, value) {
  for (const input of group.querySelectorAll("input")) input.checked = input.value === value;
}
