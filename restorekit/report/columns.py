"""The figures of results as columns of a page: built-in ones in the order of their importance, then plugins' last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from restorekit.figures import Figure, in_order, title
from restorekit.report.page import Column
from restorekit.trials import Results


def columns(results: Results) -> list[Column]:
    """Return a column for every figure that some row has; what none has is told by `wording.absent`."""
    rows = [*results.runs, *results.images]
    there = [f for f in results.metrics if any(row.get(f.name) is not None for row in rows)]
    return [_column(figure) for figure in in_order(there)]


def values(row: Mapping[str, Any], shown: Iterable[Column]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return of a row of results what columns show, and why they show nothing."""
    found: dict[str, float | None] = {column.name: row.get(column.name) for column in shown}
    reasons = row.get("reasons", {})
    return found, {name: reasons[name] for name in found if name in reasons}


def _column(figure: Figure) -> Column:
    return Column(figure.name, title(figure.name), figure.unit, figure.better, figure.goal, figure.meaning)
