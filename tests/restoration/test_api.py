"""Facts about restoring from Python."""

from __future__ import annotations

import dataclasses
import multiprocessing
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps

import restorekit
from restorekit import testing
from restorekit.core.config import checked_sigma
from restorekit.core.devices import Compute
from restorekit.core.errors import CheckpointError, ImageError, RestorekitWarning, UsageError
from restorekit.models import VAE, checkpoint
from restorekit.restoration.api import PythonRestorer
from restorekit.restoration.loading import open_restorer
from tests._helpers.film import film_scan, shares

RNG = np.random.default_rng(0)
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def model(model_file):
    return restorekit.load(str(model_file), device="cpu")


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 1), (9, 13, 3), (1, 1), (13, 9, 2), (33, 40, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_numpy_in_numpy_out(model, shape, dtype):
    image = RNG.random(shape)
    image = (image * np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else image).astype(dtype)
    result = model(image, samples=2)
    for field, lead in ((result.mmse, ()), (result.std, ()), (result.draws, (2,))):
        assert isinstance(field, np.ndarray)
        assert field.shape == (*lead, *shape)
        assert np.isfinite(field).all()
    assert result.low is None


@pytest.mark.parametrize("shape", [(9, 13), (1, 9, 13), (3, 9, 13), (2, 3, 9, 13)])
def test_torch_in_torch_out(model, shape):
    result = model(torch.rand(shape), samples=2)
    assert isinstance(result.mmse, torch.Tensor)
    assert result.mmse.shape == result.std.shape == shape
    assert result.draws.shape == (2, *shape)


@pytest.mark.parametrize(
    ("shape", "axes", "plain"),
    [((3, 9, 13), "CYX", (1, 2, 0)), ((13, 9), "XY", (1, 0)), ((9, 3, 13), "HCW", (0, 2, 1))],
)
@pytest.mark.parametrize("lead", ["numpy", "torch"])
def test_axes_name_another_layout(model, shape, axes, plain, lead):
    image = RNG.random(shape).astype(np.float32)
    lost = RNG.random([size for size, letter in zip(shape, axes, strict=True) if letter != "C"]) < 0.3
    wrap = torch.from_numpy if lead == "torch" else np.asarray
    found = model(wrap(image), missing=wrap(lost), axes=axes, samples=2)
    bare = axes.replace("C", "")
    wanted = model(image.transpose(plain), missing=lost if bare in ("HW", "YX") else lost.T, samples=2)
    back = np.argsort(plain)
    assert np.array_equal(np.asarray(found.mmse), wanted.mmse.transpose(back))
    assert np.array_equal(np.asarray(found.draws), wanted.draws.transpose(0, *(1 + back)))


def test_axes_name_a_batch_and_are_checked(model):
    images = RNG.random((2, 3, 9, 13)).astype(np.float32)
    found = model(images, axes="TZYX")
    assert found.mmse.shape == images.shape
    assert np.array_equal(found.mmse[1, 2], model(images.reshape(6, 9, 13), axes="NHW").mmse[5])
    with pytest.raises(UsageError, match="does not fit the shape"):
        model(images, axes="CYX")
    with pytest.raises(UsageError, match="expected axes such as NCHW"):
        model(images, axes="NQHW")
    with pytest.raises(UsageError, match="pass axes, such as 'NHWC'"):
        model(images)


def test_numpy_and_torch_agree(model):
    image = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    lost = RNG.random((9, 13)) < 0.3
    one = model(image, missing=lost, sigma=0.1, samples=2, seed=5)
    other = model(torch.from_numpy(image).movedim(-1, 0), missing=torch.from_numpy(lost), sigma=0.1, samples=2, seed=5)
    assert np.array_equal(one.mmse, other.mmse.movedim(0, -1).numpy())
    assert np.array_equal(one.draws, other.draws.movedim(1, -1).numpy())


def test_nan_is_missing(model):
    image = RNG.random((9, 13)).astype(np.float32)
    lost = RNG.random((9, 13)) < 0.3
    assert np.array_equal(model(np.where(lost, np.nan, image)).mmse, model(image, missing=lost).mmse)


def test_what_was_seen_without_noise_comes_back_exactly(model):
    image = RNG.random((9, 13, 3)).astype(np.float32)
    lost = RNG.random((9, 13)) < 0.5
    result = model(image, missing=lost, sigma=0)
    assert np.array_equal(result.mmse[~lost], image[~lost])
    assert not result.std[~lost].any()
    assert not np.array_equal(model(image, missing=lost).mmse[~lost], image[~lost])


def test_bands_are_restored_one_by_one(model):
    image = RNG.random((9, 13, 2)).astype(np.float32)
    both, first = model(image), model(image[..., 0])
    assert np.array_equal(both.mmse[..., 0], first.mmse)


def test_draws_depend_on_the_seed_and_on_nothing_else(model):
    image = RNG.random((9, 13)).astype(np.float32)
    first, again, other = (model(image, samples=2, seed=seed).draws for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_image_of_which_nothing_was_seen_gives_finite_values(model):
    assert np.isfinite(model(np.full((9, 13), np.nan, np.float32)).mmse).all()


def test_classical_methods_load_too():
    image = RNG.random((16, 16)).astype(np.float32)
    result = restorekit.load("telea")(image, missing=np.eye(16), sigma=0)
    assert np.array_equal(result.mmse[np.eye(16) == 0], image[np.eye(16) == 0])
    assert result.std is None
    with pytest.raises(UsageError, match="classical method"):
        restorekit.load("telea")(image, samples=3)


@pytest.mark.parametrize(
    ("sigma", "told"),
    [(25, "did you mean 25/255"), (-0.1, "from 0 to 1"), (float("nan"), "from 0 to 1"), ("many", "is a number on")],
)
def test_sigma_is_on_the_unit_scale(model, sigma, told):
    with pytest.raises(UsageError, match=told):
        model(np.zeros((4, 4), np.uint8), sigma=sigma)
    assert checked_sigma(25 / 255, "25/255") == 25 / 255


@pytest.mark.parametrize("samples", [-1, 2.5])
def test_draws_are_counted_by_a_whole_number(model, samples):
    with pytest.raises(UsageError, match="samples is an integer from 0 on"):
        model(np.zeros((4, 4), np.uint8), samples=samples)


def test_a_model_without_classes_takes_no_label(model):
    with pytest.raises(UsageError, match="has no classes"):
        model(np.zeros((4, 4), np.uint8), label=1)


@pytest.mark.parametrize(
    ("name", "told"),
    [("telae", "did you mean telea"), ("no/such.safetensors", "there is no model file"), ("", "is a folder; give the")],
)
def test_unknown_names_are_sentences(name, told):
    with pytest.raises(UsageError, match=told):
        open_restorer(name, compute=Compute("cpu"))


def test_a_file_that_is_no_model_is_a_sentence(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        open_restorer(str(tmp_path / "x.safetensors"), compute=Compute("cpu"))


def test_a_device_that_is_absent_is_a_sentence(model_file, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name in (str(model_file), "telea"):
        with pytest.raises(UsageError, match="--device cuda"):
            open_restorer(name, compute=Compute("cuda"))


def test_what_the_estimate_is_is_said(model_file):
    assert open_restorer(str(model_file), compute=Compute("cpu")).estimate(0) == "one-pass estimate"
    assert open_restorer(str(model_file), compute=Compute("cpu")).estimate(4) == "one-pass estimate and 4 draws"
    assert open_restorer("telea").estimate(0) == "classical method, one answer"


def test_a_calibrated_model_gives_the_ends_of_an_interval(model_file, tmp_path):
    """As many standard deviations about the estimate as its table says, where that reaches."""
    axes = {"sigma": (0.0, 0.1), "missing": (0.0, 0.5), "distance": (0.0, 8.0), "std": (0.01, 0.2)}
    factors = {"1,1,0,0": [[[3.0]] * 2] * 2, "1,1,1,0": [[[3.0]] * 2] * 2}
    table = {"axes": axes, "levels": (0.9,), "factors": factors, "reach": 0.0, "images": 9, "source": "x"}
    file = tmp_path / "sure.safetensors"
    card = dataclasses.replace(checkpoint.read_card(model_file), calibration=table)
    checkpoint.save(file, checkpoint.read_weights(model_file), card)
    sure, image = restorekit.load(str(file), device="cpu"), RNG.normal(0.5, 0.05, (64, 48)).astype(np.float32)
    found = sure(image, sigma=0.1, interval=0.9)
    assert np.allclose(found.high - found.mmse, 3 * found.std, atol=1e-6)
    assert np.allclose(found.mmse - found.low, 3 * found.std, atol=1e-6)
    assert sure(image, sigma=0.1).low is None
    with pytest.warns(RestorekitWarning, match=r"low and high are NaN: no gray calibration images had noise"):
        assert np.isnan(sure(RNG.random((64, 48), np.float32), interval=0.9).low).all()
    with pytest.raises(UsageError, match=r"a share between 0 and 1, such as 0\.9, got 90"):
        sure(image, interval=90)


def test_an_interval_of_a_model_without_calibration_is_refused(model):
    with pytest.raises(UsageError, match="run restorekit calibrate on it"):
        model(RNG.random((8, 8), np.float32), interval=0.9)


def test_defects_are_found_and_filled_and_all_else_is_exact():
    image = np.asarray(Image.open(SAMPLES / "damaged" / "film" / "portrait.png"))
    clean = np.asarray(Image.open(SAMPLES / "clean" / "film" / "portrait.png")).astype(float)
    found = restorekit.load("default", device="cpu")(image, repair="film", touch=0.005)
    assert found.repaired.shape == image.shape
    assert np.array_equal(found.image[~found.repaired], image[~found.repaired])
    inside = found.repaired
    assert np.square(found.image[inside] - clean[inside]).sum() < 0.5 * np.square(image[inside] - clean[inside]).sum()
    with pytest.raises(UsageError, match="touch belongs to a repair"):
        restorekit.load("default", device="cpu")(image, touch=0.005)
    with pytest.raises(UsageError, match="is calibrated for --touch from"):
        restorekit.load("default", device="cpu")(image, repair="film", touch=0.5)


def test_missing_values_are_not_searched():
    image = np.asarray(Image.open(SAMPLES / "clean" / "film" / "portrait.png"))[:64, :64]
    hole = np.zeros(image.shape[:2], bool)
    hole[4:12, 4:12] = True
    found = restorekit.load("default", device="cpu")(image, mask=hole, repair="lines,pixels", mask_confirmed=True)
    assert not found.repaired[hole].any()
    assert not np.array_equal(found.image[hole], image[hole])


def test_no_compiler_is_an_error_in_a_sentence(model_file, monkeypatch):
    def broken(function):
        raise RuntimeError("no g++\nat all")

    monkeypatch.setattr("torch.compile", broken)
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler.*got: no g\+\+; remove it"):
        open_restorer(str(model_file), compute=Compute("cpu", compiled=True))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_model_gives_what_it_gives_otherwise(model_file):
    image = RNG.random((64, 64)).astype(np.float32)
    compute = Compute("cpu", compiled=True)
    opened = open_restorer(str(model_file), compute=compute)
    assert opened.restorer.model.trunk._compiled_call_impl is not None
    plain, compiled = (
        PythonRestorer(o)(image) for o in (open_restorer(str(model_file), compute=Compute("cpu")), opened)
    )
    for one, other in ((plain.mmse, compiled.mmse), (plain.std, compiled.std)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "size"), [("blur:size=1+gaussian:sigma=0.1", (24, 32)), ("downsample+gaussian:sigma=0.1", (48, 64))]
)
def test_damage_may_be_more_than_noise(spec, size, tmp_path):
    model, file = testing.build(VAE, VAE.Config(hidden=(8,), latent=2)), tmp_path / "vae.safetensors"
    checkpoint.save(file, model.state_dict(), checkpoint.describe(model))
    loaded = restorekit.load(str(file), device="cpu", sampler="langevin:steps=5", corruption=spec)
    image = np.random.default_rng(0).random((24, 32), dtype=np.float32)
    with pytest.warns(RestorekitWarning):
        assert loaded(image).mmse.shape == size
    with pytest.raises(UsageError, match="already sets the noise level"):
        loaded(image, sigma=0.1)


def _noisy(shape=(24, 32, 3)):
    return np.clip(np.random.default_rng(1).normal(128, 40, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["array", "tensor", "pil", "rgba", "gray", "sixteen", "float", "path"])
def test_the_image_comes_back_as_it_came(model, kind, tmp_path):
    rgb = _noisy()
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 200, np.uint8)])
    rgba[:4, :4, 3] = 0
    Image.fromarray(rgb).save(tmp_path / "a.png")
    image = {
        "array": rgb, "tensor": torch.from_numpy(rgb).movedim(-1, 0), "pil": Image.fromarray(rgb),
        "rgba": Image.fromarray(rgba), "gray": rgb[..., 0], "sixteen": rgb.astype(np.uint16) * 257,
        "float": rgb / np.float32(255), "path": tmp_path / "a.png",
    }[kind]  # fmt: skip
    found = model(image)
    back = found.image
    if kind == "path":
        image = rgb
    assert type(back) is (Image.Image if kind in ("pil", "rgba") else type(image))
    if kind in ("pil", "rgba"):
        assert back.mode == image.mode
    back, image = np.asarray(back), np.asarray(image)
    assert (back.shape, back.dtype) == (image.shape, image.dtype)
    if kind == "rgba":
        assert np.array_equal(back[..., 3], rgba[..., 3])
        assert np.array_equal(back[:4, :4, :3], rgb[:4, :4])


@pytest.mark.parametrize("name", ["b.png", "b.tif", "b.jpg", "b.npy"])
def test_a_restoration_is_saved_by_its_suffix(model, name, tmp_path):
    found = model(_noisy() / np.float32(255)) if name != "b.npy" else model(_noisy())
    found.save(tmp_path / name)
    read = np.load(tmp_path / name) if name == "b.npy" else restorekit.load("median")(tmp_path / name).image
    scale = 255 if read.dtype == np.uint8 else 1
    assert np.abs(read.squeeze() / scale - found.mmse.clip(0, 1)).max() < (1 if name != "b.npy" else 0.01)
    with pytest.raises(ValueError, match="suffix of an image"):
        found.save(tmp_path / "b.txt")


def test_a_restoration_is_never_saved_over_its_image(model, tmp_path):
    Image.fromarray(_noisy()).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ValueError, match="never written to"):
        model(str(tmp_path / "a.png")).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before


