"""Charts of a report: each a drawing, a sentence on how to read it, and the table of its numbers.

Points that are not finite are left out; so are series without any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from restorekit.report.distributions import distribution
from restorekit.report.page import Chart
from restorekit.report.plotting import SOFT, drawing, drawn_name, legend, lines, logarithmic, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["calibration", "curves", "distribution", "sparsification", "speed", "strength"]
Points = Sequence[tuple[float, float]]
Cell = str | float | None
THIN: Mapping[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 1.5))}
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
    caption = "The steeper a line falls, the better the spread tells where the errors are." + (
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
    """Draw PSNR against the strength of a damage.

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
    caption = "Higher is better; how steeply a line falls says how a method takes stronger damage."
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
    """Draw how figures of a training went.

    Parameters
    ----------
    title : str
        Of the chart.
    series : mapping of str to sequence of (float, float)
        By figure: step, and value in `unit`.
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
