"""Pages as HTML files, with pictures next to them.

Nothing is fetched: styles, code and data are inside, and a Content-Security-Policy lets the browser run this code
alone, whatever a file name or a plugin contains. It opens from a disk as from a server.

The rows of a page, which may be tens of thousands, are embedded as JSON: lists in a fixed order, with the names of
methods and corruptions as indices into tables.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from restorekit.core.files import atomic, digest
from restorekit.core.records import Json
from restorekit.images.views import Views
from restorekit.report.page import Chart, Column, Page, Row
from restorekit.report.plotting import with_prefixed_ids
from restorekit.report.tables import DASH, digits, known, tables, written

if TYPE_CHECKING:
    from jinja2 import Environment

VIEWER = Path(__file__).parent / "viewer"
STYLES = ("page", "gallery", "viewer")
PARTS = ("dom", "tables", "gallery", "stage", "viewer", "keys")  # connected by page.js, in any order
KINDS = {"restore": "Restoration", "evaluate": "Evaluation", "report": "Report", "train": "Training"}
POLICY = (
    "default-src 'none'; script-src '{code}'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(page: Page, path: str | Path) -> None:
    """Write a page as one HTML file, atomically.

    Parameters
    ----------
    page : Page
        Its content. The pictures that it names lie next to the file; they are not read.
    path : path
        The file.

    Raises
    ------
    ImageError
        The file cannot be written.
    """
    html = render(page)
    with atomic(path) as temporary:
        temporary.write_bytes(html.encode("utf-8", "replace"))


def render(page: Page) -> str:
    """Return the HTML of a page."""
    code = code_of_page()
    checksum = base64.b64encode(bytes.fromhex(digest(code.encode()))).decode()
    template = _environment().get_template("page.html.j2")
    return template.render(
        page=page,
        kind=KINDS[page.kind],
        policy=POLICY.format(code=f"sha256-{checksum}"),
        style=_joined("css", STYLES),
        code=code,
        data=embedded(payload(page)) if page.rows else "",
        tables=tables(page.runs, page.columns),
        charts=[
            (chart, with_prefixed_ids(chart.svg, f"chart{i}-"), numbers(chart)) for i, chart in enumerate(page.charts)
        ],
    )


def code_of_page() -> str:
    """Return the script of every page: each file declares one function, and page.js gets those of the others."""
    factories = ", ".join(f"create{name.capitalize()}" for name in PARTS)
    files = _joined("js", (*PARTS, "page"))
    return f'(() => {{\n"use strict";\n{files}createPage({{ {factories} }});\n}})();\n'


def numbers(chart: Chart) -> list[list[tuple[str, bool]]]:
    """Return the table of a chart as texts, each with whether it is a number; every column has its own decimals."""
    columns: list[list[tuple[str, bool]]] = []
    for column in zip(*chart.table, strict=True):
        decimals, texts = digits(known(v) for v in column if not isinstance(v, str)), list[tuple[str, bool]]()
        for v in column:
            if isinstance(v, str):
                texts.append((v, False))
            else:
                texts.append((DASH if (value := known(v)) is None else written(value, decimals), True))
        columns.append(texts)
    return [list(row) for row in zip(*columns, strict=True)]


@cache
def _joined(suffix: str, names: tuple[str, ...]) -> str:
    return "".join((VIEWER / f"{name}.{suffix}").read_text(encoding="utf-8") for name in names)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(VIEWER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["direction"] = _direction
    return environment


def _direction(column: Column) -> str:
    if column.goal is not None:
        return f"best at {column.goal:g}"
    return f"{column.better} is better" if column.better else ""


_IN_SCRIPT = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def address(path: str) -> str:
    """Return the relative address of a picture: each part of its path percent-encoded, whatever it is made of."""
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in path.split("/"))


def embedded(value: Json) -> str:
    """Return JSON that is safe inside a <script> element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


def payload(page: Page) -> dict[str, Json]:
    """Return columns and rows of a page; methods and corruptions as tables of texts that rows index."""
    corruptions, methods = (
        {text: i for i, text in enumerate(dict.fromkeys(getattr(row, name) for row in page.rows))}
        for name in ("corruption", "restorer")
    )
    columns = [c for c in page.columns if any(c.name in row.values or c.name in row.reasons for row in page.rows)]
    return {
        "columns": [
            {
                "name": c.name,
                "title": c.title,
                "unit": c.unit,
                "better": c.better,
                "goal": c.goal,
                "meaning": c.meaning,
                "digits": digits((known(row.values.get(c.name)) for row in page.rows), c.unit),
            }
            for c in columns
        ],
        "corruptions": list(corruptions),
        "restorers": list(methods),
        "rows": [_row(row, columns, corruptions[row.corruption], methods[row.restorer]) for row in page.rows],
    }


def _row(row: Row, columns: Sequence[Column], corruption: int, method: int) -> list[Json]:
    views = None if row.views is None else _views(row.views)
    values = [_value(row.values.get(column.name)) for column in columns]
    reasons = {str(i): row.reasons[c.name] for i, c in enumerate(columns) if row.reasons.get(c.name)}
    words = (list(row.flags), list(row.notes), row.error)
    return [row.image, row.status, corruption, method, values, reasons, *words, views, *filter(None, [row.verdict])]


def _value(value: float | None) -> float | str | None:
    """Return a value with six digits; infinity, which JSON lacks, as its name."""
    value = known(value)
    if value is None or math.isfinite(value):
        return None if value is None else float(f"{value:.6g}")
    return str(value)


def _views(views: Views) -> list[Json]:
    overlays: list[Json] = []
    for name, o in views.overlays.items():
        ends = (end if end and math.isfinite(end) else 0.0 for end in (o.low, o.high))
        overlays.append([name, o.title, address(o.path), *ends])
    return [
        views.width,
        views.height,
        *(path and address(path) for path in (views.thumb, views.before, views.after, views.truth)),
        overlays,
        [address(path) for path in views.draws],
    ]
