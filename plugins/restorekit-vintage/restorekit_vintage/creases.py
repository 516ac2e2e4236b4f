"""Creases: folds along which the paper catches the light and the emulsion cracks off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Ranged
from restorekit.corruptions.sensor import smeared
from restorekit.noise import Noise
from restorekit_vintage.ageing import Marked, Marks
from restorekit_vintage.lattice import TAU, Lattice

CLOSEST, LENGTH = 40.0, 1500.0  # pixels between folds, and along one until it ends
CRUMB = 1.2  # standard deviation, pixels, of the smoothing that makes flakes of white noise
RATHER = 0.6  # standard deviations by which the emulsion on the fold itself is rather gone than not
STEEP = 2.33  # makes a slope exp(-slope^2) at most 1
REACH = 0.07  # of the spacing: how far the relief goes to each side


@dataclass(frozen=True)
class Creases(Marked):
    """Long folds: lit on one side, in the shade on the other, with a ragged line of lost flakes in between.

    Parameters
    ----------
    spacing : float or (float, float)
        Pixels between two folds of one direction; a picture has two directions.
    width : float or (float, float)
        Width of the ragged line, pixels: within it most of the emulsion is gone.
    relief : float or (float, float)
        By how much the two sides are lighter and darker, on the [0, 1] scale. It stays in y.
    known : bool
        Whether it is told where the emulsion is gone; otherwise the paper is seen there.
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

    def marks(self, x: Tensor, noise: Noise, amount: Tensor) -> Marks:
        """Return the folds of x, (B, C, H, W)."""
        flakes = noise.normal("creases.flakes", (len(x), 1, *x.shape[2:]), x.device)
        flakes = smeared(flakes, x.new_full((len(x), 1, 1, 1), CRUMB)).flatten()
        first, second = (self._direction(x, noise, f"{self.name}.{i}", amount, flakes) for i in range(2))
        return first.over(second)

    def _direction(self, x: Tensor, noise: Noise, name: str, amount: Tensor, flakes: Tensor) -> Marks:
        """Return the folds of one direction."""
        spacing, width, relief = (self.draw(key, x, noise)[:, 0] for key in ("spacing", "width", "relief"))
        turn = TAU * noise.uniform(f"{name}.turn", (len(x), 1, 1, 1), x.device)
        at = Lattice(x, noise, name, turn, (LENGTH, spacing[:, None]), (LENGTH, CLOSEST))
        there, place, side, a, b = at.numbers(5)

        def fold(pixels: Tensor, along: Tensor, across: Tensor, *of_cell: Tensor) -> tuple[Tensor, Tensor]:
            offset, light, wide, reach, a, b = of_cell
            away = across - offset - 3 * (TAU / 310 * along + TAU * a).sin() - 0.8 * (TAU / 37 * along + TAU * b).sin()
            lost = (2 * (flakes[pixels] + RATHER - 2 * away.abs() / wide)).clamp(0, 1)
            slope = away / reach
            return lost, light * STEEP * slope * torch.exp(-slope.square())

        light, reach = relief * torch.sign(side - 0.5), (REACH * spacing).clamp(4, 14)
        offset = (2 * place - 1) * 0.2 * spacing
        lost, lit = at.paint(there < amount[:, 0], fold, offset, light, width, reach, a, b)
        return Marks(lost, torch.ones_like(lost), lit)
