"""Tables of a page: metrics as columns, means as lines, and numbers as texts that line up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from restorekit.evaluation.head_to_head import PairedComparison, same_images
from restorekit.evaluation.metric_values import in_order, title
from restorekit.evaluation.protocol import Results
from restorekit.evaluation.rows import ImageRow, RunRow
from restorekit.report.page import Column, Run
from restorekit.report.wording import count

NOISE_POLICIES = {"true": "true noise level", "blind": "noise level unknown", "auto": "noise level estimated"}
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
SIGNIFICANT_DIGITS = 4  # of the largest number of a column
MAX_DECIMALS = 6
DECIBEL_DECIMALS = 2


@dataclass(frozen=True)
class Cell:
    """One value of a table: text, number to sort by, whether it is the best, and the reason if it is missing."""

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
    """The runs under one corruption.

    Attributes
    ----------
    corruption : str
        Spec.
    columns : sequence of Column
        Columns with a value.
    lines : sequence of Line
        A line for each run.
    absent : sequence of (str, str)
        Titles of columns that would be empty, and the reason.
    alike : bool
        Whether all means are over the same images; else no value is marked as the best.
    """

    corruption: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    absent: Sequence[tuple[str, str]] = ()
    alike: bool = True

    @property
    def contested(self) -> bool:
        """Whether any run has wins and losses."""
        return any(line.lead is not None for line in self.lines)


def columns(results: Results) -> list[Column]:
    """Return a column for every metric that some row has a value of, the most important first."""
    rows: list[RunRow | ImageRow] = [*results.runs, *results.images]
    used = [info for info in results.metrics if any(row.metrics.get(info.name) is not None for row in rows)]
    return [Column(m.name, title(m.name), m.unit, m.better, m.goal, m.meaning) for m in in_order(used)]


def values(row: RunRow | ImageRow, shown: Iterable[Column]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the values of a row by column, and the reasons for missing ones."""
    found = {column.name: row.metrics.get(column.name) for column in shown}
    return found, {name: row.reasons[name] for name in found if name in row.reasons}


def page_runs(results: Results, comparisons: Sequence[PairedComparison], shown: Sequence[Column]) -> list[Run]:
    """Return the runs as a page shows them, those of models with their wins and losses."""
    pairs = {(pair.corruption, pair.restorer): pair for pair in comparisons}
    alike = {spec: same_images(results, spec) for spec in {run.corruption for run in results.runs}}
    found = []
    for run in results.runs:
        means, reasons = values(run, shown)
        pair = pairs.get((run.corruption, run.restorer))
        result = None if pair is None else pair.result
        found.append(
            Run(
                run.corruption,
                run.restorer,
                run.images,
                run.learned,
                means,
                reasons,
                wins=None if result is None else result.wins,
                losses=None if result is None else result.losses,
                ties=None if result is None else result.ties,
                against="" if pair is None else pair.against,
                note="; ".join(filter(None, (NOISE_POLICIES.get(run.sigma or ""), run.estimate))),
                alike=alike[run.corruption],
            )
        )
    return found


def tables(runs: Sequence[Run], columns: Sequence[Column]) -> list[Means]:
    """Return a table for each corruption, in the order in which they come."""
    found = []
    for corruption in dict.fromkeys(run.corruption for run in runs):
        own = [run for run in runs if run.corruption == corruption]
        measured = [c for c in columns if any(c.name in run.values or c.name in run.reasons for run in own)]
        used = [c for c in measured if any(known(run.values.get(c.name)) is not None for run in own)]
        unused = [c for c in measured if c not in used]
        absent = [(c.title, next(filter(None, (run.reasons.get(c.name) for run in own)), "")) for c in unused]
        alike = len({run.images for run in own}) < 2 and all(run.alike for run in own)
        by_column = [_cells(column, own, alike) for column in used]
        lines = [Line(run, [cells[i] for cells in by_column]) for i, run in enumerate(own)]
        found.append(Means(corruption, used, lines, absent, alike))
    return found


def _cells(column: Column, runs: Sequence[Run], alike: bool) -> list[Cell]:
    """Return the cells of a column; if runs are comparable, all that read like the best value are marked."""
    values = [known(run.values.get(column.name)) for run in runs]
    decimals = digits(values, column.unit)
    first = best(column, values) if alike else None
    top = None if first is None else written(first, decimals)
    texts = ["" if v is None else written(v, decimals) for v in values]
    reasons = [run.reasons.get(column.name, "") for run in runs]
    return [Cell(t, v, bool(t) and t == top, r) for t, v, r in zip(texts, values, reasons, strict=True)]


def digits(values: Iterable[float | None], unit: str = "") -> int:
    """Return the decimals of a column: two for dB, none for integers, else four digits in the largest number."""
    finite = [abs(v) for v in values if v is not None and math.isfinite(v)]
    if unit == "dB":
        return DECIBEL_DECIMALS
    if all(v == int(v) for v in finite):
        return 0
    return min(max(SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(max(finite))), 0), MAX_DECIMALS)


def written(value: float, decimals: int) -> str:
    """Format a number with a true minus sign; one that would read as zero keeps two digits."""
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    vanishes = 0 < abs(value) < 0.5 * 10**-decimals
    text = f"{value:.1e}" if vanishes else f"{value:.{decimals}f}"
    return text.replace("-", MINUS)


def attached(unit: str) -> str:
    """Return a unit as it follows a number: after a space, but "/255" at once."""
    return unit if not unit or unit.startswith("/") else f" {unit}"


def known(value: float | None) -> float | None:
    """Return a value, or None if it is not a number."""
    return None if value is None or math.isnan(value) else float(value)


def best(column: Column, values: Iterable[float | None]) -> float | None:
    """Return the best of two or more values; None if the column has no direction, or all values are equal."""
    found = [v for v in values if v is not None]
    if len(found) < 2 or min(found) == max(found):
        return None
    if column.goal is not None:
        goal = column.goal
        return min(found, key=lambda v: abs(v - goal))
    return {"higher": max, "lower": min}[column.better](found) if column.better else None
