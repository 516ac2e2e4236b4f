"""Facts about a page in a real browser: its parts, its tables of means, its looks; the list of images has its own."""

from __future__ import annotations

import pytest

from restorekit.report.page import Page, Row
from restorekit.report.render import write_page
from tests._helpers.report_pages import METHODS, TELEPHONE, evaluation


def test_a_page_shows_its_parts_in_order(written, opened):
    page = opened(written(evaluation, charts=True))
    assert page.title() == "4 methods on 3 kinds of damage"
    assert page.locator("main > section h2").all_inner_texts() == [
        *("Needs attention", "Before and after", "This run", "Means over images", "Charts", "Images", "Sharpness"),
    ]
    assert "loses to biharmonic" in page.get_by_role("alert").inner_text()
    page.get_by_text("How the metrics were computed").click()
    assert page.locator(".protocol dt").all_inner_texts() == ["noise", "PSNR", "draws", "seed"]


def test_the_html_of_a_plugin_is_shown_and_runs_nothing(tmp_path, opened):
    html = "<table><tr><td style='color: teal'>sharp</td></tr></table><script>window.ran = true</script>"
    write_page(Page("evaluate", "t", sections=[("Sharpness", html)]), tmp_path / "report.html")
    page = opened(tmp_path / "report.html", complains=True)
    assert page.get_by_text("sharp", exact=True).is_visible()
    assert page.evaluate("window.ran") is None


def test_the_command_is_copied(written, opened):
    page = opened(written(evaluation), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("restorekit evaluate photos")


def test_a_table_of_means_sorts_by_every_column(written, opened):
    page = opened(written(evaluation))
    table = page.locator("#means table").nth(1)
    heads = table.locator("thead")

    def methods():
        return table.locator("tbody .name").all_inner_texts()

    heads.get_by_role("button", name="PSNR dB").click()
    assert methods() == list(METHODS)
    assert table.locator("th[aria-sort=descending]").count() == 1
    heads.get_by_role("button", name="Time").click()
    assert methods() == list(METHODS)
    heads.get_by_role("button", name="Time").click()
    assert methods() == list(METHODS)[::-1]
    heads.get_by_role("button", name="Method").click()
    assert methods() == sorted(METHODS)
    heads.get_by_role("button", name="Coverage").click()
    assert methods()[0] == "default"  # the only one that has it


def test_a_dash_tells_why_when_it_has_the_focus(written, opened):
    page = opened(written(evaluation))
    dash = page.locator("#means .dash").first
    assert dash.get_attribute("title") == "this method gives no interval"
    dash.focus()
    assert page.locator("#tip").inner_text() == "this method gives no interval"
    assert "no pixel of it is missing" in page.locator("#means .hint").nth(1).inner_text()  # of a column that is empty
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.locator("#tip").is_visible()
    page.locator("#search").focus()
    assert page.locator("#tip").is_hidden()


@pytest.mark.parametrize(("screen", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_axe_finds_nothing_on_the_page(written, opened, violations, scheme, screen):
    page = opened(written(evaluation, charts=True), color_scheme=scheme, **(TELEPHONE if screen == "phone" else {}))
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert violations(page) == []


def test_dark_mode_is_dark_and_charts_follow(written, opened):
    lightness = (
        """element => getComputedStyle(element).%s.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)"""
    )
    found = {}
    for scheme in ("light", "dark"):
        page = opened(written(evaluation, charts=True), color_scheme=scheme)
        ground = page.locator("body").evaluate(lightness % "backgroundColor")
        text = page.locator("figure svg text").first.evaluate(lightness % "fill")
        found[scheme] = (ground, text)
    assert found["light"][0] > 700 > 300 > found["light"][1]
    assert found["dark"][0] < 150 < 400 < found["dark"][1]


def test_a_telephone_is_wide_enough(written, opened):
    page = opened(written(evaluation), **TELEPHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".card").count() > 4
    page.locator(".card .open").first.tap()
    page.locator("#viewer").wait_for()
    assert page.locator("#viewer").evaluate("d => d.scrollWidth") == 390


def test_nothing_but_a_title_is_a_page(tmp_path, opened, violations):
    write_page(Page("train", "Nothing yet"), tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    assert page.locator("main").inner_text().strip() == "Nothing yet"
    assert violations(page) == []


def test_failures_alone_are_listed_with_why(tmp_path, opened, violations):
    rows = [Row(f"a/{i}.png", "failed", error="It is no image.") for i in range(3)]
    write_page(Page("restore", "3 images failed", rows=rows), tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    assert page.locator("#count").inner_text() == "3 images"
    page.get_by_role("link", name="a/1.png").click()
    assert "It is no image." in page.locator("#facts").inner_text()
    assert "this image failed" in page.locator("#nothing").inner_text()
    assert violations(page) == []
