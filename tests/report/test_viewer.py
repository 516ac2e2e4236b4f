"""Facts about the viewer of one image, in a real browser; its divider and zoom stand in test_browser_stage.py."""

from __future__ import annotations

import pytest

from restorekit.report.render import write_page
from tests._helpers.report_pages import CORRUPTIONS, HOSTILE, METHODS, STRANGE, TELEPHONE, evaluation, large


def _shown(page, frame="b"):
    """Return what the alternative text of the picture in a frame says that it is."""
    picture = page.locator(f"#frame-{frame} .picture:not([hidden])")
    picture.wait_for()
    return picture.get_attribute("alt").partition(":")[0]


def test_modes_and_pictures_are_chosen(viewed):
    page = viewed()
    assert (_shown(page, "a"), _shown(page, "b")) == ("Before", "After")
    page.locator("#left").select_option("truth")
    page.locator("#right").select_option("draw 2")
    assert (_shown(page, "a"), _shown(page, "b")) == ("Truth", "Draw 2")
    page.locator("#mode").get_by_text("One").click()
    assert page.locator("#frame-a").is_hidden()
    assert page.locator("#divider").is_hidden()
    page.locator("#stage").focus()
    page.keyboard.press("Space")
    assert page.locator("#frame-b").is_hidden()
    assert page.locator("#frame-a").is_visible()
    page.keyboard.press("2")
    assert page.locator("#frame-a").bounding_box()["width"] == page.locator("#frame-b").bounding_box()["width"]


def test_other_methods_on_the_same_image_can_be_compared(viewed):
    page = viewed()
    options = page.locator("#right option").all_inner_texts()
    assert [o for o in options if o.startswith("After: ")] == [f"After: {m}" for m in METHODS if m != "default"]
    page.locator("#right").select_option("by bm3d")
    assert page.locator("#frame-b .picture:not([hidden])").get_attribute("src").count("bm3d") == 1


def test_an_overlay_has_a_legend_unless_it_has_no_scale(viewed):
    page = viewed()
    assert page.locator("#legend").is_hidden()
    page.locator("#overlay").select_option("std")
    page.locator("#frame-b .laid").wait_for()
    low, high = page.locator("#legend .end").all_inner_texts()
    assert low == "0/255 = 0"
    assert high.partition("/255 = ")[1]
    eight, one = (float(v) for v in high.split("/255 = "))
    assert eight == pytest.approx(255 * one, abs=1)
    page.locator("#opacity").fill("30")
    assert page.locator("#frame-b .laid").evaluate("i => getComputedStyle(i).opacity") == "0.3"
    page.locator("#overlay").select_option("missing")
    assert page.locator("#legend").is_hidden()
    page.keyboard.press("Escape")


def test_draws_are_stepped_through_and_flicker(viewed):
    page = viewed()
    page.keyboard.press(".")
    assert _shown(page) == "Draw 1"
    page.keyboard.press(",")
    assert _shown(page) == "Draw 4"
    page.get_by_role("button", name="Draw 3", exact=True).click()
    assert _shown(page) == "Draw 3"
    page.locator("#flicker").click()
    seen = "alt => document.querySelector('#frame-b .picture:not([hidden])').alt.startsWith(alt)"
    for draw in ("Draw 4", "Draw 1", "Draw 2"):
        page.wait_for_function(seen, arg=draw)
    page.get_by_role("button", name="Stop").click()
    at = _shown(page)
    page.wait_for_timeout(1000)
    assert _shown(page) == at


def test_there_is_no_flicker_where_motion_is_reduced(viewed):
    page = viewed(reduced_motion="reduce")
    assert page.locator("#flicker").is_disabled()
    assert page.locator("#still").is_visible()
    page.keyboard.press("f")
    page.keyboard.press(".")
    page.wait_for_timeout(1000)
    assert _shown(page) == "Draw 1"


def test_arrows_follow_the_order_of_the_list(written, opened):
    page = opened(written(large))
    page.locator(".lines th").get_by_role("button", name="Mean spread").click()
    names = page.locator("#pane .open").evaluate_all("links => links.map(link => link.ariaLabel)")
    page.locator("#pane .open").first.click()
    shown = page.locator("#viewer-name")
    shown.filter(has_text=names[0]).wait_for()
    for name in names[1:4]:
        page.keyboard.press("ArrowRight")
        shown.filter(has_text=name).wait_for()  # fails if another image is shown
    page.keyboard.press("ArrowLeft")
    shown.filter(has_text=names[2]).wait_for()
    assert page.locator("#place").inner_text() == "3 / 5,000"
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    page.wait_for_function("name => document.activeElement.ariaLabel === name", arg=names[2])
    assert page.locator("tr.picked .open").get_attribute("aria-label") == names[2]


def test_a_thumbnail_opens_the_viewer_and_is_no_stop_of_the_tab_key(written, opened):
    page = opened(written(evaluation))
    row = page.locator(".lines tbody tr[data-place]").nth(2)
    assert row.locator("a, button:not(.dash), [tabindex]:not(input, .dash)").count() == 1
    row.locator(".thumb").click()
    page.locator("#viewer").wait_for()
    assert page.locator("#place").inner_text().startswith("3 / ")
    page.go_back()
    page.locator("#viewer").wait_for(state="hidden")


def test_the_address_opens_the_viewer_and_back_closes_it(written, opened):
    page = opened(written(evaluation))
    page.locator("#pane .open").nth(5).click()
    name, address = page.locator("#viewer-name").inner_text(), page.url
    page.go_back()
    page.locator("#viewer").wait_for(state="hidden")
    page.go_forward()
    assert page.locator("#viewer-name").inner_text() == name
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.hash.includes('image')")
    again = opened(written(evaluation), address[address.index("#") :])
    assert again.locator("#viewer-name").inner_text() == name
    again.keyboard.press("ArrowRight")
    again.wait_for_function(f"() => location.hash !== {address[address.index('#') :]!r}")
    again.locator("#shut").click()
    again.wait_for_function("() => !location.hash.includes('image')")
    assert again.locator("#viewer").is_hidden()


def test_what_is_known_of_an_image_is_text(written, opened):
    page = opened(written(evaluation, names=STRANGE, damages=CORRUPTIONS[:1]))
    page.locator("#search").fill("alert(1)")
    page.locator("#pane .open").last.click()
    assert page.locator("#viewer-name").inner_text() == HOSTILE
    assert page.locator("#viewer-where").inner_text() == f"median:size=3 · {CORRUPTIONS[0]} · done"
    facts = page.locator("#facts").inner_text()
    assert "no pixel of it is missing" in facts
    assert "sigma was told: 25/255" in facts
    page.locator("#frame-b .picture:not([hidden])").wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_pictures_that_are_gone_are_named(tmp_path, opened):
    write_page(evaluation(tmp_path, 1, damages=CORRUPTIONS[:1]), tmp_path / "report.html")
    for path in tmp_path.rglob("*.before.png"):
        path.unlink()
    page = opened(tmp_path / "report.html", complains=True)
    page.locator("#pane .open").first.click()
    page.locator("#frame-a .lost").wait_for()
    assert "scan_0000.png.before.png" in page.locator("#frame-a .lost").inner_text()


@pytest.mark.parametrize(("screen", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_axe_finds_nothing_in_the_viewer(viewed, violations, scheme, screen):
    page = viewed(color_scheme=scheme, **(TELEPHONE if screen == "phone" else {}))
    page.locator("#overlay").select_option("std")
    assert violations(page) == []
    page.evaluate("document.getElementById('keys').showModal()")
    assert violations(page) == []
