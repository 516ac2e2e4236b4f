"""How a figure is distributed over images: outlines of histograms, and under them the quantiles of each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restorekit.report.page import Chart
from restorekit.report.plotting import GROUND, drawing, drawn_name, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEW = 12  # values that are drawn one by one
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
    found = {name: _known(values) for name, values in series.items()}
    found = {name: values for name, values in found.items() if values.size}
    caption = (
        "Above, how many images have which value. Below, thick lines hold the middle half, thin ones 90 %, "
        f"the marks are medians; up to {FEW} images are shown one by one."
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


def _known(values: Sequence[float | None]) -> Values:
    array = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return array[np.isfinite(array)]


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
        if values.size <= FEW:
            axes.plot(values, np.full(values.size, i), **look)
        else:
            _box(axes, i, _quantiles(values), look)
    axes.set_yticks(range(len(found)), [drawn_name(name) for name in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _box(axes: Axes, at: int, quantiles: Sequence[float], look: dict[str, Any]) -> None:
    low, first, middle, third, high = quantiles
    axes.hlines(at, low, high, color=look["color"], linewidth=1.4)
    axes.hlines(at, first, third, color=look["color"], linewidth=6)
    axes.plot(middle, at, **look | {"markersize": 9})