def test_objects_say_what_they_are(model):
    found = model(_noisy(), samples=2)
    assert repr(found) == "<RestoredImage 24 x 32 x 3, std, 2 draws>"
    assert repr(model).startswith("<restorekit model ")
    assert "data:image/png;base64," in found._repr_html_()
    assert "24 x 32 x 3" in found._repr_html_()
    assert {"load", "restore_folder", "train", "evaluate", "Restoration", "UsageError"} <= set(dir(restorekit))


def test_a_mask_next_to_a_path_is_found_and_both_names_of_the_argument_are_not_mixed(model, tmp_path):
    image, lost = _noisy(), np.zeros((24, 32), bool)
    lost[5:9, 5:9] = True
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(lost).save(tmp_path / "a.missing.png")
    found = model(tmp_path / "a.png", sigma=0).image
    assert np.array_equal(found[~lost], image[~lost])
    assert np.array_equal(found, model(image, mask=lost, sigma=0).image)
    with pytest.raises(ValueError, match="two names for one argument"):
        model(image, lost, mask=lost)


def test_sigma_is_estimated_or_spelt(model):
    image = np.random.default_rng(2).normal(0.5, 0.1, (64, 64)).astype(np.float32)
    assert np.array_equal(model(image, sigma="25/255").mmse, model(image, sigma=25 / 255).mmse)
    nlm = restorekit.load("nlm")
    assert np.allclose(nlm(image, sigma="auto").mmse, nlm(image, sigma=0.1).mmse, atol=0.02)
    assert not np.allclose(nlm(image, sigma="auto").mmse, nlm(image, sigma=0.02).mmse, atol=0.02)


