"""Rows of a page as the JSON that its code reads.

Short, since there may be tens of thousands: rows are lists in a fixed order, names of methods and damages are counted
in tables, and paths are ready to be used as addresses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from restorekit.report.figures import digits, known
from restorekit.report.page import Column, Page, Row, Views

_IN_SCRIPT = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def address(path: str) -> str:
    """Return the relative address of a picture: each part of its path percent-encoded, whatever it is made of."""
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in path.split("/"))


def embedded(value: Any) -> str:
    """Return JSON that can stand inside a <script> element, whatever texts are in it."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


def payload(page: Page) -> dict[str, Any]:
    """Return columns and rows of a page; a table of texts for methods and one for damages, that rows point into."""
    damages, methods = (_table(page.rows, name) for name in ("corruption", "restorer"))
    columns = [c for c in page.columns if any(c.name in row.values or c.name in row.reasons for row in page.rows)]
    return {
        "columns": [_column(c, page.rows) for c in columns],
        "corruptions": list(damages),
        "restorers": list(methods),
        "rows": [_row(row, columns, damages[row.corruption], methods[row.restorer]) for row in page.rows],
    }


def _table(rows: Sequence[Row], name: str) -> dict[str, int]:
    return {text: i for i, text in enumerate(dict.fromkeys(getattr(row, name) for row in rows))}


def _column(column: Column, rows: Sequence[Row]) -> dict[str, Any]:
    decimals = digits((known(row.values.get(column.name)) for row in rows), column.unit)
    return {
        "name": column.name,
        "title": column.title,
        "unit": column.unit,
        "better": column.better,
        "goal": column.goal,
        "meaning": column.meaning,
        "digits": decimals,
    }


def _row(row: Row, columns: Sequence[Column], damage: int, method: int) -> list[Any]:
    views = row.views and _views(row.views)
    values = [_value(row.values.get(column.name)) for column in columns]
    reasons = {i: row.reasons[c.name] for i, c in enumerate(columns) if row.reasons.get(c.name)}
    words = (list(row.flags), list(row.notes), row.error)
    return [row.image, row.status, damage, method, values, reasons, *words, views]


def _value(value: float | None) -> float | str | None:
    """Return a value with six digits; infinity, which JSON lacks, as its name."""
    value = known(value)
    if value is None or math.isfinite(value):
        return None if value is None else float(f"{value:.6g}")
    return str(value)


def _views(views: Views) -> list[Any]:
    return [
        views.width,
        views.height,
        *(path and address(path) for path in (views.thumb, views.before, views.after, views.truth)),
        _overlays(views.overlays),
        [address(path) for path in views.draws],
    ]


def _overlays(overlays: Mapping[str, Any]) -> list[list[Any]]:
    return [[name, o.title, address(o.path), o.low, o.high] for name, o in overlays.items()]
