"""Creases: folds along which the paper catches the light and the emulsion cracks off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit import Ranged, Rng
from restorekit.corruptions import smeared
from restorekit_vintage.ageing import Marked, Marks
from restorekit_vintage.lattice import TAU, Lattice, Place, only

CLOSEST, LENGTH = 40.0, 1500.0  # pixels between folds, and along one until it ends
CRUMB = 1.2  # standard deviation, pixels, of the smoothing that makes flakes of white noise
RATHER = 0.6  # standard deviations by which the emulsion on the fold itself is rather gone than not
SWAY = 3.8  # pixels to each side that a fold may wander
CRACK = 0.5  # share of the picture that the crack along the full fold covers
EDGE = 1.5  # pixels over which light turns to shade
REACH = 0.04  # of the spacing: how far the relief goes to each side, at 1 / e


@dataclass(frozen=True)
class Creases(Marked):
    """Long folds: lit on one side, in the shade on the other, with a ragged line of lost flakes in between.

    Parameters
    ----------
    spacing : float or (float, float)
        Pixels between two folds of one direction; a picture has two directions.
    width : float or (float, float)
        Mean width of the ragged line along the crack, pixels: within it most of the emulsion is gone.
    relief : float or (float, float)
        By how much the two sides are lighter and darker, on the [0, 1] scale. It stays in y.
    known : bool
        Whether the places without emulsion are known and missing; otherwise the paper is visible there.
    """

    name: ClassVar[str] = "creases"

    spacing: Ranged = field(default=200.0, metadata={"low": CLOSEST, "high": 4000.0, "unit": "pixels"})
    width: Ranged = field(default=2.0, metadata={"low": 0.5, "high": 8.0, "unit": "pixels"})
    relief: Ranged = field(default=0.1, metadata={"low": 0.0, "high": 0.5})
    known: bool = True

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """Whether values go missing and no other thing happens: there is no relief."""
        return self.known and self.relief == 0

    def marks(self, x: Tensor, rng: Rng, amount: Tensor) -> Marks:
        """Return the folds of x, (B, C, H, W)."""
        flakes = rng.normal("creases.flakes", (len(x), 1, *x.shape[2:]), x.device)
        flakes = smeared(flakes, x.new_full((len(x), 1, 1, 1), CRUMB)).flatten()
        first, second = (self._direction(x, rng, f"{self.name}.{i}", amount, flakes) for i in range(2))
        return first.over(second)

    def _direction(self, x: Tensor, rng: Rng, name: str, amount: Tensor, flakes: Tensor) -> Marks:
        """Return the folds of one direction."""
        spacing, width, relief = (self.draw(key, x, rng) for key in ("spacing", "width", "relief"))
        turn = TAU * rng.uniform(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at, fades = Lattice(x, rng, name, turn, (LENGTH, spacing), CLOSEST), (REACH * spacing).clamp(3, 10)
        there, place, side, a, b = at.numbers(5)
        one = _Fold(
            offset=(2 * place - 1) * 0.2 * spacing[:, 0],
            light=relief[:, 0] * torch.sign(side - 0.5),
            width=width[:, 0],
            fades=fades[:, 0],
            a=TAU * a,
            b=TAU * b,
        )

        def fold(at: Place, s: _Fold) -> tuple[Tensor, Tensor]:
            return _fold(at, s, flakes[at.pixels])

        lost, lit = at.paint(only(there < amount[:, 0], one.offset), SWAY + 5 * fades + 2 * width, fold, one)
        return Marks(lost, torch.ones_like(lost), lit)


class _Fold(NamedTuple):
    """Numbers of each fold: lengths in pixels, phases in radians."""

    offset: Tensor
    light: Tensor  # of the side that is lit, less that of the picture; negative where the other one is
    width: Tensor
    fades: Tensor  # how far light and shade reach, at 1 / e
    a: Tensor
    b: Tensor


def _fold(at: Place, s: _Fold, flakes: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far folds cover pixels, by normal numbers of each, and what light and shade add."""
    wander = 3 * (TAU / 310 * at.along + s.a).sin() + 0.8 * (TAU / 37 * at.along + s.b).sin()
    away = at.across - s.offset - wander
    swing = 1 + (TAU / 71 * at.along + s.b).sin() * (TAU / 23 * at.along + s.a).cos()
    lost = (2 * (flakes + RATHER - 2 * away.abs() / (s.width * swing.clamp_min(0.1)))).clamp(0, 1)
    crack = CRACK * (1.5 - away.abs()).clamp(0, 1)
    side = (away / EDGE).clamp(-1, 1)
    return torch.maximum(lost, crack), s.light * side * torch.exp(-(away.abs() - EDGE).clamp_min(0) / s.fades)
