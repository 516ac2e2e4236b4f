"""Scratches: thin lines along which the emulsion was torn off or pressed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch import Tensor

from restorekit import Ranged, Rng
from restorekit_vintage.ageing import Marked, Marks, shade
from restorekit_vintage.lattice import TAU, Lattice, Place, only

LAYERS = 3  # directions in one picture
CELLS = {"any": (180.0, 32.0), "vertical": (4096.0, 32.0)}  # length and breadth; a scratch lies within its cell, pixels
SWAY = 4.7  # pixels to each side that a scratch may wander
LEAN = 0.006  # radians, standard deviation, by which film ran askew
THINNEST, THICKEST = 0.4, 2.0  # of the typical width
BOWS = {"any": (150.0, 400.0), "vertical": (300.0, 900.0)}  # wavelengths of the slow wander, pixels
BREAKS = 0.3  # of them: wavelength at which a scratch grows thin


@dataclass(frozen=True)
class Scratches(Marked):
    """Thin scratches of changing width, slightly bent, that break off and begin again.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels touched, on average over images, in [0, 0.02].
    width : float or (float, float)
        Typical width, pixels: single scratches have 0.4 to 2 times that, and half a pixel of edge to each side.
    bright : float
        Share of scratches that are bright, torn to the paper; the others are dark.
    direction : {"any", "vertical"}
        "vertical" as film gets them in the projector, over the full height; "any" are shorter, three directions a
        picture.
    known : bool
        Whether the covered pixels are known and missing; otherwise they look scratched.
    """

    name: ClassVar[str] = "scratches"

    area: Ranged = field(default=0.01, metadata={"low": 0.0, "high": 0.02, "share": True})
    width: Ranged = field(default=1.0, metadata={"low": 0.3, "high": 4.0, "unit": "pixels"})
    bright: float = field(default=0.8, metadata={"low": 0.0, "high": 1.0, "share": True})
    direction: str = field(default="any", metadata={"choices": ("any", "vertical")})
    known: bool = True

    def marks(self, x: Tensor, rng: Rng, amount: Tensor) -> Marks:
        """Return the scratches on x, (B, C, H, W)."""
        area, width = amount * self.draw("area", x, rng) / LAYERS, self.draw("width", x, rng)
        layers = [self._layer(x, rng, f"{self.name}.{i}", area, width) for i in range(LAYERS)]
        return layers[0].over(layers[1]).over(layers[2])

    def _layer(self, x: Tensor, rng: Rng, name: str, area: Tensor, width: Tensor) -> Marks:
        """Return the scratches of one direction."""
        length, breadth = CELLS[self.direction]
        lean = rng.normal(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at = Lattice(x, rng, name, lean * (LEAN if self.direction == "vertical" else TAU), (length, breadth))
        there, tone, *numbers = at.numbers(14)
        one = _drawn(numbers, width[:, 0], self.direction, shade(tone, self.bright))
        own = 4 * (one.half - 2) * one.reach * (1 - one.gaps / 2)  # pixels
        centre = only(there < area[:, 0] * length * breadth / own, one.offset)
        return Marks(*at.paint(centre, SWAY + 1 + THICKEST * width / 2, _scratch, one))


class _Scratch(NamedTuple):
    """Numbers of each scratch: lengths in pixels, phases and waves in radians."""

    opacity: Tensor
    reach: Tensor  # half its width
    gaps: Tensor  # how thin it grows here and there: 1 until it breaks off
    half: Tensor  # of its length
    middle: Tensor
    offset: Tensor
    slow: Tensor
    breaks: Tensor
    bend: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    light: Tensor


def _drawn(numbers: list[Tensor], width: Tensor, direction: str, light: Tensor) -> _Scratch:
    """Return a scratch for each cell, (B, 1, cells), by twelve uniform numbers of it and the width, (B, 1, 1)."""
    long, place, thick, gaps, faint, side, bow, bend, breaks, *phases = numbers
    (length, breadth), (shortest, longest) = CELLS[direction], BOWS[direction]
    half = length / 2 * (0.25 + 0.7 * long)
    support = width * (THINNEST + (THICKEST - THINNEST) * thick**3) + 1  # with its edges
    return _Scratch(
        opacity=0.5 + 0.5 * faint,
        reach=support / 2,
        gaps=gaps,
        half=half,
        middle=(2 * place - 1) * (length / 2 - half),
        offset=(2 * side - 1) * (breadth / 2 - SWAY - 1 - support / 2),
        slow=TAU / (shortest + (longest - shortest) * bow),
        breaks=TAU / BREAKS / (shortest + (longest - shortest) * breaks),
        bend=bend.square(),
        a=TAU * phases[0],
        b=TAU * phases[1],
        c=TAU * phases[2],
        light=light,
    )


def _scratch(at: Place, s: _Scratch) -> tuple[Tensor, Tensor]:
    """Return how far, and how light, scratches cover pixels: they wander, and are ragged and broken."""
    along = at.along - s.middle
    wander = s.bend * (4 * (s.slow * along + s.a).sin() + 0.7 * (TAU / 27 * along + s.b).sin())
    thinning = 0.5 + 1.5 * ((s.breaks * along + s.c).sin() + 0.7 * (3.7 * s.breaks * along + s.a).sin())
    ragged = 1 + 0.12 * ((TAU / 5.3 * along + s.c).sin() + (TAU / 8.7 * along + s.b).sin())
    reach = s.reach * ragged * (1 - s.gaps * thinning.clamp(0, 1)) * ((s.half - along.abs()) / 2).clamp(0, 1)
    return s.opacity * (reach - (at.across - s.offset - wander).abs()).clamp(0, 1), s.light
