"""The built site in docs/_build/html: links lead somewhere, and no page fetches anything from a network."""

from __future__ import annotations

import re
import shutil
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from restorekit import __all__ as public
from restorekit.cli import COMMANDS

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").is_file(), reason="not built; run sphinx-build -W docs docs/_build/html"
)
FETCHED = {  # attributes of elements whose address a browser loads without a click
    "script": ("src",), "img": ("src",), "iframe": ("src",), "source": ("src",), "video": ("src", "poster"),
    "audio": ("src",), "embed": ("src",), "object": ("data",), "link": ("href",), "input": ("src",), "use": ("href",),
}  # fmt: skip
NAVIGATION = {"next", "prev", "search", "index", "author", "copyright", "canonical", "help", "top"}  # rel of a link


class Page(HTMLParser):
    """The addresses that a page loads, the links that it shows, the ids that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        text = path.read_text("utf-8")
        self.loads += _addresses("".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)))
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        self.loads += _addresses(values.get("style", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif not (tag == "link" and {*values.get("rel", "").split()} <= NAVIGATION):
            self.loads += [values[name] for name in FETCHED.get(tag, ()) if name in values]


def _addresses(style: str) -> list[str]:
    return re.findall(r"""url\(\s*["']?([^"')]+)""", style) + re.findall(r"""@import\s+["']([^"']+)""", style)


@cache
def page(path: Path) -> Page:
    return Page(path)


def pages() -> list[Path]:
    return sorted(path for path in SITE.rglob("*.html") if "_static" not in path.relative_to(SITE).parts)


def remote(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme not in ("", "data")


def test_no_page_loads_anything_from_a_network():
    assert len(pages()) > 40
    assert not [(path.name, a) for path in pages() for a in page(path).loads if remote(a)]


def test_no_style_sheet_loads_anything_from_a_network():
    sheets = sorted(SITE.rglob("*.css"))
    assert sheets
    assert not [(sheet.name, a) for sheet in sheets for a in _addresses(sheet.read_text("utf-8")) if remote(a)]


def test_what_pages_load_is_there():
    for path in pages():
        for address in page(path).loads:
            parts = urlsplit(address)
            assert parts.scheme == "data" or (path.parent / unquote(parts.path)).is_file(), (path, address)


def test_internal_links_lead_to_a_page_and_a_place():
    broken = []
    for path in pages():
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.is_file() or (place and target.suffix == ".html" and place not in page(target).ids):
                broken.append((path.relative_to(SITE).as_posix(), link))
    assert not broken


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_section_with_its_options(name):
    path = SITE / "reference" / "commands.html"
    assert f"restorekit-{name}" in page(path).ids
    assert any(i.startswith(f"cmdoption-restorekit-{name}-") for i in page(path).ids)


@pytest.mark.parametrize("name", public)
def test_a_public_name_can_be_linked_to(name):
    assert f"restorekit.{name}" in page(SITE / "reference" / "python.html").ids


def test_scripts_of_the_gallery_were_executed_and_made_pictures():
    shown = sorted((SITE / "gallery").glob("plot_*.html"))
    assert len(shown) >= 10
    for path in shown:
        assert any("sphx_glr_plot" in address for address in page(path).loads), path.name


def test_a_browser_requests_nothing_but_files():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    requested: list[str] = []
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
        shown = started.new_page()
        shown.on("request", lambda request: requested.append(request.url))
        for name in ("index.html", "gallery/index.html", "reference/python.html", "search.html"):
            shown.goto((SITE / name).as_uri())
        started.close()
    assert requested
    assert not [url for url in requested if urlsplit(url).scheme not in ("file", "data", "blob")]
