"""Facts about what is known of an image before it is restored."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import formats
from restorekit.images.discovery import find_images
from restorekit.images.picture import Picture
from restorekit.restoration.folder import tasks
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.read import is_done, open_group, sentence
from tests._helpers.folder_runs import RNG, lines, prepared, restore


def test_a_bad_file_fails_alone_and_is_tried_again(source, tmp_path):
    out, bad = tmp_path / "OUT", source / "sub 0" / "0.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:40])
    said = []
    assert restore(prepared(source, out), said.append) == {"done": 5, "skipped": 0, "failed": 1}
    (failed,) = [line for line in said if line.status == "failed"]
    assert failed.image == "sub 0/0.png"
    assert "truncated" in failed.error
    assert restore(prepared(source, out)) == {"done": 0, "skipped": 5, "failed": 1}
    bad.write_bytes(whole)
    assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


def test_a_file_says_itself_what_it_suffered(source, tmp_path):
    pixels = RNG.integers(0, 255, (1, 8, 8, 1), dtype=np.uint8)
    formats.write(source / "a.png", Picture(pixels), pixels, spec="missing:rate=0.5")
    formats.write(source / "b.png", Picture(pixels), pixels, spec="gaussian:sigma=0.1")
    formats.write(source / "c.png", Picture(pixels), pixels, spec="stripes:drop=0.5")
    said = {}
    restore(prepared(source, tmp_path / "OUT"), lambda line: said.update({line.image: line}))
    assert said["a.png"].facts.sigma == 0
    assert np.array_equal(formats.read(tmp_path / "OUT" / "a.png").pixels, pixels)
    assert said["b.png"].facts.sigma == pytest.approx(0.1)
    assert said["c.png"].status == "failed"
    assert "stripes" in said["c.png"].error
    assert "--corruption" in said["c.png"].error


def test_nothing_seen_is_said(source, tmp_path):
    tifffile.imwrite(source / "nan.tif", np.full((8, 8), np.nan, np.float32))
    said = {}
    restore(prepared(source, tmp_path / "OUT"), lambda line: said.update({line.image: line}))
    assert any("no pixel was observed" in note for note in said["nan.tif"].facts.notes)
    assert np.isfinite(tifffile.imread(tmp_path / "OUT" / "nan.tif")).all()


def test_a_jpeg_of_which_all_is_known_is_copied_and_another_says_that_it_loses(source, tmp_path):
    for name in ("known.jpg", "holes.jpg"):
        Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)).save(source / name)
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(source / "holes.missing.png")
    said = {}
    restore(prepared(source, tmp_path / "OUT", sigma="0"), lambda line: said.update({line.image: line}))
    assert (tmp_path / "OUT" / "known.jpg").read_bytes() == (source / "known.jpg").read_bytes()
    assert said["known.jpg"].facts.notes == []
    assert any("bit-exact only before the encoding" in note for note in said["holes.jpg"].facts.notes)


def test_what_was_rounded_is_not_taken_for_the_truth(source, tmp_path):
    assert restore(prepared(source, tmp_path / "OUT", corruption="quantise:bits=3"))["done"] == 6
    restored, before = (np.asarray(Image.open(p / "sub 0" / "0.png")) for p in (tmp_path / "OUT", source))
    assert np.array_equal(restored, np.rint(before / 510 * 255))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImageError("a.png is empty"), "a.png is empty"),
        (MemoryError(), "out of memory; lower --max-memory, close other programs, or cut the image into parts"),
        (ValueError("oh"), "unexpected ValueError: oh; please report it"),
    ],
)
def test_whatever_went_wrong_is_a_sentence(error, told):
    assert sentence(error) == told


def _first(source, out):
    setup = prepared(source, out)
    return tasks(find_images(source), setup)[0], setup, Journal(out, setup.options.fingerprint)


def test_a_group_of_which_all_is_done_is_not_read(source, tmp_path, monkeypatch):
    restore(prepared(source, tmp_path / "OUT"))
    group, setup, journal = _first(source, tmp_path / "OUT")
    monkeypatch.setattr(formats, "read", lambda *_: pytest.fail("nothing is to be read"))
    reading = open_group(group, setup, journal)
    assert reading.opened == []
    assert [line.status for line in reading.lines] == ["skipped"] * len(group.items) == ["skipped"] * 2
    assert all(is_done(item, setup, journal) for item in group.items)


def test_a_group_of_which_one_is_left_is_read_whole(source, tmp_path):
    restore(prepared(source, tmp_path / "OUT"))
    (tmp_path / "OUT" / "sub 0" / "2.png").unlink()
    reading = open_group(*_first(source, tmp_path / "OUT"))
    assert [(opened.item.key, opened.done) for opened in reading.opened] == [
        ("sub 0/0.png", True),
        ("sub 0/2.png", False),
    ]
    assert [line.image for line in reading.lines] == ["sub 0/0.png"]


def test_the_users_word_on_the_noise_wins_over_the_files(tmp_path):
    pixels = RNG.integers(0, 255, (1, 8, 8, 1), dtype=np.uint8)
    (tmp_path / "IN").mkdir()
    formats.write(tmp_path / "IN" / "a.png", Picture(pixels), pixels, spec="gaussian:sigma=0.1")
    found = {}
    for name, values in (
        ("file", {}),
        ("number", {"sigma": "0.2"}),
        ("spec", {"corruption": "gaussian:sigma=0.3"}),
        ("both", {"sigma": "0.2", "corruption": "gaussian:sigma=0.3"}),
    ):
        restore(prepared(tmp_path / "IN", tmp_path / name, **values))
        found[name] = lines(tmp_path / name)[-1]["sigma"]
    assert found == pytest.approx({"file": 0.1, "number": 0.2, "spec": 0.3, "both": 0.2})


def test_a_black_and_white_scan_is_copied_with_a_note(tmp_path):
    (tmp_path / "IN").mkdir()
    page = (RNG.random((64, 64)) < 0.9).astype(np.uint8) * 255
    Image.fromarray(page).save(tmp_path / "IN" / "page.png")
    said = {}
    restore(prepared(tmp_path / "IN", tmp_path / "OUT"), lambda line: said.update({line.image: line}))
    assert (tmp_path / "OUT" / "page.png").read_bytes() == (tmp_path / "IN" / "page.png").read_bytes()
    assert any("it holds no noise" in note for note in said["page.png"].facts.notes)
