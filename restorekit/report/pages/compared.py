"""The page of `restorekit report`: what was restored by any tool, measured, and compared with another run.

Pictures for a report, of some of the images that are measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.core.types import Restoration
from restorekit.evaluation.bootstrap import LEVEL, indistinct, interval
from restorekit.evaluation.compare_folders import Images
from restorekit.evaluation.head_to_head import Duel, deciding, gain, strongest
from restorekit.evaluation.metric_values import BEFORE, MetricInfo, title
from restorekit.evaluation.protocol import Results, failed
from restorekit.images.previews import make_preview
from restorekit.report.charts import distribution
from restorekit.report.page import Chart, Column, Page, Row, Run, Views
from restorekit.report.pages.restored import as_views
from restorekit.report.tables import columns, page_runs, values
from restorekit.report.wording import absent, count, explained, named, number, pictured, quantity, told

Compared = Sequence[Sequence[Duel]]  # for each other run, by every figure, the deciding one first


def page_of(
    results: Results, compared: Compared = (), notes: Sequence[str] = (), views: Mapping[str, Views] | None = None
) -> Page:
    """Return the page of one measured run.

    Parameters
    ----------
    results : Results
        What `evaluation.compare_folders.measured` found, with the differences to the strongest other run in its rows.
    compared : sequence of sequences of Duel
        Comparisons with other runs, by `restorekit.evaluation.head_to_head.duels`.
    notes : sequence of str
        What else is to be seen first, such as images without a counterpart.
    views : mapping of str to Views, optional
        Pictures by image.
    """
    shown, run = columns(results), results.runs[0]
    rows = [_row(row, shown, (views or {}).get(row["image"])) for row in results.images]
    return Page(
        kind="report",
        title=f"{run['restorer']} against the clean images of {results.protocol.source}",
        alarms=[*failed(results.failures), *alarms(results, compared, notes)],
        summary=summary(results, compared),
        command=results.command,
        protocol=[*explained(results), *(("no figure", text) for text in absent(results))],
        columns=shown,
        runs=[*page_runs(results, _met(compared), shown), *_other_runs(compared, shown)],
        rows=[*rows, *_failed_rows(results)],
        pictured=pictured(rows),
        charts=charts(results, compared),
    )


def _met(compared: Compared) -> list[Duel]:
    """Return the comparison with the strongest other run, by the deciding figure, as one on this run's damage."""
    return [replace(duel, corruption="") for duel in strongest(compared)[:1]]


def alarms(results: Results, compared: Compared, notes: Sequence[str]) -> list[str]:
    """Return what must be seen first: images without a counterpart, images made worse, a lost comparison."""
    return [*notes, *_harmed(results), *verdicts(compared, lost=True)]


def summary(results: Results, compared: Compared) -> list[str]:
    """Say to how many it was done, how well, how sure, and how it compares."""
    run, figure = results.runs[0], deciding(results.metrics)
    sentences = [f"{count(run['images'], 'image')} of {run['restorer']} measured against {results.protocol.source}."]
    sentences += [_average(results, one) for one in (figure, BEFORE[1]) if one and run.get(one.name) is not None]
    return [*sentences, *(f"{text[0].upper()}{text[1:]}." for text in verdicts(compared, lost=False))]


def verdicts(compared: Compared, lost: bool) -> list[str]:
    """Return a sentence for each comparison, by the deciding figure: of those lost on average, or of the others."""
    first = [duels[0] for duels in compared if duels and (gain(duels[0]) < 0) == lost]
    words = {-1: "worse than", 0: "equal to", 1: "better than"}
    return [f"{words[int(np.sign(gain(duel)))]} {_whom(duel)}: {told(duel)}" for duel in first]


def charts(results: Results, compared: Compared) -> list[Chart]:
    """Draw how the deciding figure lies over the images, and how the differences to other runs do."""
    figure = deciding(results.metrics)
    values = [row[figure.name] for row in results.images] if figure else []
    if figure is None or not any(value is not None and np.isfinite(value) for value in values):
        return []
    own = distribution(f"{title(figure.name)} over images", figure.unit, {results.runs[0]["restorer"]: values})
    return [own, *_differences(figure, compared)]


def _differences(figure: MetricInfo, compared: Compared) -> list[Chart]:
    """Draw the differences, image by image, to every other run that has the figure, all in one chart."""
    first = [duels[0] for duels in compared if duels and duels[0].figure.name == figure.name]
    series = {_whom(duel): [value for _, value in duel.found.differences] for duel in first}
    if not any(series.values()):
        return []
    whom = f"that of {next(iter(series))}" if len(series) == 1 else "those of other runs"
    return [distribution(f"{title(figure.name)} minus {whom}, image by image", figure.unit, series)]