def test_low_range_data_in_16_bits_are_found_and_said(model):
    frame = _noisy((32, 32)).astype(np.uint16) * 4
    with pytest.warns(RestorekitWarning, match="fit 10 of 16 bits"):
        found = model(frame)
    assert np.array_equal(found.mmse, model(frame / np.float32(1023), range=(0, 1)).mmse)
    assert found.image.dtype == np.uint16
    assert found.image.max() <= 1023


@pytest.mark.parametrize("count", [1, 5])
def test_hot_pixels_do_not_reach_the_others(count):
    frame = np.clip(np.random.default_rng(3).normal(400, 50, (64, 64)), 0, 1023).astype(np.uint16)
    hot = np.zeros(frame.shape, bool)
    hot.flat[np.random.default_rng(4).permutation(4096)[:count]] = True
    default = restorekit.load("default", device="cpu")
    with pytest.warns(RestorekitWarning):
        plain, spoilt = (default(f).image.astype(float) for f in (frame, np.where(hot, 65535, frame).astype(np.uint16)))
    assert np.sqrt(np.square(spoilt - plain)[~hot].mean()) < 3
    assert (spoilt[hot] == 65535).all()


def _in_a_child(image):
    return _CHILD(image).mmse


_CHILD = None


def test_forked_workers_give_what_their_parent_gives(model):
    global _CHILD
    _CHILD, image = model, _noisy()
    wanted = model(image).mmse
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(_in_a_child, (image,)).get(timeout=120)
    assert np.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("range", [(255, 0), (0,), (0, float("nan")), "0-255", 255, [1, 2, 3]])
