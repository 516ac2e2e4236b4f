"""Scratches: thin lines along which the emulsion was torn off or pressed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit.contracts import Ranged
from restorekit.noise import Noise
from restorekit_vintage.ageing import Marked, Marks, shade
from restorekit_vintage.lattice import TAU, Lattice

LAYERS = 3  # directions in one picture
CELLS = {"any": (180.0, 32.0), "vertical": (4096.0, 32.0)}  # length and breadth; a scratch lies within its cell, pixels
BOWS = {"any": (150.0, 400.0), "vertical": (300.0, 900.0)}  # wavelengths of the slow wander, pixels


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
        "vertical" as film gets them in the projector, over the whole height; "any" are shorter, three directions a
        picture.
    known : bool
        Whether it is told which pixels are touched; otherwise they look scratched.
    """

    name: ClassVar[str] = "scratches"

    area: Ranged = field(default=0.01, metadata={"low": 0.0, "high": 0.02, "share": True})
    width: Ranged = field(default=1.0, metadata={"low": 0.3, "high": 4.0, "unit": "pixels"})
    bright: float = field(default=0.8, metadata={"low": 0.0, "high": 1.0, "share": True})
    direction: str = field(default="any", metadata={"choices": ("any", "vertical")})
    known: bool = True

    def marks(self, x: Tensor, noise: Noise, amount: Tensor) -> Marks:
        """Return the scratches on x, (B, C, H, W)."""
        area, width = amount * self.draw("area", x, noise) / LAYERS, self.draw("width", x, noise)
        layers = [self._layer(x, noise, f"{self.name}.{i}", area, width) for i in range(LAYERS)]
        return layers[0].over(layers[1]).over(layers[2])

    def _layer(self, x: Tensor, noise: Noise, name: str, area: Tensor, width: Tensor) -> Marks:
        """Return the scratches of one direction."""
        (length, breadth), bows = CELLS[self.direction], BOWS[self.direction]
        lean = noise.normal(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        turn = lean * (0.006 if self.direction == "vertical" else TAU)
        at = Lattice(x, noise, name, turn, (length, breadth), (length, breadth))
        long, place, there, thick, gaps, tone, side, torn, *phases, bow = at.numbers(12)
        half = length / 2 * (0.25 + 0.7 * long)
        support = width[:, 0] * (0.4 + 1.6 * thick**3) + 1  # with its edges
        own = 2 * (half - 2) * support * (1 - gaps / 2)
        chance, opacity = area[:, 0] * length * breadth / own, 0.5 + 0.5 * tone
        middle, room = (2 * place - 1) * (length / 2 - half), breadth / 2 - 6 - support / 2
        slow = TAU / (bows[0] + (bows[1] - bows[0]) * bow)
        tables = (
            opacity,
            half,
            middle,
            (2 * side - 1) * room,
            support / 2,
            gaps,
            slow,
            *phases,
            shade(torn, self.bright),
        )
        return Marks(*at.paint(there < chance, _scratch, *tables))


def _scratch(
    pixels: Tensor,
    along: Tensor,
    across: Tensor,
    opacity: Tensor,
    half: Tensor,
    middle: Tensor,
    offset: Tensor,
    reach: Tensor,
    gaps: Tensor,
    slow: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    light: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return how far, and how light, a scratch covers pixels: it wanders, and grows thin here and there."""
    along = along - middle
    wander = 4 * (slow * along + TAU * a).sin() + 0.6 * (TAU / 27 * along + TAU * b).sin()
    thinning = 0.5 + 1.5 * ((TAU / 61 * along + TAU * c).sin() + 0.7 * (TAU / 17 * along + TAU * a).sin())
    reach = reach * (1 - gaps * thinning.clamp(0, 1)) * ((half - along.abs()) / 2).clamp(0, 1)
    return opacity * (reach - (across - offset - wander).abs()).clamp(0, 1), light
