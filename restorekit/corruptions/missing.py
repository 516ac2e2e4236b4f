"""Values lost independently of one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged, shape_of


@dataclass(frozen=True)
class Missing(Corruption):
    """Lose each pixel with probability `rate`; what is left is exact.

    Parameters
    ----------
    rate : float or (float, float)
        Share of pixels lost, in [0, 1].
    per_channel : bool
        Lose the values of each channel independently, not all channels of a pixel.
    """

    name: ClassVar[str] = "missing"
    hides: ClassVar[bool] = True
    scattered: ClassVar[bool] = True

    rate: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0, "share": True})
    per_channel: bool = False

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Lose pixels of x, (B, C, H, W)."""
        b, c, h, w = x.shape
        rate = self.draw("rate", x, rng)
        u = rng.uniform(self.name, (b, c if self.per_channel else 1, h, w), x.device)
        return hide(x, u >= rate)


def hide(x: Tensor, observed: Tensor) -> Observation:
    """Return the noise-free observation of x, (B, C, H, W), through `observed`, bool (B, 1 or C, H, W)."""
    return Observation(x * observed, observed, shape_of(x), x.new_zeros(x.shape[0], 1, 1, 1))
