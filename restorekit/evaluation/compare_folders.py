"""Images restored by whatever tool, measured against the clean ones.

From the folders that a user names to figures, comparisons and what is to be said of them: what `report` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

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
from restorekit.evaluation import head_to_head as rivals
from restorekit.evaluation.evaluate import of_one_image, truth, unsaid
from restorekit.evaluation.head_to_head import Duel
from restorekit.evaluation.metric_values import BEFORE, MetricInfo, means, measure, metric_infos
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.evaluation.protocol import Protocol, Results, failed
from restorekit.images.dataset import LabelledImages, load_images
from restorekit.images.intensity import IntensityRange, RangeOption, to_unit
from restorekit.images.pairing import Alignment, align

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Folders:
    """Restored images, the clean ones, and what was given to be restored, where it is there.

    Attributes
    ----------
    restored, clean : LabelledImages
    observed : LabelledImages or None
    pairs : Alignment
        Of restored and clean images.
    given : Alignment or None
        Of observed and clean ones.
    """

    restored: LabelledImages
    clean: LabelledImages
    observed: LabelledImages | None
    pairs: Alignment
    given: Alignment | None


class Images(NamedTuple):
    """One image three times, (1, C, H, W) on [0, 1]: restored, clean, and as what was seen of it, if `given`."""

    restored: Tensor
    clean: Tensor
    observation: Observation
    before: Tensor | None
    given: bool
    notes: tuple[str, ...]


class Task(NamedTuple):
    """Numbers of one image among the restored, the clean and, where it is there, the observed ones; its name."""

    restored: int
    clean: int
    observed: int | None
    key: str


def folders(
    restored: LabelledImages, clean: LabelledImages, observed: LabelledImages | None, one_each: bool = False
) -> Folders:
    """Find which images belong together, by tree and stem; UsageError where none does."""
    pairs = align(restored.keys, clean.keys, one_each)
    if not pairs.pairs and not pairs.unclear:
        raise UsageError(
            f"no restored image has the name of a clean one: expected names such as {clean.keys[0]}, with any suffix, "
            f"got {restored.keys[0]}; give folders of the same tree"
        )
    given = None if observed is None else align(observed.keys, clean.keys, one_each)
    return Folders(restored, clean, observed, pairs, given)


def unmatched(found: Folders) -> list[str]:
    """Say how many images of one folder are not in another, and which come first: a sentence for each two folders."""
    total, pairs = len(found.clean), found.pairs
    told = [
        (pairs.lacking, f"of {total} clean image(s) have no restoration"),
        (pairs.alone, f"of {len(found.restored)} restored image(s) have no clean one"),
        (found.given.lacking if found.given else (), f"of {total} clean image(s) are not among the observed ones"),
    ]
    return [f"{len(keys)} {what}: {', '.join(keys[:3])}{', ...' * (len(keys) > 3)}" for keys, what in told if keys]


def measured(
    sets: Folders,
    name: str,
    metrics: Sequence[Metric],
    engine: Engine,
    protocol: Protocol,
    watch: Callable[[str, str | None], None] = lambda key, error: None,
    log: Path | None = None,
    show: Callable[[str, Images], None] = lambda key, images: None,
) -> Results:
    """Measure every restored image that has a clean one; what does not fit is a failure, and the others go on.

    Parameters
    ----------
    sets : Folders
        The images.
    name : str
        What the tool is called in the results.
    metrics : sequence of Metric
        What is measured.
    engine : Engine
        Who runs it.
    protocol : Protocol
        Kept in the results.
    watch : callable
        Called after each image with its name and what went wrong, if anything; the same again is not told.
    log : Path or None
        Folder that gets the tracebacks of metrics that broke.
    show : callable
        Takes each image that was measured, by its name, for whoever makes pictures of it.

    Returns
    -------
    Results
        One run, named so, of the damage "" that is not known. Rows have ``notes``.
    """
    gains = sets.observed is not None and "psnr" in {metric.name for metric in metrics}
    figures = [*metric_infos(metrics), *(BEFORE if gains else ())]
    given = {j: i for i, j in sets.given.pairs} if sets.given else {}
    tasks = [Task(i, j, given.get(j), sets.clean.keys[j]) for i, j in sets.pairs.pairs]
    rows, failures = list[Row](), [{"image": key, "error": why} for key, why in sets.pairs.unclear.items()]
    said = set[str]()

    @of_one_image()
    def compute(task: Task, images: Images) -> tuple[Row, list[dict[str, str]]]:
        found = _row(task.key, name, images, metrics, figures, log)
        show(task.key, images)
        return found

    for outcome in engine.run(tasks, lambda task: _read(sets, task), compute, lambda _, result: result):
        if outcome.result is not None:
            rows.append(outcome.result[0])
        broken = outcome.result[1] if outcome.result else [{"image": outcome.task.key, "error": outcome.error or ""}]
        failures.extend(broken)
        watch(outcome.task.key, unsaid(broken, said))
    return Results(protocol, [_run(name, rows, figures)], rows, failures, figures)


def _run(name: str, rows: Sequence[Row], figures: Sequence[MetricInfo]) -> Row:
    """Return the means of all rows; of how the tool works nothing is known."""
    values, reasons = means(rows, [figure.name for figure in figures])
    unknown = {"sigma": None, "draws": 0, "learned": False, "estimate": ""}
    return {"corruption": "", "restorer": name, "images": len(rows), **unknown, **values, "reasons": reasons}


def _row(
    key: str, name: str, images: Images, metrics: Sequence[Metric], figures: Sequence[MetricInfo], log: Path | None
) -> tuple[Row, list[dict[str, str]]]:
    """Return the row of one image, and what broke."""
    x, o = images.clean, images.observation
    values, reasons, faults = measure(metrics, Restoration(quantise_8bit(images.restored)), x, o)
    if BEFORE[0] in figures:
        more, why = _before(images, values.get("psnr"))
        values, reasons = {**values, **more}, {**reasons, **why}
    broken = [{"image": key, "restorer": name, "error": str(error_message(fault, log))} for fault in faults]
    row = {"corruption": "", "restorer": name, "image": key, **values, "reasons": reasons, "notes": list(images.notes)}
    return row, broken


def _before(images: Images, after: float | None) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the PSNR of what was given, and what was gained."""
    names = [figure.name for figure in BEFORE]
    if images.before is None:
        why = "what was given is not there, or has another size or other channels"
        return dict.fromkeys(names), dict.fromkeys(names, why)
    before = PSNR()(Restoration(quantise_8bit(images.before)), images.clean, images.observation)
    gain = None if after is None or math.isinf(before) or math.isinf(after) else after - before
    reasons = {} if gain is not None else {names[1]: "one of both is infinite, as it is the clean image"}
    return {names[0]: before, names[1]: gain}, reasons


