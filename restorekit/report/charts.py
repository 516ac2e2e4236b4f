"""Charts of a report: each a drawing, a sentence on how to read it, and the table of its numbers.

Points that are not finite are left out; so are series without any.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from restorekit.core.config import parse_number
from restorekit.report.page import Chart
from restorekit.report.plotting import GROUND, SOFT, Style, drawing, drawn_name, legend, lines, logarithmic, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["calibration", "curves", "distribution", "sparsification", "speed", "strength"]
Points = Sequence[tuple[float, float]]
Cell = str | float | None
THIN: Style = {"linewidth": 0.9, "linestyle": (0, (1, 1.5))}
MOST_POINTS = 600  # of a curve in a drawing
MOST_LINES = 40  # of a curve in its table


def calibration(series: Mapping[str, Points], title: str = "Calibration of intervals") -> Chart:
    """Draw how often intervals held the truth, against how often they should.

    Parameters
    ----------
    series : mapping of str to sequence of (float, float)
        By method: nominal and measured coverage, both in [0, 1].
    title : str
        Of the chart.
    """
    series = _finite(series)
    caption = (
        "On the diagonal intervals hold as often as they say; under it they are too narrow, above it wider than needed."
    )

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        lines(axes, series)
        axes.set(xlabel="nominal coverage", ylabel="measured coverage", xlim=(0, 1.02), ylim=(0, 1.02))
        legend(figure, axes)

    return Chart(title, caption, drawing(title, caption, paint), *_table("nominal", series))


def sparsification(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    oracle: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    title: str = "Sparsification",
) -> Chart:
    """Draw the error of what remains when the least certain pixels are left out.

    Parameters
    ----------
    series : mapping of str to (sequence of float, sequence of float)
        By method: shares of the pixels left out, in [0, 1), and the RMSE of the others, on [0, 1].
    oracle : mapping of str to (sequence of float, sequence of float), optional
        The same where the pixels of the largest error are left out: what no order could be better than.
    title : str
        Of the chart.
    """
    curves_ = _finite({name: list(zip(*pair, strict=True)) for name, pair in series.items()})
    ideal = _finite({name: list(zip(*pair, strict=True)) for name, pair in (oracle or {}).items()})
    caption = "The steeper a line falls, the better the spread predicts where the errors are." + (
        " Thin lines: pixels left out by their true error, which nothing can beat." if ideal else ""
    )

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lines(axes, curves_)
        for i, name in enumerate(curves_):
            if name in ideal:
                axes.plot(*zip(*ideal[name], strict=True), color=style(i)["color"], **THIN)
        axes.set(xlabel="share of pixels left out, least certain first", ylabel="RMSE of the others", xlim=(0, 1))
        axes.set_ylim(bottom=0)
        legend(figure, axes)

    both = curves_ | {f"{name}, by true error": points for name, points in ideal.items()}
    return Chart(title, caption, drawing(title, caption, paint), *_table("left out", both))


def strength(title: str, key: str, series: Mapping[str, Points], unit: str = "") -> Chart:
    """Draw PSNR against the strength of a corruption.

    Parameters
    ----------
    title : str
        Of the chart.
    key : str
        What was varied, such as "sigma".
    series : mapping of str to sequence of (float, float)
        By method: strength, in `unit`, and mean PSNR, dB.
    unit : str
        Of the strength; empty where it has none, as what is on the [0, 1] scale of images.
    """
    label = f"{key}, {unit}" if unit else key
    caption = "Higher is better; how steeply a line falls says how a method copes with stronger corruption."
    return _plain(title, caption, series, label, "PSNR, dB")


def speed(title: str, series: Mapping[str, tuple[float, float]]) -> Chart:
    """Draw PSNR against time.

    Parameters
    ----------
    title : str
        Of the chart.
    series : mapping of str to (float, float)
        By method: seconds per megapixel, and mean PSNR, dB.
    """
    points = _finite({name: [point] for name, point in series.items() if point[0] > 0})
    caption = "Up is better, left is faster; the time is on a logarithmic scale."

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, (name, ((seconds, psnr),)) in enumerate(points.items()):
            axes.plot(seconds, psnr, label=drawn_name(name), **style(i) | {"linestyle": "none", "markersize": 9})
        axes.margins(0.12)
        logarithmic(axes, "x")
        axes.set(xlabel="seconds per megapixel", ylabel="PSNR, dB")
        legend(figure, axes)

    table = [(name, *pair[0]) for name, pair in points.items()]
    return Chart(title, caption, drawing(title, caption, paint), ("method", "seconds per megapixel", "PSNR, dB"), table)


def curves(title: str, series: Mapping[str, Points], unit: str, log: bool = False) -> Chart:
    """Draw values of a training by step.

    Parameters
    ----------
    title : str
        Of the chart.
    series : mapping of str to sequence of (float, float)
        By name: step, and value in `unit`.
    unit : str
        Of the values; may be empty.
    log : bool
        Whether the values have a logarithmic scale; those that are not positive are left out.
    """
    kept = {name: [p for p in points if not log or p[1] > 0] for name, points in series.items()}
    caption = "By training step." + (" The values are on a logarithmic scale." if log else "")
    return _plain(title, caption, kept, "step", unit or "value", log)


def _plain(title: str, caption: str, series: Mapping[str, Points], x: str, y: str, log: bool = False) -> Chart:
    series = _finite(series)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lines(axes, {name: _thinned(points, MOST_POINTS) for name, points in series.items()})
        if log and series:
            logarithmic(axes, "y")
        axes.set(xlabel=x, ylabel=y)
        legend(figure, axes)

    return Chart(title, caption, drawing(title, caption, paint), *_table(x, series))


def _finite(series: Mapping[str, Points]) -> dict[str, Points]:
    kept = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in series.items()}
    return {name: points for name, points in kept.items() if points}


def _thinned(points: Points, most: int) -> Points:
    """Return no more points than `most`, evenly chosen, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[i] for i in np.linspace(0, len(points) - 1, most).round().astype(int)]


