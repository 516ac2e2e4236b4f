"""The page of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from restorekit.evaluation.head_to_head import Duel, deciding, same_images
from restorekit.evaluation.metric_values import title
from restorekit.evaluation.metrics.uncertainty import LEVELS
from restorekit.evaluation.protocol import Results, failed
from restorekit.report import charts
from restorekit.report.charts import distribution, sweeps
from restorekit.report.page import Chart, Column, Page, Row
from restorekit.report.pages.restored import as_views
from restorekit.report.tables import columns, page_runs, values
from restorekit.report.wording import absent, count, explained, lost, method_names, pictured, quantity

GAIN = "gain"
Gains = Mapping[tuple[str, str, str], float]  # over the best classical method, by damage, restorer and image


def page_of(results: Results, duels: Sequence[Duel]) -> Page:
    """Return the report of an evaluation.

    Parameters
    ----------
    results : Results
        What was found.
    duels : sequence of Duel
        Every model beside the best classical method, as `evaluation.head_to_head.against_baselines` found it.
    """
    shown, gains = columns(results), _gains(duels)
    rows = [_row(row, shown, gains) for row in results.images]
    return Page(
        "evaluate",
        f"Evaluation on {results.protocol.source}",
        alarms=[*failed(results.failures), *lost(duels)],
        summary=_summary(results),
        command=results.command,
        protocol=[*explained(results), *(("no figure", text) for text in absent(results))],
        columns=_with_gain(shown, duels),
        runs=page_runs(results, duels, shown),
        rows=[*_failures(results), *rows],
        pictured=pictured(rows),
        charts=_charts(results),
    )


def _gains(duels: Sequence[Duel]) -> Gains:
    return {(d.corruption, d.restorer, image): value for d in duels for image, value in d.found.differences}


def _with_gain(shown: Sequence[Column], duels: Sequence[Duel]) -> list[Column]:
    """Add a column for the difference to the best classical method after the figure that it is of."""
    if not duels:
        return list(shown)
    figure = duels[0].figure
    names = ", ".join(dict.fromkeys(duel.against for duel in duels))
    meaning = f"{title(figure.name)} minus that of the best classical method on the same input ({names})."
    column = Column(GAIN, "gain", figure.unit, figure.better, meaning=meaning)
    place = next(i for i, one in enumerate(shown) if one.name == figure.name) + 1
    return [*shown[:place], column, *shown[place:]]


def _row(row: dict[str, Any], shown: Sequence[Column], gains: Gains) -> Row:
    found, reasons = values(row, shown)
    found[GAIN] = gains.get((row["corruption"], row["restorer"], row["image"]))
    views = as_views(row["views"]) if "views" in row else None
    return Row(row["image"], "done", row["corruption"], row["restorer"], found, reasons, views=views)


def _failures(results: Results) -> list[Row]:
    """Return a row for each thing that failed."""
    return [
        Row(f["image"], "failed", f.get("corruption", ""), f.get("restorer", ""), error=f["error"])
        for f in results.failures
    ]


def _summary(results: Results) -> list[str]:
    specs = list(dict.fromkeys(run["corruption"] for run in results.runs))
    names = method_names(dict.fromkeys(run["restorer"] for run in results.runs))
    images, ways = count(results.protocol.images, "image"), count(len(specs), "way")
    found = [f"{images} of {results.protocol.source}, damaged in {ways} and restored by {_methods(results)}."]
    found += [_best(results, spec, names) for spec in specs]
    return [*filter(None, found)]


def _methods(results: Results) -> str:
    """Say how many methods there are, and how many of them each damage had."""
    own: dict[str, set[str]] = {}
    for run in results.runs:
        own.setdefault(run["corruption"], set()).add(run["restorer"])
    methods = count(len(set().union(*own.values())), "method")
    if len({frozenset(names) for names in own.values()}) < 2:
        return f"{methods}, each of which saw the same damaged images" if methods != "1 method" else methods
    few, many = (f(len(names) for names in own.values()) for f in (min, max))
    each = str(few) if few == many else f"{few} to {many}"
    return f"{methods}, {each} of them for each damage, which saw the same damaged images"


def _best(results: Results, spec: str, names: Mapping[str, str]) -> str:
    """Say who is best on one damage, and how sure its intervals are."""
    figure = deciding(results.metrics)
    own = [r for r in results.runs if figure and r["corruption"] == spec and r.get(figure.name) is not None]
    if figure is None or not own:
        return ""
    best = (max if figure.better == "higher" else min)(own, key=lambda run: run[figure.name])
    inside = best.get("coverage90")
    sure = "" if inside is None else f"; its 90 % intervals hold {100 * inside:.1f} % of the true values"
    verb = "is best" if same_images(results, spec) else "has the best mean, though over other images"
    return (
        f"{spec}: {names[best['restorer']]} {verb}, {title(figure.name)} {quantity(best[figure.name], figure)}{sure}."
    )


def _charts(results: Results) -> list[Chart]:
    specs = list(dict.fromkeys(run["corruption"] for run in results.runs))
    found = [_distribution(results, spec) for spec in specs]
    found += [*_certainty(results), *_strengths(results, specs)]
    found += [_speed(results, spec) for spec in specs]
    return [chart for chart in found if chart is not None]


def _of(results: Results, spec: str | None, name: str) -> dict[str, list[Any]]:
    """Return what is known of a figure by restorer, over the images of one damage or of all."""
    found: dict[str, list[Any]] = {}
    for row in results.images:
        if row.get(name) is not None and spec in (None, row["corruption"]):
            found.setdefault(row["restorer"], []).append(row[name])
    return found


def _distribution(results: Results, spec: str) -> Chart | None:
    values = {name: [v for v in own if np.isfinite(v)] for name, own in _of(results, spec, "psnr").items()}
    return distribution(f"PSNR over images, {spec}", "dB", values) if any(values.values()) else None


def _certainty(results: Results) -> list[Chart | None]:
    """Return how intervals hold, and how well the spread tells errors, over all damages."""
    inside = {name: _inside(own) for name, own in _of(results, None, "calibration").items()}
    ranked = {name: np.mean(own, 0) for name, own in _of(results, None, "sparsification").items()}
    shares = (np.arange(20) / 20).tolist()
    lines = {name: (shares, curves[0].tolist()) for name, curves in ranked.items()}
    ideal = {name: (shares, curves[1].tolist()) for name, curves in ranked.items()}
    return [
        charts.calibration(inside, f"Calibration of intervals{_pooled(results, 'calibration')}") if inside else None,
        charts.sparsification(lines, ideal, f"Sparsification{_pooled(results, 'sparsification')}") if lines else None,
    ]


def _pooled(results: Results, name: str) -> str:
    """Say over how many damages a curve is a mean, where there are several."""
    every = {row["corruption"] for row in results.images}
    held = {row["corruption"] for row in results.images if row.get(name) is not None}
    if len(every) < 2:
        return ""
    return f", over all {len(every)} damages" if held == every else f", over {len(held)} of {len(every)} damages"


def _inside(images: Sequence[Sequence[float | None]]) -> list[tuple[float, float]]:
    """Return nominal and measured coverage, the mean over images that have one."""
    found = [
        (level, [v for v in shares if v is not None])
        for level, shares in zip(LEVELS, zip(*images, strict=True), strict=True)
    ]
    return [(level, float(np.mean(shares))) for level, shares in found if shares]


def _strengths(results: Results, specs: Sequence[str]) -> list[Chart | None]:
    found: list[Chart | None] = []
    for sweep in sweeps(specs):
        lines: dict[str, list[tuple[float, float]]] = {}
        for run in results.runs:
            if run["corruption"] in sweep.strengths and run.get("psnr") is not None:
                lines.setdefault(run["restorer"], []).append((sweep.strengths[run["corruption"]], run["psnr"]))
        ordered = {name: sorted(points) for name, points in lines.items()}
        found.append(charts.strength(f"PSNR against {sweep.key} of {sweep.form}", sweep.key, ordered))
    return found


def _speed(results: Results, spec: str) -> Chart | None:
    points = {
        run["restorer"]: (run["seconds_per_megapixel"], run["psnr"])
        for run in results.runs
        if run["corruption"] == spec and run.get("psnr") is not None and run.get("seconds_per_megapixel")
    }
    if len(points) < 2:
        return None
    return charts.speed(f"PSNR against time, {spec}", points)
