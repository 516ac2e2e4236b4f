"""Page of an evaluation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np

from restorekit.evaluation.bootstrap import indistinct
from restorekit.evaluation.head_to_head import PairedComparison, deciding, same_images
from restorekit.evaluation.metric_values import MetricInfo, title
from restorekit.evaluation.metrics.uncertainty import LEVELS
from restorekit.evaluation.protocol import Results, failed
from restorekit.evaluation.rows import ImageRow
from restorekit.report import charts
from restorekit.report.page import Chart, Column, Page, Row
from restorekit.report.tables import columns, page_runs, values
from restorekit.report.wording import absent, count, explained, lost, method_names, outcome, pictured, quantity

GAIN = "gain"
T = TypeVar("T")


def page_of(results: Results, comparisons: Sequence[PairedComparison]) -> Page:
    """Return the report of an evaluation.

    Parameters
    ----------
    results : Results
        Results of `evaluation.evaluate`.
    comparisons : sequence of PairedComparison
        Every model and the best classical method, by `evaluation.head_to_head.against_baselines`.
    """
    shown = columns(results)
    gains = {(c.corruption, c.restorer, image): value for c in comparisons for image, value in c.result.differences}
    best = {(c.corruption, c.restorer): c for c in comparisons}
    rows = [Row(f.image, "failed", f.corruption, f.restorer, error=f.error) for f in results.failures]
    for row in results.images:
        found, reasons = values(row, shown)
        found[GAIN] = gains.get((row.corruption, row.restorer, row.image))
        flags = beaten(found, best.get((row.corruption, row.restorer)))
        word = outcome(bool(flags), row.metrics.get("psnr_missing") is not None)
        rows.append(
            Row(row.image, "done", row.corruption, row.restorer, found, reasons, flags, verdict=word, views=row.views)
        )
    metric = deciding(results.metrics)
    return Page(
        "evaluate",
        f"Evaluation on {results.protocol.source}",
        alarms=[*failed(results.failures), *lost(comparisons)],
        summary=_summary(results),
        command=results.command,
        protocol=[*explained(results), *(("no value", text) for text in absent(results))],
        columns=_with_gain(shown, comparisons),
        runs=page_runs(results, comparisons, shown),
        rows=rows,
        pictured=pictured(rows),
        charts=_charts(results),
        pairs=worst_first(rows, {run.restorer for run in results.runs if run.learned}, metric),
        headline=() if metric is None else (metric.name, GAIN),
    )


def beaten(found: Mapping[str, float | None], pair: PairedComparison | None) -> list[str]:
    """Return a sentence if the best classical method does better on an image; else nothing."""
    metric, gain = None if pair is None else pair.metric, found[GAIN]
    own = None if metric is None else found.get(metric.name)
    if pair is None or metric is None or gain is None or own is None:
        return []
    is_ahead = (gain >= 0) == (metric.better == "higher")
    if is_ahead or indistinct(np.array([own]), np.array([own - gain]), metric.unit).all():
        return []
    way = "higher" if metric.better == "higher" else "lower"
    return [f"{title(metric.name)} of {pair.against} is {way}, by {quantity(abs(gain), metric)}"]


def worst_first(rows: Sequence[Row], learned: Collection[str], metric: MetricInfo | None) -> list[int]:
    """Return the rows with pictures, of models alone if there are any: flagged ones first, then by gain and metric."""
    sign = -1 if metric is not None and metric.better == "lower" else 1
    names = (GAIN, *(() if metric is None else (metric.name,)))

    def urgency(i: int) -> tuple[bool | float, ...]:
        known = (rows[i].values.get(name) for name in names)
        return not rows[i].flags, *(np.inf if value is None else sign * value for value in known)

    shown = [i for i, row in enumerate(rows) if row.views is not None and (not learned or row.restorer in learned)]
    return sorted(shown, key=urgency)


def _with_gain(shown: Sequence[Column], comparisons: Sequence[PairedComparison]) -> list[Column]:
    """Add a column for the difference to the best classical method after that of the metric."""
    if not comparisons:
        return list(shown)
    metric = comparisons[0].metric
    names = ", ".join(dict.fromkeys(pair.against for pair in comparisons))
    meaning = f"{title(metric.name)} minus that of the best classical method on the same input ({names})."
    column = Column(GAIN, "gain", metric.unit, metric.better, meaning=meaning)
    place = next(i for i, one in enumerate(shown) if one.name == metric.name) + 1
    return [*shown[:place], column, *shown[place:]]


def _summary(results: Results) -> list[str]:
    """Return sentences on the images and the methods, and on the best method for each corruption."""
    by_spec: dict[str, set[str]] = {}
    for run in results.runs:
        by_spec.setdefault(run.corruption, set()).add(run.restorer)
    names = method_names(dict.fromkeys(run.restorer for run in results.runs))
    methods = count(len(names), "method")
    if len({frozenset(restorers) for restorers in by_spec.values()}) > 1:
        few, many = (f(map(len, by_spec.values())) for f in (min, max))
        each = str(few) if few == many else f"{few} to {many}"
        methods += f", {each} of them for each corruption, on the same corrupted images"
    elif len(names) != 1:
        methods += ", each on the same corrupted images"
    images, ways = count(results.protocol.images, "image"), count(len(by_spec), "way")
    first = f"{images} of {results.protocol.source}, corrupted in {ways} and restored by {methods}."
    return [first, *filter(None, (_best(results, spec, names) for spec in by_spec))]


def _best(results: Results, spec: str, names: Mapping[str, str]) -> str:
    """Return the best method for one corruption, and the coverage of its intervals."""
    metric = deciding(results.metrics)
    if metric is None:
        return ""
    found = [(v, r) for r in results.runs if r.corruption == spec and (v := r.metrics.get(metric.name)) is not None]
    if not found:
        return ""
    value, run = (max if metric.better == "higher" else min)(found, key=lambda one: one[0])
    inside = run.metrics.get("coverage90")
    certainty = "" if inside is None else f"; its 90 % intervals hold {100 * inside:.1f} % of the true values"
    verb = "is best" if same_images(results, spec) else "has the best mean, though over other images"
    return f"{spec}: {names[run.restorer]} {verb}, {title(metric.name)} {quantity(value, metric)}{certainty}."


def _charts(results: Results) -> list[Chart]:
    specs = list(dict.fromkeys(run.corruption for run in results.runs))
    found: list[Chart | None] = []
    for spec in specs:
        rows = [row for row in results.images if row.corruption == spec]
        psnr = [row.metrics.get("psnr") for row in rows]
        finite = _by_method(rows, [v if v is not None and np.isfinite(v) else None for v in psnr])
        found.append(charts.distribution(f"PSNR over images, {spec}", "dB", finite) if finite else None)
    found += _spread_charts(results)
    for sweep in charts.sweeps(specs):
        lines: dict[str, list[tuple[float, float]]] = {}
        for run in results.runs:
            mean = run.metrics.get("psnr")
            if run.corruption in sweep.strengths and mean is not None:
                lines.setdefault(run.restorer, []).append((sweep.strengths[run.corruption], mean))
        ordered = {name: sorted(points) for name, points in lines.items()}
        found.append(charts.strength(f"PSNR against {sweep.key} of {sweep.form}", sweep.key, ordered))
    for spec in specs:
        points = {
            run.restorer: (seconds, value)
            for run in results.runs
            if run.corruption == spec
            and (value := run.metrics.get("psnr")) is not None
            and (seconds := run.metrics.get("seconds_per_megapixel"))
        }
        found.append(charts.speed(f"PSNR against time, {spec}", points) if len(points) > 1 else None)
    return [chart for chart in found if chart is not None]


def _by_method(rows: Sequence[ImageRow], values: Sequence[T | None]) -> dict[str, list[T]]:
    """Return the values of rows, without those that are None, by method."""
    found: dict[str, list[T]] = {}
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            found.setdefault(row.restorer, []).append(value)
    return found


def _spread_charts(results: Results) -> list[Chart]:
    """Draw the calibration of intervals and the sparsification curves, over all corruptions."""
    rows = results.images
    shares = [None if row.coverage is None else row.coverage.calibration for row in rows]
    curves = [None if row.coverage is None else row.coverage.sparsification for row in rows]
    found = []
    if by_method := _by_method(rows, shares):
        inside: dict[str, list[tuple[float, float]]] = {}
        for name, own in by_method.items():
            known = [[v for v in values if v is not None] for values in zip(*own, strict=True)]
            pairs = zip(LEVELS, known, strict=True)
            inside[name] = [(level, float(np.mean(values))) for level, values in pairs if values]
        pooled = _pooled([row.corruption for row in rows], shares)
        found.append(charts.calibration(inside, f"Calibration of intervals{pooled}"))
    if ranked := _by_method(rows, curves):
        left_out = (np.arange(20) / 20).tolist()
        means = {name: np.mean(own, 0) for name, own in ranked.items()}
        lines = {name: (left_out, mean[0].tolist()) for name, mean in means.items()}
        ideal = {name: (left_out, mean[1].tolist()) for name, mean in means.items()}
        pooled = _pooled([row.corruption for row in rows], curves)
        found.append(charts.sparsification(lines, ideal, f"Sparsification{pooled}"))
    return found


def _pooled(specs: Sequence[str], values: Sequence[object]) -> str:
    """Return over how many corruptions a curve is a mean; empty if there is one alone."""
    every = set(specs)
    held = {spec for spec, value in zip(specs, values, strict=True) if value is not None}
    if len(every) < 2:
        return ""
    return (
        f", over all {len(every)} corruptions" if held == every else f", over {len(held)} of {len(every)} corruptions"
    )
