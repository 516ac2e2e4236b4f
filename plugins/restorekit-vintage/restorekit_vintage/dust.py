"""Dust: specks that kept the light from a print, or lie on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Ranged
from restorekit.noise import Noise
from restorekit_vintage.ageing import Marked, Marks, shade
from restorekit_vintage.lattice import TAU, Lattice

CELL, LUMP = 16.0, 3.0  # pixels a side of a speck's cell; lumps, and their cells, are this many times as large
SMALLEST, SPAN = 0.5, 2.5  # radius in units of the typical one: SMALLEST + SPAN u^3 for uniform u
MEAN_SQUARE = SMALLEST**2 + SMALLEST * SPAN / 2 + SPAN**2 / 7  # of that
OVAL, KNOB = 0.3, 0.15  # how far the outline swings twice and three times around


@dataclass(frozen=True)
class Dust(Marked):
    """Many small specks and a few lumps of uneven outline.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels touched, on average over images, in [0, 0.02].
    size : float or (float, float)
        Typical radius of a speck, pixels: 0.5 to 3 times that, most of them small; of lumps three times as much.
    bright : float
        Share of specks that are bright, as dust on the negative is; the others are dark.
    known : bool
        Whether it is told which pixels are touched; otherwise they look dusty.
    """

    name: ClassVar[str] = "dust"

    area: Ranged = field(default=0.005, metadata={"low": 0.0, "high": 0.02, "share": True})
    size: Ranged = field(default=1.0, metadata={"low": 0.8, "high": 1.6, "unit": "pixels"})
    bright: float = field(default=0.8, metadata={"low": 0.0, "high": 1.0, "share": True})
    known: bool = True

    def marks(self, x: Tensor, noise: Noise, amount: Tensor) -> Marks:
        """Return the dust on x, (B, C, H, W)."""
        area, size = amount * self.draw("area", x, noise), self.draw("size", x, noise)
        specks = self._layer(x, noise, "specks", 2 / 3 * area, size, CELL)
        return specks.over(self._layer(x, noise, "lumps", area / 3, LUMP * size, LUMP * CELL))

    def _layer(self, x: Tensor, noise: Noise, name: str, area: Tensor, size: Tensor, cell: float) -> Marks:
        """Return specks of one size."""
        name = f"{self.name}.{name}"
        turn = TAU * noise.uniform(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at = Lattice(x, noise, name, turn, (cell, cell), (cell, cell))
        big, up, aside, there, tone, *phases = at.numbers(7)
        radius = size[:, 0] * (SMALLEST + SPAN * big**3)
        own = math.pi * (1 + (OVAL**2 + KNOB**2) / 2) * MEAN_SQUARE * size[:, 0].square()
        room, chance = cell / 2 - (1 + OVAL + KNOB) * radius, area[:, 0] * cell**2 / own
        places = ((2 * u - 1) * room for u in (up, aside))
        waves = (wave for p in phases for wave in ((TAU * p).cos(), (TAU * p).sin()))
        return Marks(*at.paint(there < chance, _speck, radius, *places, *waves, shade(tone, self.bright)))


def _speck(
    pixels: Tensor,
    along: Tensor,
    across: Tensor,
    radius: Tensor,
    up: Tensor,
    aside: Tensor,
    cos2: Tensor,
    sin2: Tensor,
    cos3: Tensor,
    sin3: Tensor,
    light: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return how far, and how light, a speck covers pixels: its outline swings twice and three times around."""
    u, v = along - up, across - aside
    away = torch.hypot(u, v).clamp_min(1e-3)
    cos, sin = u / away, v / away
    twice = (cos.square() - sin.square()) * cos2 + 2 * cos * sin * sin2
    thrice = (4 * cos**3 - 3 * cos) * cos3 + (3 * sin - 4 * sin**3) * sin3
    return (radius * (1 + OVAL * twice + KNOB * thrice) - away).clamp(0, 1), light
