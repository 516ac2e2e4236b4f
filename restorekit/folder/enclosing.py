"""Calibrated ends of intervals for planes that are restored band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.enclose import half_width
from restorekit.folder.levels import middle
from restorekit.intervals import Table
from restorekit.planes import Plane
from restorekit.seen import FAR, Seen, distances, noises
from restorekit.types import Restoration

ROWS = 1024  # of a mask whose distances are made at once


@dataclass(frozen=True, eq=False)
class Enclosed:
    """What encloses the truth of one plane.

    Attributes
    ----------
    plane : Plane
        Which.
    level : float
        Share to enclose.
    table : Table or None
        The calibration; None where there is none, or where it does not reach.
    seen : Seen or None
        What is seen of the plane, where there is a calibration.
    refusal : str or None
        Why that does not reach.
    """

    plane: Plane
    level: float
    table: Table | None = None
    seen: Seen | None = None
    refusal: str | None = None

    def half(self, top: int, std: Tensor) -> Tensor:
        """Return half the width about each value of some rows, (C, h, W): as if Gaussian where not calibrated."""
        if self.table is None or self.seen is None:
            return NormalDist().inv_cdf(0.5 + self.level / 2) * std
        distance = rows_of_distances(self.plane, top, top + std.shape[1])
        return half_width(self.table, self.seen, distance, std, self.level)


def enclosed(plane: Plane, corruption: Corruption, table: Table | None, level: float) -> Enclosed:
    """Look at a plane, and decide whether the table covers it."""
    if table is None:
        return Enclosed(plane, level)
    if plane.resized or plane.shape[0] != plane.pixels.shape[2]:
        return Enclosed(plane, level, refusal="the calibration is of images whose size and channels are kept")
    noise = noises(middle(plane, corruption), corruption)[0]
    missing = 0.0 if plane.missing is None else float(plane.missing.mean())
    seen = Seen(plane.pixels.shape[2], *noise, missing, _farthest(plane))
    refusal = table.refusal(seen, level)
    return Enclosed(plane, level, None if refusal else table, seen, refusal)


def with_ends(band: Restoration, top: int, images: Sequence[Enclosed]) -> Restoration:
    """Add the ends of every image's interval to a restored band, unless it has them or has no spread."""
    if band.std is None or band.low is not None or not images:
        return band
    half = torch.stack([image.half(top, std) for image, std in zip(images, band.std, strict=True)])
    return replace(band, low=band.mmse - half, high=band.mmse + half)


def rows_of_distances(plane: Plane, top: int, bottom: int) -> Tensor:
    """Return the distance of every value of some rows to the nearest that was seen, (1 or C, h, W), at most FAR."""
    if plane.missing is None:
        return torch.zeros(1, 1, 1)
    first = max(0, top - FAR)
    seen = torch.from_numpy(~plane.missing[first : bottom + FAR]).movedim(-1, 0)
    return distances(seen[None])[0][:, top - first : bottom - first]


def _farthest(plane: Plane) -> float:
    height = plane.pixels.shape[0]
    if plane.missing is None or not plane.missing.any():
        return 0.0
    return max(float(rows_of_distances(plane, top, min(height, top + ROWS)).max()) for top in range(0, height, ROWS))
