"""Facts about what a format can hold, and how much of a file is read."""

from pathlib import Path

import numpy as np
import pytest

from restorekit.core.errors import ImageError
from restorekit.images.formats.limits import EVERY, MAX_MEMORY, MAX_PIXELS, check_limits, check_size
from restorekit.images.picture import SUFFIXES, Header


@pytest.mark.parametrize(
    ("shape", "dtype", "alpha", "kind", "told"),
    [
        ((1, 4, 4, 3), np.float32, False, "png", "png cannot hold float32 numbers.*--format tiff"),
        ((1, 4, 4, 3), np.uint16, False, "jpeg", "jpeg cannot hold uint16 numbers.*--format png or tiff"),
        ((2, 4, 4, 1), np.uint8, False, "png", "png cannot hold 2 frames.*--format tiff"),
        ((1, 4, 4, 5), np.uint8, False, "png", "png cannot hold 5 channels.*--format tiff"),
        ((1, 4, 4, 3), np.uint8, True, "jpeg", "jpeg cannot hold alpha with 3 channels.*--format png or tiff"),
        ((1, 4, 4, 1), np.uint8, True, "bmp", "bmp cannot hold alpha with 1 channels"),
        ((1, 1, 65536, 1), np.uint8, False, "jpeg", "jpeg cannot hold 1 x 65536 pixels"),
        ((1, 16384, 1, 3), np.uint8, False, "webp", "webp cannot hold 16384 x 1 pixels"),
        ((1, 4, 4, 3), np.int32, False, "tiff", "tiff cannot hold int32 numbers.*; convert the pixels first"),
    ],
)
def test_what_a_format_cannot_hold_is_told_with_one_that_can(shape, dtype, alpha, kind, told):
    beside = np.zeros((*shape[:3], 1), dtype) if alpha else None
    with pytest.raises(ImageError, match=told):
        check_limits(Path("a.png"), kind, np.zeros(shape, dtype), beside)


@pytest.mark.parametrize(
    ("kind", "shape"), [("jpeg", (1, 65535, 1, 3)), ("webp", (1, 1, 16383, 1)), ("png", (1, 1, 65536, 1))]
)
def test_the_largest_side_is_held(kind, shape):
    check_limits(Path("a.png"), kind, np.zeros(shape, np.uint8), None)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_format_holds_one_gray_or_colour_image_of_8_bits(kind):
    for channels in (1, 3):
        check_limits(Path("a"), kind, np.zeros((1, 2, 2, channels), np.uint8), None)


@pytest.mark.parametrize("kind", ["tiff", "npy", "npz"])
@pytest.mark.parametrize("dtype", EVERY)
def test_tiff_and_arrays_hold_every_number_any_frames_and_bands_and_alpha(kind, dtype):
    pixels = np.zeros((3, 2, 2, 7), dtype)
    check_limits(Path("a"), kind, pixels, pixels[..., :1])


def _header(frames, height, width, channels=1):
    return Header("png", frames, height, width, channels, np.dtype(np.uint8))


@pytest.mark.parametrize(
    ("most", "told"),
    [(119, r"holds 120 pixels, more than the 119 allowed; raise --max-pixels"), (0, "more than the 0 allowed")],
)
def test_more_pixels_than_allowed_are_refused_frames_counted(most, told):
    check_size(Path("a.png"), _header(3, 5, 8), 120)
    with pytest.raises(ImageError, match=told):
        check_size(Path("a.png"), _header(3, 5, 8), most)


def test_where_no_option_allows_more_the_file_is_to_be_cut():
    check_size(Path("a.png"), _header(1, 1, MAX_PIXELS), None, 2**33)
    with pytest.raises(ImageError, match=r"more than the 1,000,000,000 allowed; cut it into smaller files"):
        check_size(Path("a.png"), _header(1, 1, MAX_PIXELS + 1), None)


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (1, 0, 4, 1), (1, 4, 0, 1), (1, 4, 4, 0)])
def test_a_file_without_a_pixel_is_refused(shape):
    with pytest.raises(ImageError, match="holds no pixel; expected at least 1 x 1"):
        check_size(Path("a.npy"), _header(*shape), None)


@pytest.mark.parametrize(
    ("header", "needed"),
    [
        (Header("png", 1, 25_000, 40_000, 1, np.dtype(np.uint8)), 5),
        (Header("png", 1, 10_000, 20_000, 3, np.dtype(np.uint16)), 6),
        (Header("jpeg", 1, 30_000, 30_000, 3, np.dtype(np.uint8)), 13),
        (Header("tiff", 300, 1_000, 1_000, 1, np.dtype(np.float32)), 6),
    ],
)
def test_what_needs_more_memory_than_allowed_is_refused_by_its_header(header, needed):
    with pytest.raises(ImageError, match=rf"needs about {needed} GB of memory; give --max-memory {needed}GB"):
        check_size(Path("a.png"), header, None, MAX_MEMORY)
    check_size(Path("a.png"), header, None, needed * 2**30)


def test_a_large_file_is_no_bomb_unless_its_samples_are_not_in_it(tmp_path):
    header = _header(1, 30_000, 30_000)
    with (tmp_path / "a.npy").open("wb") as file:
        file.truncate(30_000 * 30_000 // 4)
    check_size(tmp_path / "a.npy", header, None)
    with (tmp_path / "a.npy").open("wb") as file:
        file.truncate(1_000_000)
    with pytest.raises(ImageError, match="needs about 5 GB of memory; cut it into smaller files"):
        check_size(tmp_path / "a.npy", header, None)
