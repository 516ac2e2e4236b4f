"""Facts about the pictures of the viewer in a real browser: divider, zoom, pixels."""

from __future__ import annotations

import pytest

from tests._helpers.report_pages import TELEPHONE

WORLD = "#frame-{} .world"


def _split(page):
    return int(page.locator("#divider").get_attribute("aria-valuenow"))


def _world(page, frame):
    """Return where the pictures lie within a frame: left, top, width."""
    frame_box = page.locator(f"#frame-{frame}").bounding_box()
    box = page.locator(WORLD.format(frame)).bounding_box()
    return [round(v, 1) for v in (box["x"] - frame_box["x"], box["y"] - frame_box["y"], box["width"])]


def test_a_mouse_drags_the_divider(viewed):
    page = viewed()
    stage, handle = page.locator("#stage").bounding_box(), page.locator("#divider").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 50)
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.25 * stage["width"], handle["y"] + 90, steps=4)
    page.mouse.up()
    assert _split(page) == 25
    left = page.locator("#frame-b").evaluate("f => getComputedStyle(f).clipPath")
    assert left == "inset(0px 0px 0px 25%)" or left.startswith("inset(0px 0px 0px 2")
    page.mouse.move(stage["x"] + 0.9 * stage["width"], handle["y"])
    assert _split(page) == 25


def test_a_finger_drags_the_divider(viewed):
    page = viewed(**TELEPHONE)
    stage, handle = page.locator("#stage").bounding_box(), page.locator("#divider").bounding_box()
    y = handle["y"] + handle["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind, *x):
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y} for at in x]})

    touch("touchStart", handle["x"] + handle["width"] / 2)
    for share in (0.6, 0.7, 0.8):
        touch("touchMove", stage["x"] + share * stage["width"])
    touch("touchEnd")
    assert _split(page) == 80


def test_keys_move_the_divider(viewed):
    page = viewed()
    page.locator("#divider").focus()
    for key, at in (("ArrowRight", 51), ("Shift+ArrowLeft", 41), ("Home", 0), ("ArrowLeft", 0), ("End", 100)):
        page.keyboard.press(key)
        assert _split(page) == at
    assert page.locator("#divider").get_attribute("aria-valuetext") == "Before 100 %, After 0 %"
    assert page.locator("#place").inner_text() == "1 / 24"  # and not to the next image


def test_zoom_is_one_for_both_pictures(viewed):
    page = viewed()
    page.keyboard.press("2")
    box = page.locator("#frame-b").bounding_box()
    before = _world(page, "b")
    point = (100, box["height"] / 2 - 20)
    page.mouse.move(box["x"] + point[0], box["y"] + point[1])
    page.mouse.wheel(0, -800)
    page.wait_for_function(f"() => document.querySelector('{WORLD.format('b')}').clientWidth > {before[2] * 2}")
    assert _world(page, "a") == _world(page, "b")
    at = [(point[i] - before[i]) / before[2] for i in (0, 1)]
    now = _world(page, "b")
    # what the mouse points at stays under it
    assert [(point[i] - now[i]) / now[2] for i in (0, 1)] == pytest.approx(at, abs=0.002)
    page.mouse.down()
    page.mouse.move(box["x"] + point[0] - 30, box["y"] + point[1] - 15)
    page.mouse.up()
    assert _world(page, "b")[:2] == pytest.approx([now[0] - 30, now[1] - 15], abs=0.5)
    assert _world(page, "a") == _world(page, "b")
    page.keyboard.press("0")
    assert _world(page, "b") == before


def test_two_fingers_zoom(viewed):
    page = viewed(**TELEPHONE)
    stage, before = page.locator("#stage").bounding_box(), _world(page, "b")
    fingers = page.context.new_cdp_session(page)
    for kind, spread in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", None)):
        points = [(s * spread, 20 * s) for s in (-1, 1)] if spread else []
        middle = (stage["x"] + stage["width"] / 2, stage["y"] + 60)
        touches = [{"x": middle[0] + dx, "y": middle[1] + dy, "id": i} for i, (dx, dy) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    assert 1.5 < _world(page, "b")[2] / before[2] < 2.2
    assert page.locator("#scale").inner_text() != "100 %"


def test_enlarged_pixels_are_squares_and_others_are_not(viewed):
    page = viewed()
    drawn = "i => getComputedStyle(i).imageRendering"
    picture = page.locator("#frame-a .picture:not([hidden])")
    page.locator("#real").click()
    assert page.locator("#scale").inner_text() == "100 %"
    assert picture.evaluate(drawn) == "auto"
    page.keyboard.press("+")
    assert picture.evaluate(drawn) == "pixelated"
