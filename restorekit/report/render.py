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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from restorekit.core.files import atomic, digest
from restorekit.core.records import Json
from restorekit.images.views import Views
from restorekit.report.page import Chart, Column, Page, Row
from restorekit.report.plotting import with_prefixed_ids
from restorekit.report.tables import DASH, attached, digits, known, tables, written

if TYPE_CHECKING:
    from jinja2 import Environment

VIEWER = Path(__file__).parent / "viewer"
STYLES = ("page", "pairs", "gallery", "viewer")
PARTS = (
    "dom",
    "tables",
    "addresses",
    "gallery",
    "pairs",
    "stage",
    "viewer",
    "keys",
)  # connected by page.js, in any order
INLINED = "data:image/"  # begins the address of a picture that is in the page
FIRST_PAIRS = 7  # one large, the others two by two
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
    template, pictures = _environment().get_template("page.html.j2"), PictureTable()
    data = embedded(payload(page, pictures)) if page.rows else ""
    return template.render(
        page=page,
        kind=KINDS[page.kind],
        policy=POLICY.format(code=f"sha256-{checksum}"),
        style=_joined("css", STYLES),
        code=code,
        data=data,
        inlined=pictures.places,
        tables=tables(page.runs, page.columns),
        pairs=pairs(page),
        charts=[
            (chart, with_prefixed_ids(chart.svg, f"chart{i}-"), numbers(chart)) for i, chart in enumerate(page.charts)
        ],
    )


@dataclass(frozen=True)
class Pair:
    """Pictures of one row before and after, as the page shows them first.

    Attributes
    ----------
    row : Row
        The row.
    index : int
        Its place in the page.
    variant : str
        Method and corruption, where the page has several.
    facts : str
        Values of the page's headline columns.
    """

    row: Row
    index: int
    variant: str
    facts: str


def pairs(page: Page) -> list[Pair]:
    """Return the first pairs of a page, which are in its HTML; the script adds the others when they are asked for."""
    columns = [column for name in page.headline for column in page.columns if column.name == name]
    places = {c.name: digits((known(row.values.get(c.name)) for row in page.rows), c.unit) for c in columns}
    varied = [name for name in ("restorer", "corruption") if len({getattr(row, name) for row in page.rows}) > 1]
    found = []
    for i in page.pairs[:FIRST_PAIRS]:
        row = page.rows[i]
        known_values = [(c, value) for c in columns if (value := known(row.values.get(c.name)))]  # 0 tells nothing
        facts = [f"{c.title} {written(value, places[c.name])}{attached(c.unit)}" for c, value in known_values]
        found.append(Pair(row, i, " · ".join(getattr(row, name) for name in varied), ", ".join(facts)))
    return found


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
    environment.filters["address"] = address
    environment.filters["name_parts"] = name_parts
    return environment


def _direction(column: Column) -> str:
    if column.goal is not None:
        return f"best at {column.goal:g}"
    return f"{column.better} is better" if column.better else ""


NAME_END = 10  # characters of a long name that always show; as in dom.js


def name_parts(text: str) -> tuple[str, str]:
    """Return the part of a name that may be shortened, and its end, which tells files of one series from each other."""
    return (text[:-NAME_END], text[-NAME_END:]) if len(text) > 2 * NAME_END else (text, "")


_IN_SCRIPT = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def address(path: str) -> str:
    """Return the relative address of a picture: each part of its path percent-encoded, unless it is in the page."""
    if path.startswith(INLINED):
        return path
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in path.split("/"))


def embedded(value: Json) -> str:
    """Return JSON that is safe inside a <script> element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


class PictureTable:
    """Inlined pictures of a page, each of which is in the file once.

    Attributes
    ----------
    places : dict of str to int
        Index by data URI.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, path: str) -> Json:
        """Return the address of a picture, or its index if it is inlined."""
        if path.startswith(INLINED):
            return self.places.setdefault(path, len(self.places))
        return path and address(path)


def payload(page: Page, pictures: PictureTable | None = None) -> dict[str, Json]:
    """Return columns and rows of a page; methods and corruptions as tables of texts that rows index."""
    pictures = pictures or PictureTable()
    corruptions, methods = (
        {text: i for i, text in enumerate(dict.fromkeys(getattr(row, name) for row in page.rows))}
        for name in ("corruption", "restorer")
    )
    columns = [c for c in page.columns if any(c.name in row.values or c.name in row.reasons for row in page.rows)]
    rows: list[Json] = [
        _row(row, columns, corruptions[row.corruption], methods[row.restorer], pictures) for row in page.rows
    ]
    first = [views for i in page.pairs[:FIRST_PAIRS] if (views := page.rows[i].views) is not None]
    in_html = {uri for views in first for uri in (views.before, views.after)}
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
        "pairs": list(page.pairs),
        "headline": [i for name in page.headline for i, column in enumerate(columns) if column.name == name],
        "rows": rows,
        "pictures": [None if uri in in_html else uri for uri in pictures.places],
    }


def _row(row: Row, columns: Sequence[Column], corruption: int, method: int, pictures: PictureTable) -> list[Json]:
    views = None if row.views is None else _views(row.views, pictures)
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


def _views(views: Views, pictures: PictureTable) -> list[Json]:
    overlays: list[Json] = []
    for name, o in views.overlays.items():
        ends = (end if end and math.isfinite(end) else 0.0 for end in (o.low, o.high))
        overlays.append([name, o.title, pictures(o.path), *ends])
    return [
        views.width,
        views.height,
        *map(pictures, (views.thumb, views.before, views.after, views.truth)),
        overlays,
        [pictures(path) for path in views.draws],
    ]
