"""Blocks of pixels lost on the way, as a broken transmission or a damaged JPEG file loses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit import Corruption, Observation, Ranged, Rng, hookimpl


@dataclass(frozen=True)
class YourName(Corruption):
    """Lose each square block of pixels with probability `rate`; what is left is exact.

    Parameters
    ----------
    rate : float or (float, float)
        Share of blocks lost, in [0, 1].
    side : int
        Side of a block in pixels.
    """

    name: ClassVar[str] = "your-name"
    # What a corruption declares decides which samplers, methods and checks serve it; never its name.
    hides: ClassVar[bool] = True  # it only takes values out: no log_prob and no noise_level are needed
    scattered: ClassVar[bool] = False  # True if the missing values lie singly; blocks do not
    # Of noise instead: noise_law = "gaussian" and noise_level(), or smooth = True and log_prob().

    rate: Ranged = field(default=0.2, metadata={"low": 0.0, "high": 1.0, "share": True})
    side: int = field(default=8, metadata={"low": 1})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Lose blocks of x, (B, C, H, W)."""
        b, c, h, w = x.shape
        grid = (b, 1, -(-h // self.side), -(-w // self.side))
        kept = rng.uniform("blocks", grid, x.device, self.side) >= self.draw("rate", x, rng)
        observed = kept.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)[..., :h, :w]
        return Observation(x * observed, observed, (c, h, w), sigma=x.new_zeros(b, 1, 1, 1))


@hookimpl
def restorekit_register_corruptions() -> list[type[Corruption]]:
    """Return what this plugin provides."""
    return [YourName]
