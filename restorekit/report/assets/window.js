// Only those lines of a long list that can be seen are in the document; space stands in for the others.

const OVERSCAN = 6; // lines drawn before and after what is seen
const PRINTED = 300; // lines that paper gets

function windowOver({ pane, host, lead, tail, height, across, top, make }) {
  const state = { nodes: new Map(), count: 0, printed: false };

  function range() {
    if (state.printed) return [0, Math.min(state.count, PRINTED)];
    const seen = pane.clientHeight || 600;
    const first = Math.max(0, Math.floor((pane.scrollTop - top) / height) - OVERSCAN);
    const last = Math.ceil((pane.scrollTop - top + seen) / height) + OVERSCAN;
    return [first * across(), Math.min(state.count, last * across())];
  }

  function draw() {
    const [from, to] = range();
    for (const [place, node] of state.nodes) {
      if (place < from || place >= to) drop(place, node);
    }
    let after = host.firstElementChild;
    for (let place = from; place < to; place += 1) after = put(place, after);
    lead.style.height = `${(from / across()) * height}px`;
    tail.style.height = `${Math.ceil((state.count - to) / across()) * height}px`;
  }

  function put(place, after) {
    const node = state.nodes.get(place) || make(place);
    state.nodes.set(place, node);
    if (node === after) return after.nextElementSibling;
    host.insertBefore(node, after);
    return after;
  }

  function drop(place, node) {
    if (node.contains(document.activeElement)) pane.focus({ preventScroll: true });
    node.remove();
    state.nodes.delete(place);
  }

  function reset(count) {
    for (const [place, node] of state.nodes) drop(place, node);
    state.count = count;
    pane.scrollTop = 0;
    draw();
  }

  function print(on) {
    state.printed = on;
    draw();
  }

  // Scrolls until a place is seen, and returns its element.
  function reveal(place) {
    const at = Math.floor(place / across()) * height;
    const seen = pane.clientHeight - top;
    if (at < pane.scrollTop) pane.scrollTop = at;
    else if (at + height > pane.scrollTop + seen) pane.scrollTop = at + height - seen;
    draw();
    return state.nodes.get(place);
  }

  const page = () => Math.max(1, Math.floor((pane.clientHeight - top) / height));
  return { nodes: state.nodes, draw, reset, reveal, print, across, page };
}
