"""Facts about pages that are one file: pictures within a budget, nothing else needed."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from restorekit.images.views import Views
from restorekit.report import single_file
from restorekit.report.page import Gallery, GalleryPicture, Page, Row
from restorekit.report.single_file import inline_pictures, write_report, write_single_file
from tests._helpers.report_pages import evaluation

RNG = np.random.default_rng(0)
ELSEWHERE = re.compile(r'(?:src|href)="(?!data:|#)[^"]+"')


def noise(path, side=300):
    """Write a picture that no coding makes small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def crowd(tmp_path):
    """A page of twenty images, whose pictures take about 10 MB."""
    for i in range(20):
        for name in ("before", "after"):
            noise(tmp_path / "views" / f"{i}-{name}.png")
    rows = [
        Row(f"{i}.png", views=Views(300, 300, "", f"views/{i}-before.png", f"views/{i}-after.png")) for i in range(20)
    ]
    return Page("restore", "Crowd", rows=rows, pairs=list(range(19, -1, -1)))


def test_a_page_that_was_mailed_shows_all_its_pictures(tmp_path, opened):
    (tmp_path / "made").mkdir()
    page = evaluation(tmp_path / "made", images=2)
    sentence = write_report(page, tmp_path / "made" / "report.html", single_file=True)
    assert re.fullmatch(r"one file of \d\.\d MB for mailing; all pictures are in it", sentence)
    alone = tmp_path / "mail" / "report.html"
    alone.parent.mkdir()
    shutil.copy(tmp_path / "made" / "report.html", alone)
    shutil.rmtree(tmp_path / "made")
    assert not ELSEWHERE.findall(alone.read_text(encoding="utf-8"))
    shown = opened(alone)
    loaded = "() => [...document.querySelectorAll('.pair img')].slice(0, 2).every(image => image.naturalWidth === 128)"
    shown.wait_for_function(loaded)
    assert "This page is one file, which can be mailed; all pictures are in it." in shown.locator("#run").inner_text()
    shown.locator("#pane .open").nth(1).click()
    for side in "ab":
        shown.locator(f"#frame-{side} .picture:not([hidden])").wait_for()
    shown.locator("#overlay").select_option("std")
    shown.locator(".world .laid:not([hidden])").wait_for()
    assert shown.locator("#draws img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 128


def test_each_picture_is_in_the_file_once(tmp_path):
    page = evaluation(tmp_path, images=1)
    write_single_file(page, tmp_path / "report.html")
    uris = re.findall(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=]{100,}", (tmp_path / "report.html").read_text())
    in_pairs = 2 * len(page.pairs)
    assert len(set(uris)) >= len(uris) - in_pairs


@pytest.mark.parametrize("budget", [4_000_000, 1_500_000])
def test_a_budget_is_kept_by_smaller_pictures_and_said(tmp_path, crowd, budget):
    sentence = write_single_file(crowd, tmp_path / "report.html", budget)
    assert (tmp_path / "report.html").stat().st_size <= budget
    assert f"to stay under {budget / 10**6:g} MB it has not all pictures: " in sentence
    assert sentence.partition("; ")[2] in (tmp_path / "report.html").read_text()


def test_the_first_pairs_keep_their_pictures(tmp_path, crowd):
    page, sentence = inline_pictures(crowd, tmp_path, 1_000_000)
    kept = [i for i, row in enumerate(page.rows) if row.views is not None]
    assert 0 < len(kept) < 20
    assert kept == list(range(20 - len(kept), 20))  # the page shows the last ones first
    assert page.pairs == kept[::-1]
    assert f"those of the first {len(kept)} of 20 results" in sentence


def test_large_pictures_become_smaller_before_any_is_left_out(tmp_path):
    for name in ("before", "after"):
        noise(tmp_path / f"{name}.png", 1500)
    page = Page("restore", "t", rows=[Row("a", views=Views(1500, 1500, "", "before.png", "after.png"))], pairs=[0])
    found, sentence = inline_pictures(page, tmp_path, 1_500_000)
    assert found.rows[0].views.after.startswith("data:image/jpeg")
    assert "some of at most 800 pixels a side" in sentence


def test_nothing_but_pictures_of_the_folder_is_taken(tmp_path):
    noise(tmp_path / "out.png")
    folder = tmp_path / "R"
    noise(folder / "in.png")
    (folder / "secret.png").write_text("no picture")
    (folder / "link.png").symlink_to(tmp_path / "out.png")
    (folder / "sub").symlink_to(tmp_path, target_is_directory=True)
    wrong = (
        "../out.png",
        str(tmp_path / "out.png"),
        "secret.png",
        "link.png",
        "sub/out.png",
        "nowhere.png",
        "a\0b.png",
    )
    views = [Views(300, 300, "", name, "in.png", name) for name in wrong] + [Views(300, 300, "", "in.png", wrong[0])]
    page = Page("restore", "t", rows=[Row(str(i), views=view) for i, view in enumerate(views)])
    found, _ = inline_pictures(page, folder)
    for row in found.rows[:-1]:
        assert (row.views.before, row.views.truth) == ("", "")
        assert row.views.after.startswith("data:image/png")
    assert found.rows[-1].views is None


def test_pictures_over_time_are_in_the_file_the_last_ones_first(tmp_path):
    pictures = [GalleryPicture(noise(tmp_path / f"{i}.png").name, f"step {i}") for i in range(4)]
    page = Page("train", "t", galleries=[Gallery("Previews", "", pictures)])
    whole, sentence = inline_pictures(page, tmp_path)
    assert sentence == "all pictures are in it"
    assert all(picture.path.startswith("data:") for picture in whole.galleries[0].pictures)
    part, sentence = inline_pictures(page, tmp_path, 2_000_000)
    assert [picture.title for picture in part.galleries[0].pictures] == ["step 2", "step 3"]
    assert "2 of 4 over time" in sentence


def test_a_page_without_the_option_names_its_pictures(tmp_path):
    assert write_report(evaluation(tmp_path, images=1), tmp_path / "report.html") == ""
    assert 'src="pictures/' in (tmp_path / "report.html").read_text()
    assert single_file.BUDGET == 10_000_000  # as the help says
