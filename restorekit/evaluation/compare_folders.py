"""Measure images that any tool has restored, and compare them with those of another run.

From the folders that a user names to metric values and comparisons: the work of `restorekit report`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.devices import versions
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.execution import Engine
from restorekit.core.plugins.boundary import error_message
from restorekit.core.psnr import quantise_8bit
from restorekit.core.types import Observation, Restoration, shape_of
from restorekit.evaluation import head_to_head
from restorekit.evaluation.evaluate import new_errors, of_one_image, truth
from restorekit.evaluation.head_to_head import PairedComparison
from restorekit.evaluation.metric_values import BEFORE, means, measure, metric_infos
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.evaluation.protocol import Protocol, Results, failed
from restorekit.evaluation.rows import Failure, ImageRow, RunRow
from restorekit.images.dataset import LabelledImages, load_images
from restorekit.images.intensity import IntensityRange, RangeOption, to_unit
from restorekit.images.pairing import Alignment, align

AS_THEY_ARE = "as the files have it: none was added"
NO_SPREAD = "none: files have no spread"

Watch = Callable[[str, str | None], None]
Show = Callable[[str, "ImageTriple"], None]


@dataclass(frozen=True)
class Sources:
    """Locations of the images.

    Attributes
    ----------
    restored, clean : str
        A folder, a file or a stack each.
    observed : str or None
        The observations, with masks next to them.
    against : str or None
        Another results.json, or images restored by another tool.
    range : "auto", (low, high) or None
        Intensity range of the clean images, as in `restorekit.images.intensity.resolve_range`.
    axes : str or None
        Axes of arrays, as in `restorekit.images.axes.parse_axes`; None: inferred from their shapes.
    """

    restored: str
    clean: str
    observed: str | None = None
    against: str | None = None
    range: RangeOption = None
    axes: str | None = None

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two tools: those of their folders, or the paths if the folders have the same name."""
        ours, theirs = self.restored, self.against or ""
        short = tuple(Path(path).resolve().name for path in (ours, theirs))
        return (ours, theirs) if short[0] == short[1] else (short[0], short[1])


@dataclass(frozen=True, eq=False)
class Folders:
    """Restored images, the clean ones, and the observations if there are any.

    Attributes
    ----------
    restored, clean : LabelledImages
    observed : LabelledImages or None
    pairs : Alignment
        Of restored and clean images.
    observed_pairs : Alignment or None
        Of observed and clean images.
    """

    restored: LabelledImages
    clean: LabelledImages
    observed: LabelledImages | None
    pairs: Alignment
    observed_pairs: Alignment | None


@dataclass(frozen=True, eq=False)
class OpenedSources:
    """Sources that fit together.

    Attributes
    ----------
    ours : Folders
        The images to be measured.
    theirs : Folders or None
        Those of another tool, to be measured in the same way.
    other : Results or None
        Another results.json.
    """

    ours: Folders
    theirs: Folders | None = None
    other: Results | None = None

    def __len__(self) -> int:
        return len(self.ours.pairs.pairs) + (len(self.theirs.pairs.pairs) if self.theirs else 0)


def open_sources(sources: Sources) -> OpenedSources:
    """Open all sources; UsageError, before the work, if one of them has no image in common with the others."""
    clean = load_images(sources.clean, range=sources.range, axes=sources.axes)
    observed = load_images(sources.observed, axes=sources.axes) if sources.observed else None

    def with_clean(restored: str) -> Folders:
        one_each = not (Path(restored).is_dir() or Path(sources.clean).is_dir())
        return folders(load_images(restored, axes=sources.axes), clean, observed, one_each)

    ours = with_clean(sources.restored)
    path = head_to_head.results_file(Path(sources.against)) if sources.against else None
    if path:
        other = head_to_head.load(path)
        head_to_head.check_common_images(other, clean.keys, path)
        return OpenedSources(ours, other=other)
    return OpenedSources(ours, with_clean(sources.against) if sources.against else None)


def folders(
    restored: LabelledImages, clean: LabelledImages, observed: LabelledImages | None, one_each: bool = False
) -> Folders:
    """Pair images by tree and stem; UsageError if no restored image has a clean one."""
    pairs = align(restored.keys, clean.keys, one_each)
    if not pairs.pairs and not pairs.unclear:
        raise UsageError(
            f"no restored image has the name of a clean one: expected names such as {clean.keys[0]}, with any suffix, "
            f"got {restored.keys[0]}; give folders of the same tree"
        )
    observed_pairs = None if observed is None else align(observed.keys, clean.keys, one_each)
    return Folders(restored, clean, observed, pairs, observed_pairs)


