"""Dust: specks that kept the light from a print, or lie on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit import Ranged, Rng
from restorekit_vintage.ageing import Marked, Marks, shade
from restorekit_vintage.lattice import TAU, Lattice, Place, only

CELL, LUMP = 16.0, 2.5  # pixels a side of a speck's cell; lumps, and their cells, are this many times as large
SPECKS = 0.75  # share of the area that is specks; the rest is lumps
SMALLEST, SPAN = 0.6, 2.4  # radius in units of the typical one: SMALLEST + SPAN u^3 for uniform u
MEAN_SQUARE = SMALLEST**2 + SMALLEST * SPAN / 2 + SPAN**2 / 7  # of that
OVAL, KNOB = 0.35, 0.15  # how far the outline swings twice and three times around


@dataclass(frozen=True)
class Dust(Marked):
    """Many small specks and a few lumps of uneven outline.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels touched, on average over images, in [0, 0.01].
    size : float or (float, float)
        Typical radius of a speck, pixels: 0.6 to 3 times that, most of them small; of lumps 2.5 times as much.
    bright : float
        Share of specks that are bright, as dust on the negative is; the others are dark.
    known : bool
        Whether the covered pixels are known and missing; otherwise they look dusty.
    """

    name: ClassVar[str] = "dust"

    area: Ranged = field(default=0.005, metadata={"low": 0.0, "high": 0.01, "share": True})
    size: Ranged = field(default=0.8, metadata={"low": 0.6, "high": 1.6, "unit": "pixels"})
    bright: float = field(default=0.8, metadata={"low": 0.0, "high": 1.0, "share": True})
    known: bool = True

    def marks(self, x: Tensor, rng: Rng, amount: Tensor) -> Marks:
        """Return the dust on x, (B, C, H, W)."""
        area, size = amount * self.draw("area", x, rng), self.draw("size", x, rng)
        specks = self._layer(x, rng, "specks", SPECKS * area, size, CELL)
        return specks.over(self._layer(x, rng, "lumps", (1 - SPECKS) * area, LUMP * size, LUMP * CELL))

    def _layer(self, x: Tensor, rng: Rng, name: str, area: Tensor, size: Tensor, cell: float) -> Marks:
        """Return specks of one size."""
        name = f"{self.name}.{name}"
        turn = TAU * rng.uniform(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at = Lattice(x, rng, name, turn, (cell, cell))
        big, up, aside, there, thin, tone, a, b = at.numbers(8)
        radius = size[:, 0] * (SMALLEST + SPAN * big**3)
        own = math.pi * (1 + (OVAL**2 + KNOB**2) / 2) * MEAN_SQUARE * size[:, 0].square()
        room = cell / 2 - (1 + OVAL + KNOB) * radius
        one = _Speck(
            opacity=0.4 + 0.6 * thin,
            radius=radius,
            up=(2 * up - 1) * room,
            aside=(2 * aside - 1) * room,
            cos2=(TAU * a).cos(),
            sin2=(TAU * a).sin(),
            cos3=(TAU * b).cos(),
            sin3=(TAU * b).sin(),
            light=shade(tone, self.bright),
        )
        centre = only(there < area[:, 0] * cell**2 / own, one.aside)
        return Marks(*at.paint(centre, (1 + OVAL + KNOB) * (SMALLEST + SPAN) * size, _speck, one))


class _Speck(NamedTuple):
    """Numbers of each speck: lengths in pixels, and the phases of the outline."""

    opacity: Tensor
    radius: Tensor
    up: Tensor
    aside: Tensor
    cos2: Tensor
    sin2: Tensor
    cos3: Tensor
    sin3: Tensor
    light: Tensor


def _speck(at: Place, s: _Speck) -> tuple[Tensor, Tensor]:
    """Return how far, and how light, specks cover pixels: the outline swings twice and three times around."""
    u, v = at.along - s.up, at.across - s.aside
    away = torch.hypot(u, v).clamp_min(1e-3)
    cos, sin = u / away, v / away
    twice = (cos.square() - sin.square()) * s.cos2 + 2 * cos * sin * s.sin2
    thrice = (4 * cos**3 - 3 * cos) * s.cos3 + (3 * sin - 4 * sin**3) * s.sin3
    return s.opacity * (s.radius * (1 + OVAL * twice + KNOB * thrice) - away).clamp(0, 1), s.light
