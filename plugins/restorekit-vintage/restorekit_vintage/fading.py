"""Fading: black is no longer black nor white white, and not everywhere to the same degree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit import Observation, Ranged, Rng
from restorekit_vintage.ageing import Ageing, fully_observed
from restorekit_vintage.clouds import clouds

SIZE = 150.0  # pixels between places that faded differently


@dataclass(frozen=True)
class Fading(Ageing):
    """Black and white that have moved towards each other, more in some places than in others.

    y = x + s (black + (white - black) x - x), with s near `strength`.

    Parameters
    ----------
    strength : float or (float, float)
        Share of the way that values have gone, from 0, none, to 1.
    black, white : float or (float, float)
        What black and white become at strength 1, on the [0, 1] scale.
    uneven : float or (float, float)
        Standard deviation of s over the picture, in units of `strength`; s stays between 0 and 1.
    """

    name: ClassVar[str] = "fading"

    strength: Ranged = field(default=0.6, metadata={"low": 0.0, "high": 1.0, "share": True})
    black: Ranged = field(default=0.3, metadata={"low": 0.0, "high": 1.0})
    white: Ranged = field(default=0.85, metadata={"low": 0.0, "high": 1.0})
    uneven: Ranged = field(default=0.15, metadata={"low": 0.0, "high": 1.0})

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Fade x, (B, C, H, W)."""
        strength, black, white, uneven = (self.draw(key, x, rng) for key in ("strength", "black", "white", "uneven"))
        place = clouds(x, rng, self.name, x.new_full((len(x), 1, 1, 1), SIZE), SIZE)
        share = (amount * strength * (1 + uneven * place)).clamp(0, 1)
        return fully_observed(x + share * (black + (white - black) * x - x))
