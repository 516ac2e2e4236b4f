"""Hairs and fibres that lay on the film, the print or the glass of the scanner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit import Ranged, Rng
from restorekit_vintage.ageing import Marked, Marks, shade
from restorekit_vintage.lattice import TAU, Lattice, Place, only

CELL = 96.0  # pixels a side of a hair's cell
LAYERS = 2
BEND = 2.2  # radians that half a hair may turn by: some are loops almost closed


@dataclass(frozen=True)
class Hairs(Marked):
    """Curled, slightly wavy lines of even width that taper off.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels touched, on average over images, in [0, 0.01].
    width : float or (float, float)
        Typical width, pixels: single hairs have 0.6 to 1.4 times that, and half a pixel of edge to each side.
    bright : float
        Share of hairs that are bright; the others are dark.
    known : bool
        Whether the covered pixels are known and missing; otherwise the hairs are in the picture.
    """

    name: ClassVar[str] = "hairs"

    area: Ranged = field(default=0.003, metadata={"low": 0.0, "high": 0.01, "share": True})
    width: Ranged = field(default=1.0, metadata={"low": 0.5, "high": 3.0, "unit": "pixels"})
    bright: float = field(default=0.6, metadata={"low": 0.0, "high": 1.0, "share": True})
    known: bool = True

    def marks(self, x: Tensor, rng: Rng, amount: Tensor) -> Marks:
        """Return the hairs on x, (B, C, H, W)."""
        area, width = amount * self.draw("area", x, rng) / LAYERS, self.draw("width", x, rng)
        first, second = (self._layer(x, rng, f"{self.name}.{i}", area, width) for i in range(LAYERS))
        return first.over(second)

    def _layer(self, x: Tensor, rng: Rng, name: str, area: Tensor, width: Tensor) -> Marks:
        """Return the hairs of one lattice."""
        turn = TAU * rng.uniform(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at = Lattice(x, rng, name, turn, (CELL, CELL))
        long, bend, thick, there, tone, up, aside, way, a, b = at.numbers(10)
        half, support = CELL / 2 * (0.2 + 0.65 * long), width[:, 0] * (0.6 + 0.8 * thick) + 1
        room = CELL / 2 - half - support
        one = _Hair(
            reach=support / 2,
            half=half,
            radius=half / (BEND * bend.square()).clamp_min(0.02),
            up=(2 * up - 1) * room,
            aside=(2 * aside - 1) * room,
            cos=(TAU * way).cos(),
            sin=(TAU * way).sin(),
            a=TAU * a,
            b=TAU * b,
            light=shade(tone, self.bright),
        )
        centre = only(there < area[:, 0] * CELL**2 / (2 * (half - 2) * support), one.aside)
        return Marks(*at.paint(centre, torch.full_like(width, CELL / 2), _hair, one))


class _Hair(NamedTuple):
    """Numbers of each hair: lengths in pixels, phases in radians."""

    reach: Tensor  # half its width
    half: Tensor  # of its length
    radius: Tensor  # of the circle that it is an arc of
    up: Tensor
    aside: Tensor
    cos: Tensor
    sin: Tensor
    a: Tensor
    b: Tensor
    light: Tensor


def _hair(at: Place, s: _Hair) -> tuple[Tensor, Tensor]:
    """Return how far, and how light, hairs cover pixels: arcs of circles whose radius swings."""
    u, v = at.along - s.up, at.across - s.aside
    u, v = (
        u * s.cos + v * s.sin,
        v * s.cos - u * s.sin + s.radius,
    )  # from the circle's centre; the middle is (0, radius)
    arc = s.radius * torch.atan2(u, v)
    wave = 1.5 * (TAU / 43 * arc + s.a).sin() + 0.7 * (TAU / 19 * arc + s.b).sin()
    away = (torch.hypot(u, v) - s.radius - wave).abs()
    return (s.reach * ((s.half - arc.abs()) / 4).clamp(0, 1) - away).clamp(0, 1), s.light
