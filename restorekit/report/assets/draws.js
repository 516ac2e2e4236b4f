// The other pictures that it could have been: a strip, steps from one to the next, and a flicker between them.

const BEAT = 400; // milliseconds that a draw is seen: under three a second, as WCAG 2.3.1 asks for
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
let beating = 0;

function fillDraws() {
  const draws = current.row.views.draws;
  byId("strip").hidden = !draws.length;
  byId("draws").replaceChildren(...draws.map((url, i) => {
    const title = `Draw ${i + 1}`;
    const picture = el("img", { loading: "lazy", decoding: "async", alt: "", src: url });
    const button = el("button", { type: "button", "aria-label": title, title, onclick: () => chooseDraw(i) }, picture);
    return el("li", {}, button);
  }));
  drawStill();
}

function drawAt() {
  return shownNow.right.startsWith("draw ") ? Number(shownNow.right.slice(5)) - 1 : -1;
}

function drawDraws() {
  byId("draws").querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === drawAt())));
}

function chooseDraw(i) {
  chooseSide("right", `draw ${i + 1}`);
  if (shownNow.mode === "single") setFront("b");
}

function stepDraw(by) {
  const count = current.row.views?.draws.length || 0;
  if (!count) return;
  const at = drawAt();
  chooseDraw(at < 0 ? (by > 0 ? 0 : count - 1) : (at + by + count) % count);
}

function flicker(on) {
  clearInterval(beating);
  const go = on && !still.matches && current.row?.views?.draws.length > 1;
  beating = go ? setInterval(() => stepDraw(1), BEAT) : 0;
  byId("flicker").setAttribute("aria-pressed", String(Boolean(go)));
  byId("flicker").textContent = go ? "Stop" : "Flicker";
}

function drawStill() {
  const few = (current.row?.views?.draws.length || 0) < 2;
  byId("flicker").disabled = still.matches || few;
  byId("still").hidden = !still.matches;
  if (still.matches) flicker(false);
}

function startDraws() {
  byId("flicker").addEventListener("click", () => flicker(!beating));
  byId("draw-prev").addEventListener("click", () => stepDraw(-1));
  byId("draw-next").addEventListener("click", () => stepDraw(1));
  still.addEventListener("change", drawStill);
}
