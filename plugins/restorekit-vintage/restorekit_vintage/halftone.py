"""Halftone: the dots that print a picture in books and newspapers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit import Observation, Ranged, Rng
from restorekit_vintage.ageing import Ageing, fully_observed

COLOUR_ANGLES, GRAY_ANGLE = (15.0, 75.0, 0.0), 45.0  # degrees, of the screens of cyan, magenta, yellow, and of black


@dataclass(frozen=True)
class Halftone(Ageing):
    """Clustered dots whose area follows x, on a screen turned for each ink; it can only be simulated.

    A value is light where it is above the screen's threshold there. Thresholds are spread evenly over [0, 1], so that
    the mean over a dot's cell stays x. Reference: Ulichney, "Digital Halftoning", 1987, chapter 5.

    Parameters
    ----------
    period : float or (float, float)
        Distance between dots, pixels.
    softness : float or (float, float)
        Range of values over which a dot's edge goes from ink to paper: 0 is sharp, 1 as soft as a scan through a lens.
    strength : float or (float, float)
        Share of the dots in the picture, from 0, none, to 1.
    """

    name: ClassVar[str] = "halftone"

    period: Ranged = field(default=4.0, metadata={"low": 2.0, "high": 64.0, "unit": "pixels"})
    softness: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0})
    strength: Ranged = field(default=0.7, metadata={"low": 0.0, "high": 1.0, "share": True})

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Print x, (B, C, H, W)."""
        soft, strength = self.draw("softness", x, rng), self.draw("strength", x, rng)
        soft = torch.minimum(soft, 2 * torch.minimum(x, 1 - x)).clamp_min(1e-3)  # more would not keep the mean
        dots = ((x - self._thresholds(x, rng)) / soft + 0.5).clamp(0, 1)
        return fully_observed(x + amount * strength * (dots - x))

    def _thresholds(self, x: Tensor, rng: Rng) -> Tensor:
        """Return a screen for each channel, (B, C, H, W), with thresholds evenly in [0, 1]."""
        b, c, h, w = x.shape
        angles = x.new_tensor(COLOUR_ANGLES if c == len(COLOUR_ANGLES) else (GRAY_ANGLE,) * c).view(1, -1, 1, 1)
        lean = rng.normal("halftone.lean", (b, 1, 1, 1), x.device)  # degrees: the page was not quite straight
        phase = rng.uniform("halftone.phase", (b, 2 * c), x.device).view(b, 2, c, 1, 1)
        rows, columns = torch.arange(h, device=x.device).view(-1, 1), torch.arange(w, device=x.device)
        cos, sin = (f(torch.deg2rad(angles + lean)) / self.draw("period", x, rng) for f in (torch.cos, torch.sin))
        up, aside = (rows * cos + columns * sin + phase[:, 0], columns * cos - rows * sin + phase[:, 1])
        return _evenly(_zigzag(up) + _zigzag(aside))


def _zigzag(turns: Tensor) -> Tensor:
    """Return a triangle wave from 0 to 1."""
    return (2 * (turns - turns.floor()) - 1).abs()


def _evenly(total: Tensor) -> Tensor:
    """Map the sum of two even numbers in [0, 1] to one: by its distribution function."""
    return torch.where(total < 1, total.square() / 2, 1 - (2 - total).square() / 2)
