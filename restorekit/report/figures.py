"""How numbers are written on a page: all of a column with the same decimals, so that they line up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from restorekit.report.page import Column

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
