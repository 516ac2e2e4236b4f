"""Making the table of `restorekit.intervals`: how far the truth lies from restorations of damaged clean images.

The risk is the share of an image's unknown values that its interval leaves out. Half of the images fill the table; on
the other half one factor for each level is chosen so that the expected risk on a further image of the same kind is at
most what was asked for, whatever the model: conformal risk control.

References
----------
Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk Control", ICLR 2024, equation 4.
Angelopoulos et al., "Image-to-Image Regression with Distribution-Free Uncertainty Quantification and Applications in
Imaging", ICML 2022: the share of pixels as risk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from restorekit import bands
from restorekit.contracts import Corruption, Restorer
from restorekit.errors import UsageError
from restorekit.evaluate import Subject
from restorekit.intervals import TINY, Axes, Seen, Table, distances, half_width, see
from restorekit.noise import Noise

LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95)
SHOWN = 0.9  # the level whose figures are told
LEAST = 4 / (1 - LEVELS[-1])  # images; with fewer no factor controls the risk of the highest level
RATIOS = np.geomspace(0.02, 50, 240)  # of |x - m| / s, the candidates for a factor
FEW = 30  # values of an image in one cell of the table that are not yet a share
SEVERAL = 5  # images that a cell of the table needs

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """What a calibration found.

    Attributes
    ----------
    table : Table
        For the card.
    rows : list of dict
        For each corruption, measured on the images that the table was not filled from: coverage, mean width and
        Winkler score of the 90 % interval, and the same of Gaussian intervals with one global scale.
    """

    table: Table
    rows: list[dict[str, float | str]]


@dataclass(frozen=True, eq=False)
class Sample:
    """One restored image: what was seen of it, and distances, |x - m|, s and where x was unknown, (C, H, W)."""

    seen: Seen
    distance: Tensor
    error: Tensor
    std: Tensor
    unknown: Tensor


@dataclass(eq=False)
class _Tally:
    """Mean over images of the share of values whose ratio is beyond each candidate, by cell."""

    cells: int
    beyond: Counts = field(init=False)
    images: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.beyond, self.images = np.zeros((self.cells, len(RATIOS))), np.zeros(self.cells)

    def add(self, cell: npt.NDArray[np.intp], ratio: Counts) -> None:
        """Count one image's values, each with its cell and ratio."""
        place = np.searchsorted(RATIOS, ratio)
        width = len(RATIOS) + 1
        counts = np.bincount(cell * width + place, minlength=self.cells * width).reshape(self.cells, width)
        total = counts.sum(1)
        enough = total >= FEW
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


def fit(
    restorer: Restorer, subjects: Sequence[Subject], corruptions: Sequence[tuple[str, Corruption]],
    seed: int = 0, watch: Callable[[str], None] = lambda key: None, source: str = "",
) -> Fit:  # fmt: skip
    """Damage and restore clean images, and make the table.

    Parameters
    ----------
    restorer : Restorer
        One that gives standard deviations.
    subjects : sequence of Subject
        Clean images that the model was not trained on.
    corruptions : sequence of (str, Corruption)
        Specs and what they mean; what they cover is what the table covers.
    seed : int
        Of the damage.
    watch : callable
        Called with the name of each image that is done.
    source : str
        Kept in the table.

    Raises
    ------
    UsageError
        Too few images, or a restorer without standard deviations.
    """
    if len(subjects) < LEAST:
        raise UsageError(
            f"a calibration needs at least {LEAST:.0f} clean images, got {len(subjects)}; give more, or cut larger ones"
            " into separate scenes"
        )
    axes = Axes()
    tally, whole, reach = _Tally(int(np.prod(axes.shape))), _Tally(1), 0.0
    for subject in subjects[0::2]:
        samples = [s for _, s in _samples(restorer, subject, corruptions, seed)]
        cells, ratios = zip(*(_celled(s, axes) for s in samples), strict=True)
        tally.add(np.concatenate(cells), np.concatenate(ratios))
        whole.add(np.concatenate(cells) * 0, np.concatenate(ratios))
        reach = max(reach, *(s.seen.farthest for s in samples))
        watch(subject.key)
    factors = np.stack([tally.factors(level, 0) for level in LEVELS], -1).reshape(*axes.shape, -1)
    table = Table(axes, LEVELS, _filled(factors), reach, len(subjects), source)
    return _checked(table, restorer, subjects[1::2], corruptions, seed, watch, float(whole.factors(0.9, 0)[0]))


def _samples(
    restorer: Restorer, subject: Subject, corruptions: Sequence[tuple[str, Corruption]], seed: int
) -> Iterator[tuple[str, Sample]]:
    x, noise = subject.read(), Noise(seed, (subject.key,)).fork("calibrate")
    for spec, corruption in corruptions:
        observation = corruption(x, noise.fork(spec))
        shown = replace(observation, label=subject.label).blind()
        restored = bands.restore(restorer, shown, corruption, 0, noise)
        if restored.std is None:
            raise UsageError("a calibration turns standard deviations into intervals, and this restorer gives none")
        distance, unknown = distances(shown.observed), observation.unknown().expand_as(x)[0]
        error = (x - restored.mmse)[0].abs()
        yield (
            spec,
            Sample(see(shown, corruption, distance)[0], distance[0].expand_as(error), error, restored.std[0], unknown),
        )


