"""Facts about files that are restored to another size, or to other channels, than their own."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit import testing
from restorekit.core.types import Geometry
from restorekit.models import VAE
from restorekit.restoration.folder import compute
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.samplers import Langevin
from restorekit.testing._assertions import perturb
from tests._helpers.folder_runs import RNG, Darker, kept, lines, prepared, restore, tree

SMALLER = "downsample:factor=2+gaussian:sigma=0.02"


class Coloured(Darker):
    geometry = Geometry(channels=(3,))


class Gray(Darker):
    geometry = Geometry(channels=(1,))


@pytest.fixture
def small(tmp_path):
    """A folder of three gray images of 14 x 14 pixels."""
    (tmp_path / "IN").mkdir()
    for i in range(3):
        Image.fromarray(RNG.integers(0, 255, (14, 14), dtype=np.uint8)).save(tmp_path / "IN" / f"{i}.png")
    return tmp_path / "IN"


def _done(out):
    return [line for line in lines(out) if line["status"] == "done"]


def _sizes(out):
    return {Image.open(path).size for path in out.glob("*.png")}


def test_a_model_of_one_size_restores_a_folder_of_smaller_files_twice_with_the_same_bytes(small, tmp_path):
    model = testing.build(VAE, VAE.Config(network="mlp", size=(28, 28), hidden=(16,), latent=2))
    perturb(model)
    for name in ("a", "b"):
        setup = prepared(small, tmp_path / name, ModelRestorer(model, Langevin(steps=4)), corruption=SMALLER)
        assert restore(setup) == {"done": 3, "skipped": 0, "failed": 0}
    assert _sizes(tmp_path / "a") == {(28, 28)}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert restore(setup)["skipped"] == 3
    assert [(line["sigma"], line["missing"]) for line in _done(tmp_path / "a")] == [(pytest.approx(0.02), 0.0)] * 3
    (tmp_path / "a" / "1.png").unlink()
    setup = prepared(small, tmp_path / "a", ModelRestorer(model, Langevin(steps=4)), corruption=SMALLER)
    assert restore(setup) == {"done": 1, "skipped": 2, "failed": 0}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_file_of_a_size_that_the_model_does_not_restore_is_one_sentence(source, tmp_path):
    model, said = testing.build(VAE, VAE.Config(network="mlp", size=(28, 28), hidden=(16,), latent=2)), []
    setup = prepared(source, tmp_path / "OUT", ModelRestorer(model, Langevin(steps=4)), corruption=SMALLER)
    assert restore(setup, said.append)["failed"] == 6
    assert "images of 28 x 28 pixels, got 16 x 16; crop it" in said[0].error
    assert said[0].image in said[0].error


def test_spread_and_draws_have_the_clean_size(small, tmp_path):
    restore(prepared(small, tmp_path / "OUT", corruption=SMALLER, keep=("std",), samples=2))
    own = tmp_path / "OUT" / "_restorekit"
    assert kept(tmp_path / "OUT") == {"std", "samples"}
    assert tifffile.imread(own / "std" / "0.png.tif").shape == (28, 28)
    assert tifffile.imread(own / "samples" / "0.png.tif").shape == (2, 28, 28)
    assert _done(tmp_path / "OUT")[0]["mean_std"] == pytest.approx(0.1)


@pytest.mark.parametrize("spec", ["downsample", "grayscale", "clean+downsample", "downsample+missing:rate=0"])
def test_what_was_seen_without_noise_is_not_taken_for_the_restoration(spec, small, tmp_path):
    restore(prepared(small, tmp_path / "OUT", Darker(), corruption=spec, sigma="0"))
    assert len(_done(tmp_path / "OUT")) == 3
    assert not {*tree(tmp_path / "OUT").values()} & {*tree(small).values()}


def test_frames_bands_depth_and_format_are_kept(tmp_path):
    pixels = RNG.integers(0, 65535, (3, 6, 8, 2), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=[0])
    restore(prepared(tmp_path / "a.tif", tmp_path / "OUT", corruption="downsample:factor=3"))
    found = tifffile.imread(tmp_path / "OUT" / "a.tif")
    assert (found.shape, found.dtype) == ((3, 18, 24, 2), np.uint16)


def test_an_array_keeps_its_kind(tmp_path):
    np.save(tmp_path / "a.npy", RNG.random((6, 8)).astype(np.float32))
    for spec, shape in (("downsample", (12, 16)), ("grayscale", (6, 8, 3)), ("downsample+grayscale", (12, 16, 3))):
        restore(prepared(tmp_path / "a.npy", tmp_path / spec, corruption=spec))
        found = np.load(tmp_path / spec / "a.npy")
        assert (found.shape, found.dtype) == (shape, np.float32)


@pytest.mark.parametrize("restorer", [Darker, Coloured])
def test_a_gray_file_is_colourised(restorer, small, tmp_path):
    restore(prepared(small, tmp_path / "OUT", restorer(), corruption="grayscale+gaussian:sigma=0.1", keep=("std",)))
    assert {Image.open(path).mode for path in (tmp_path / "OUT").glob("*.png")} == {"RGB"}
    assert tifffile.imread(tmp_path / "OUT" / "_restorekit" / "std" / "0.png.tif").shape == (14, 14, 3)


def test_a_gray_file_and_a_gray_model_are_one_sentence(small, tmp_path):
    said = []
    assert restore(prepared(small, tmp_path / "OUT", Gray(), corruption="grayscale"), said.append)["failed"] == 3
    assert said[0].error == "0.png lost its colours to grayscale, and the model takes 1 channel; choose one of colour"


def test_a_file_of_colour_has_not_lost_it(tmp_path):
    said = []
    Image.fromarray(RNG.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    restore(prepared(tmp_path / "a.png", tmp_path / "OUT", corruption="grayscale"), said.append)
    assert said[0].error == "a.png: grayscale leaves 1 channel, got 3; give the gray image, or another corruption"


def test_a_mask_has_the_size_of_the_file(small, tmp_path):
    lost = np.zeros((14, 14), np.uint8)
    lost[2:5, 3:9] = 255
    Image.fromarray(lost).save(tmp_path / "mask.png")
    setup = prepared(small, tmp_path / "OUT", corruption="downsample+missing", mask=str(tmp_path / "mask.png"))
    assert restore(setup)["done"] == 3
    assert _done(tmp_path / "OUT")[0]["missing"] == pytest.approx((lost > 0).mean())
    assert _sizes(tmp_path / "OUT") == {(28, 28)}


def test_batches_are_filled_by_the_clean_size(small, tmp_path, monkeypatch):
    one = Darker()
    monkeypatch.setattr(compute, "PIXELS", 2 * 28 * 28)
    restore(prepared(small, tmp_path / "OUT", one, corruption="downsample"))
    assert [len(keys) for keys in one.seen] == [2, 1]


def test_a_transparent_file_is_enlarged_with_its_alpha_and_its_level_estimated(tmp_path):
    Image.fromarray(RNG.integers(0, 255, (8, 8, 4), dtype=np.uint8)).save(tmp_path / "a.png", dpi=(96, 96))
    restore(prepared(tmp_path / "a.png", tmp_path / "OUT", corruption=SMALLER, sigma="auto"))
    with Image.open(tmp_path / "OUT" / "a.png") as image:
        assert (image.size, image.mode) == ((16, 16), "RGBA")
    assert _done(tmp_path / "OUT")[0]["notes"] == ["its dots per inch are carried over, so that it is larger in print"]
