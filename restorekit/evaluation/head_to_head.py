"""Two methods on the same images: models against baselines, and one run against another run's results.json."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from restorekit.core.errors import RecordError, UsageError
from restorekit.core.records import decode, read_json
from restorekit.evaluation.bootstrap import LEVEL, Comparison, better, compare
from restorekit.evaluation.metric_values import BEFORE, DIFFERENCE_SUFFIX, OF_A_RUN, MetricInfo, in_order
from restorekit.evaluation.protocol import SCHEMA, Results
from restorekit.evaluation.rows import ComparisonRow, ImageDifference, ImageRow, RunRow
from restorekit.images.pairing import stem

FIRST = "psnr"  # decides which of several methods is best, if it was measured
_SAME = ("result", "psnr", "ssim")  # parts of the protocol that must agree for metric values to be comparable
_UNPAIRED = "one of both values is infinite, or missing"


@dataclass(frozen=True)
class PairedComparison:
    """Two methods compared by one metric on the same images.

    Attributes
    ----------
    corruption, restorer, against : str
        Spec, the method whose wins are counted, and the other method.
    metric : MetricInfo
        The metric.
    result : Comparison
        Means, interval, wins and losses.
    """

    corruption: str
    restorer: str
    against: str
    metric: MetricInfo
    result: Comparison

    def row(self) -> ComparisonRow:
        """Return the row of results.json."""
        found = asdict(self.result)
        found["differences"] = [ImageDifference(image, value) for image, value in self.result.differences]
        return ComparisonRow(
            self.corruption, self.restorer, self.against, metric=self.metric.name, level=LEVEL, **found
        )


def deciding(metrics: Sequence[MetricInfo]) -> MetricInfo | None:
    """Return the metric that decides which method is best: PSNR, else the first with a direction; None without."""
    excluded = {info.name for info in OF_A_RUN}
    eligible = [info for info in metrics if info.better and info.name not in excluded]
    return next((info for info in eligible if info.name == FIRST), eligible[0] if eligible else None)


def against_baselines(results: Results) -> list[PairedComparison]:
    """Compare every model with the classical method that is best for the corruption on average."""
    metric, found = deciding(results.metrics), list[PairedComparison]()
    if metric is None:
        return found
    sign = 1 if metric.better == "higher" else -1

    def mean(run: RunRow) -> float | None:
        return run.metrics.get(metric.name)

    for spec in dict.fromkeys(run.corruption for run in results.runs):
        runs = [run for run in results.runs if run.corruption == spec]
        classical = [(value, run) for run in runs if not run.learned and (value := mean(run)) is not None]
        if not classical:
            continue
        best = max(classical, key=lambda pair: sign * pair[0])[1].restorer
        for name in (run.restorer for run in runs if run.learned):
            ours, theirs = (
                {
                    row.image: row.metrics.get(metric.name)
                    for row in results.images
                    if (row.corruption, row.restorer) == (spec, one)
                }
                for one in (name, best)
            )
            result = compare(ours, theirs, metric, results.protocol.seed)
            found += [PairedComparison(spec, name, best, metric, result)] if result.images else []
    return found


def gain(pair: PairedComparison) -> float:
    """Return the mean advantage of the first method; without a mean, its wins less its losses."""
    if pair.result.difference is None:
        return float(pair.result.wins - pair.result.losses)
    return pair.result.difference if pair.metric.better == "higher" else -pair.result.difference


def same_images(results: Results, spec: str) -> bool:
    """Return whether all methods of a corruption were measured on the same images."""
    images: dict[str, set[str]] = {}
    for row in results.images:
        if row.corruption == spec:
            images.setdefault(row.restorer, set()).add(row.image)
    return len({frozenset(own) for own in images.values()}) < 2


@dataclass(frozen=True)
class OtherRun:
    """A run to compare with.

    Attributes
    ----------
    name, corruption : str
        Its method and the spec.
    values : mapping of str to mapping of str to float or None
        Values by metric, by the stem of the image.
    """

    name: str
    corruption: str
    values: Mapping[str, Mapping[str, float | None]]


def results_file(path: Path) -> Path | None:
    """Return the results.json that a path names, itself or in its folder; None for a folder of images."""
    if path.is_file() and path.suffix == ".json":
        return path
    return path / "results.json" if (path / "results.json").is_file() else None


def load(path: Path) -> Results:
    """Read results.json; UsageError if `path` is no such file."""
    try:
        found = read_json(path)
    except RecordError as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}); give results.json of report or evaluate") from error
    try:
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            schema = found.get("schema") if isinstance(found, dict) else ""
            raise RecordError(f"schema: expected {SCHEMA}, got {reprlib.repr(schema)}")
        return decode(Results, found)
    except RecordError as error:
        raise UsageError(
            f"{path} is no results.json of schema {SCHEMA}, which is expected ({error}); make one with "
            "restorekit report"
        ) from error


def check_common_images(other: Results, keys: Sequence[str], path: Path) -> None:
    """Raise a UsageError if the results of another run hold none of the images."""
    theirs = [row.image for row in other.images]
    if not {stem(key) for key in theirs} & {stem(key) for key in keys}:
        raise UsageError(
            f"{path} has values of none of these images: expected names such as {keys[0]}, "
            f"got {theirs[0] if theirs else 'no image at all'}; give the results of a run on the same images"
        )


def other_runs(results: Results) -> list[OtherRun]:
    """Return the runs of results that have an image."""
    found = []
    for run in results.runs:
        own = [r for r in results.images if (r.restorer, r.corruption) == (run.restorer, run.corruption)]
        if own:
            found.append(OtherRun(run.restorer, run.corruption, {stem(row.image): row.metrics for row in own}))
    return found


def protocol_differences(other: Results, results: Results) -> list[str]:
    """Return a sentence for each part of the protocol in which another run was measured differently."""
    pairs = [(key, getattr(other.protocol, key), getattr(results.protocol, key)) for key in _SAME]
    return [f"not measured alike: {key} was {was!r} there and is {now!r} here" for key, was, now in pairs if was != now]


def compare_runs(results: Results, other: OtherRun) -> list[PairedComparison]:
    """Compare the one run of results with another, by every metric that both have, the deciding one first.

    Times, and values of the images as they were before, are left out: neither is a quality of the restoration.
    """
    excluded, first = {info.name for info in (*OF_A_RUN, *BEFORE)}, deciding(results.metrics)
    eligible = [m for m in results.metrics if (m.better or m.goal is not None) and m.name not in excluded]
    found = []
    for metric in sorted(in_order(eligible), key=lambda info: info != first):
        ours = {row.image: row.metrics.get(metric.name) for row in results.images}
        theirs = {key: other.values.get(stem(key), {}).get(metric.name) for key in ours}
        result = compare(ours, theirs, metric, results.protocol.seed)
        if result.images:
            found.append(PairedComparison(other.corruption, results.runs[0].restorer, other.name, metric, result))
    return found


def strongest(compared: Sequence[Sequence[PairedComparison]]) -> Sequence[PairedComparison]:
    """Return the comparisons with the other run of the best mean by the deciding metric; empty without any."""

    def merit(comparisons: Sequence[PairedComparison]) -> float:
        mean, metric = comparisons[0].result.mean_against, comparisons[0].metric
        return -float("inf") if mean is None else mean if better(metric) == "higher" else -mean

    return max((comparisons for comparisons in compared if comparisons), key=merit, default=[])


def with_differences(results: Results, comparisons: Sequence[PairedComparison]) -> Results:
    """Add the differences to another run: of every metric to the rows, and their means to the run."""
    names = {pair.metric.name + DIFFERENCE_SUFFIX: pair for pair in comparisons}
    by_image = {name: dict(pair.result.differences) for name, pair in names.items()}
    means = {name: pair.result.difference for name, pair in names.items()}
    infos: list[MetricInfo] = []
    for name, pair in names.items():
        metric = pair.metric
        value = metric.name if metric.goal is None else f"Distance of {metric.name} from {metric.goal:g},"
        meaning = f"{value} minus that of {pair.against}."
        infos.append(MetricInfo(name, metric.unit, better(metric), meaning=meaning))

    def extended(row: ImageRow) -> ImageRow:
        values = {name: own.get(row.image) for name, own in by_image.items()}
        reasons = {name: _UNPAIRED for name, value in values.items() if value is None}
        return replace(row, metrics={**row.metrics, **values}, reasons={**row.reasons, **reasons})

    run = replace(results.runs[0], metrics={**results.runs[0].metrics, **means})
    rows = [extended(row) for row in results.images]
    return replace(results, runs=[run], images=rows, metrics=[*results.metrics, *infos])
