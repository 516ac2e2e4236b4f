"""A page of a report as one HTML file, with pictures beside it.

Nothing is fetched: styles, code and data are inside, and a Content-Security-Policy lets the browser run this code
alone, whatever a file name or a plugin brings along. It opens from a disk as from a server.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.images.atomic import atomic
from restorekit.report.figures import DASH, digits, known, written
from restorekit.report.means import tables
from restorekit.report.page import Chart, Column, Page
from restorekit.report.payload import embedded, payload
from restorekit.report.svg import apart

if TYPE_CHECKING:
    from jinja2 import Environment, Template

ASSETS = Path(__file__).parent / "assets"
STYLES = ("base", "head", "tables", "charts", "images", "list", "viewer", "stage", "gallery", "print")
CODE = ("dom", "tips", "tables", "start")
CODE_OF_GALLERIES = ("gallery",)
CODE_OF_IMAGES = (
    *("data", "filters", "folders", "order", "selection", "window", "rows", "images"),
    *("stage", "gestures", "frames", "compare", "overlays", "draws", "facts", "viewer", "keys", "begin"),
)
KINDS = {"restore": "Restoration", "evaluate": "Evaluation", "report": "Report", "train": "Training"}
POLICY = (
    "default-src 'none'; script-src '{code}'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(page: Page, path: str | Path) -> None:
    """Write a page as one HTML file, whole or not at all.

    Parameters
    ----------
    page : Page
        What it shows. The pictures that it names lie beside the file; they are not looked at.
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
    code = _code((*CODE, *(CODE_OF_GALLERIES if page.galleries else ()), *(CODE_OF_IMAGES if page.rows else ())))
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return _template().render(
        page=page,
        kind=KINDS[page.kind],
        policy=POLICY.format(code=f"sha256-{digest}"),
        style=_joined("css", STYLES),
        code=code,
        data=embedded(payload(page)) if page.rows else "",
        tables=tables(page.runs, page.columns),
        charts=[(chart, apart(chart.svg, f"chart{i}-"), numbers(chart)) for i, chart in enumerate(page.charts)],
    )


def numbers(chart: Chart) -> list[list[tuple[str, bool]]]:
    """Return the table of a chart as texts, each with whether it is a number; every column has its own decimals."""
    columns = [_texts(column) for column in zip(*chart.table, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _texts(column: Sequence[str | float | None]) -> list[tuple[str, bool]]:
    decimals = digits(known(v) for v in column if not isinstance(v, str))
    return [(v, False) if isinstance(v, str) else (_number(known(v), decimals), True) for v in column]


def _number(value: float | None, decimals: int) -> str:
    return DASH if value is None else written(value, decimals)


def _code(names: tuple[str, ...]) -> str:
    return f'(() => {{\n"use strict";\n{_joined("js", names)}}})();\n'


@cache
def _joined(suffix: str, names: tuple[str, ...]) -> str:
    return "".join((ASSETS / f"{name}.{suffix}").read_text(encoding="utf-8") for name in names)


def _template() -> Template:
    return _environment().get_template("page.html.j2")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    options: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=FileSystemLoader(ASSETS), undefined=StrictUndefined, **options)
    environment.filters["direction"] = _direction
    return environment


def _direction(column: Column) -> str:
    if column.goal is not None:
        return f"best at {column.goal:g}"
    return f"{column.better} is better" if column.better else ""
