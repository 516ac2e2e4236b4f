"""Calibration tables: how far the truth lies from restorations of damaged clean images.

Half of the images fill the table; on the other half a factor for each level, and each sort of image, is chosen so that
the expected share of values outside on a further image of the same kind is at most what was asked for, whatever the
model: `restorekit.uncertainty.conformal`.

Clean images damaged, restored and compared, one value at a time: what a calibration is made from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.rng import Rng
from restorekit.evaluation.evaluate import of_one_image, with_noise_policy
from restorekit.evaluation.protocol import NoisePolicy, TestImage
from restorekit.training.crops import gray
from restorekit.uncertainty.calibration_table import TINY, Axes, Sort, Table, cell, nearest, sort
from restorekit.uncertainty.conditions import Conditions, distances, see
from restorekit.uncertainty.conformal import Counts, Tally, scores, sums
from restorekit.uncertainty.intervals import half_width

LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95)
SHOWN = LEVELS.index(0.9)  # the level whose figures are told
Found = tuple[Sort, Counts, Counts]  # sums over one image of its calibrated and of its plain interval
LEAST = 4 / (1 - LEVELS[-1])  # images; with fewer no factor controls the risk of the highest level


@dataclass(frozen=True)
class Fit:
    """What a calibration found.

    Attributes
    ----------
    table : Table
        For the card.
    rows : list of dict
        For each corruption and number of channels, measured on the images that the table was not filled from:
        coverage, mean width and Winkler score of the 90 % interval, and the same of Gaussian intervals with one
        global scale; of how many images, and how many more the table does not cover.
    """

    table: Table
    rows: list[dict[str, float | str]]


def fit(
    restorer: Restorer, subjects: Sequence[TestImage], corruptions: Sequence[tuple[str, Corruption]],
    seed: int = 0, watch: Watch = lambda key, error: None, source: str = "", told: NoisePolicy = "blind",
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
        Called with the name of each image that is done, and with what was wrong with it or None.
    source : str
        Kept in the table.
    told : {"true", "blind", "auto"}
        What the restorer is told of the noise.

    Raises
    ------
    UsageError
        Too few images, or a restorer without standard deviations.
    """
    failed: list[str] = []

    def note(key: str, error: str | None) -> None:
        failed.extend([key] if error else [])
        watch(key, error)

    _enough(len(subjects))
    bench = Bench(restorer, corruptions, told, seed, note)
    table, globally = _measured(bench, subjects[0::2])
    found = _checked(table, bench, subjects[1::2], globally)
    _enough(len(subjects) - len(failed))
    return replace(found, table=replace(found.table, images=len(subjects) - len(failed), source=source))


def _enough(images: int) -> None:
    if images < LEAST:
        raise UsageError(
            f"a calibration needs at least {LEAST:.0f} clean images, got {images}; give more, or cut larger ones"
            " into separate scenes"
        )


def _measured(bench: Bench, subjects: Iterable[TestImage]) -> tuple[Table, float]:
    """Return a table that holds for these images, and the one scale of all spreads that would."""
    axes, reach, whole = Axes(), 0.0, Tally()
    tallies: dict[tuple[int, int], Tally] = defaultdict(lambda: Tally(int(np.prod(axes.shape))))
    for samples in bench.samples(subjects):
        by_kind: dict[tuple[int, int], list[Sample]] = defaultdict(list)
        for sample in samples:
            by_kind[sample.seen.channels, int(sample.seen.white)].append(sample)
        for kind, own in by_kind.items():
            tallies[kind].add(_ratios(own), np.concatenate([_cells(s, axes) for s in own]))
        whole.add(_ratios(samples))
        reach = max(reach, *(s.seen.farthest for s in samples))
    factors: dict[str, object] = {}
    for (channels, white), tally in tallies.items():
        own_factors = np.stack([tally.factors(level, 0) for level in LEVELS], -1).reshape(*axes.shape, -1)
        factors |= {f"{channels},{white},{key}": cell for key, cell in _filled(own_factors).items()}
    return Table(axes, LEVELS, factors, reach), float(whole.factors(LEVELS[SHOWN], 0)[0])


def _ratios(samples: Iterable[Sample]) -> Counts:
    return np.concatenate([s.error / s.std.double().numpy() for s in samples])


def _cells(sample: Sample, axes: Axes) -> npt.NDArray[np.intp]:
    """Return the cell of the table nearest to each value, (N,)."""
    d = _nearest(np.log2(1 + sample.distance.double().numpy()), np.log2(1 + np.asarray(axes.distance)))
    p = _nearest(np.log2(sample.std.double().numpy()), np.log2(axes.std))
    *_, i, j = nearest(sample.seen, axes)
    return np.ravel_multi_index((np.full_like(d, i), np.full_like(d, j), d, p), axes.shape)


def _nearest(values: Counts, nodes: Counts) -> npt.NDArray[np.intp]:
    place: Counts = np.rint(np.interp(values, nodes, np.arange(len(nodes), dtype=float)))
    return place.astype(np.intp)


def _filled(factors: Counts) -> dict[str, list[object]]:
    """Return cells by nodes of noise level and share missing; gaps within one are bridged."""
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