def _celled(sample: Sample, axes: Axes) -> tuple[npt.NDArray[np.intp], Counts]:
    """Return the cell of the table nearest to each unknown value, and the value's ratio."""
    where = sample.unknown
    distance, std = sample.distance[where].numpy(), sample.std[where].double().clamp_min(TINY).numpy()
    d = _nearest(np.log2(1 + distance), np.log2(1 + np.asarray(axes.distance)))
    p = _nearest(np.log2(std), np.log2(axes.std))
    i = int(_nearest(np.array(sample.seen.sigma), np.asarray(axes.sigma)))
    j = int(_nearest(np.array(sample.seen.missing), np.asarray(axes.missing)))
    cell = np.ravel_multi_index((np.full_like(d, i), np.full_like(d, j), d, p), axes.shape)
    return cell, sample.error[where].double().numpy() / std


def _nearest(values: Counts, nodes: Counts) -> npt.NDArray[np.intp]:
    place: Counts = np.rint(np.interp(values, nodes, np.arange(len(nodes), dtype=float)))
    return place.astype(np.intp)


def _filled(factors: Counts) -> dict[str, list[object]]:
    """Return cells by noise and missing share; gaps within one are bridged."""
    found = {}
    for i, j in np.ndindex(*factors.shape[:2]):
        cell = factors[i, j].copy()
        for level in range(cell.shape[-1]):
            cell[..., level] = _bridged(cell[..., level])
        if np.isfinite(cell).all():
            found[f"{i},{j}"] = np.maximum.accumulate(cell, -1).round(3).tolist()
    return found


def _bridged(grid: Counts) -> Counts:
    """Fill NaN in a grid, (distance, std), between and beyond those known, along the rows first, then the columns."""
    rows = np.array([_line(row) for row in grid])
    return np.array([_line(column) for column in rows.T]).T


def _line(line: Counts) -> Counts:
    known = np.flatnonzero(np.isfinite(line))
    return np.interp(np.arange(len(line)), known, line[known]) if len(known) else line


def _checked(
    table: Table, restorer: Restorer, subjects: Iterable[Subject], corruptions: Sequence[tuple[str, Corruption]],
    seed: int, watch: Callable[[str], None], globally: float,
) -> Fit:  # fmt: skip
    """Scale the table to control the risk on images that it was not filled from, and measure it there."""
    tallies = [_Tally(1) for _ in LEVELS]
    found: dict[str, list[tuple[Counts, Counts]]] = {spec: [] for spec, _ in corruptions}
    for subject in subjects:
        scaled: list[list[Counts]] = [[np.empty(0)] for _ in LEVELS]
        for spec, s in _samples(restorer, subject, corruptions, seed):
            if s.unknown.any() and table.refusal(s.seen) is None:
                std, error = s.std.clamp_min(TINY), s.error[s.unknown].double().numpy()
                halves = [half_width(table, s.seen, s.distance, std, v)[s.unknown].double().numpy() for v in LEVELS]
                for one, half in zip(scaled, halves, strict=True):
                    one.append(error / half)
                plain = std[s.unknown].double().numpy()
                found[spec].append((sums(error, halves[LEVELS.index(SHOWN)]), sums(error, plain)))
        for tally, one in zip(tallies, scaled, strict=True):
            ratio = np.concatenate(one)
            tally.add(np.zeros(len(ratio), np.intp), ratio)
        watch(subject.key)
    scales = np.array([float(tally.factors(level, 1)[0]) for tally, level in zip(tallies, LEVELS, strict=True)])
    if not np.isfinite(scales).all():
        raise UsageError("no interval of the predicted spread controls the risk on these images; give more of them")
    factors = {k: (np.asarray(v) * scales).round(3).tolist() for k, v in table.factors.items()}
    scale = float(scales[LEVELS.index(SHOWN)])
    return Fit(replace(table, factors=factors), [_row(spec, own, scale, globally) for spec, own in found.items()])


def _row(spec: str, own: Sequence[tuple[Counts, Counts]], scale: float, globally: float) -> dict[str, float | str]:
    row: dict[str, float | str] = {"corruption": spec, "images": len(own)}
    for kind, name, factor in ((0, "", scale), (1, "global_", globally)):
        means = np.mean([scores(pair[kind], factor) for pair in own], 0) if own else np.full(3, np.nan)
        row |= {f"{name}{k}": float(v) for k, v in zip(("coverage90", "width90", "winkler90"), means, strict=True)}
    return row


def sums(error: Counts, half: Counts) -> Counts:
    """Return count, and sums of error and of half width, (3, candidates + 1), by where error / half lies in RATIOS."""
    place = np.searchsorted(RATIOS, error / half)
    weights = (np.ones_like(error), error, half)
    return np.stack([np.bincount(place, w, len(RATIOS) + 1) for w in weights])


def scores(found: Counts, factor: float) -> tuple[float, float, float]:
    """Return coverage, mean width and Winkler score of intervals `factor`, one of RATIOS, times `half` to each side.

    Nothing but `sums` is kept of an image for this; the score is that of `restorekit.certainty.Winkler90`.
    """
    count, error, half = found[:, np.searchsorted(RATIOS, factor) + 1 :].sum(1)
    total, _, whole = found.sum(1)
    width = 2 * factor * whole / total
    return 1 - count / total, width, width + 2 / (1 - SHOWN) * (error - factor * half) / total
