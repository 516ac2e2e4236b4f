"""Calibrated ends of intervals for planes that are restored band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.folder.levels import estimated
from restorekit.intervals import Table, half_width
from restorekit.planes import Plane
from restorekit.seen import FAR, Seen, distances
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
    seen : Seen
        What is seen of the plane.
    refusal : str or None
        Why the table does not reach.
    """

    plane: Plane
    level: float
    table: Table | None
    seen: Seen
    refusal: str | None

    def ends(self, top: int, band: Restoration, index: int) -> tuple[Tensor, Tensor] | None:
        """Return low and high of image `index` of a restored band, (C, h, W); None where they are not calibrated."""
        if self.table is None or band.std is None:
            return None
        distance = rows_of_distances(self.plane, top, top + band.mmse.shape[2])
        half = half_width(self.table, self.seen, distance, band.std[index], self.level)
        return band.mmse[index] - half, band.mmse[index] + half


def enclosed(plane: Plane, corruption: Corruption, table: Table, level: float) -> Enclosed:
    """Look at a plane, and decide whether the table covers it."""
    sigma = 0.0 if corruption.hides else plane.sigma
    if sigma is None:
        sigma = estimated(plane, corruption).sigma or 0.0
    missing = 0.0 if plane.missing is None else float(plane.missing.mean())
    seen = Seen(plane.pixels.shape[2], sigma, missing, _farthest(plane))
    refusal = table.refusal(seen)
    return Enclosed(plane, level, None if refusal else table, seen, refusal)


def with_ends(band: Restoration, top: int, images: Sequence[Enclosed], deviations: float) -> Restoration:
    """Add the ends of every image's interval to a restored band; as if Gaussian where they are not calibrated."""
    if band.std is None:
        return band
    pairs = []
    for i, image in enumerate(images):
        half = deviations * band.std[i]
        pairs.append(image.ends(top, band, i) or (band.mmse[i] - half, band.mmse[i] + half))
    low, high = (torch.stack(ends) for ends in zip(*pairs, strict=True))
    return replace(band, low=low, high=high)


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
