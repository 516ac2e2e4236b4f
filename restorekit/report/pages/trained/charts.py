"""Curves of a training."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping

from restorekit.report.page import Chart
from restorekit.report.pages.trained import series as log_series
from restorekit.report.pages.trained.series import formatted
from restorekit.training.log import Log, Points, thin

BEGINNING = 0.05  # of the way, which may be left out of a drawing
MIN_POINTS = 20  # that must be left
ROWS = 40  # of a table, for the curve with the fewest points
TRAINING, VALIDATION = "training images", "validation images"
Series = Mapping[str, Points]


def charts(log: Log, recipe: Mapping[str, object]) -> list[Chart]:
    """Return the curves that a log has points for.

    Parameters
    ----------
    log : Log
        Log of the training.
    recipe : mapping
        Settings of the training, as its card has them; empty where they are not known.
    """
    crop, batch = (value if isinstance(value := recipe.get(name), int) else None for name in ("crop", "batch"))
    found = [*_psnr(log), *_objective(log, crop), *_latents(log), *_others(log), *_health(log, batch)]
    return [chart for chart in found if chart is not None]


def _psnr(log: Log) -> Iterator[Chart | None]:
    names = log_series.of_psnr(log.names("validation"))
    called = {"psnr": "mean", "reconstruction_psnr": "reconstruction"}
    series = {called.get(name, name.removeprefix("psnr ")): log.points("validation", name) for name in names}
    if len(series) == 2 and "mean" in series:
        del series["mean"]  # of one corruption alone
    caption = "Mean over the images; higher is better."
    if "reconstruction" in series:
        caption = "How well the decoder gives back a clean image that the encoder saw: nothing was restored."
    yield _drawn("PSNR on the validation images", caption, series, "dB")


def _objective(log: Log, crop: int | None) -> Iterator[Chart | None]:
    """Draw the parts of the objective; crops and validation images separately, since their sums differ in scale."""
    event, names = log_series.learnt(log)
    for name in (name for name in names if not log_series.of_levels([name])):
        both = {TRAINING: log.points(event, name), VALIDATION: log.points("validation", name)}
        if crop and all(both.values()):
            yield _part(name, {f"crops of {crop} pixels": both[TRAINING]}, f"{name}, {TRAINING}")
            yield _part(name, {VALIDATION: both[VALIDATION]}, f"{name}, {VALIDATION}")
        else:
            yield _part(name, both, name)


def _part(name: str, series: Series, title: str) -> Chart | None:
    shown, left_out = without_beginning({who: points for who, points in series.items() if points})
    caption = " ".join(filter(None, (log_series.MEANINGS.get(name, ""), left_out)))
    return _drawn(title, caption, shown, log_series.unit(name) or name)


def _latents(log: Log) -> Iterator[Chart | None]:
    names = log.names("validation")
    levels = {name: log.points("validation", name) for name in log_series.of_levels(names)}
    caption = "KL(q || p) of each level on the validation images; the model does without a level that stays near 0."
    yield _drawn("Information in each level of the latents", caption, levels, log_series.NATS)
    units = {name.replace("_", " "): log.points("validation", name) for name in log_series.of_units(names)}
    caption = "Latents that differ between the validation images; the others carry nothing."
    yield _drawn("Active units", caption, units, "count")


def _others(log: Log) -> Iterator[Chart | None]:
    """Draw what only validations tell."""
    names, learnt = log.names("validation"), log_series.learnt(log)[1]
    drawn = {*learnt, *log_series.of_psnr(names), *log_series.of_levels(names), *log_series.of_units(names)}
    for name in (name for name in names if name not in drawn):
        yield _part(name, {VALIDATION: log.points("validation", name)}, name)


def _health(log: Log, batch: int | None) -> Iterator[Chart | None]:
    yield _drawn("Learning rate", "", {"lr": log.points("step", "lr")}, "lr")
    norms = {"gradient": log.points("step", "gradient")}
    caption = "The usual norm, before clipping: a running mean in which a spike counts as at most twice the mean."
    yield _drawn("Gradient norm", caption, norms, "norm", all(value > 0 for _, value in norms["gradient"]))
    yield _drawn("Throughput", "Pauses for validations and saves count.", throughput(log, batch), "images/s")
    skipped = log.points("step", "skipped")
    if any(count for _, count in skipped):
        caption = "Updates left out since the gradients were not finite, or many times the usual."
        yield _drawn("Skipped updates", caption, {"since the start": skipped}, "count")


def throughput(log: Log, batch: int | None) -> dict[str, Points]:
    """Return images a second: between lines of the log, where the batch is known, and since the start."""
    lines = log.of("step")
    paired = itertools.pairwise(lines) if batch else ()
    now = [
        (b.step, batch * (b.step - a.step) / (b.seconds - a.seconds))
        for a, b in paired
        if batch and b.seconds > a.seconds
    ]
    return {"at the time": now, "since the start": log.points("step", "images_per_s")}


def _drawn(title: str, caption: str, series: Series, unit: str, log: bool = False) -> Chart | None:
    """Return a chart of the curves that have points; None where none has two, since one point is no curve."""
    from restorekit.report.charts import curves

    known = {name: points for name, points in series.items() if points}
    if all(len(points) < 2 for points in known.values()):
        return None
    chart = curves(title, {name: thin(points) for name, points in known.items()}, unit, log)
    # the table has the steps of the chart, and every step of the curve with the fewest points, such as validations
    steps = {row[0] for row in chart.table}
    rarest = {step for step, _ in thin(min(known.values(), key=len), ROWS)}
    by_step = [dict(points) for points in known.values()]
    wanted = {step for points in by_step for step in points if step in steps or step in rarest}
    rows = [(step, *(points.get(step) for points in by_step)) for step in sorted(wanted)]
    return dataclasses.replace(chart, caption=caption, table=rows)


def without_beginning(series: Series) -> tuple[Series, str]:
    """Leave out the beginning if it takes most of the range, so that the rest is legible.

    Returns
    -------
    (mapping of str to points, str)
        What is to be drawn, and a sentence on what is not; empty where that is all.
    """
    end = max((points[-1][0] for points in series.values()), default=0)
    shown = {name: [p for p in points if p[0] > BEGINNING * end] for name, points in series.items()}
    if not series or any(len(points) < min(MIN_POINTS, len(series[name])) for name, points in shown.items()):
        return series, ""
    values, left = ([value for points in some.values() for _, value in points] for some in (series, shown))
    if max(values) - min(values) <= 2 * (max(left) - min(left)):
        return series, ""
    beyond = min(values) if min(left) - min(values) > max(values) - max(left) else max(values)
    return (
        shown,
        f"Left out are the first {BEGINNING * end:,.0f} updates, with values as far off as {formatted(beyond)}.",
    )