def test_a_range_that_is_none_is_refused(model, range):
    with pytest.raises(UsageError, match="range"):
        model(_noisy().astype(np.float32), range=range)


def test_a_range_is_a_pair_or_text(model):
    image = _noisy().astype(np.float32)
    assert np.array_equal(model(image, range="0..255").mmse, model(image, range=[0, np.uint8(255)]).mmse)
    assert np.array_equal(model(image, range=(0, 255)).mmse, model(image, range=[0, 255]).mmse)


@pytest.mark.parametrize(
    "options", [{"sigma": True}, {"sigma": np.array([0.1, 0.2])}, {"sigma": torch.ones(2)}, {"seed": "a"}, {"axes": 3}]
)
def test_options_of_another_kind_are_refused(model, options):
    with pytest.raises(UsageError):
        model(_noisy(), **options)


@pytest.mark.parametrize("mask", [np.ones((24, 32), bool), np.full((24, 32), 0.2), np.arange(768).reshape(24, 32)])
def test_a_mask_of_most_pixels_is_told(model, mask):
    with pytest.raises(ImageError, match="non-zero means missing"):
        model(_noisy(), mask=mask)
    assert model(_noisy(), mask=mask, mask_confirmed=True).mmse.shape == (24, 32, 3)


def test_metadata_of_a_pil_image_are_kept(model, tmp_path):
    """PIL does not turn pixels, so that the orientation stays."""
    block = Image.Exif()
    block[0x0112], block[0x010F] = 6, "Maker"
    Image.fromarray(_noisy()).save(tmp_path / "a.jpg", exif=block, dpi=(300, 300), icc_profile=b"a profile", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        found = model(image)
    assert found.image.size == (32, 24)
    assert found.image.getexif()[0x0112] == 6
    assert (found.image.info["dpi"], found.image.info["icc_profile"]) == ((300, 300), b"a profile")
    expected = ImageOps.exif_transpose(found.image)
    for name in ("b.png", "b.jpg", "b.tif", "b.webp"):
        found.save(tmp_path / name)
        with Image.open(tmp_path / name) as saved:
            assert saved.info["icc_profile"] == b"a profile"
            assert np.abs(np.subtract(ImageOps.exif_transpose(saved), expected, dtype=float)).mean() < 8, name


def test_a_drawing_comes_back_as_it_was_unless_a_level_is_stated(model):
    y, x = np.mgrid[:64, :64]
    drawing = np.where((x + y) % 16 < 8, 240, np.where(x % 12 < 6, 90, 17)).astype(np.uint8)
    with pytest.warns(RestorekitWarning, match="it holds no noise, as it has 4 different values or fewer"):
        restored = model(drawing)
    assert np.array_equal(restored.image, drawing)
    mask = (x > 20) & (x < 26) & (y < 50)
    with pytest.warns(RestorekitWarning, match="only missing pixels are filled"):
        filled = model(drawing, mask=mask).image
    assert np.array_equal(filled[~mask], drawing[~mask])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model(drawing, sigma=25 / 255)
    assert not any("holds no noise" in str(warning.message) for warning in heard)


@pytest.mark.parametrize("form", ["channel", "page", "beside", "array", "tensor"])
def test_infrared_shows_dust(form, tmp_path):
    scan = film_scan()
    rgbi = np.dstack([scan.colours, scan.infrared])
    if form == "channel":
        tifffile.imwrite(tmp_path / "a.tif", rgbi, photometric="rgb", extrasamples=["unspecified"])
    elif form in ("page", "beside"):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            writer.write(scan.colours, photometric="rgb", metadata=None)
            if form == "page":
                writer.write(scan.infrared, photometric="minisblack", metadata=None)
    if form == "beside":
        tifffile.imwrite(tmp_path / "a.ir.tif", scan.infrared)
    image = {"array": rgbi, "tensor": torch.from_numpy(np.moveaxis(rgbi / 65535, 2, 0))}.get(form, tmp_path / "a.tif")
    axes = {"array": "HWC", "tensor": "CHW"}.get(form)
    result = restorekit.load("telea", device="cpu")(image, mask="ir", sigma=0, axes=axes)
    assert tuple(result.mmse.shape) == ((3, 240, 320) if form == "tensor" else (240, 320, 3))
    out = np.asarray(result.image)
    out = np.rint(np.moveaxis(out, 0, 2) * 65535) if form == "tensor" else out
    assert out.shape == (240, 320, 3 if form in ("page", "beside") else 4)
    changed = (out[..., :3] != scan.colours).any(axis=2)
    covered, beyond = shares(changed, scan.opacity)
    assert covered >= 0.9
    assert beyond <= 0.001
    if out.shape[2] == 4:
        assert np.array_equal(out[..., 3], scan.infrared)
    if form in ("channel", "page"):
        result.save(tmp_path / "out.tif")
        with tifffile.TiffFile(tmp_path / "out.tif") as file:
            last = file.pages[-1].asarray()
        assert np.array_equal(last if form == "page" else last[..., 3], scan.infrared)


def test_infrared_options_that_do_not_fit_are_refused():
    method, rgb = restorekit.load("telea", device="cpu"), np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ImageError, match="has no infrared plane"):
        method(rgb, mask="ir", sigma=0)
    with pytest.raises(UsageError, match="ir_threshold requires mask='ir'; pass it or remove"):
        method(rgb, ir_threshold=0.1)
    with pytest.raises(UsageError, match="a share of the light between 0 and 1"):
        method(np.zeros((8, 8, 4), np.uint8), mask="ir", ir_threshold=2, axes="HWC")


def test_silver_in_film_is_warned_of():
    scan = film_scan(infrared_of=lambda red: red)
    with pytest.warns(RestorekitWarning, match="Kodachrome"):
        restorekit.load("telea", device="cpu")(np.dstack([scan.colours, scan.infrared]), mask="ir", sigma=0, axes="HWC")
