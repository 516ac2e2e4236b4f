"""Page of `restorekit report`: images restored by any tool, measured, and compared with other runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from restorekit.core.files import digest
from restorekit.core.types import Restoration
from restorekit.evaluation.bootstrap import LEVEL, indistinct, interval
from restorekit.evaluation.compare_folders import ImageTriple
from restorekit.evaluation.head_to_head import PairedComparison, deciding, gain, strongest
from restorekit.evaluation.metric_values import BEFORE, MetricInfo, title
from restorekit.evaluation.protocol import Results, failed
from restorekit.evaluation.rows import ImageRow
from restorekit.images.previews import make_preview
from restorekit.images.views import Views
from restorekit.report.charts import distribution
from restorekit.report.page import Chart, Page, Row, Run
from restorekit.report.tables import columns, page_runs, values
from restorekit.report.wording import absent, count, explained, list_names, number, outcome, pictured, quantity, verdict

Compared = Sequence[Sequence[PairedComparison]]  # for each other run, by every metric, the deciding one first
FOLDER = "views"


def page_of(
    results: Results, compared: Compared = (), notes: Sequence[str] = (), views: Mapping[str, Views] | None = None
) -> Page:
    """Return the page of one measured run.

    Parameters
    ----------
    results : Results
        As `evaluation.compare_folders.measure_sources` returns them, with the differences to the strongest other run.
    compared : sequence of sequences of PairedComparison
        Comparisons with other runs, by `restorekit.evaluation.head_to_head.compare_runs`.
    notes : sequence of str
        Sentences to show first, such as images without a counterpart.
    views : mapping of str to Views, optional
        Pictures by image.
    """
    shown, run = columns(results), results.runs[0]
    rows: list[Row] = []
    for row in results.images:
        found, reasons = values(row, shown)
        loss = harm(row)
        flags = [] if loss is None else [f"worse than the observation, by {_decibels(loss)}"]
        pictures, own_notes, word = (views or {}).get(row.image), row.notes or (), outcome_of(row, bool(flags))
        rows.append(Row(row.image, "done", "", row.restorer, found, reasons, flags, own_notes, "", pictures, word))
    measured = {row.image for row in results.images}
    failures = {f.image: f.error for f in results.failures if f.image not in measured}
    own = [replace(pair, corruption="") for pair in strongest(compared)[:1]]  # this run's corruption is not known
    return Page(
        kind="report",
        title=f"{run.restorer} against the clean images of {results.protocol.source}",
        alarms=[*failed(results.failures), *alarms(results, compared, notes)],
        summary=summary(results, compared),
        command=results.command,
        protocol=[*explained(results), *(("no value", text) for text in absent(results))],
        columns=shown,
        runs=[*page_runs(results, own, shown), *_other_runs(compared, {column.name for column in shown})],
        rows=[*rows, *(Row(i, "failed", restorer=run.restorer, error=error) for i, error in failures.items())],
        pictured=pictured(rows),
        charts=charts(results, compared),
        pairs=sorted((i for i, row in enumerate(rows) if row.views is not None), key=lambda i: urgency(rows[i])),
        headline=("psnr", BEFORE[1].name),
    )


def outcome_of(row: ImageRow, flagged: bool) -> str:
    """Return what became of an image; empty if its observation is not known."""
    gain = row.metrics.get(BEFORE[1].name)
    if gain is None:
        return ""
    return outcome(flagged, row.metrics.get("psnr_missing") is not None, gain == 0)


def urgency(row: Row) -> tuple[bool | float, ...]:
    """Return what orders the worst first: flagged images, then by the gain over the observation, then by PSNR."""
    known = (row.values.get(name) for name in (BEFORE[1].name, "psnr"))
    return not row.flags, *(np.inf if value is None else value for value in known)


def alarms(results: Results, compared: Compared, notes: Sequence[str]) -> list[str]:
    """Return sentences to show first: images without a counterpart, images made worse, lost comparisons."""
    losses = {row.image: loss for row in results.images if (loss := harm(row)) is not None}
    worst = sorted(losses, key=lambda image: -losses[image])
    found = list(notes)
    if worst:
        share = f"{len(worst)} of {count(len(results.images), 'image')} {'is' if len(worst) == 1 else 'are'}"
        found.append(f"{share} worse than the observation, by up to {_decibels(losses[worst[0]])}: {list_names(worst)}")
    return [*found, *verdicts(compared, lost=True)]


def summary(results: Results, compared: Compared) -> list[str]:
    """Return sentences on the number of images, the means, their certainty, and the comparisons."""
    run, metric = results.runs[0], deciding(results.metrics)
    sentences = [f"{count(run.images, 'image')} of {run.restorer} measured against {results.protocol.source}."]
    averaged = [one for one in (metric, BEFORE[1]) if one and run.metrics.get(one.name) is not None]
    sentences += [_average(results, one) for one in averaged]
    return [*sentences, *(f"{text[0].upper()}{text[1:]}." for text in verdicts(compared, lost=False))]


def verdicts(compared: Compared, lost: bool) -> list[str]:
    """Return a sentence for each other run, by the deciding metric: runs that are better on average, or the others."""
    first = [pairs[0] for pairs in compared if pairs and (gain(pairs[0]) < 0) == lost]
    words = {-1: "worse than", 0: "equal to", 1: "better than"}
    return [f"{words[int(np.sign(gain(pair)))]} {_rival(pair)}: {verdict(pair)}" for pair in first]


def charts(results: Results, compared: Compared) -> list[Chart]:
    """Draw the distribution of the deciding metric over the images, and of its differences to other runs."""
    metric = deciding(results.metrics)
    values = [row.metrics.get(metric.name) for row in results.images] if metric else []
    if metric is None or not any(value is not None and np.isfinite(value) for value in values):
        return []
    found = [distribution(f"{title(metric.name)} over images", metric.unit, {results.runs[0].restorer: values})]
    first = [pairs[0] for pairs in compared if pairs and pairs[0].metric.name == metric.name]
    series = {_rival(pair): [value for _, value in pair.result.differences] for pair in first}
    if any(series.values()):
        rivals = f"that of {next(iter(series))}" if len(series) == 1 else "those of other runs"
        found.append(distribution(f"{title(metric.name)} minus {rivals}, image by image", metric.unit, series))
    return found


def _average(results: Results, metric: MetricInfo) -> str:
    """Return a sentence with a mean, its interval, and the images of the least and the largest value."""
    found = {row.image: value for row in results.images if (value := row.metrics.get(metric.name)) is not None}
    finite = {image: value for image, value in found.items() if np.isfinite(value)}
    if not finite:
        return f"{title(metric.name)}: infinite on every image: each equals the clean one."
    ends = interval(np.array([*finite.values()]), results.protocol.seed)
    certainty = (
        f"{100 * LEVEL:g} % interval {number(ends[0])} to {number(ends[1])}" if isinstance(ends, tuple) else ends
    )
    low, high = min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)
    mean = quantity(float(np.mean([*finite.values()])), metric)
    exact = f"; {len(found) - len(finite)} more equal the clean image" if len(found) > len(finite) else ""
    span = f"from {number(finite[low])} ({low}) to {number(finite[high])} ({high}){exact}"
    return f"{title(metric.name)} {mean} on average ({certainty}, for images like these), {span}."


def harm(row: ImageRow) -> float | None:
    """Return by how many dB an image is worse than its observation; None if it is not, but for rounding to 8 bits."""
    after, before = row.metrics.get("psnr"), row.metrics.get(BEFORE[0].name)
    if after is None or before is None or after >= before:
        return None
    return None if indistinct(np.array([after]), np.array([before]), "dB").all() else float(before - after)


def _decibels(loss: float) -> str:
    return quantity(loss, BEFORE[1])


def _rival(pair: PairedComparison) -> str:
    return f"{pair.against} on {pair.corruption}" if pair.corruption else pair.against


def _other_runs(compared: Compared, shown: Collection[str]) -> list[Run]:
    """Return the other runs' means over the images that both have."""
    return [
        Run(
            pairs[0].corruption,
            pairs[0].against,
            len(pairs[0].result.differences),  # images of the mean, without those of infinite values
            values={pair.metric.name: pair.result.mean_against for pair in pairs if pair.metric.name in shown},
            note="over the images that both runs have",
        )
        for pairs in compared
        if pairs
    ]


class Album:
    """Pictures of some of the images that are measured.

    Parameters
    ----------
    report : Path
        Folder of the report.
    names : collection of str
        Images to make pictures of.

    Attributes
    ----------
    views : dict of str to Views
        By image.
    """

    def __init__(self, report: Path, names: Collection[str]) -> None:
        self.folder, self.names = report / FOLDER, names
        self.views: dict[str, Views] = {}

    def take(self, key: str, images: ImageTriple) -> None:
        """Write the pictures of an image, if it is one of those."""
        if key not in self.names:
            return
        observation = images.observation if images.is_observed else None
        preview = make_preview(Restoration(images.restored), observation, images.clean, taken=images.is_observed)
        self.views[key] = preview.write(self.folder, digest(key.encode())[:16])


def evenly(names: Sequence[str], count: int) -> set[str]:
    """Return `count` of the names, or all, evenly over the list."""
    chosen = min(count, len(names))
    return {names[(2 * i + 1) * len(names) // (2 * chosen)] for i in range(chosen)}
