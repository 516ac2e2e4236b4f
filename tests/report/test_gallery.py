"""Facts about pictures over time, in a real browser."""

from PIL import Image

from restorekit.report.pages.trained import page_of
from tests._helpers.training_logs import card, good, write

STEPS = (500, 1000, 2000)


def training(folder, pictures=3):
    """Return the page of a training with previews, each of another gray, in its folder."""
    write(folder, good())
    (folder / "previews").mkdir()
    for step in STEPS[:pictures]:
        Image.new("L", (40, 30), step // 10).save(folder / "previews" / f"{step:07d}.png")
    return page_of(folder, card())


def shown(page):
    """Return the address of the picture that is shown, once it is there, and what is said of it in each place."""
    image = page.locator(".gallery-shown img")
    page.wait_for_function("() => document.querySelector('.gallery-shown img').complete")
    name = page.locator(".gallery-name").text_content()
    assert image.get_attribute("alt") == f"Validation images over time, {name}"
    assert page.locator(".gallery-bar input").get_attribute("aria-valuetext") == name
    assert page.locator(".gallery-strip [aria-current]").get_attribute("title") == name
    assert image.evaluate("image => image.naturalWidth") == 40
    return image.evaluate("image => image.src").rpartition("/")[2], name


def test_the_last_picture_is_shown_first_and_enlarged_by_a_whole_factor(written, opened):
    page = opened(written(training))
    assert shown(page) == ("0002000.png", "step 2,000")
    image = page.locator(".gallery-shown img")
    page.locator(".gallery-shown .enlarged").wait_for()
    assert image.bounding_box()["width"] % 40 == 0


def test_slider_buttons_and_strip_choose_the_picture(written, opened):
    page = opened(written(training))
    page.locator(".gallery-bar input").focus()
    page.keyboard.press("Home")
    assert shown(page) == ("0000500.png", "step 500")
    later = page.get_by_role("button", name="Later picture of Validation images over time")
    earlier = page.get_by_role("button", name="Earlier picture of Validation images over time")
    assert earlier.get_attribute("aria-disabled") == "true"
    earlier.click(force=True)
    later.click()
    assert shown(page) == ("0001000.png", "step 1,000")
    page.locator(".gallery-strip a").nth(2).click()
    assert shown(page) == ("0002000.png", "step 2,000")
    assert later.get_attribute("aria-disabled") == "true"
    assert page.url.endswith("report.html")


def test_pictures_play_from_the_first_to_the_last(written, opened):
    page = opened(written(training))
    play = page.locator("[data-play]")
    play.click()
    assert shown(page)[1] == "step 500"
    assert play.get_attribute("aria-pressed") == "true"
    page.locator("[data-play][aria-pressed=false]").wait_for()
    assert shown(page)[1] == "step 2,000"


def test_nothing_plays_where_motion_is_reduced(written, opened):
    page = opened(written(training), reduced_motion="reduce")
    assert page.locator("[data-play]").is_hidden()
    assert page.locator(".gallery-bar input").is_visible()


def test_one_picture_needs_no_slider(written, opened):
    page = opened(written(training, pictures=1))
    assert page.locator(".gallery-shown img").get_attribute("alt") == "Validation images over time, step 500"
    assert page.locator(".gallery-bar").is_hidden()
    assert page.locator(".gallery-strip").count() == 0


def test_without_javascript_the_strip_leads_to_the_pictures(written, opened):
    page = opened(written(training), java_script_enabled=False)
    links = [link.get_attribute("href") for link in page.locator(".gallery-strip a").all()]
    assert links == [f"previews/{step:07d}.png" for step in STEPS]
    assert page.locator(".gallery-bar").is_hidden()


def test_a_training_s_page_is_accessible_in_both_schemes(written, opened, violations):
    for scheme in ("light", "dark"):
        assert violations(opened(written(training), color_scheme=scheme)) == []
