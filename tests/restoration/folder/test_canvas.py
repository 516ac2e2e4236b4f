"""Facts about where restored rows are put together."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from restorekit.core.errors import ImageError
from restorekit.core.types import Restoration
from restorekit.images.intensity import IntensityRange
from restorekit.restoration.folder import canvas as module
from restorekit.restoration.folder.canvas import Canvas
from restorekit.restoration.folder.planes import Plane

RNG = np.random.default_rng(0)
RANGES = {np.uint8: 255.0, np.uint16: 65535.0, np.float32: 1.0, np.float64: 1.0}


def plane(dtype=np.uint8, exact=False, rate=0.5, **place):
    top = RANGES[dtype]
    pixels = (RNG.random((8, 6, 1)) * top).astype(dtype)
    missing = RNG.random((8, 6, 1)) < rate if rate else None
    return Plane("x", pixels, missing, IntensityRange(0.0, top), exact=exact, **place)


def band(height=8, draws=0):
    shape = (1, 1, height, 6)
    made = torch.rand(draws, *shape) if draws else None
    return Restoration(torch.full(shape, 0.25), torch.full(shape, 0.1), made)


@pytest.mark.parametrize("dtype", RANGES)
def test_what_is_known_comes_back_bit_for_bit_and_the_rest_is_the_estimate(tmp_path, dtype):
    one = plane(dtype, exact=True)
    canvas = Canvas(np.empty_like(one.pixels)[np.newaxis], (), tmp_path)
    canvas.put(one, 0, band(), 0)
    assert np.array_equal(canvas.pixels[0][~one.missing], one.pixels[~one.missing])
    wanted = np.rint(0.25 * RANGES[dtype]) if dtype in (np.uint8, np.uint16) else 0.25
    assert (canvas.pixels[0][one.missing] == wanted).all()


def test_without_a_missing_pixel_an_exact_plane_is_its_own_restoration(tmp_path):
    one = plane(exact=True, rate=0)
    canvas = Canvas(np.empty_like(one.pixels)[np.newaxis], (), tmp_path)
    canvas.put(one, 0, band(), 0)
    assert np.array_equal(canvas.pixels[0], one.pixels)


def test_the_spread_and_the_ends_that_are_given_are_kept(tmp_path):
    canvas = Canvas(np.zeros((1, 8, 6, 1), np.uint8), ("std", "low", "high"), tmp_path)
    half = band(4)
    given = Restoration(half.mmse, half.std, None, low=half.mmse - 0.2, high=half.mmse + 0.3)
    canvas.put(plane(), 0, given, 0)
    canvas.put(plane(), 4, given, 0)
    assert np.allclose(canvas.extras["std"], 0.1)
    assert np.allclose(canvas.extras["low"], 0.05)
    assert np.allclose(canvas.extras["high"], 0.55)
    assert canvas.mean_std == pytest.approx(0.1)


def test_frames_and_bands_find_their_place(tmp_path):
    canvas = Canvas(np.zeros((2, 8, 6, 2), np.uint8), ("draws",), tmp_path)
    restored = band(draws=3)
    canvas.put(plane(frame=1, channel=0), 0, restored, 0)
    assert canvas.pixels[1, ..., 0].all()
    assert not canvas.pixels[0].any()
    assert not canvas.pixels[..., 1].any()
    assert canvas.extras["draws"].shape == (3, 2, 8, 6, 2)
    assert np.array_equal(canvas.extras["draws"][:, 1, ..., 0], restored.draws[:, 0, 0].numpy())


def test_what_the_restorer_does_not_give_is_absent(tmp_path):
    canvas = Canvas(np.zeros((1, 8, 6, 1), np.uint8), ("std", "low", "draws"), tmp_path)
    canvas.put(plane(), 0, Restoration(torch.zeros(1, 1, 8, 6)), 0)
    assert canvas.extras == {}
    assert canvas.mean_std is None


def test_what_is_too_large_for_the_memory_goes_to_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    canvas = Canvas(np.zeros((1, 8, 6, 1), np.uint8), ("draws",), tmp_path)
    restored = band(draws=3)
    canvas.put(plane(), 0, restored, 0)
    assert isinstance(canvas.extras["draws"], np.memmap)
    assert np.array_equal(canvas.extras["draws"][:, 0, ..., 0], restored.draws[:, 0, 0].numpy())
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_it_is_a_sentence(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "IN_MEMORY", 100)
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(ImageError, match="No space left"):
        Canvas(np.zeros((1, 8, 6, 1), np.uint8), ("std",), tmp_path).put(plane(), 0, band(), 0)
