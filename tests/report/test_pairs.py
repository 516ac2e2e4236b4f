"""Facts about the large pairs of pictures before and after that a page begins with."""

from __future__ import annotations

import pytest

from restorekit.images.views import Views
from restorekit.report.page import Page, Row
from restorekit.report.render import FIRST_PAIRS, name_parts, pairs, render, write_page
from tests._helpers.report_pages import COLUMNS, LEARNED, TELEPHONE, Drawn, evaluation, large

LONG = "grandmother_and_grandfather_in_the_garden_0017.png"
FLAG = "a classical method is better"


@pytest.fixture
def shapes(tmp_path):
    """A page with a tall, a wide and a tiny image, the first of them flagged, and one that failed."""
    rows = []
    for i, size in enumerate(((400, 60), (40, 400), (28, 28))):
        drawn = Drawn(tmp_path, size, i)
        clean = drawn.texture()
        before, missing = drawn.damaged(clean, "gaussian")
        verdict, flags = ("cleaned", []) if i else ("check this one", [FLAG])
        values = {"psnr": 30.0 + i, "std": 0.0}
        views = drawn.views(str(i), clean, before, missing, 0.02, draws=0)
        rows.append(Row(f"{i}/{LONG}", values=values, flags=flags, views=views, verdict=verdict))
    rows.append(Row("broken.png", "failed", error="It is no image."))
    page = Page("restore", "Shapes", columns=COLUMNS, rows=rows, pairs=[0, 1, 2], headline=("psnr",))
    write_page(page, tmp_path / "report.html")
    return tmp_path / "report.html"


def test_the_first_pairs_are_in_the_html_and_all_of_them_in_the_data(tmp_path):
    page = evaluation(tmp_path)
    found = pairs(page)
    assert [pair.index for pair in found] == list(page.pairs[:FIRST_PAIRS])
    assert {pair.row.restorer for pair in found} == set(LEARNED)
    assert found[0].facts.startswith("PSNR ")
    assert found[0].variant == f"default · {found[0].row.corruption}"
    html = render(page)
    assert html.index('id="pairs"') < html.index('id="means"') < html.index('id="images"')
    assert html.count('class="pair-name"') == FIRST_PAIRS


def test_names_are_cut_in_the_middle():
    assert name_parts(LONG) == (LONG[:-10], "n_0017.png")
    assert name_parts("short.png") == ("short.png", "")


def test_units_follow_numbers_and_missing_values_are_left_out():
    views = Views(8, 8, "t", "b", "a")
    rows = [Row("a", values={"psnr": 30.0, "std": 2.5}, views=views), Row("b", values={"psnr": None}, views=views)]
    page = Page("restore", "t", columns=COLUMNS, rows=rows, pairs=[0, 1], headline=("std", "psnr", "no such column"))
    assert [pair.facts for pair in pairs(page)] == ["Mean spread 2.500/255, PSNR 30.00 dB", ""]


def test_a_page_begins_with_large_pairs_the_worst_first(shapes, opened):
    page = opened(shapes)
    first = page.locator(".pair").first
    assert first.locator(".verdict").inner_text() == "check this one"
    assert first.locator(".pair-why").inner_text() == FLAG
    assert first.locator(".pair-name .name").get_attribute("title") == LONG
    assert first.bounding_box()["y"] < 400
    assert first.locator("img").first.bounding_box()["width"] > 500
    assert page.locator(".pair .pair-facts").all_inner_texts() == ["PSNR 30.00 dB", "PSNR 31.00 dB", "PSNR 32.00 dB"]


def test_tall_wide_and_tiny_images_are_large_too(shapes, opened):
    page = opened(shapes)
    page.wait_for_function("() => [...document.querySelectorAll('.pair')].every(item => item.querySelector('a').hash)")
    tall, wide, tiny = (page.locator(".pair").nth(i) for i in range(3))
    assert "top part" in tall.locator(".tag").first.evaluate("tag => getComputedStyle(tag, '::after').content")
    before, after = (wide.locator("img").nth(i).bounding_box() for i in range(2))
    assert before["width"] > 1000
    assert before["y"] + before["height"] <= after["y"]  # one under the other
    assert tiny.locator("img").first.bounding_box()["height"] >= 280
    assert tiny.locator("img").first.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_verdicts_choose_pairs_and_a_pair_opens_the_viewer(shapes, opened):
    page = opened(shapes)
    assert page.locator("#verdicts label").all_inner_texts() == ["All 3", "check this one 1", "cleaned 2"]
    page.locator("#verdicts label").nth(2).click()
    assert page.locator(".pair").count() == 2
    assert page.locator("#pairs-count").inner_text() == "2 of 2 images with pictures"
    page.locator(".pair a").nth(1).press("Enter")
    page.locator("#viewer").wait_for()
    assert page.locator("#viewer-name").inner_text() == f"2/{LONG}"
    page.keyboard.press("Escape")
    page.locator("#viewer").wait_for(state="hidden")


def test_more_pairs_come_when_they_are_asked_for(written, opened):
    page = opened(written(large))
    assert page.locator(".pair").count() == FIRST_PAIRS
    page.locator("#more-pairs").press("Enter")
    assert page.locator(".pair").count() == FIRST_PAIRS + 12
    assert page.evaluate("document.activeElement.closest('.pair').dataset.row") == str(large_row(FIRST_PAIRS))


def large_row(place):
    """Return the row of a pair of the page `large`: every 97th image failed and has none."""
    return [i for i in range(100) if i % 97][place]


def test_pictures_show_without_scripts(shapes, opened):
    page = opened(shapes, java_script_enabled=False)
    assert page.locator(".pair img").count() == 6
    assert page.locator(".pair img").first.bounding_box()["width"] > 200
    assert page.locator(".pairs-bar").is_hidden()


@pytest.mark.parametrize(("screen", "scheme"), [("desk", "dark"), ("phone", "light")])
def test_axe_finds_nothing_in_pairs(shapes, opened, violations, screen, scheme):
    page = opened(shapes, color_scheme=scheme, **(TELEPHONE if screen == "phone" else {}))
    assert violations(page) == []


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_tables_fit_at_any_width(written, opened, width):
    page = opened(written(evaluation), viewport={"width": width, "height": 900})
    page.locator("#look label").first.click()
    for place in ("#pane", "#means .scroll >> nth=0", "html"):
        found = page.locator(place).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert found[0] <= found[1], place
    assert page.locator("#means thead").first.locator("th:visible").first.inner_text() == "Method"
    assert "PSNR" in page.locator("#means thead").first.inner_text()


def test_columns_that_do_not_fit_are_shown_when_asked_for(written, opened):
    page = opened(written(evaluation), viewport={"width": 800, "height": 900})
    lines = page.locator(".lines thead th")
    few = lines.count()
    page.locator("#columns").click()
    assert lines.count() > few
    assert page.locator("#columns").get_attribute("aria-pressed") == "true"
    page.locator("#columns").click()
    assert lines.count() == few
