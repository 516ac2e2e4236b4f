"""Dead rows and columns, as sensors and scanners have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged
from restorekit.corruptions.missing import hide


@dataclass(frozen=True)
class Lines(Corruption):
    """Lose each row or column with probability `rate`; what is left is exact.

    Parameters
    ----------
    rate : float or (float, float)
        Share of lines lost, in [0, 1].
    axis : {"columns", "rows", "both"}
        Which lines may be lost.
    """

    name: ClassVar[str] = "lines"
    hides: ClassVar[bool] = True

    rate: Ranged = field(default=0.1, metadata={"low": 0.0, "high": 1.0, "share": True})
    axis: str = field(default="columns", metadata={"choices": ("columns", "rows", "both")})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Lose lines of x, (B, C, H, W)."""
        b, _, h, w = x.shape
        rate = self.draw("rate", x, rng)
        observed = x.new_ones(b, 1, h, w) > 0
        if self.axis != "rows":
            observed = observed & (rng.uniform("lines.columns", (b, 1, 1, w), x.device) >= rate)
        if self.axis != "columns":
            observed = observed & (rng.uniform("lines.rows", (b, 1, h, 1), x.device) >= rate)
        return hide(x, observed)
