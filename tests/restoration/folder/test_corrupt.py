"""Facts about `restorekit corrupt`: what it writes says what was done, and no more is lost than was meant to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions.spec import parse
from restorekit.images import formats
from restorekit.images.discovery import Item, find_images
from restorekit.images.picture import Picture
from restorekit.restoration.folder.corrupt import CorruptionPlan, check, corrupt_file

RNG = np.random.default_rng(0)


@pytest.fixture
def corrupt(tmp_path):
    def call(name, spec, **values):
        plan = CorruptionPlan(tmp_path / "OUT", parse(spec, registry.corruptions()), **values)
        return corrupt_file(Item(tmp_path / name, name), plan)

    return call


def picture(path, *shape, dtype=np.uint8, **values):
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    formats.write(path, Picture(pixels, **values), pixels)
    return pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("depth", "suffix", "dtype"), [("8", "png", np.uint8), ("16", "png", np.uint16), ("32f", "tif", np.float32)]
)
def test_what_is_not_lost_is_kept_at_every_depth(corrupt, tmp_path, channels, depth, suffix, dtype):
    before = picture(tmp_path / "x.png", 1, 12, 14, channels)
    assert corrupt("x.png", "missing:rate=0.5", depth=depth) is None
    after = formats.read(tmp_path / "OUT" / f"x.{suffix}")
    lost = np.asarray(Image.open(tmp_path / "OUT" / "x.missing.png")) > 0
    assert after.pixels.dtype == dtype
    assert after.spec == "missing:rate=0.5,per_channel=false"
    assert 0.3 < lost.mean() < 0.7
    assert not after.pixels[0][lost].any()
    scale = {"8": 1, "16": 257, "32f": 1 / 255}[depth]
    assert np.allclose(after.pixels[0][~lost], before[0][~lost].astype(float) * scale, rtol=1e-6)


def test_floats_keep_noise_beyond_the_range_and_integers_clip_it(corrupt, tmp_path):
    black = np.zeros((1, 30, 30, 1), np.uint8)
    formats.write(tmp_path / "x.png", Picture(black), black)
    corrupt("x.png", "gaussian:sigma=25/255", depth="32f")
    values = tifffile.imread(tmp_path / "OUT" / "x.tif")
    assert values.min() < -0.1
    assert values.std() == pytest.approx(25 / 255, rel=0.1)
    corrupt("x.png", "gaussian:sigma=25/255", depth="8")
    assert (formats.read(tmp_path / "OUT" / "x.png").pixels == 0).mean() == pytest.approx(0.5, abs=0.1)


def test_pages_are_damaged_one_by_one(corrupt, tmp_path):
    picture(tmp_path / "x.tif", 3, 12, 14, 1, dtype=np.uint16, format="tiff")
    assert corrupt("x.tif", "missing:rate=0.5", depth="16") is None
    masks = tifffile.imread(tmp_path / "OUT" / "x.missing.tif")
    assert masks.shape == (3, 12, 14)
    assert not np.array_equal(masks[0], masks[1])
    assert formats.read(tmp_path / "OUT" / "x.tif").pixels.shape == (3, 12, 14, 1)


def test_a_range_is_settled_per_image_and_written_into_the_file(corrupt, tmp_path):
    specs = []
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 1, 8, 8, 1)
        corrupt(name, "gaussian:sigma=0..50/255+missing:rate=0.1..0.9")
        specs.append(formats.read(tmp_path / "OUT" / name).spec)
    assert ".." not in "".join(specs)
    assert specs[0] != specs[1]


def test_the_settled_values_are_those_that_the_range_draws():
    ranged = parse("gaussian:sigma=0..50/255+missing:rate=0.1..0.9", registry.corruptions())
    rng = Rng(3, ("x",))
    fixed = ranged.settled(rng)
    x = Rng(0).uniform("x", (1, 1, 8, 8), "cpu")
    one, other = ranged(x, rng), fixed(x, rng)
    assert np.allclose(one.y, other.y, atol=1e-6)
    assert (one.observed == other.observed).all()


def test_the_same_seed_gives_the_same_bytes(corrupt, tmp_path):
    picture(tmp_path / "x.png", 1, 8, 8, 3)
    found = []
    for seed in (1, 1, 2):
        corrupt("x.png", "gaussian", seed=seed)
        found.append((tmp_path / "OUT" / "x.png").read_bytes())
    assert found[0] == found[1] != found[2]


def test_a_mask_of_an_earlier_run_does_not_stay(corrupt, tmp_path):
    picture(tmp_path / "x.png", 1, 8, 8, 1)
    corrupt("x.png", "missing")
    assert (tmp_path / "OUT" / "x.missing.png").exists()
    corrupt("x.png", "gaussian")
    assert not (tmp_path / "OUT" / "x.missing.png").exists()


def test_a_stranger_s_file_is_not_replaced(corrupt, tmp_path):
    picture(tmp_path / "x.png", 1, 8, 8, 1)
    mine = picture(tmp_path / "OUT" / "x.png", 1, 4, 4, 1)
    assert "was not written by restorekit corrupt" in corrupt("x.png", "gaussian")
    assert np.array_equal(formats.read(tmp_path / "OUT" / "x.png").pixels, mine)


@pytest.mark.parametrize("spec", ["gaussian:sigma=0.1", "missing:rate=0.5"])
@pytest.mark.parametrize("name", ["x.missing.png", "x.missing.TIF", "x.missing.bmp"])
@pytest.mark.parametrize("beside", [True, False], ids=["beside ours", "alone"])
def test_a_stranger_s_mask_is_neither_removed_nor_replaced(corrupt, tmp_path, spec, name, beside):
    picture(tmp_path / "x.png", 1, 8, 8, 1)
    if beside:
        corrupt("x.png", "gaussian")
    (tmp_path / "OUT").mkdir(exist_ok=True)
    (tmp_path / "OUT" / name).write_text("mine")
    before = {path: path.read_bytes() for path in (tmp_path / "OUT").iterdir()}
    assert f"{name} exists and was not written by restorekit corrupt" in corrupt("x.png", spec, seed=1)
    assert {path: path.read_bytes() for path in (tmp_path / "OUT").iterdir()} == before


def test_a_mask_that_corrupt_wrote_is_replaced(corrupt, tmp_path):
    picture(tmp_path / "x.png", 1, 8, 8, 1)
    masks = []
    for seed in (1, 2):
        assert corrupt("x.png", "missing:rate=0.5", seed=seed) is None
        masks.append(formats.read(tmp_path / "OUT" / "x.missing.png").pixels)
    assert not np.array_equal(*masks)
    picture(tmp_path / "x.tif", 3, 8, 8, 1, format="tiff")
    assert corrupt("x.tif", "missing:rate=0.5") is None
    assert {path.name for path in (tmp_path / "OUT").iterdir()} == {"x.png", "x.tif", "x.missing.tif"}


@pytest.mark.parametrize("name", ["x.missing.png", "x.missing.BMP"])
def test_an_image_with_missing_pixels_in_its_mask_is_refused(corrupt, tmp_path, name):
    picture(tmp_path / "x.png", 1, 10, 10, 1)
    mask = np.zeros((10, 10), np.uint8)
    Image.fromarray(mask).save(tmp_path / name)
    assert corrupt("x.png", "clean") is None
    mask[:2] = 255
    Image.fromarray(mask).save(tmp_path / name)
    told = corrupt("x.png", "gaussian")
    assert told.startswith("20.00% of the pixels of")
    assert f"{name}, so there is no complete clean image" in told
    Image.fromarray(mask).save(tmp_path / "x.missing.tif")
    assert "several masks next to it" in corrupt("x.png", "gaussian")


def test_alpha_is_carried_over_and_what_was_missing_stays_so(corrupt, tmp_path):
    alpha = RNG.integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    picture(tmp_path / "x.png", 1, 8, 8, 3, alpha=alpha)
    corrupt("x.png", "gaussian", depth="16")
    assert np.array_equal(formats.read(tmp_path / "OUT" / "x.png").alpha, alpha.astype(np.uint16) * 257)
    holes = np.where(np.eye(8), np.nan, RNG.random((8, 8))).astype(np.float32)
    tifffile.imwrite(tmp_path / "y.tif", holes)
    corrupt("y.tif", "gaussian")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "OUT" / "y.missing.png")) > 0, np.eye(8) > 0)


def test_floats_of_another_range_come_to_the_unit_scale(corrupt, tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.linspace(100, 300, 64, dtype=np.float32).reshape(8, 8))
    corrupt("x.tif", "clean", depth="16", range=(100.0, 300.0))
    values = formats.read(tmp_path / "OUT" / "x.png").pixels
    assert (values.min(), values.max()) == (0, 65535)


def test_a_bad_or_unsuited_file_is_a_sentence(corrupt, tmp_path):
    (tmp_path / "x.png").write_text("text")
    assert "x.png" in corrupt("x.png", "gaussian")
    picture(tmp_path / "y.tif", 1, 8, 8, 2, format="tiff")
    assert "2 channels" in corrupt("y.tif", "gaussian")


def test_two_images_for_one_output_are_refused_before_any_work(tmp_path):
    for name in ("x.png", "x.bmp"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name)
    with pytest.raises(UsageError, match=r"x\.bmp and x\.png"):
        check(find_images(tmp_path), CorruptionPlan(Path("OUT"), parse("gaussian", registry.corruptions())))