@of_one_image()
def _read(found: Folders, task: Task) -> Images:
    """Read one image of each folder, and hold them against each other."""
    x, notes = truth(found.clean, task.clean), tuple[str, ...]()
    like = found.clean.raw(task.clean).dtype, found.clean.range_of(task.clean)
    raw = found.restored.raw(task.restored)
    if raw.is_floating_point() and found.restored.missing(task.restored) is not None:
        raise ImageError(f"{found.restored.keys[task.restored]} has values that are no numbers (NaN); restore it whole")
    restored = _on_scale(found.restored, task.restored, like)
    if restored.shape[1] == 3 and x.shape[1] == 1 and bool((restored == restored[:, :1]).all()):
        restored, notes = restored[:, :1], ("RGB of three equal channels, measured as gray",)
    if restored.shape != x.shape:
        raise ImageError(
            f"{found.restored.keys[task.restored]} is {_sized(restored)} and the clean image {_sized(x)}; "
            "restore it in the size and the colours of the clean one"
        )
    observation, before = _seen(found, task, like, x, restored)
    given = found.observed is not None and task.observed is not None
    return Images(restored, x, observation, before, given, notes)


def _seen(
    found: Folders, task: Task, like: tuple[torch.dtype, IntensityRange], x: Tensor, restored: Tensor
) -> tuple[Observation, Tensor | None]:
    """Return what was seen of an image, and what was given, where it has the image's shape.

    Where nothing was given, all that is known is the restoration.
    """
    if found.observed is None or task.observed is None:
        return Observation(restored, torch.ones_like(x[:, :1], dtype=torch.bool), shape_of(x)), None
    y, missing = _on_scale(found.observed, task.observed, like), found.observed.missing(task.observed)
    seen = torch.ones_like(y[:, :1], dtype=torch.bool) if missing is None else ~missing.permute(2, 0, 1)[None]
    if y.shape[1] == 3 and x.shape[1] == 1 and seen.shape[1] == 1:  # gray written as RGB
        y = y[:, :1]
    observation = Observation(y * seen, seen, shape_of(x), direct=y.shape == x.shape)
    return observation, y if y.shape == x.shape else None


def _on_scale(images: LabelledImages, i: int, like: tuple[torch.dtype, IntensityRange]) -> Tensor:
    """Return image i, (1, C, H, W), scaled as the clean one where its numbers are of that kind, else by its dtype."""
    raw, (dtype, span) = images.raw(i), like
    same = raw.dtype == dtype or (raw.is_floating_point() and dtype.is_floating_point)
    unit = to_unit(raw.numpy(), span if same else images.range_of(i))
    return torch.from_numpy(np.ascontiguousarray(unit)).permute(2, 0, 1)[None]


def _sized(x: Tensor) -> str:
    channels, height, width = shape_of(x)
    return f"{width} x {height} pixels of {channels} channel(s)"