def unmatched(found: Folders) -> list[str]:
    """Return a sentence for each two folders: how many images of one are not in the other, and the first of them."""
    total, observed = len(found.clean), found.observed_pairs
    counts = [
        (found.pairs.lacking, f"of {total} clean image(s) have no restoration"),
        (found.pairs.alone, f"of {len(found.restored)} restored image(s) have no clean one"),
        (observed.lacking if observed else (), f"of {total} clean image(s) are not among the observed ones"),
    ]
    return [f"{len(keys)} {text}: {', '.join(keys[:3])}{', ...' * (len(keys) > 3)}" for keys, text in counts if keys]


class Report(NamedTuple):
    """Results and comparisons of `restorekit report`.

    Attributes
    ----------
    results : Results
        Metric values of the one run, whose rows have the differences to the strongest other run.
    compared : sequence of sequences of PairedComparison
        For each other run, by every metric, the deciding one first.
    notes : list of str
        Images without a counterpart, and differences in how the other run was measured.
    """

    results: Results
    compared: Sequence[Sequence[PairedComparison]]
    notes: list[str]


def measure_sources(
    found: OpenedSources,
    sources: Sources,
    metrics: Sequence[Metric],
    engine: Engine,
    watch: Watch,
    log: Path | None = None,
    show: Show = lambda key, images: None,
) -> Report:
    """Measure opened sources, and compare them.

    Parameters
    ----------
    found : OpenedSources
        The images.
    sources : Sources
        Their locations.
    metrics : sequence of Metric
        Metrics to compute.
    engine : Engine
        Runs the work.
    watch : callable
        Called after each image with its name and its error or None.
    log : Path or None
        Folder for the tracebacks of metrics that raised.
    show : callable
        Called with the name and the pixels of each image of the one run, to make pictures of it.
    """
    name, other_name = sources.names
    clean = Path(sources.clean).resolve().name
    protocol = Protocol(clean, 0, len(found.ours.clean), "cpu", versions(), noise=AS_THEY_ARE, interval=NO_SPREAD)
    results = measure_folders(found.ours, name, metrics, engine, protocol, watch, log, show)
    notes, other = unmatched(found.ours), found.other
    if found.theirs is not None:
        other = measure_folders(found.theirs, other_name, metrics, engine, protocol, watch, log)
        theirs = [*failed(other.failures), *(text for text in unmatched(found.theirs) if text not in notes)]
        notes = [*notes, *(f"{other_name}: {text}" for text in theirs)]
    elif other is not None:
        notes = [*notes, *head_to_head.protocol_differences(other, results)]
    runs = head_to_head.other_runs(other) if other else []
    compared = [pairs for run in runs if (pairs := head_to_head.compare_runs(results, run))]
    if compared:
        results = head_to_head.with_differences(results, head_to_head.strongest(compared))
        results = replace(results, comparisons=[pair.row() for pairs in compared for pair in pairs])
    return Report(results, compared, notes)


class ImageTriple(NamedTuple):
    """One image three times, (1, C, H, W) on [0, 1].

    Attributes
    ----------
    restored, clean : Tensor
    observation : Observation
        The observation; if there is none, the restoration as if everything was observed.
    before : Tensor or None
        The values of the observation, if it has the shape of the clean image.
    is_observed : bool
        Whether there is an observation.
    notes : tuple of str
        Remarks.
    """

    restored: Tensor
    clean: Tensor
    observation: Observation
    before: Tensor | None
    is_observed: bool
    notes: tuple[str, ...]


class Task(NamedTuple):
    """Indices of one image among the restored, the clean and the observed ones, and its name."""

    restored: int
    clean: int
    observed: int | None
    key: str


def measure_folders(
    sets: Folders,
    name: str,
    metrics: Sequence[Metric],
    engine: Engine,
    protocol: Protocol,
    watch: Watch = lambda key, error: None,
    log: Path | None = None,
    show: Show = lambda key, images: None,
) -> Results:
    """Measure every restored image that has a clean one; an image that does not fit is a failure of its own.

    Parameters
    ----------
    sets : Folders
        The images.
    name : str
        Name of the tool in the results.
    metrics : sequence of Metric
        Metrics to compute.
    engine : Engine
        Runs the work.
    protocol : Protocol
        Kept in the results.
    watch : callable
        Called after each image with its name and the errors that no earlier image had, or None.
    log : Path or None
        Folder for the tracebacks of metrics that raised.
    show : callable
        Called with the name and the pixels of each image that was measured, to make pictures of it.

    Returns
    -------
    Results
        One run of that name, of the unknown corruption "". Rows have notes.
    """
    has_gain = sets.observed is not None and "psnr" in {metric.name for metric in metrics}
    infos = [*metric_infos(metrics), *(BEFORE if has_gain else ())]
    observed = {j: i for i, j in sets.observed_pairs.pairs} if sets.observed_pairs else {}
    tasks = [Task(i, j, observed.get(j), sets.clean.keys[j]) for i, j in sets.pairs.pairs]
    rows, failures = list[ImageRow](), [Failure(key, reason) for key, reason in sets.pairs.unclear.items()]
    reported = set[str]()

    for outcome in engine.run(tasks, _ComparisonJob(sets, name, metrics, has_gain, log, show)):
        if outcome.result is not None:
            rows.append(outcome.result[0])
        faults = outcome.result[1] if outcome.result else [Failure(outcome.task.key, outcome.error or "")]
        failures.extend(faults)
        watch(outcome.task.key, new_errors(faults, reported))
    values, reasons = means(rows, [info.name for info in infos])
    return Results(protocol, [RunRow("", name, len(rows), metrics=values, reasons=reasons)], rows, failures, infos)


