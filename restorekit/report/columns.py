"""The figures of results as columns of a page: built-in ones in the order of their importance, then plugins' last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from restorekit.figures import Figure
from restorekit.report.page import Column
from restorekit.report.wording import TITLES, title
from restorekit.trials import Results

_LATE = ("seconds_per_megapixel", "seconds", "nelbo")  # after what a plugin measures


def columns(results: Results) -> list[Column]:
    """Return a column for every figure that some row has; what none has is told by `wording.absent`."""
    rows = [*results.runs, *results.images]
    there = [f for f in results.metrics if any(row.get(f.name) is not None for row in rows)]
    return [_column(figure) for figure in in_order(there)]


def in_order(figures: Iterable[Figure]) -> list[Figure]:
    """Return figures in the order of their importance; how long it took and what a model says of itself come last."""
    return sorted(figures, key=lambda figure: _place(figure.name))


def values(row: Mapping[str, Any], shown: Iterable[Column]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return of a row of results what columns show, and why they show nothing."""
    found: dict[str, float | None] = {column.name: row.get(column.name) for column in shown}
    reasons = row.get("reasons", {})
    return found, {name: reasons[name] for name in found if name in reasons}


def _place(name: str) -> int:
    known = [key for key in TITLES if key not in _LATE]
    if name in known:
        return known.index(name)
    return len(known) + 1 + _LATE.index(name) if name in _LATE else len(known)


def _column(figure: Figure) -> Column:
    return Column(figure.name, title(figure.name), figure.unit, figure.better, figure.goal, figure.meaning)