def _table(x: str, series: Mapping[str, Points]) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Return head and rows of a table: a row for each x, a column for each series; long ones are thinned."""
    found = [dict(points) for points in series.values()]
    places = sorted({place for points in found for place in points})
    kept = [place for place, _ in _thinned([(place, 0.0) for place in places], MOST_LINES)]
    return (x, *series), [(place, *(points.get(place) for points in found)) for place in kept]


Values = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MAX_SINGLE_MARKS = 12  # values that are drawn one by one
FEWEST_BINS, MOST_BINS = 5, 40


def distribution(title: str, unit: str, series: Mapping[str, Sequence[float | None]]) -> Chart:
    """Draw how values are distributed.

    Parameters
    ----------
    title : str
        What the values are.
    unit : str
        Theirs; may be empty.
    series : mapping of str to sequence of float or None
        By method. Those that are None or not finite are left out, and so is a method without any other.
    """
    arrays = {
        name: np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        for name, values in series.items()
    }
    found = {name: values[np.isfinite(values)] for name, values in arrays.items() if np.isfinite(values).any()}
    caption = (
        "Above, how many images have which value. Below, thick lines hold the middle half, thin ones 90 %, "
        f"the marks are medians; up to {MAX_SINGLE_MARKS} images are shown one by one."
    )

    def paint(figure: Figure) -> None:
        ratio = [1.0, 0.16 * max(len(found), 1)]
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=ratio)
        _outlines(above, found)
        _boxes(below, found)
        below.set_xlabel(f"{title}, {unit}" if unit else title)

    svg = drawing(title, caption, paint, height=2.7 + 0.32 * max(len(found), 1))
    head = ("method", "images", "mean", "5 %", "25 %", "median", "75 %", "95 %")
    table: list[tuple[str | float, ...]] = [
        (name, values.size, float(values.mean()), *_quantiles(values)) for name, values in found.items()
    ]
    return Chart(title, caption, svg, head, table)


def _quantiles(values: Values) -> list[float]:
    return [float(q) for q in np.quantile(values, QUANTILES)]


def _outlines(axes: Axes, found: Mapping[str, Values]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_ylabel("images")
    axes.tick_params(labelbottom=False)
    if not found:
        return
    everything = np.concatenate(list(found.values()))
    bins = int(np.clip(np.sqrt(everything.size), FEWEST_BINS, MOST_BINS))
    edges = np.histogram_bin_edges(everything, bins)
    for i, values in enumerate(found.values()):
        counts, _ = np.histogram(values, edges)
        look = style(i)
        axes.stairs(counts, edges, color=look["color"], linestyle=look["linestyle"], linewidth=1.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _boxes(axes: Axes, found: Mapping[str, Values]) -> None:
    for i, values in enumerate(found.values()):
        look = style(i) | {"linestyle": "none", "markeredgecolor": GROUND}
        if values.size <= MAX_SINGLE_MARKS:
            axes.plot(values, np.full(values.size, i), **look)
        else:
            low, first, middle, third, high = _quantiles(values)
            axes.hlines(i, low, high, color=look["color"], linewidth=1.4)
            axes.hlines(i, first, third, color=look["color"], linewidth=6)
            axes.plot(middle, i, **look | {"markersize": 9})
    axes.set_yticks(range(len(found)), [drawn_name(name) for name in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


_SETTING = re.compile(r"(\w+)=([^,+]+)")


class ParameterSweep(NamedTuple):
    """Specs that differ in one number alone.

    key : str, what the number is of; form : str, the spec with a star in its place; strengths : of each spec.
    """

    key: str
    form: str
    strengths: Mapping[str, float]


def sweeps(specs: Iterable[str]) -> list[ParameterSweep]:
    """Return every set of two or more specs that differ in one number alone."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for spec in specs:
        for match in _SETTING.finditer(spec):
            try:
                strength = parse_number(match[2])
            except ValueError:  # a word or a range
                continue
            if math.isfinite(strength):
                form = f"{spec[: match.start(2)]}*{spec[match.end(2) :]}"
                found.setdefault((match[1], form), {})[spec] = strength
    return [ParameterSweep(key, form, own) for (key, form), own in found.items() if len(own) > 1]