def _checked(table: Table, bench: Bench, subjects: Iterable[TestImage], globally: float) -> Fit:
    """Scale the table to control the risk on images that it was not filled from, and measure it there."""
    tallies: dict[Sort, list[Tally]] = defaultdict(lambda: [Tally() for _ in LEVELS])
    found: dict[tuple[str, int], list[Found | None]] = defaultdict(list)
    for samples in bench.samples(subjects):
        ratios: dict[Sort, list[list[Counts]]] = defaultdict(lambda: [[] for _ in LEVELS])
        for s in samples:
            own_sort, rows = sort(nearest(s.seen, table.axes)), found[s.corruption, s.seen.channels]
            if not len(s.error):
                continue
            if table.refusal(s.seen, LEVELS[0]):
                rows.append(None)
                continue
            halves = [half_width(table, s.seen, s.distance, s.std, level).double().numpy() for level in LEVELS]
            for own, half in zip(ratios[own_sort], halves, strict=True):
                own.append(s.error / half)
            pair = sums(s.error, halves[SHOWN]), sums(s.error, s.std.double().numpy())
            rows.append((own_sort, *pair))
        for own_sort, levels in ratios.items():
            for tally, own in zip(tallies[own_sort], levels, strict=True):
                tally.add(np.concatenate(own))
    scales = _scales(tallies)
    return Fit(_scaled(table, scales), [_row(*key, own, scales, globally) for key, own in found.items()])


def _scales(tallies: Mapping[Sort, Sequence[Tally]]) -> dict[Sort, Counts]:
    """Return the factors, (levels,), of each sort of images whose risk can be controlled at all levels."""
    found = {}
    for one, own in tallies.items():
        factors = np.array([float(tally.factors(level, 1)[0]) for tally, level in zip(own, LEVELS, strict=True)])
        if np.isfinite(factors).all():
            found[one] = factors
    if not found:
        raise UsageError(
            "no interval of the predicted spread controls the risk on these images; give more of them, and damage that"
            " leaves something unknown"
        )
    return found


def _scaled(table: Table, scales: Mapping[Sort, Counts]) -> Table:
    """Return the table with each cell's factors scaled; without those of sorts that have no scale."""
    factors = {}
    for key, values in table.factors.items():
        own = sort(cell(key))
        if own in scales:
            factors[key] = (np.asarray(values) * scales[own]).round(3).tolist()
    return replace(table, factors=factors)


def _row(
    spec: str, channels: int, images: Sequence[Found | None], scales: Mapping[Sort, Counts], globally: float
) -> dict[str, float | str]:
    own = [one for one in images if one is not None and one[0] in scales]
    row: dict[str, float | str] = {"corruption": spec, "channels": channels}
    row |= {"images": len(own), "refused": len(images) - len(own)}
    calibrated = [scores(fine, float(scales[one][SHOWN]), LEVELS[SHOWN]) for one, fine, _ in own]
    plain = [scores(rough, globally, LEVELS[SHOWN]) for _, _, rough in own]
    for name, found in (("", calibrated), ("global_", plain)):
        means = np.mean(found, 0) if found else np.full(3, np.nan)
        row |= {f"{name}{k}": float(v) for k, v in zip(("coverage90", "width90", "winkler90"), means, strict=True)}
    return row


Watch = Callable[[str, str | None], None]


@dataclass(frozen=True, eq=False)
class Sample:
    """One restored image: what was seen of it; distance, |x - m| and s of each value that was unknown, (N,)."""

    corruption: str
    seen: Conditions
    distance: Tensor
    error: Counts
    std: Tensor


@dataclass(frozen=True, eq=False)
class Bench:
    """What images are put through.

    Attributes
    ----------
    restorer : Restorer
        One that gives standard deviations.
    corruptions : sequence of (str, Corruption)
        Specs and what they mean.
    told : {"true", "blind", "auto"}
        What the restorer is told of the noise.
    seed : int
        Of the damage.
    watch : callable
        Called with the name of each image that is done, and with what was wrong with it or None.
    """

    restorer: Restorer
    corruptions: Sequence[tuple[str, Corruption]]
    told: NoisePolicy
    seed: int
    watch: Watch

    def samples(self, subjects: Iterable[TestImage]) -> Iterator[list[Sample]]:
        """Yield what was found of each image that can be used, in each way that a restorer may see it."""
        for subject in subjects:
            try:
                found = [[self._sample(subject, x, *one) for one in self.corruptions] for x in self._views(subject)]
            except ImageError as error:
                self.watch(subject.key, str(error))
                continue
            yield from found
            self.watch(subject.key, None)

    def _views(self, subject: TestImage) -> Iterator[Tensor]:
        """Yield an image, or its bands one by one; and a colour image in gray too, where both can be restored."""
        with of_one_image():
            x = subject.read()
        yield from torch.split(x, per_channel.together(self.restorer, x.shape[1]), 1)
        if x.shape[1] == 3 and {1, 3} <= set(self.restorer.geometry.channels):
            yield gray(x)

    def _sample(self, subject: TestImage, x: Tensor, spec: str, corruption: Corruption) -> Sample:
        rng = Rng(self.seed, (subject.key,)).fork("calibrate")
        with of_one_image():
            observation = replace(corruption(x, rng.fork(spec)), label=subject.label)
            shown = with_noise_policy(observation, corruption, self.told)
            restored = self.restorer(shown, corruption, 0, rng)
        if restored.std is None:
            raise UsageError("a calibration turns standard deviations into intervals, and this restorer gives none")
        if observation.y.shape != x.shape:
            raise UsageError(
                f"calibrate takes corruptions that keep size and channels, expected {tuple(x.shape[1:])}, got "
                f"{tuple(observation.y.shape[1:])} from {spec}; remove it"
            )
        distance, where = distances(shown.observed), observation.unknown().expand_as(x)
        seen = see(shown, corruption, distance)[0]
        error = (x - restored.mmse)[where].abs().double().numpy()
        return Sample(spec, seen, distance.expand_as(x)[where], error, restored.std[where].clamp_min(TINY))
