"""Marks of dust, hairs, scratches and spots, as film and prints collect them: opaque shapes over the image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged, shape_of
from restorekit.corruptions.mark_shapes import Shape, shapes_of
from restorekit.corruptions.missing import hide

CELL = 64  # pixels a side of the squares that hold the middles of marks
SLOTS = 8  # most marks in a square
NUMBERS = 13  # uniform numbers that describe a mark
LARGEST = 256.0  # longest side of a mark, pixels
SMALLEST = 1 / 8  # of the size of the largest marks of an image: the size of its smallest
FAINTER = 0.4  # of the largest opacity of the marks of an image: by which its faintest marks have less
EDGE = 0.35  # opacity at which hard edges cut a shape off
HARDEST = 16.0  # factor by which opacities around it are spread, at most, so that tiles agree
TONES = ("mixed", "white", "black", "coloured")


class Common(NamedTuple):
    """Values that the marks of an image share: largest size and opacity, tone and softness."""

    size: float
    opacity: float
    tone: float
    softness: float

    @property
    def variety(self) -> float:
        """Share of the usual variety of opacity and tone: 1 for marks with soft edges, less for hard ones."""
        return max((1 + min(self.softness, 0.0)) ** 2, 1 / HARDEST)


class Mark(NamedTuple):
    """A mark on an image: its shape, middle (row, column), side, angle, opacity, edges and colour."""

    shape: Shape
    row: float
    column: float
    side: float
    angle: float
    opacity: float
    softness: float
    hardness: float
    colour: tuple[float, float, float]

    @classmethod
    def of(
        cls, classes: tuple[tuple[Shape, ...], ...], u: list[float], corner: tuple[int, int], common: Common, tone: str
    ) -> Mark:
        """Return the mark that uniform numbers `u` describe, in the cell at `corner`."""
        shapes = classes[int(u[1] * len(classes))]
        shape = shapes[int(u[2] * len(shapes))]
        return cls(
            shape=shape,
            row=corner[0] + CELL * u[3],
            column=corner[1] + CELL * u[4],
            side=min(LARGEST, max(2.0, shape.side(common.size * SMALLEST ** u[5]))),
            angle=2 * math.pi * u[6],
            opacity=common.opacity * (1 - FAINTER * common.variety * u[7] ** 2),
            softness=max(common.softness, 0.0) * u[8],
            hardness=1 / common.variety,
            colour=colour_of(tone, common.tone, u[9:], common.variety),
        )

    def touches(self, height: int, width: int) -> bool:
        """Return whether the mark may reach into an image of that size."""
        reach = self.side / math.sqrt(2) + 2
        return -reach < self.row < height + reach and -reach < self.column < width + reach

    def put(self, y: Tensor, cover: Tensor) -> None:
        """Blend the mark into an image, (C, H, W), and add it to its cover, (H, W), in place."""
        reach = self.side / math.sqrt(2) + 2
        top, left = (max(0, math.floor(middle - reach)) for middle in (self.row, self.column))
        bottom, right = min(y.shape[1], math.ceil(self.row + reach)), min(y.shape[2], math.ceil(self.column + reach))
        if top >= bottom or left >= right:
            return
        pixels = self.shape.at(self.side, self.softness, y.device)
        scale = 2 * max(self.shape.height, self.shape.width) / self.side
        down = (torch.arange(top, bottom, device=y.device) - self.row)[:, None]
        along = (torch.arange(left, right, device=y.device) - self.column)[None]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        grid = torch.stack(
            [
                (along * cos + down * sin) * (scale / self.shape.width),
                (down * cos - along * sin) * (scale / self.shape.height),
            ],
            2,
        )
        opacity = F.grid_sample(pixels[None, None], grid[None], align_corners=False)[0, 0]
        opacity = self.opacity * (EDGE + self.hardness * (opacity - EDGE)).clamp(0, 1)
        window = slice(top, bottom), slice(left, right)
        part, colour = y[:, *window], y.new_tensor(self.colour)
        colour = colour if len(y) == len(colour) else colour.mean().expand(len(y))
        part += opacity * (colour.view(-1, 1, 1) - part)
        cover[window] += opacity * (1 - cover[window])


@dataclass(frozen=True)
class Film(Corruption):
    """Put marks over the image: dust, hairs, scratches, spots, white, black or coloured, of soft or sharp edges.

    Each mark has a shape, a place, a size, an angle, an opacity and a tone of its own. They depend on the absolute
    position in the image only, so that a tile has the marks of the full image.

    Reference: Ivanova, Williamson, Henderson, Computer Graphics Forum 42 (2), Eurographics 2023, who put cut-outs of
    real marks over photographs.

    Parameters
    ----------
    shapes : str
        Folder of gray images, opacity in white on black; folders in it are classes, drawn equally often. Empty: blobs,
        hairs and scratches drawn by the program.
    density : float or (float, float)
        Marks per megapixel, drawn once for each image.
    size : float or (float, float)
        Size of the largest marks of an image, pixels: the side of a square that covers as much. The others are
        smaller, down to an eighth. A hair of size 10 is about 90 pixels long.
    opacity : float or (float, float)
        Largest opacity of the marks, drawn once for each image; a mark may have 40 % less.
    tone : {"mixed", "white", "black", "coloured"}
        "white" as dust on a negative, "black" as dust on a slide or print, "coloured" as scratches in one layer of the
        emulsion; "mixed" draws one for each image, or both white and black.
    known : bool
        Whether the marks are known, so that values under them are missing and all others exact.
    softness : float or (float, float)
        Of the edges, drawn once for each image: 1 blurs them by up to a factor of two in resolution, 0 leaves them as
        the shapes have them, -1 makes them hard, and the marks uniformly opaque and purely white or black.
    """

    name: ClassVar[str] = "film"

    shapes: str = ""
    density: Ranged = field(default=(20.0, 600.0), metadata={"low": 0.0, "high": 1900.0, "unit": "per megapixel"})
    size: Ranged = field(default=(6.0, 30.0), metadata={"low": 1.0, "high": 160.0, "unit": "pixels"})
    opacity: Ranged = field(default=(0.4, 1.0), metadata={"low": 0.05, "high": 1.0, "share": True})
    tone: str = field(default="mixed", metadata={"choices": TONES})
    known: bool = False
    softness: Ranged = field(default=(-1.0, 1.0), metadata={"low": -1.0, "high": 1.0})

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """Whether the marks are known, so that values are missing and nothing else happens."""
        return self.known

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Put marks on x, (B, C, H, W)."""
        y, cover = x.clone(), x.new_zeros(len(x), 1, *x.shape[2:])
        for image, marks in enumerate(self._marks(x, rng)):
            for mark in marks:
                mark.put(y[image], cover[image, 0])
        if self.known:
            return hide(x, cover <= 0)
        observed = x.new_ones(cover.shape, dtype=torch.bool)
        return Observation(y, observed, shape_of(x), direct=False, marks=cover)

    def _marks(self, x: Tensor, rng: Rng) -> list[list[Mark]]:
        """Return the marks that may touch each image of x, (B, C, H, W), in the order in which they are put on."""
        b, _, h, w = x.shape
        classes, reach = shapes_of(self.shapes), math.ceil(LARGEST / math.sqrt(2)) + 1
        names = "density", "size", "opacity", "softness"
        density, size, opacity, softness = (self.draw(name, x, rng).flatten().tolist() for name in names)
        tone = rng.uniform("film.tone", (b, 1, 1, 1), "cpu").flatten().tolist()
        origins = rng.origins or ((0, 0),) * b
        rows, columns = (2 + (side + 2 * reach) // CELL for side in (h, w))
        cells = rng.before(reach).uniform("film.marks", (b, SLOTS * NUMBERS, rows, columns), "cpu", CELL)
        found: list[list[Mark]] = []
        for i, (top, left) in enumerate(origins):
            chance = density[i] * CELL**2 / 1e6 / SLOTS
            numbers = cells[i].view(SLOTS, NUMBERS, rows, columns).permute(2, 3, 0, 1)
            first = [(side - reach) // CELL * CELL - side if rng.keys is not None else -reach for side in (top, left)]
            present = (numbers[..., 0] < chance).nonzero().tolist()
            common = Common(size[i], opacity[i], tone[i], softness[i])
            places = [(first[0] + r * CELL, first[1] + c * CELL) for r, c, _ in present]
            drawn = [numbers[r, c, s].tolist() for r, c, s in present]
            marks = [Mark.of(classes, u, at, common, self.tone) for u, at in zip(drawn, places, strict=True)]
            found.append([mark for mark in marks if mark.touches(h, w)])
        return found


def colour_of(name: str, image: float, u: list[float], variety: float = 1.0) -> tuple[float, float, float]:
    """Return the colour of a mark, by the tone of all marks of its image, a uniform number, and numbers of its own.

    Whites and blacks have the `variety` of their image, 0 to 1.
    """
    if name == "mixed":  # white, black, both, coloured
        name = "white" if image < 0.4 else "black" if image < 0.7 else "coloured" if image > 0.9 else ""
        name = name or ("white" if u[0] < 0.5 else "black")
    if name == "coloured":
        return u[1], u[2], u[3]
    away = 0.25 * variety * u[1] ** 2
    gray, tint = (1 - away, -0.1 * variety) if name == "white" else (away, 0.1 * variety)
    return gray, gray * (1 + tint * u[2] / 2), gray * (1 + tint * u[2])  # paper yellows, dirt is warm