def _average(results: Results, figure: MetricInfo) -> str:
    """Say a mean, how sure it is, and between which images it lies."""
    found = {row["image"]: row[figure.name] for row in results.images if row[figure.name] is not None}
    finite = {image: value for image, value in found.items() if np.isfinite(value)}
    if not finite:
        return f"{title(figure.name)}: infinite on every image: each equals the clean one."
    ends = interval(np.array([*finite.values()]), results.protocol.seed)
    sure = f"{100 * LEVEL:g} % interval {number(ends[0])} to {number(ends[1])}" if isinstance(ends, tuple) else ends
    low, high = min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)
    mean = quantity(float(np.mean([*finite.values()])), figure)
    left = f"; {len(found) - len(finite)} more equal the clean image" if len(found) > len(finite) else ""
    ranged = f"from {number(finite[low])} ({low}) to {number(finite[high])} ({high}){left}"
    return f"{title(figure.name)} {mean} on average ({sure}, for images like these), {ranged}."


def harm(row: Mapping[str, Any]) -> float | None:
    """Return by how many dB an image is worse than what was given, beyond what rounding makes; None where it is not."""
    after, before = row.get("psnr"), row.get(BEFORE[0].name)
    if after is None or before is None or after >= before:
        return None
    return None if indistinct(np.array([after]), np.array([before]), "dB").all() else float(before - after)


def _harmed(results: Results) -> list[str]:
    found = {row["image"]: loss for row in results.images if (loss := harm(row)) is not None}
    worst = sorted(found, key=lambda image: -found[image])
    if not worst:
        return []
    most, share = quantity(found[worst[0]], BEFORE[1]), f"{len(worst)} of {count(len(results.images), 'image')}"
    return [f"{share} {'is' if len(worst) == 1 else 'are'} worse than what was given, by up to {most}: {named(worst)}"]


def _whom(duel: Duel) -> str:
    return f"{duel.against} on {duel.corruption}" if duel.corruption else duel.against


def _row(row: Mapping[str, Any], shown: Sequence[Column], views: Views | None) -> Row:
    found, reasons = values(row, shown)
    loss = harm(row)
    flags = [] if loss is None else [f"worse than what was given, by {quantity(loss, BEFORE[1])}"]
    notes = row.get("notes", ())
    return Row(row["image"], "done", "", row["restorer"], found, reasons, flags, notes, views=views)


def _failed_rows(results: Results) -> list[Row]:
    """Return a row for each image that could not be measured at all."""
    measured, name = {row["image"] for row in results.images}, results.runs[0]["restorer"]
    failures = {f["image"]: f["error"] for f in results.failures if f["image"] not in measured}
    return [Row(image, "failed", restorer=name, error=error) for image, error in failures.items()]


def _other_runs(compared: Compared, shown: Sequence[Column]) -> list[Run]:
    """Return the other runs' means over the images that both have."""
    there = {column.name for column in shown}
    return [
        Run(
            duels[0].corruption,
            duels[0].against,
            len(duels[0].found.differences),  # those of the mean: infinite figures are not in it
            values={duel.figure.name: duel.found.mean_against for duel in duels if duel.figure.name in there},
            note="over the images that both runs have",
        )
        for duels in compared
        if duels
    ]


FOLDER = "views"


class Album:
    """Takes images as they are measured, and keeps what a page shows of those it is to have.

    Parameters
    ----------
    report : Path
        Folder of the report.
    names : collection of str
        Images of which there are to be pictures.

    Attributes
    ----------
    views : dict of str to Views
        By image.
    """

    def __init__(self, report: Path, names: Collection[str]) -> None:
        self.folder, self.names = report / FOLDER, names
        self.views: dict[str, Views] = {}

    def take(self, key: str, images: Images) -> None:
        """Write the pictures of an image, if it is one of those."""
        if key not in self.names:
            return
        given = images.observation if images.given else None
        seen = make_preview(Restoration(images.restored), given, images.clean, taken=given is not None)
        self.views[key] = as_views(seen.write(self.folder, hashlib.sha256(key.encode()).hexdigest()[:16]))


def evenly(names: Sequence[str], count: int) -> set[str]:
    """Return so many of the names, or all, evenly over the list."""
    chosen = min(count, len(names))
    return {names[(2 * i + 1) * len(names) // (2 * chosen)] for i in range(chosen)}
