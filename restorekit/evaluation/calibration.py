"""Fit of calibration tables: from errors on corrupted clean images to factors of the predicted spread.

Half of the images fill the table. On the other half a factor for each level and each sort of image is chosen so that
the expected share of values outside, on a further image of the same kind, is at most the nominal one, for any model:
`restorekit.uncertainty.conformal`.
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
from restorekit.core.devices import Compute
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.plugins import registry
from restorekit.core.psnr import psnr_of_mse
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions.spec import parse
from restorekit.evaluation.evaluate import of_one_image, test_images, with_noise_policy
from restorekit.evaluation.protocol import TestImage
from restorekit.evaluation.rows import NoisePolicy
from restorekit.evaluation.scenarios import needs_sigma
from restorekit.images.dataset import LabelledImages
from restorekit.restoration.loading import open_restorer
from restorekit.training.crops import gray
from restorekit.uncertainty.calibration_table import TINY, Axes, CellGroup, Grid, Table, cell_group, nearest, parse_cell
from restorekit.uncertainty.conditions import Conditions, conditions_of, distances
from restorekit.uncertainty.conformal import Counts, Tally, scores, sums
from restorekit.uncertainty.intervals import Interval

LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95)
REPORTED = LEVELS.index(0.9)  # the level whose coverage, width and score are reported
ImageSums = tuple[
    CellGroup, Counts, Counts, float
]  # sums over one image of its calibrated and of its plain interval, and its mean square error
MIN_IMAGES = 4 / (1 - LEVELS[-1])  # with fewer no factor controls the risk of the highest level


@dataclass(frozen=True)
class CalibrationRow:
    """Measured quality of the 90 % intervals of a corruption and a number of channels.

    Attributes
    ----------
    corruption : str
        Spec.
    channels, images, refused : int
        Channels; number of images, and of those that the table does not cover.
    psnr : float
        Mean over the images of the PSNR of their unknown values, dB; NaN without images.
    coverage90, width90, winkler90 : float
        Coverage, mean width and Winkler score; NaN without images.
    global_coverage90, global_width90, global_winkler90 : float
        The same of Gaussian intervals with one global scale.
    """

    corruption: str
    channels: int
    images: int
    refused: int
    psnr: float
    coverage90: float
    width90: float
    winkler90: float
    global_coverage90: float
    global_width90: float
    global_winkler90: float


@dataclass(frozen=True)
class Fit:
    """Fitted table, and its measured quality.

    Attributes
    ----------
    table : Table
        For the model's card.
    rows : list of CalibrationRow
        For each corruption and number of channels, measured on the images that the table was not filled from.
    """

    table: Table
    rows: list[CalibrationRow]


def fit_model(
    name: str, specs: Sequence[str], images: LabelledImages, compute: Compute, source: str, seed: int, watch: Watch
) -> Fit:
    """Open a model, and fit its table on images as `fit` does; those that cannot be read are left out.

    Parameters
    ----------
    name : str
        Path of a model file, or name of installed weights.
    specs : sequence of str
        Corruptions that the table covers.
    images : LabelledImages
        Clean images that the model was not trained on.
    compute : Compute
        Where and how it computes.
    source : str
        Name of the images, kept in the table.
    seed : int
        Seed of the corruptions.
    watch : callable
        Called with the name of each image that is done, and with its error or None.
    """
    corruptions = [(spec, parse(spec, registry.corruptions())) for spec in specs]
    opened = open_restorer(name, corruptions[0][1], None, compute)
    noise_policy: NoisePolicy = "auto" if any(needs_sigma(opened, c) for _, c in corruptions) else "blind"
    for key, error in images.drop_unreadable().items():
        watch(key, f"left out: {error}")
    source = f"{len(images)} images of {source}, fingerprint {images.fingerprint[:16]}"
    return fit(opened.restorer, test_images(images), corruptions, seed, watch, source, noise_policy)


def fit(
    restorer: Restorer, images: Sequence[TestImage], corruptions: Sequence[tuple[str, Corruption]],
    seed: int = 0, watch: Watch = lambda key, error: None, source: str = "", noise_policy: NoisePolicy = "blind",
) -> Fit:  # fmt: skip
    """Corrupt and restore clean images, and fit the table.

    Parameters
    ----------
    restorer : Restorer
        One that gives standard deviations.
    images : sequence of TestImage
        Clean images that the model was not trained on.
    corruptions : sequence of (str, Corruption)
        Specs and corruptions, whose conditions the table covers.
    seed : int
        Seed of the corruptions.
    watch : callable
        Called with the name of each image that is done, and with its error or None.
    source : str
        Name of the images, kept in the table.
    noise_policy : {"true", "blind", "auto"}
        Noise level that the restorer gets: the true one, none, or an estimate.

    Raises
    ------
    UsageError
        Too few images, or a restorer without standard deviations.
    """
    failed: list[str] = []

    def note(key: str, error: str | None) -> None:
        failed.extend([key] if error else [])
        watch(key, error)

    _enough(len(images))
    sampler = ErrorSampler(restorer, corruptions, noise_policy, seed, note)
    table, globally = _measured(sampler, images[0::2])
    found = _checked(table, sampler, images[1::2], globally)
    _enough(len(images) - len(failed))
    return replace(found, table=replace(found.table, images=len(images) - len(failed), source=source))


def _enough(images: int) -> None:
    if images < MIN_IMAGES:
        raise UsageError(
            f"a calibration needs at least {MIN_IMAGES:.0f} clean images, got {images}; give more, or cut larger ones"
            " into separate scenes"
        )


def _measured(sampler: ErrorSampler, images: Iterable[TestImage]) -> tuple[Table, float]:
    """Return a table that holds for these images, and the one scale of all spreads that would."""
    axes, reach, overall = Axes(), 0.0, Tally()
    tallies: dict[tuple[int, int], Tally] = defaultdict(lambda: Tally(int(np.prod(axes.shape))))
    for samples in sampler.samples(images):
        by_kind: dict[tuple[int, int], list[Sample]] = defaultdict(list)
        for sample in samples:
            by_kind[sample.conditions.channels, int(sample.conditions.white)].append(sample)
        for kind, own in by_kind.items():
            tallies[kind].add(_ratios(own), np.concatenate([_cells(s, axes) for s in own]))
        overall.add(_ratios(samples))
        reach = max(reach, *(s.conditions.farthest for s in samples))
    factors: dict[str, Grid] = {}
    for (channels, white), tally in tallies.items():
        own_factors = np.stack([tally.factors(level, 0) for level in LEVELS], -1).reshape(*axes.shape, -1)
        factors |= {f"{channels},{white},{key}": cell for key, cell in _filled(own_factors).items()}
    return Table(axes, LEVELS, factors, reach), float(overall.factors(LEVELS[REPORTED], 0)[0])


def _ratios(samples: Iterable[Sample]) -> Counts:
    return np.concatenate([s.error / s.std.double().numpy() for s in samples])


def _cells(sample: Sample, axes: Axes) -> npt.NDArray[np.intp]:
    """Return the cell of the table nearest to each value, (N,)."""
    d = _nearest(np.log2(1 + sample.distance.double().numpy()), np.log2(1 + np.asarray(axes.distance)))
    p = _nearest(np.log2(sample.std.double().numpy()), np.log2(axes.std))
    *_, i, j = nearest(sample.conditions, axes)
    return np.ravel_multi_index((np.full_like(d, i), np.full_like(d, j), d, p), axes.shape)


def _nearest(values: Counts, nodes: Counts) -> npt.NDArray[np.intp]:
    place: Counts = np.rint(np.interp(values, nodes, np.arange(len(nodes), dtype=float)))
    return place.astype(np.intp)


def _filled(factors: Counts) -> dict[str, Grid]:
    """Return cells by nodes of noise level and share missing; gaps are interpolated over distance, then std."""
    found = {}
    for i, j in np.ndindex(*factors.shape[:2]):
        cell = factors[i, j].copy()
        for level in range(cell.shape[-1]):
            rows = np.array([_line(row) for row in cell[..., level]])
            cell[..., level] = np.array([_line(column) for column in rows.T]).T
        if np.isfinite(cell).all():
            found[f"{i},{j}"] = np.maximum.accumulate(cell, -1).round(3).tolist()
    return found


def _line(line: Counts) -> Counts:
    known = np.flatnonzero(np.isfinite(line))
    return np.interp(np.arange(len(line)), known, line[known]) if len(known) else line


def _checked(table: Table, sampler: ErrorSampler, images: Iterable[TestImage], globally: float) -> Fit:
    """Scale the table to control the risk on images that it was not filled from, and measure it there."""
    tallies: dict[CellGroup, list[Tally]] = defaultdict(lambda: [Tally() for _ in LEVELS])
    found: dict[tuple[str, int], list[ImageSums | None]] = defaultdict(list)
    for samples in sampler.samples(images):
        ratios: dict[CellGroup, list[list[Counts]]] = defaultdict(lambda: [[] for _ in LEVELS])
        for s in samples:
            own_group, rows = cell_group(nearest(s.conditions, table.axes)), found[s.corruption, s.conditions.channels]
            if not len(s.error):
                continue
            if table.refusal(s.conditions, LEVELS[0]):
                rows.append(None)
                continue
            intervals = (Interval(level, table, s.conditions) for level in LEVELS)
            halves = [i.half_width(s.distance, s.std).double().numpy() for i in intervals]
            for own, half in zip(ratios[own_group], halves, strict=True):
                own.append(s.error / half)
            pair = sums(s.error, halves[REPORTED]), sums(s.error, s.std.double().numpy())
            rows.append((own_group, *pair, max(1e-12, float(np.mean(s.error**2)))))
        for own_group, levels in ratios.items():
            for tally, own in zip(tallies[own_group], levels, strict=True):
                tally.add(np.concatenate(own))
    scales = _scales(tallies)
    factors = {
        key: (np.asarray(values) * scales[own_group]).round(3).tolist()
        for key, values in table.factors.items()
        if (own_group := cell_group(parse_cell(key))) in scales
    }
    return Fit(replace(table, factors=factors), [_row(*key, own, scales, globally) for key, own in found.items()])


def _scales(tallies: Mapping[CellGroup, Sequence[Tally]]) -> dict[CellGroup, Counts]:
    """Return the factors, (levels,), of each sort of images whose risk can be controlled at all levels."""
    found = {}
    for one, own in tallies.items():
        factors = np.array([float(tally.factors(level, 1)[0]) for tally, level in zip(own, LEVELS, strict=True)])
        if np.isfinite(factors).all():
            found[one] = factors
    if not found:
        raise UsageError(
            "no interval of the predicted spread controls the risk on these images; give more of them, and corruptions"
            " that leave something unknown"
        )
    return found


def _row(
    spec: str, channels: int, images: Sequence[ImageSums | None], scales: Mapping[CellGroup, Counts], globally: float
) -> CalibrationRow:
    own = [one for one in images if one is not None and one[0] in scales]
    calibrated = [scores(fine, float(scales[one][REPORTED]), LEVELS[REPORTED]) for one, fine, _, _ in own]
    plain = [scores(rough, globally, LEVELS[REPORTED]) for _, _, rough, _ in own]
    means = [float(v) for found in (calibrated, plain) for v in (np.mean(found, 0) if found else np.full(3, np.nan))]
    psnr = float(psnr_of_mse(torch.tensor([error for *_, error in own])).mean()) if own else np.nan
    return CalibrationRow(spec, channels, len(own), len(images) - len(own), psnr, *means)


Watch = Callable[[str, str | None], None]


@dataclass(frozen=True, eq=False)
class Sample:
    """One restored image: its conditions; distance, |x - m| and s of each value that was unknown, (N,)."""

    corruption: str
    conditions: Conditions
    distance: Tensor
    error: Counts
    std: Tensor


@dataclass(frozen=True, eq=False)
class ErrorSampler:
    """Source of samples: clean images, corrupted and restored.

    Attributes
    ----------
    restorer : Restorer
        One that gives standard deviations.
    corruptions : sequence of (str, Corruption)
        Specs and corruptions.
    noise_policy : {"true", "blind", "auto"}
        Noise level that the restorer gets: the true one, none, or an estimate.
    seed : int
        Seed of the corruptions.
    watch : callable
        Called with the name of each image that is done, and with its error or None.
    """

    restorer: Restorer
    corruptions: Sequence[tuple[str, Corruption]]
    noise_policy: NoisePolicy
    seed: int
    watch: Watch

    def samples(self, images: Iterable[TestImage]) -> Iterator[list[Sample]]:
        """Yield the samples of each image that can be used, for each choice of channels that a restorer may get."""
        for image in images:
            try:
                found = [[self._sample(image, x, *one) for one in self.corruptions] for x in self._views(image)]
            except ImageError as error:
                self.watch(image.key, str(error))
                continue
            yield from found
            self.watch(image.key, None)

    def _views(self, image: TestImage) -> Iterator[Tensor]:
        """Yield an image, or its channels one by one; and a colour image in gray too, if both can be restored."""
        with of_one_image():
            x = image.read()
        yield from torch.split(x, per_channel.channels_per_pass(self.restorer, x.shape[1]), 1)
        if x.shape[1] == 3 and {1, 3} <= set(self.restorer.geometry.channels):
            yield gray(x)

    def _sample(self, image: TestImage, x: Tensor, spec: str, corruption: Corruption) -> Sample:
        rng = Rng(self.seed, (image.key,)).fork("calibrate")
        with of_one_image():
            observation = replace(corruption(x, rng.fork(spec)), label=image.label)
        if observation.y.shape != x.shape:
            raise UsageError(
                f"calibrate takes corruptions that keep size and channels, expected {tuple(x.shape[1:])}, got "
                f"{tuple(observation.y.shape[1:])} from {spec}; remove it"
            )
        with of_one_image():
            shown = with_noise_policy(Problem(observation, corruption), self.noise_policy)
            restored = self.restorer(shown.observation, corruption, 0, rng)
        if restored.std is None:
            raise UsageError("a calibration turns standard deviations into intervals, and this restorer gives none")
        distance, where = distances(shown.observation.observed), observation.unknown().expand_as(x)
        conditions = conditions_of(shown, distance)[0]
        error = (x - restored.mmse)[where].abs().double().numpy()
        return Sample(spec, conditions, distance.expand_as(x)[where], error, restored.std[where].clamp_min(TINY))
