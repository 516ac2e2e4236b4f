"""Colour casts: the dyes of a print fade at different speeds, and its paper yellows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit import Observation, Ranged, Rng
from restorekit_vintage.ageing import LUMINANCE, Ageing, fully_observed

DYES = ("cyan", "magenta", "yellow")  # what keeps red, green and blue light back
YELLOWED = (0.05, 0.25, 1.0)  # how much of R, G and B yellow paper keeps back, of `paper`
SEPIA = (0.65, 1.0, 1.6)  # exponents of R, G and B by which a toned gray print differs from gray


@dataclass(frozen=True)
class Cast(Ageing):
    """Faded dyes, yellowed paper, sepia.

    y = (1 - paper k_c) g^(1 - loss_c) in each channel c, with g between x and its sepia tone.
    A dye that lost a share of its density lets light^(1 - share) through; white stays white but for the paper. A gray
    image is that of a gray scan of it.

    Parameters
    ----------
    cyan, magenta, yellow : float or (float, float)
        Share of each dye lost; without cyan a picture is red, without magenta green, without yellow blue.
    paper : float or (float, float)
        Share of blue light that the yellowed paper keeps back; of green a quarter, of red a twentieth of that.
    sepia : float or (float, float)
        Share of the way to a brown print of the luminance, as toned black-and-white photographs are.
    """

    name: ClassVar[str] = "cast"

    cyan: Ranged = field(default=0.35, metadata={"low": 0.0, "high": 1.0, "share": True})
    magenta: Ranged = field(default=0.1, metadata={"low": 0.0, "high": 1.0, "share": True})
    yellow: Ranged = field(default=0.05, metadata={"low": 0.0, "high": 1.0, "share": True})
    paper: Ranged = field(default=0.2, metadata={"low": 0.0, "high": 1.0, "share": True})
    sepia: Ranged = field(default=0.0, metadata={"low": 0.0, "high": 1.0, "share": True})

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Shift the colours of x, (B, C, H, W)."""
        rgb = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        lost = torch.cat([self.draw(dye, x, rng) for dye in DYES], 1)
        yellowed = self.draw("paper", x, rng) * x.new_tensor(YELLOWED).view(1, 3, 1, 1)
        printed = rgb if self.sepia == 0 else _toned(rgb, amount * self.draw("sepia", x, rng))
        y = _power(printed, 1 - amount * lost)
        y = y * (1 - amount * yellowed)
        return fully_observed(_gray(y) if x.shape[1] == 1 else y)


def _gray(rgb: Tensor) -> Tensor:
    """Return the luminance, (B, 1, H, W), of (B, 3, H, W)."""
    return (rgb * rgb.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _toned(rgb: Tensor, share: Tensor) -> Tensor:
    """Go a share of the way from colours, (B, 3, H, W), to a brown print."""
    return rgb + share * (_power(_gray(rgb), rgb.new_tensor(SEPIA).view(1, 3, 1, 1)) - rgb)


def _power(values: Tensor, exponent: Tensor) -> Tensor:
    """Return values to a power; those under 0, which noise made, as they are."""
    return torch.where(values > 0, values.clamp_min(0) ** exponent, values)
