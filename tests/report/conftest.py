"""The system's browser, for pages that are opened from disk."""

from __future__ import annotations

import shutil

import pytest

from restorekit.report.render import write_page
from tests._helpers.report_pages import CORRUPTIONS, evaluation

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60_000  # milliseconds: other work may hold the machine
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the system's own, never a downloaded one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        # no sandbox: it does not work for root, and the pages are our own
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """A function that opens a file, and in the end holds that the browser had nothing to complain of."""
    contexts, complaints = [], []

    def open_(path, hash_="", complains=False, **settings):
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "no-preference", **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if not complains:
            page.on("console", lambda said: complaints.append(said.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("requestfailed", lambda request: complaints.append(request.url))
            page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri() + hash_)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A function that writes a page that a function makes, once a session."""
    done = {}

    def write(make, *arguments, **settings):
        key = (make.__name__, repr(arguments), repr(settings))
        if key not in done:
            folder = tmp_path_factory.mktemp("report")
            write_page(make(folder, *arguments, **settings), folder / "report.html")
            done[key] = folder / "report.html"
        return done[key]

    return write


@pytest.fixture
def viewed(written, opened):
    """A function that opens the viewer of the first image, which a model restored from missing pixels."""

    def view(**settings):
        page = opened(written(evaluation, damages=CORRUPTIONS[1:2]), **settings)
        page.locator("#pane .open").first.click()
        for side in "ab":
            page.locator(f"#frame-{side} .picture:not([hidden])").wait_for()
        return page

    return view


@pytest.fixture
def violations():
    """A function that returns what axe-core finds on a page as it is now, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()

    def found(page):
        return [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in axe.run(page).response["violations"]
            for node in rule["nodes"]
        ]

    return found
