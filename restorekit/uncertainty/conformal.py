"""Conformal risk control: the least factor of a spread that leaves few enough of an image's values outside.

The risk is the share of an image's unknown values that its interval leaves out.

References
----------
Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk Control", ICLR 2024, equation 4.
Angelopoulos et al., "Image-to-Image Regression with Distribution-Free Uncertainty Quantification and Applications in
Imaging", ICML 2022: the share of pixels as risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATIOS = np.geomspace(0.02, 50, 240)  # of |x - m| / s, the candidates for a factor
MIN_CELL_VALUES = 30  # values of an image in one cell of the table that define a share
SEVERAL = 5  # images that a cell of the table needs

Counts = npt.NDArray[np.float64]


@dataclass(eq=False)
class Tally:
    """Mean over images of the share of values whose ratio is beyond each candidate, by cell."""

    cells: int = 1
    beyond: Counts = field(init=False)
    images: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.beyond, self.images = np.zeros((self.cells, len(RATIOS))), np.zeros(self.cells)

    def add(self, ratio: Counts, cell: npt.NDArray[np.intp] | None = None) -> None:
        """Count one image's values by ratio and cell; without `cell`, all belong to the first."""
        place = np.searchsorted(RATIOS, ratio)
        width = len(RATIOS) + 1
        flat = place if cell is None else cell * width + place
        counts = np.bincount(flat, minlength=self.cells * width).reshape(self.cells, width)
        total = counts.sum(1)
        enough = total >= MIN_CELL_VALUES
        over = counts[enough, ::-1].cumsum(1)[:, ::-1][:, 1:]  # those placed after a candidate exceed it
        self.beyond[enough] += over / total[enough, None]
        self.images[enough] += 1

    def factors(self, level: float, ahead: int) -> Counts:
        """Return the smallest factor of each cell that controls its risk, (cells,); NaN where there is none.

        `ahead` = 1 counts one image more, of which everything may lie outside; 0 takes the images for all there are.
        """
        images = self.images[:, None] + ahead
        risk = np.where(images >= SEVERAL, (self.beyond + ahead) / np.maximum(images, 1), 1.0)
        controlled = risk <= 1 - level + 1e-12
        return np.where(controlled.any(1), RATIOS[controlled.argmax(1)], np.nan)


def sums(error: Counts, half: Counts) -> Counts:
    """Return count, and sums of error and of half width, (3, candidates + 1), by where error / half lies in RATIOS."""
    place = np.searchsorted(RATIOS, error / half)
    weights = (np.ones_like(error), error, half)
    return np.stack([np.bincount(place, w, len(RATIOS) + 1) for w in weights])


def scores(found: Counts, factor: float, level: float) -> tuple[float, float, float]:
    """Return coverage, mean width and Winkler score of intervals `factor`, one of RATIOS, times `half` to each side.

    Nothing but `sums` is kept of an image for this; the score is that of `evaluation.metrics.uncertainty.Winkler90`.
    """
    count, error, half = found[:, np.searchsorted(RATIOS, factor) + 1 :].sum(1)
    total, _, total_half = found.sum(1)
    width = 2 * factor * total_half / total
    return 1 - count / total, width, width + 2 / (1 - level) * (error - factor * half) / total
