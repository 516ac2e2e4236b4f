"""Share of clean pixels that a detector of defects touches: thresholds that keep a promise of it.

The risk is the share of the pixels of a clean image that are touched, at most `CAP` for any one image. Conformal risk
control chooses the least threshold for which the expected risk on a further image like those of the calibration is at
most the promised share.

Reference: Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk Control", ICLR 2024, equation 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from restorekit.core.errors import CheckpointError, UsageError
from restorekit.core.records import About, Json, decode, encode

CAP = 0.02  # of the pixels of an image: more that are touched count as this, so that few images make a promise
LOG_ODDS = np.linspace(-8, 12, 161)  # candidates for the threshold
TOUCH = 1e-3  # share of clean pixels that a repair may touch, unless another is set
SHARES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # that are promised


@dataclass(frozen=True)
class TouchTable:
    """Thresholds of a detector for shares of clean pixels that it may touch.

    Attributes
    ----------
    shares : tuple of float
        Promised shares, ascending.
    log_odds : tuple of float
        Threshold of each, descending.
    measured : tuple of float
        Mean share that was touched of the calibration images.
    images : int
        Number of calibration images.
    source : str
        Name of these images.
    sequence : TouchTable or None
        The same for frames of a sequence, whose neighbours are compared; None: it is for single images only.
    """

    shares: tuple[float, ...]
    log_odds: tuple[float, ...]
    measured: tuple[float, ...]
    images: int
    source: str = ""
    sequence: Annotated[TouchTable | None, About(omitted=True)] = None

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> TouchTable:
        """Build a table from a card; raise a CheckpointError if it is none."""
        try:
            return decode(cls, values)
        except Exception as error:
            raise CheckpointError(f"the calibration of this detector cannot be read ({error})") from error

    def to_json(self) -> dict[str, Json]:
        """Return the table for a card."""
        return encode(self)

    def covers(self, share: float) -> bool:
        """Return whether the calibration promises such a share."""
        return self.shares[0] * (1 - 1e-9) <= share <= self.shares[-1] * (1 + 1e-9)

    def threshold(self, share: float) -> float:
        """Return the log-odds for a promised share, interpolated between those of the table.

        Raises
        ------
        UsageError
            The calibration promises no share as small or as large.
        """
        if not self.covers(share):
            raise UsageError(
                f"the detector is calibrated for shares from {self.shares[0]:g} to {self.shares[-1]:g}, got {share:g}"
            )
        return float(np.interp(math.log(share), np.log(self.shares), self.log_odds))


def fit_touch(shares: Sequence[npt.NDArray[np.float64]], source: str = "") -> TouchTable:
    """Return the thresholds that control the share of clean pixels touched, from shares of each image at `LOG_ODDS`.

    Raises
    ------
    UsageError
        The images are too few for any promise.
    """
    found, count = np.minimum(np.stack(list(shares)), CAP), len(shares)
    mean = found.mean(0)
    risk = np.maximum.accumulate(((mean * count + CAP) / (count + 1))[::-1])[::-1]
    rows = [(share, int(np.argmax(risk <= share))) for share in SHARES if (risk <= share).any()]
    if not rows:
        raise UsageError(
            f"{count} clean images promise no share of {SHARES[-1]:g} or less; give at least "
            f"{math.ceil(CAP / SHARES[-1])} images"
        )
    return TouchTable(
        tuple(share for share, _ in rows), tuple(float(LOG_ODDS[i]) for _, i in rows),
        tuple(float(f"{mean[i]:.3g}") for _, i in rows), count, source,
    )  # fmt: skip
