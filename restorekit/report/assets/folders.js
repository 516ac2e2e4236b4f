// The tree of folders that the names of images make. Branches are drawn when they are opened: there may be thousands.

function treeOf(places) {
  const root = { path: "", title: "All folders", children: new Map() };
  for (const place of places) {
    let node = root;
    for (const part of place ? place.split("/") : []) {
      const path = node.path ? `${node.path}/${part}` : part;
      if (!node.children.has(part)) node.children.set(part, { path, title: part, children: new Map() });
      node = node.children.get(part);
    }
  }
  return root;
}

const drawn = new Map(); // path -> where its count stands

function folderFacet() {
  const places = new Set(rows.map(placeOf));
  if (places.size < 2) return null;
  const root = treeOf(places);
  const list = el("ul", { className: "tree" }, branch(root, true));
  facets.push(countFolders);
  return el("fieldset", {}, el("legend", {}, "Folder"), list);
}

function branch(node, open) {
  const count = el("span", { className: "count" });
  drawn.set(node.path, count);
  const radio = el("input", { type: "radio", name: "folder", value: node.path, defaultChecked: !node.path });
  radio.addEventListener("change", () => choose(node));
  const label = el("label", {}, radio, " ", el("bdi", { className: "choice-name", title: node.title }, node.title), count);
  if (!node.children.size) return el("li", { className: "leaf" }, label);
  const opener = el("button", { type: "button", className: "opener", "aria-label": `Folders in ${node.title}` });
  const item = el("li", {}, opener, label);
  opener.addEventListener("click", () => unfold(node, item, opener, !isOpen(opener)));
  unfold(node, item, opener, open);
  return item;
}

function choose(node) {
  asked.folder = node.path || null;
  refresh();
}

function isOpen(opener) {
  return opener.getAttribute("aria-expanded") === "true";
}

function unfold(node, item, opener, open) {
  opener.setAttribute("aria-expanded", String(open));
  let list = item.querySelector(":scope > ul");
  if (open && !list) {
    const sorted = [...node.children.values()].sort((a, b) => names.compare(a.title, b.title));
    list = el("ul", {}, ...sorted.map((child) => branch(child, false)));
    item.append(list);
    if (facets.length) countFolders();
  }
  if (list) list.hidden = !open;
}

function countFolders() {
  const totals = new Map();
  for (const [place, count] of countsOf("folder", placeOf)) {
    for (let path = place; ; path = path.slice(0, Math.max(0, path.lastIndexOf("/")))) {
      totals.set(path, (totals.get(path) || 0) + count);
      if (!path) break;
    }
  }
  for (const [path, count] of drawn) count.textContent = (totals.get(path) || 0).toLocaleString("en");
}
