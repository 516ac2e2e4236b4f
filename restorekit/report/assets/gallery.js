// Pictures over time: one of each gallery is shown, and a slider, two buttons or the strip say which.
// Without this code the strip is a list of links to the pictures.

const GALLERY_PACE = 700; // milliseconds for which a picture is shown while they play
const GALLERY_ROOM = [560, 720]; // width and height up to which small pictures are enlarged, by a whole factor

function galleryShow(gallery, place) {
  const link = gallery.links[place];
  for (const other of gallery.links) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  gallery.slider.value = place;
  gallery.slider.setAttribute("aria-valuetext", link.title);
  gallery.name.textContent = link.title;
  gallery.shown.href = link.href;
  gallery.image.src = link.href;
  gallery.image.alt = `${gallery.slider.getAttribute("aria-label")}, ${link.title}`;
  for (const button of gallery.turns) {
    button.setAttribute("aria-disabled", String(!gallery.links[place + Number(button.dataset.turn)]));
  }
  galleryReveal(gallery.strip, link);
}

// Scrolls the strip alone: scrollIntoView would move the page as well.
function galleryReveal(strip, link) {
  const [outer, inner] = [strip.getBoundingClientRect(), link.getBoundingClientRect()];
  if (inner.left < outer.left) strip.scrollLeft -= outer.left - inner.left;
  else if (inner.right > outer.right) strip.scrollLeft += inner.right - outer.right;
}

function galleryTurn(gallery, by) {
  const place = Number(gallery.slider.value) + by;
  if (gallery.links[place]) galleryShow(gallery, place);
}

function galleryPlay(gallery, on) {
  clearInterval(gallery.timer);
  gallery.play.setAttribute("aria-pressed", String(on));
  if (!on) return;
  if (Number(gallery.slider.value) === gallery.links.length - 1) galleryShow(gallery, 0);
  gallery.timer = setInterval(() => {
    galleryTurn(gallery, 1);
    if (Number(gallery.slider.value) === gallery.links.length - 1) galleryPlay(gallery, false);
  }, GALLERY_PACE);
}

function galleryEnlarge(image) {
  const factor = Math.floor(Math.min(GALLERY_ROOM[0] / image.naturalWidth, GALLERY_ROOM[1] / image.naturalHeight));
  image.style.width = factor > 1 ? `${factor * image.naturalWidth}px` : "";
  image.classList.toggle("enlarged", factor > 1);
}

function galleryListen(gallery) {
  const choose = (place) => {
    galleryPlay(gallery, false);
    galleryShow(gallery, place);
  };
  gallery.slider.addEventListener("input", () => choose(Number(gallery.slider.value)));
  gallery.play.addEventListener("click", () => galleryPlay(gallery, gallery.play.getAttribute("aria-pressed") !== "true"));
  for (const button of gallery.turns) {
    button.addEventListener("click", () => {
      galleryPlay(gallery, false);
      galleryTurn(gallery, Number(button.dataset.turn));
    });
  }
  for (const [place, link] of gallery.links.entries()) {
    link.tabIndex = -1; // the slider has the same by keyboard
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(place);
    });
  }
}

function startGallery(figure) {
  const image = figure.querySelector(".gallery-shown img");
  image.addEventListener("load", () => galleryEnlarge(image));
  if (image.complete && image.naturalWidth) galleryEnlarge(image);
  const strip = figure.querySelector(".gallery-strip");
  if (!strip) return;
  const gallery = {
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
  gallery.play.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  figure.querySelector(".gallery-bar").hidden = false;
  galleryListen(gallery);
  galleryShow(gallery, gallery.links.length - 1);
}

for (const figure of document.querySelectorAll(".gallery")) startGallery(figure);
