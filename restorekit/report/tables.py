"""Means of a page as tables, one for each damage, ready to be drawn.

The figures of results as columns of a page: built-in ones in the order of their importance, then plugins' last.

How numbers are written on a page: all of a column with the same decimals, so that they line up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from restorekit.evaluation.head_to_head import Duel, same_images
from restorekit.evaluation.metric_values import MetricInfo, in_order, title
from restorekit.evaluation.protocol import Results
from restorekit.report.page import Column, Run
from restorekit.report.wording import count


@dataclass(frozen=True)
class Cell:
    """One figure of a table: its text, what it is sorted by, whether it is the best, and why it is missing."""

    text: str
    order: float | None
    best: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One run, with its cells in the order of the columns."""

    run: Run
    cells: Sequence[Cell]

    @property
    def lead(self) -> int | None:
        """Wins less losses."""
        return None if self.run.wins is None or self.run.losses is None else self.run.wins - self.run.losses

    @property
    def record(self) -> str:
        """Wins, losses and ties in words."""
        wins, losses, ties = (n or 0 for n in (self.run.wins, self.run.losses, self.run.ties))
        return ", ".join((count(wins, "win"), count(losses, "loss", "losses"), count(ties, "tie")))


@dataclass(frozen=True)
class Means:
    """The runs on one damage."""

    corruption: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    absent: Sequence[tuple[str, str]] = ()  # titles of columns that would be empty, and why
    alike: bool = True  # whether the means are over the same images; a best one is marked nowhere else

    @property
    def contested(self) -> bool:
        """Whether images were counted that a model won or lost."""
        return any(line.lead is not None for line in self.lines)


def tables(runs: Sequence[Run], columns: Sequence[Column]) -> list[Means]:
    """Return a table for each damage, in the order in which they come."""
    damages = dict.fromkeys(run.corruption for run in runs)
    return [_means(damage, [run for run in runs if run.corruption == damage], columns) for damage in damages]


def _means(damage: str, runs: Sequence[Run], columns: Sequence[Column]) -> Means:
    asked = [c for c in columns if any(c.name in run.values or c.name in run.reasons for run in runs)]
    used = [c for c in asked if any(known(run.values.get(c.name)) is not None for run in runs)]
    alike = len({run.images for run in runs}) < 2 and all(run.alike for run in runs)
    across = [_cells(column, runs, alike) for column in used]
    lines = [Line(run, [cells[i] for cells in across]) for i, run in enumerate(runs)]
    return Means(damage, used, lines, [(c.title, _reason(c, runs)) for c in asked if c not in used], alike)


def _reason(column: Column, runs: Sequence[Run]) -> str:
    return next((run.reasons[column.name] for run in runs if run.reasons.get(column.name)), "")


def _cells(column: Column, runs: Sequence[Run], alike: bool) -> list[Cell]:
    """Return the cells of a column; all that read like the best one are marked, where they can be compared."""
    values = [known(run.values.get(column.name)) for run in runs]
    decimals = digits(values, column.unit)
    first = best(column, values) if alike else None
    top = None if first is None else written(first, decimals)
    texts = ["" if v is None else written(v, decimals) for v in values]
    reasons = [run.reasons.get(column.name, "") for run in runs]
    return [Cell(t, v, bool(t) and t == top, r) for t, v, r in zip(texts, values, reasons, strict=True)]


TOLD = {"true": "told the true level of the noise", "blind": "told nothing of the noise", "auto": "its noise estimated"}


def page_runs(results: Results, duels: Sequence[Duel], shown: Sequence[Column]) -> list[Run]:
    """Return the means of every method as a page shows them, models with their wins and losses."""
    met = {(duel.corruption, duel.restorer): duel for duel in duels}
    same = {spec: same_images(results, spec) for spec in {run["corruption"] for run in results.runs}}
    pages = [_page_run(run, met.get((run["corruption"], run["restorer"])), shown) for run in results.runs]
    return [replace(page, alike=same[page.corruption]) for page in pages]


def _page_run(run: dict[str, Any], duel: Duel | None, shown: Sequence[Column]) -> Run:
    found, reasons = values(run, shown)
    note = "; ".join(filter(None, (TOLD.get(run["sigma"] or "", ""), run["estimate"])))
    own = Run(run["corruption"], run["restorer"], run["images"], run["learned"], found, reasons, note=note)
    if duel is None:
        return own
    return replace(own, wins=duel.found.wins, losses=duel.found.losses, ties=duel.found.ties, against=duel.against)


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


def _column(figure: MetricInfo) -> Column:
    return Column(figure.name, title(figure.name), figure.unit, figure.better, figure.goal, figure.meaning)


MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
SIGNIFICANT = 4  # digits of the largest number of a column
MOST = 6  # decimals at all
DECIBELS = 2  # decimals of what is in dB, however small


def digits(values: Iterable[float | None], unit: str = "") -> int:
    """Return how many decimals a column needs: two for dB, none for whole numbers, else four digits in the largest."""
    known = [abs(v) for v in values if v is not None and math.isfinite(v)]
    if unit == "dB":
        return DECIBELS
    if all(v == int(v) for v in known):
        return 0
    return min(max(SIGNIFICANT - 1 - math.floor(math.log10(max(known))), 0), MOST)


def written(value: float, decimals: int) -> str:
    """Write a number with so many decimals, and a true minus; one that would read as zero keeps two digits."""
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    vanishes = 0 < abs(value) < 0.5 * 10**-decimals
    text = f"{value:.1e}" if vanishes else f"{value:.{decimals}f}"
    return text.replace("-", MINUS)


def known(value: float | None) -> float | None:
    """Return a value, and None where it is not a number."""
    return None if value is None or math.isnan(value) else float(value)


def best(column: Column, values: Iterable[float | None]) -> float | None:
    """Return the best of two or more values; None where a column has no better, or all are alike."""
    found = [v for v in values if v is not None]
    if len(found) < 2 or min(found) == max(found):
        return None
    if column.goal is not None:
        goal = column.goal
        return min(found, key=lambda v: abs(v - goal))
    return {"higher": max, "lower": min}[column.better](found) if column.better else None
