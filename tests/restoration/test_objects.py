"""Facts about images as Python callers hold them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.errors import ImageError, InputTypeError, UsageError
from restorekit.restoration import objects

RNG = np.random.default_rng(0)


def batch_of(image):
    taken = objects.read_object(image)
    values = objects.prepare_values(taken, (0, 65535) if str(taken.picture.pixels.dtype) == "uint16" else None)
    return values.y, taken.form


def missing_of(missing, shape):
    return objects.read_missing(missing, objects.read_object(torch.zeros(shape)))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 2), (50, 70, 6), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2", ">f4", bool])
def test_an_array_goes_in_and_comes_out_the_same(shape, dtype):
    dtype = np.dtype(dtype)
    image = RNG.random(shape)
    image = (image * np.iinfo(dtype).max if dtype.kind == "u" else image).round(2).astype(dtype)
    batch, form = batch_of(image)
    assert batch.shape == (1, shape[2] if len(shape) == 3 else 1, *shape[:2])
    assert batch.dtype == torch.float32
    top = np.iinfo(dtype).max if dtype.kind == "u" else 1
    assert np.allclose(form.give(batch), image.astype(np.float64) / top, atol=1e-7)
    assert form.give(torch.stack([batch] * 4)).shape == (4, *shape)


@pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (3, 5, 7), (6, 50, 70), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float16, torch.float32, torch.float64, torch.bool])
def test_a_tensor_goes_in_and_comes_out_the_same(shape, dtype):
    image = torch.from_numpy(RNG.random(shape))
    top = {torch.uint8: 255, torch.uint16: 65535}.get(dtype, 1)
    image = (image * top).round(decimals=2).to(dtype)
    batch, form = batch_of(image)
    assert batch.shape == (1,) * (2 if len(shape) == 2 else 4 - len(shape)) + shape
    assert torch.allclose(form.give(batch).double(), image.double() / top, atol=1e-6)
    assert form.give(torch.stack([batch] * 4)).shape == (4, *shape)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros(5), "got the shape"),
        (np.zeros((2, 5, 7, 3)), "got the shape"),
        (torch.zeros(1, 2, 3, 5, 7), "got the shape"),
        (np.zeros((3, 50, 70)), "looks like"),
        (torch.zeros(50, 70, 3), "looks like"),
        (np.zeros((0, 7)), "at least one pixel"),
        (np.zeros((5, 7), np.int64), "uint8 or uint16"),
        (torch.zeros(5, 7, dtype=torch.int32), "uint8 or uint16"),
        (np.zeros((5, 7), complex), "floating-point"),
        (np.array([["a"]]), "floating-point"),
        (np.full((5, 7), 200.0), r"\[0, 1\] scale"),
    ],
)
def test_what_cannot_be_understood_is_a_sentence(image, told):
    with pytest.raises(UsageError, match=told):
        batch_of(image)


def test_nan_and_infinity_are_missing():
    values = objects.prepare_values(objects.read_object(np.array([[np.nan, np.inf, 0.5]])))
    assert values.observed.tolist() == [[[[False, False, True]]]]
    assert values.y.isfinite().all()


@pytest.mark.parametrize(
    "missing", [np.eye(5), np.eye(5)[..., None], torch.eye(5), torch.eye(5)[None] > 0, 255 * np.eye(5, dtype=int)]
)
def test_a_mask_is_non_zero_where_missing(missing):
    assert torch.equal(missing_of(missing, (1, 3, 5, 5))[0, 0], torch.eye(5) > 0)


@pytest.mark.parametrize("missing", [np.eye(6), torch.zeros(2, 5, 5), np.zeros(5)])
def test_a_mask_of_another_shape_is_a_sentence(missing):
    with pytest.raises(UsageError, match="shape"):
        missing_of(missing, (1, 3, 5, 5))


RGB = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (Image.fromarray(RGB), 3),
        (Image.fromarray(RGB).convert("L"), 1),
        (Image.fromarray(RGB).convert("YCbCr"), 3),
        (Image.fromarray(RGB).convert("RGBA"), 3),
        (Image.fromarray(RGB).convert("LA"), 1),
        (Image.fromarray(RGB).quantize(200), 3),
        (Image.fromarray(RGB[..., 0] > 99), 1),
        (Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), 1),
        (Image.fromarray(RGB[..., 0].astype(np.int32) * 257), 1),
        (Image.fromarray(RGB[..., 0] / np.float32(255)), 1),
    ],
)
def test_a_pil_image_is_read_by_its_mode(image, channels):
    values = objects.prepare_values(objects.read_object(image))
    assert values.y.shape == (1, channels, 12, 16)
    wanted = np.asarray(image.convert("RGB" if channels == 3 else "L"), np.float32) / 255
    if image.mode == "F":
        wanted = np.asarray(image)
    elif image.mode.startswith("I"):
        wanted = RGB[..., 0] / 255
    assert np.allclose(values.y[0].movedim(0, -1).numpy().squeeze(), wanted, atol=0.01)


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_a_pil_image_of_other_colours_is_a_sentence(mode):
    with pytest.raises(UsageError, match=f"mode {mode} is not supported"):
        objects.read_object(Image.fromarray(RGB).convert(mode) if mode == "CMYK" else Image.new(mode, (4, 4)))


def test_masked_values_are_missing():
    lost = RNG.random((12, 16)) < 0.3
    for image in (np.ma.masked_array(RGB[..., 0], lost), np.ma.masked_array(RGB[..., 0] / 255.0, lost)):
        assert np.array_equal(~objects.prepare_values(objects.read_object(image)).observed[0, 0].numpy(), lost)


def test_transparent_colours_are_kept_and_not_observed():
    rgba = np.dstack([RGB, np.where(np.indices((12, 16))[0] < 4, 0, 255).astype(np.uint8)])
    values = objects.prepare_values(objects.read_object(Image.fromarray(rgba)))
    assert not values.observed[0, :, :4].any()
    assert values.observed[0, :, 4:].all()
    assert values.kept[0, :4].all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 50, 4), np.uint8),
        torch.zeros(4, 40, 50),
        torch.zeros(2, 4, 40, 50),
        np.zeros((64, 64, 64), np.float32),
        np.zeros((20, 64, 64), np.uint8),
        torch.zeros(64, 32, 32),
    ],
)
def test_channels_or_slices_are_not_guessed(image):
    with pytest.raises(UsageError, match="axes="):
        objects.read_object(image)


@pytest.mark.parametrize("value", [64.0, 1e6, -1e30, 65535.0])
def test_single_values_far_outside_are_missing_and_bounded(value):
    image = RNG.random((64, 64)).astype(np.float32)
    image[5, 9] = value
    values = objects.prepare_values(objects.read_object(image))
    assert np.argwhere(~values.observed[0, 0].numpy()).tolist() == [[5, 9]]
    assert values.y.abs().max() <= 2
    assert len(values.notes) == 1


def test_sixteen_bits_of_fewer_are_found_and_said():
    image = RNG.integers(0, 1000, (64, 64), dtype=np.uint16)
    image[3, 4] = 65535
    values = objects.prepare_values(objects.read_object(image))
    assert (values.range.low, values.range.high) == (0, 1023)
    assert not values.observed[0, 0, 3, 4]
    assert ["10 of 16 bits" in values.notes[0], "far outside" in values.notes[1]] == [True, True]
    plain = objects.prepare_values(objects.read_object(image), (0, 65535))
    assert plain.observed.all()


@pytest.mark.parametrize("image", [None, b"text", [["a"]], object(), np.zeros((4, 4), np.int64)])
def test_an_object_of_another_type_is_a_type_error(image):
    with pytest.raises(TypeError, match="uint8"):
        objects.read_object(image)


def test_masks_from_python_are_read_like_mask_files(tmp_path):
    taken, disc = objects.read_object(RGB), np.hypot(*(np.indices((12, 16)) - 6)) < 3
    strokes = np.dstack([np.zeros((12, 16, 3), np.uint8), disc * np.uint8(255)])
    Image.fromarray(disc).save(tmp_path / "m.png")
    for mask in (disc, Image.fromarray(disc), Image.fromarray(strokes), str(tmp_path / "m.png"), tmp_path / "m.png"):
        assert np.array_equal(objects.read_missing(mask, taken)[0, 0].numpy(), disc)


@pytest.mark.parametrize("share", [0.61, 0.97, 1.0, 0.00005])
@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy, lambda marks: Image.fromarray(marks * np.uint8(255))])
def test_a_mask_of_an_unlikely_share_is_confirmed_or_refused(share, wrap):
    image = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    marks = np.arange(image.size).reshape(image.shape) < share * image.size
    taken = objects.read_object(image)
    with pytest.raises(ImageError, match="pass mask_confirmed=True if this is right"):
        objects.read_missing(wrap(marks), taken)
    assert np.array_equal(objects.read_missing(wrap(marks), taken, confirmed=True)[0, 0], marks)


@pytest.mark.parametrize("share", [0, 0.001, 0.6])
def test_a_mask_of_a_likely_share_needs_no_confirmation(share):
    image = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    marks = np.arange(image.size).reshape(image.shape) < share * image.size
    assert np.array_equal(objects.read_missing(marks, objects.read_object(image))[0, 0], marks)


@pytest.mark.parametrize("number", [-9999.0, 1e20, -3.4028234663852886e38])
def test_no_data_of_an_array_are_found_as_in_a_file(number):
    image = np.random.default_rng(0).normal(5000, 100, (16, 24)).astype(np.float32)
    image[:3] = number
    taken = objects.read_object(image)
    values = objects.prepare_values(taken, "auto")
    assert np.array_equal(values.kept[0, ..., 0], image == np.float32(number))
    assert not values.observed[0, 0, :3].any()
    assert values.observed[0, 0, 3:].all()
    assert np.array_equal(taken.picture.nodata.restore(taken.picture.pixels)[0, ..., 0], image)


def _sparse():
    return torch.eye(8).to_sparse()


@pytest.mark.parametrize(
    "image",
    [
        _sparse(),
        torch.empty(3, 8, 8, device="meta"),
        [[0.1, 0.2], [0.3]],
        np.zeros((8, 8), np.complex64),
        torch.zeros(8, 8, dtype=torch.complex64),
        np.zeros((8, 8), dtype=[("r", "u1"), ("g", "u1")]),
    ],
    ids=["sparse", "meta", "ragged", "complex", "complex tensor", "fields"],
)
def test_what_is_no_dense_array_of_numbers_is_refused(image):
    with pytest.raises(InputTypeError, match=r"an array|an image is"):
        objects.read_object(image)


def test_tensors_of_every_kind_of_storage_hold_the_same_numbers():
    plain = torch.from_numpy(RNG.random((3, 6, 8)).astype(np.float32))
    hidden = torch.complex(plain, -plain).conj().imag  # its sign is a flag
    for image in (plain.clone().requires_grad_(), torch.nn.Parameter(plain), hidden, plain.mT.contiguous().mT):
        assert torch.equal(batch_of(image)[0][0], plain)
    for dtype in (torch.bfloat16, torch.float8_e5m2):
        assert torch.equal(batch_of(plain.to(dtype))[0][0], plain.to(dtype).float())
    wide = plain.numpy().astype(np.longdouble)
    assert objects.read_object(wide, "CHW").picture.pixels.dtype == np.float64


@pytest.mark.parametrize(
    "image",
    [
        lambda unit: unit * 2 - 1,  # of networks
        lambda unit: (unit - 0.45) / 0.22,  # standardised
        lambda unit: unit * 3,
        lambda unit: unit * 9,
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_floats_on_another_scale_are_refused_though_noise_would_reach_as_far(image, kind):
    unit = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    for noise in (0.0, 0.1):
        with pytest.raises(UsageError, match=r"\[0, 1\] scale"):
            objects.prepare_values(objects.read_object(kind(image(unit + RNG.normal(0, noise, (64, 64))))))


@pytest.mark.parametrize(("sigma", "margin"), [(0.3, None), (0.8, 4.0), (3.0, 10.0)])
def test_noise_on_black_and_white_is_on_the_scale(sigma, margin):
    unit = np.where(np.arange(64)[:, None] < 32, 0.0, 1.0) + RNG.normal(0, sigma, (64, 64))
    assert objects.prepare_values(objects.read_object(unit), margin=margin).range == objects.IntensityRange(0.0, 1.0)


def test_a_masked_array_as_a_mask_marks_what_it_masks():
    masked = np.ma.masked_array(np.zeros((6, 8)), np.eye(6, 8, dtype=bool))
    masked[0, 7] = 1
    found = missing_of(masked, (6, 8))[0, 0].numpy()
    assert np.array_equal(found, np.eye(6, 8, dtype=bool) | (masked.data == 1))


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_a_transparent_colour_of_pil_keeps_the_number_of_channels(mode):
    image = Image.fromarray((RNG.random((8, 8)) * 255).astype(np.uint8)).convert(mode)
    image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    picture = objects.read_object(image).picture
    assert picture.alpha is not None
    assert picture.pixels.shape == (1, 8, 8, 1 if mode in "1L" else 3)


def test_pil_images_that_cannot_be_read_are_told(tmp_path):
    Image.fromarray((RNG.random((64, 64)) * 255).astype(np.uint8)).save(tmp_path / "a.jpg")
    closed = Image.open(tmp_path / "a.jpg")
    closed.close()
    data = (tmp_path / "a.jpg").read_bytes()
    for image in (closed, Image.open(io.BytesIO(data[: len(data) // 2]))):
        with pytest.raises(ImageError, match="cannot be loaded"):
            objects.read_object(image)
    with pytest.raises(UsageError, match="at least one pixel"):
        objects.read_object(Image.new("L", (0, 5)))


def test_a_file_of_several_frames_in_pil_is_its_current_frame(tmp_path):
    first, second = (Image.new("L", (8, 8), level) for level in (30, 60))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    with Image.open(tmp_path / "a.tif") as image:
        image.seek(1)
        values = objects.prepare_values(objects.read_object(image))
    assert np.allclose(values.y, 60 / 255)
    assert values.notes == ["only the current one of its 2 frames is restored"]
