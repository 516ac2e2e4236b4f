"""Facts about images that are restored together."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.types import Restoration
from restorekit.images import formats
from restorekit.images.picture import Picture
from restorekit.report.pages.restored import page_of
from restorekit.restoration.folder import compute
from tests._helpers.folder_runs import RNG, Darker, lines, prepared, restore, tree


def test_images_done_before_still_take_part_in_their_batch(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out))
    whole = tree(out)
    (out / "sub 0" / "2.png").unlink()
    second = Darker()
    restore(prepared(source, out, second))
    assert second.seen == [("sub 0/0.png", "sub 0/2.png")]
    assert tree(out) == whole


def test_an_image_that_a_batch_fails_on_does_not_take_the_others_with_it(source, tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(source / "sub 0" / "0.png")
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append) == {"done": 5, "skipped": 0, "failed": 1}
    assert [line.error for line in said if line.status == "failed"] == [f"{source / 'sub 0' / '0.png'}: too bright"]


@pytest.mark.parametrize(
    ("error", "told"), [(ValueError("oh"), "unexpected ValueError: oh"), (MemoryError(), "out of memory")]
)
def test_whatever_a_restorer_raises_is_an_image_s_failure(source, tmp_path, monkeypatch, error, told):
    def broken(self, *arguments):
        raise error

    monkeypatch.setattr(Darker, "__call__", broken)
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append)["failed"] == 6
    assert all(told in line.error for line in said)


def test_what_the_model_does_not_give_is_not_waited_for(source, tmp_path, monkeypatch):
    monkeypatch.setattr(Darker, "__call__", lambda self, seen, corruption, n, rng: Restoration(seen.y / 2))
    setup = prepared(source, tmp_path / "OUT", keep=("std",))
    assert restore(setup)["done"] == 6
    assert restore(setup)["skipped"] == 6


def test_frames_go_in_batches_of_at_most_so_many(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 255, (5, 8, 8), dtype=np.uint8), photometric="minisblack")
    assert restore(prepared(tmp_path / "a.tif", tmp_path / "whole"))["done"] == 1
    for name, most in (("MAX_BATCH_IMAGES", 2), ("PIXELS", 2 * 64)):
        one = Darker()
        with monkeypatch.context() as patch:
            patch.setattr(compute, name, most)
            restore(prepared(tmp_path / "a.tif", tmp_path / name, one))
        assert [len(keys) for keys in one.seen] == [2, 2, 1]
        assert tree(tmp_path / name) == tree(tmp_path / "whole")


def test_images_of_one_size_that_suffered_differently_are_batches_of_their_own(tmp_path):
    pixels, one = RNG.integers(0, 255, (1, 8, 8, 1), dtype=np.uint8), Darker()
    (tmp_path / "IN").mkdir()
    for name, spec in (("a", "poisson"), ("b", "gaussian"), ("c", "poisson")):
        formats.write(tmp_path / "IN" / f"{name}.png", Picture(pixels), pixels, spec=spec)
    assert restore(prepared(tmp_path / "IN", tmp_path / "OUT", one))["done"] == 3
    assert one.seen == [("a.png", "c.png"), ("b.png",)]


def test_what_was_asked_for_and_is_not_given_is_noted(source, tmp_path, monkeypatch):
    monkeypatch.setattr(Darker, "__call__", lambda self, seen, corruption, n, rng: Restoration(seen.y / 2))
    said = []
    restore(prepared(source, tmp_path / "OUT", keep=("std",), samples=1), said.append)
    assert all(line.facts.notes == ["std and draws not written, as the model gives none"] for line in said)


DOCUMENTS = {
    "sizes": [(16, 24, 1), (9, 24, 1), (16, 20, 1), (9, 24, 1)],
    "gray and colour": [(16, 24, 1), (16, 24, 3), (12, 10, 1)],
    "colour and gray": [(16, 24, 3), (12, 24, 1)],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pages_of_several_kinds_are_restored_as_files_of_their_own_are(name, tmp_path):
    source, out = tmp_path / "IN", tmp_path / "OUT"
    source.mkdir()
    pages = [RNG.integers(0, 250, shape, dtype=np.uint8) for shape in DOCUMENTS[name]]
    with tifffile.TiffWriter(source / "pages.tif") as writer:
        for i, page in enumerate(pages):
            photometric = "rgb" if page.shape[2] == 3 else "minisblack"
            writer.write(page.squeeze(2) if page.shape[2] == 1 else page, photometric=photometric, metadata=None)
            Image.fromarray(page.squeeze(2) if page.shape[2] == 1 else page).save(source / f"{i}.png")
    assert restore(prepared(source, out, self_check=True, keep=("std",)))["failed"] == 0
    with tifffile.TiffFile(out / "pages.tif") as file:
        restored = [page.asarray() for page in file.pages]
    for i, page in enumerate(restored):
        assert np.array_equal(page, np.asarray(Image.open(out / f"{i}.png")))
    facts = {line["image"]: line for line in lines(out)}["pages.tif"]
    assert facts["missing"] == 0
    assert facts["mean_std"] == pytest.approx(0.1)


def test_pages_of_several_sizes_are_not_resized(tmp_path):
    source, said = tmp_path / "IN", []
    source.mkdir()
    with tifffile.TiffWriter(source / "pages.tif") as writer:
        for height in (16, 12):
            writer.write(RNG.integers(0, 250, (height, 16), dtype=np.uint8), metadata=None)
    restore(prepared(source, tmp_path / "OUT", corruption="downsample:factor=2"), said.append)
    assert "has pages of several sizes or kinds" in said[0].error


@pytest.mark.parametrize(("dtype", "number", "tagged"), [(np.float32, -9999, True), (np.float32, -9999, False),
    (np.uint16, 65535, True), (np.uint16, 0, True), (np.float64, 1e20, False)])  # fmt: skip
def test_no_data_neither_reach_into_the_picture_nor_change(dtype, number, tagged, tmp_path):
    source, out = tmp_path / "IN", tmp_path / "OUT"
    source.mkdir()
    array = RNG.integers(2000, 9000, (2, 24, 24)).astype(dtype)
    array[:, :, :7] = number
    extra = [(42113, "s", 0, str(number), True)] if tagged else []
    options = {"photometric": "minisblack", "metadata": None, "extratags": extra}
    tifffile.imwrite(source / "a.tif", array, **options)
    assert restore(prepared(source, out, range=(0.0, 12000.0)))["failed"] == 0
    restored = tifffile.imread(out / "a.tif")
    assert np.array_equal(restored == number, array == number)
    assert np.allclose(restored[:, :, 7:], array[:, :, 7:] / 2, atol=1)
    assert lines(out)[-1]["missing"] == 0  # they are not filled in
    assert any("no data" in note for note in lines(out)[-1]["notes"])


def test_a_mosaic_is_left_as_it_was_and_flagged(tmp_path):
    (tmp_path / "IN").mkdir()
    pixels = np.full((128, 160), 140.0)
    pixels[::2, ::2], pixels[1::2, 1::2] = 90, 60
    pixels = np.clip(np.rint(pixels + np.random.default_rng(0).normal(0, 4, pixels.shape)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "IN" / "mosaic.png")
    restore(prepared(tmp_path / "IN", tmp_path / "OUT", interval=0.9, keep=("low", "high")))
    line = lines(tmp_path / "OUT")[-1]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "OUT" / "mosaic.png")), pixels)
    assert ["fine regular structure" in sentence for sentence in line["concerns"]] == [True, False]
    assert set(line["concerns"]) <= set(line["notes"])
    assert line["calibrated"] is False
    low, high = (
        tifffile.imread(tmp_path / "OUT" / "_restorekit" / name / "mosaic.png.tif") for name in ("low", "high")
    )
    assert np.allclose((low + high) / 2 * 255, pixels, atol=0.51)  # the estimate was rounded before it was moved
    (row,) = page_of(tmp_path / "OUT").rows
    assert list(row.flags) == line["concerns"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_local_means_are_put_back_in_every_type(tmp_path, dtype):
    (tmp_path / "IN").mkdir()
    unit = 0.5 + np.random.default_rng(0).normal(0, 0.05, (600, 96))
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    pixels = (unit * top).astype(dtype)
    tifffile.imwrite(tmp_path / "IN" / "x.tif", pixels)
    restore(prepared(tmp_path / "IN", tmp_path / "OUT"))
    found = tifffile.imread(tmp_path / "OUT" / "x.tif").astype(float) / top
    assert found.mean() == pytest.approx(0.5, abs=0.005)  # `Darker` has 0.25
    assert np.std(found - unit / 2) < 0.01
    assert lines(tmp_path / "OUT")[-1]["concerns"]


def test_a_stated_blur_is_left_to_the_restorer(tmp_path):
    (tmp_path / "IN").mkdir()
    pixels = np.full((96, 96), 100, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "IN" / "x.png")
    restore(prepared(tmp_path / "IN", tmp_path / "OUT", corruption="blur:size=2+gaussian:sigma=5/255"))
    assert np.asarray(Image.open(tmp_path / "OUT" / "x.png")).max() <= 50