AS_THEY_ARE = "as the files have it: none was added"
NO_SPREAD = "none: files tell no spread"

Watch = Callable[[str, str | None], None]


@dataclass(frozen=True)
class Sources:
    """Where the images are.

    Attributes
    ----------
    restored, clean : str
        A folder, a file or a stack each.
    observed : str or None
        What was restored, with masks beside.
    against : str or None
        Another results.json, or images restored by another tool.
    range : "auto", (low, high) or None
        Of the clean images, as in `restorekit.images.intensity.resolve_range`.
    axes : str or None
        Axes of arrays, as in `restorekit.images.axes.parse_axes`; None: told by their shapes.
    """

    restored: str
    clean: str
    observed: str | None = None
    against: str | None = None
    range: RangeOption = None
    axes: str | None = None

    @property
    def names(self) -> tuple[str, str]:
        """What the two tools are called: by their folders, whole where these are of the same name."""
        ours, theirs = self.restored, self.against or ""
        short = tuple(Path(path).resolve().name for path in (ours, theirs))
        return (ours, theirs) if short[0] == short[1] else (short[0], short[1])


@dataclass(frozen=True, eq=False)
class Opened:
    """Sources that were found to fit.

    Attributes
    ----------
    ours : Folders
        The images to be measured.
    theirs : Folders or None
        Those of another tool, measured in the same way.
    other : mapping or None
        What another results.json holds.
    """

    ours: Folders
    theirs: Folders | None = None
    other: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.ours.pairs.pairs) + (len(self.theirs.pairs.pairs) if self.theirs else 0)


class Report(NamedTuple):
    """What came of it.

    Attributes
    ----------
    results : Results
        Figures of the one run, in whose rows are differences to the strongest other run.
    compared : sequence of sequences of Duel
        For each other run, by every figure, the deciding one first.
    notes : list of str
        Images without a counterpart, and where the other run differs in how it was measured.
    """

    results: Results
    compared: Sequence[Sequence[Duel]]
    notes: list[str]


def opened(sources: Sources) -> Opened:
    """Open all sources; UsageError, before the work, where one of them has nothing to do with the others."""
    clean = load_images(sources.clean, range=sources.range, axes=sources.axes)
    observed = load_images(sources.observed, axes=sources.axes) if sources.observed else None

    def with_clean(restored: str) -> Folders:
        one_each = not (Path(restored).is_dir() or Path(sources.clean).is_dir())
        return folders(load_images(restored, axes=sources.axes), clean, observed, one_each)

    ours, path = with_clean(sources.restored), sources.against and rivals.results_file(Path(sources.against))
    if path:
        other = rivals.load(path)
        rivals.shares(other, clean.keys, path)
        return Opened(ours, other=other)
    return Opened(ours, with_clean(sources.against) if sources.against else None)


def reported(
    found: Opened,
    sources: Sources,
    metrics: Sequence[Metric],
    engine: Engine,
    watch: Watch,
    log: Path | None = None,
    show: Callable[[str, Images], None] = lambda key, images: None,
) -> Report:
    """Measure what was opened, and compare.

    Parameters
    ----------
    found : Opened
        The images.
    sources : Sources
        Where they came from.
    metrics : sequence of Metric
        What is measured.
    engine : Engine
        Who runs it.
    watch : callable
        Called after each image with its name and what went wrong, if anything.
    log : Path or None
        Folder that gets the tracebacks of metrics that broke.
    show : callable
        Takes each image of the one run that was measured, by its name, for whoever makes pictures of it.
    """
    name, other_name = sources.names
    clean = Path(sources.clean).resolve().name
    protocol = Protocol(clean, 0, len(found.ours.clean), "cpu", versions(), noise=AS_THEY_ARE, interval=NO_SPREAD)
    results = measured(found.ours, name, metrics, engine, protocol, watch, log, show)
    notes, other = unmatched(found.ours), found.other
    if found.theirs is not None:
        theirs = measured(found.theirs, other_name, metrics, engine, protocol, watch, log)
        told = [*failed(theirs.failures), *(text for text in unmatched(found.theirs) if text not in notes)]
        other, notes = theirs.to_json(), [*notes, *(f"{other_name}: {text}" for text in told)]
    elif other is not None:
        notes = [*notes, *rivals.differs(other, results)]
    return _compared(results, rivals.others(other) if other else [], notes)


def _compared(results: Results, others: Sequence[rivals.Other], notes: list[str]) -> Report:
    compared = [duels for other in others if (duels := rivals.duels(results, other))]
    if not compared:
        return Report(results, [], notes)
    results = rivals.with_differences(results, rivals.strongest(compared))
    return Report(
        replace(results, comparisons=[duel.to_json() for duels in compared for duel in duels]), compared, notes
    )