@dataclass(frozen=True)
class _ComparisonJob:
    """Read and measure one image of every folder; the caller keeps the results."""

    sets: Folders
    name: str
    metrics: Sequence[Metric]
    has_gain: bool
    log: Path | None
    show: Callable[[str, ImageTriple], None]

    def read(self, task: Task) -> ImageTriple:
        """Read one image of each folder."""
        return _read(self.sets, task)

    @of_one_image()
    def compute(self, task: Task, images: ImageTriple) -> tuple[ImageRow, list[Failure]]:
        """Return the row of one image, and the failures of metrics."""
        restoration = Restoration(quantise_8bit(images.restored))
        values, reasons, faults = measure(self.metrics, restoration, images.clean, images.observation)
        if self.has_gain:
            before, gain = (info.name for info in BEFORE)
            values, reasons = values | {before: None, gain: None}, dict(reasons)
            if images.before is None:
                reason = "there is no observation, or it has another size or other channels"
                reasons |= {before: reason, gain: reason}
            else:
                observed = Restoration(quantise_8bit(images.before))
                values[before] = observed_psnr = PSNR()(observed, images.clean, images.observation)
                after = values.get("psnr")
                if after is None or math.isinf(observed_psnr) or math.isinf(after):
                    reasons[gain] = "one of both is infinite, as it is the clean image"
                else:
                    values[gain] = after - observed_psnr
        failures = [Failure(task.key, str(error_message(fault, self.log)), restorer=self.name) for fault in faults]
        self.show(task.key, images)
        return ImageRow("", self.name, task.key, values, reasons, notes=list(images.notes)), failures

    def write(self, task: Task, found: tuple[ImageRow, list[Failure]]) -> tuple[ImageRow, list[Failure]]:
        """Return the result unchanged."""
        return found


@of_one_image()
def _read(found: Folders, task: Task) -> ImageTriple:
    """Read one image of each folder on the scale of the clean one; ImageError if they do not fit."""
    x, notes = truth(found.clean, task.clean), tuple[str, ...]()
    like = found.clean.raw(task.clean).dtype, found.clean.range_of(task.clean).with_margin(math.inf)
    raw = found.restored.raw(task.restored)
    if raw.is_floating_point() and found.restored.missing(task.restored) is not None:
        raise ImageError(
            f"{found.restored.keys[task.restored]} has values that are no numbers (NaN); restore all of its pixels"
        )
    restored = _on_scale(found.restored, task.restored, like)
    if restored.shape[1] == 3 and x.shape[1] == 1 and bool((restored == restored[:, :1]).all()):
        restored, notes = restored[:, :1], ("RGB of three equal channels, measured as gray",)
    if restored.shape != x.shape:
        raise ImageError(
            f"{found.restored.keys[task.restored]} is {_size(restored)} and the clean image {_size(x)}; "
            "restore it in the size and the colours of the clean one"
        )
    if found.observed is None or task.observed is None:
        everything = Observation(restored, torch.ones_like(x[:, :1], dtype=torch.bool), shape_of(x))
        return ImageTriple(restored, x, everything, None, False, notes)
    y, missing = _on_scale(found.observed, task.observed, like), found.observed.missing(task.observed)
    mask = torch.ones_like(y[:, :1], dtype=torch.bool) if missing is None else ~missing.permute(2, 0, 1)[None]
    if y.shape[1] == 3 and x.shape[1] == 1 and mask.shape[1] == 1:  # gray written as RGB
        y = y[:, :1]
    has_shape = y.shape == x.shape
    observation = Observation(y * mask, mask, shape_of(x), direct=has_shape)
    return ImageTriple(restored, x, observation, y if has_shape else None, True, notes)


def _on_scale(images: LabelledImages, i: int, like: tuple[torch.dtype, IntensityRange]) -> Tensor:
    """Return image i, (1, C, H, W), on the clean image's scale if both have numbers of one kind, else by its dtype."""
    raw, (dtype, span) = images.raw(i), like  # unbounded, as noise is measured as it is
    same = raw.dtype == dtype or (raw.is_floating_point() and dtype.is_floating_point)
    unit = to_unit(raw.numpy(), span if same else images.range_of(i))
    return torch.from_numpy(np.ascontiguousarray(unit)).permute(2, 0, 1)[None]


def _size(x: Tensor) -> str:
    channels, height, width = shape_of(x)
    return f"{width} x {height} pixels of {channels} channel(s)"
