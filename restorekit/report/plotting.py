"""Drawings with matplotlib, as SVG that takes its colours and its type from the page around it.

Series differ by marker and dash as well as by colour. The same values give the same text.

Drawings as parts of a page: ids that do not collide.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colours that stand for those of the page: matplotlib has no variables, so they are put in afterwards
INK, SOFT, GRID, GROUND = "#000101", "#000102", "#000103", "#000104"
_COLOURS = ("#0b5cad", "#b9460b", "#0b7a6e", "#7a3fd1", "#8a6100", "#b5206a", "#4a5462", "#3d6b12")  # as in base.css
SERIES = tuple(f"#0002{i:02d}" for i in range(1, len(_COLOURS) + 1))
_VARIABLES = {
    INK: "var(--ink, #16191d)",
    SOFT: "var(--soft, #555c66)",
    GRID: "var(--line, #dcdfe4)",
    GROUND: "var(--bg, #fff)",
    **{stand: f"var(--series-{i}, {_COLOURS[i - 1]})" for i, stand in enumerate(SERIES, 1)},
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Style = dict[str, Any]  # keyword arguments of matplotlib, whose types it lists one by one
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 3)))
WIDTH = 6.4  # inches: at 72 of its units an inch, about as many as the pixels that it is shown with
HEIGHT = 3.7
ROW = 72  # signs that a row of a legend has room for, its lines counted as six each
LONGEST = 34  # signs of a name in a drawing
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "restorekit",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "lines.markeredgecolor": GROUND,
}


def drawing(title: str, caption: str, paint: Callable[[Figure], None], height: float = HEIGHT) -> str:
    """Return what a function paints on an empty figure, as one <svg> element with a title and a description."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    text = io.StringIO()
    settings: Any = _SETTINGS  # whose keys matplotlib lists one by one
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # it is measured in another type than it is shown in
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        paint(figure)
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=empty)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)  # it would hold for the page
    svg = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1; font-family: inherit", svg)  # up to matplotlib 3.9
    svg = re.sub(r"font-family: [^;\"]+", "font-family: inherit", svg)
    svg = re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], svg)
    head, rest = svg.split(">", 1)
    head = re.sub(r' (width|height|version)="[^"]*"', "", head) + ' role="img" stroke-linejoin="round">'
    return f"{head}\n<title>{escape(title)}</title>\n<desc>{escape(caption)}</desc>{rest}"


def style(i: int) -> Style:
    """Return colour, marker and dash of the i-th series."""
    return {
        "color": SERIES[i % len(SERIES)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[i % len(DASHES)],
    }


def drawn_name(name: str) -> str:
    """Return a name as long as a drawing has room for; matplotlib hides those that begin with an underscore."""
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}…{name[-7:]}"
    return f"\u200b{name}" if name.startswith("_") else name


def lines(axes: Axes, series: Mapping[str, Sequence[tuple[float, float]]], most_markers: int = 12) -> None:
    """Draw a line for each series, with no more markers than tell it from the others."""
    for i, (name, points) in enumerate(series.items()):
        x, y = zip(*points, strict=True) if points else ((), ())
        axes.plot(x, y, label=drawn_name(name), markevery=max(1, len(x) // most_markers), **style(i))


def legend(figure: Figure, axes: Axes) -> None:
    """Name the series above the drawing, where there are several."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        in_a_row = sum(len(label) + 6 for label in labels) < ROW
        across = len(labels) if in_a_row else 2
        figure.legend(handles, labels, loc="outside upper left", ncols=across, fontsize=11)


def logarithmic(axes: Axes, which: str) -> None:
    """Give an axis ("x" or "y") a logarithmic scale with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


_TAG = re.compile(r"<[^<>]+>")
_ID = re.compile(r'\sid="([^"]+)"')
_USE = re.compile(r'(url\(#|href="#)([^)"]+)')


def with_prefixed_ids(svg: str, prefix: str) -> str:
    """Return a drawing whose ids begin with a prefix, so that those of another on the same page differ.

    An id that nothing in the drawing points to is left out.
    """
    used = {name for tag in _TAG.findall(svg) for _, name in _USE.findall(tag)}

    def renamed(tag: re.Match[str]) -> str:
        text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", tag[0])
        return _USE.sub(rf"\g<1>{prefix}\g<2>", text)

    return _TAG.sub(renamed, svg)
