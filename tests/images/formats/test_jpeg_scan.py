"""Whole JPEGs of many kinds are read, and damaged ones are reported."""

import io
import itertools
import struct

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read

RNG = np.random.default_rng(0)


def _scene(height=150, width=141, channels=3):
    y, x = np.mgrid[:height, :width]
    waves = [127 + 60 * np.sin(x / (9 + 3 * k)) * np.cos(y / (7 + k)) for k in range(channels)]
    noisy = np.stack(waves, axis=2) + RNG.normal(0, 6, (height, width, channels))
    return np.rint(noisy.clip(0, 255)).astype(np.uint8)


def _encoded(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(array if array.shape[2] == 3 else array[..., 0]).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _by_opencv(array, **options):
    flags = [v for name, value in options.items() for v in (getattr(cv2, f"IMWRITE_JPEG_{name}"), value)]
    return cv2.imencode(".jpg", array[..., ::-1], flags)[1].tobytes()


def _encodings():
    sides = [(1, 1), (8, 8), (17, 33), (150, 141)]
    for size, quality, progressive in itertools.product(sides, (1, 50, 90, 100), (False, True)):
        yield _encoded(_scene(*size), quality=quality, progressive=progressive)
    for sampling, progressive, restart in itertools.product(
        ("4:4:4", "4:2:2", "4:2:0", "4:1:1"), (False, True), (0, 1, 5)
    ):
        options = {"subsampling": sampling, "progressive": progressive, "restart_marker_blocks": restart}
        yield _encoded(_scene(), quality=85, optimize=True, **options)
    for sampling, progressive in itertools.product((0x411111, 0x221111, 0x211111, 0x121111, 0x111111), (0, 1)):
        yield _by_opencv(_scene(), SAMPLING_FACTOR=sampling, PROGRESSIVE=progressive, RST_INTERVAL=3)
    for progressive in (False, True):
        yield _encoded(_scene(channels=1), quality=70, progressive=progressive)
        yield _encoded(_scene(), quality=70, progressive=progressive, keep_rgb=True)
    yield _encoded(255 * RNG.integers(0, 2, (64, 64, 3), np.uint8), quality=100)  # the largest coefficients there are
    yield _encoded(np.zeros((40, 1000, 3), np.uint8))


def test_whole_files_of_many_encoders_are_read_without_a_note(tmp_path):
    for i, data in enumerate(_encodings()):
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(data)
        picture = read(path)
        assert picture.notes == ()
        assert np.array_equal(picture.pixels[0].squeeze(), imagecodecs.jpeg8_decode(data).squeeze())


_TAILS = {
    "film": b"\0\0\0\x18ftypmp42" + RNG.bytes(300_000),
    "start of a scan": b"\xff\xda" + bytes(100),
    "zeros": bytes(10_000),
    "another picture": _encoded(_scene(32, 32)),
    "a cut picture": _encoded(_scene(32, 32))[:-200],
    "text": b"appended by a tool" * 1000,
}


@pytest.mark.parametrize("tail", _TAILS)
@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_the_end_marker_does_not_matter(tail, progressive, tmp_path):
    data = _encoded(_scene(), quality=90, progressive=progressive)
    (tmp_path / "a.jpg").write_bytes(data + _TAILS[tail])
    picture = read(tmp_path / "a.jpg")
    assert np.array_equal(picture.pixels[0], imagecodecs.jpeg8_decode(data))
    assert picture.notes == ()


def test_fill_bytes_and_a_restart_marker_at_the_end_are_allowed(tmp_path):
    data = _encoded(_scene(), quality=90, restart_marker_blocks=5)
    scan = data.index(b"\xff\xda")
    number = sum(data[scan:].count(bytes((0xFF, 0xD0 + k))) for k in range(8)) % 8
    for changed in (
        data[:scan] + b"\xff\xff\xff" + data[scan:],
        data[:-2] + b"\xff\xff" + data[-2:],
        data[:-2] + bytes((0xFF, 0xD0 + number)) + data[-2:],
    ):
        (tmp_path / "a.jpg").write_bytes(changed)
        picture = read(tmp_path / "a.jpg")
        assert np.array_equal(picture.pixels[0], imagecodecs.jpeg8_decode(data))


def _reported(path):
    """Return whether reading fails with a sentence, or leaves a note."""
    try:
        return bool(read(path).notes)
    except ImageError as error:
        assert "damaged" in str(error) or "truncated" in str(error)
        return True


_OPTIONS = [
    {},
    {"subsampling": 0},
    {"progressive": True},
    {"restart_marker_blocks": 4},
    {"quality": 50, "optimize": True},
]


@pytest.mark.parametrize("options", _OPTIONS)
def test_files_cut_off_and_closed_again_are_reported(options, tmp_path):
    data = _encoded(_scene(), **{"quality": 90} | options)
    first = data.index(b"\xff\xda") + 20
    for cut in np.linspace(first, len(data) - 8, 40).astype(int):
        for end in (b"", b"\xff\xd9"):
            (tmp_path / "a.jpg").write_bytes(data[:cut] + end)
            assert _reported(tmp_path / "a.jpg"), (cut, end)


@pytest.mark.parametrize("options", _OPTIONS)
@pytest.mark.parametrize("size", [64, 512, 2048])
def test_blocks_of_zeros_are_reported(size, options, tmp_path):
    data = _encoded(_scene(300, 301), **{"quality": 95} | options)
    first = data.index(b"\xff\xda") + 20
    for start in np.linspace(first, len(data) - size - 2, 12).astype(int):
        (tmp_path / "a.jpg").write_bytes(data[:start] + bytes(size) + data[start + size :])
        assert _reported(tmp_path / "a.jpg"), start


@pytest.mark.parametrize(("options", "least"), list(zip(_OPTIONS, (0.8, 0.8, 0.9, 0.8, 0.85), strict=True)))
def test_nearly_all_files_with_flipped_bits_are_reported(options, least, tmp_path):
    """A flipped sign or value decodes like any other; a flipped length does not, and eight flips hit one."""
    data = _encoded(_scene(), **{"quality": 90} | options)
    first, found, rng = data.index(b"\xff\xda") + 14, 0, np.random.default_rng(1)
    for _ in range(100):
        flipped = bytearray(data)
        for place in rng.integers(first, len(data) - 2, 8):
            flipped[place] ^= 1 << rng.integers(8)
        (tmp_path / "a.jpg").write_bytes(flipped)
        found += _reported(tmp_path / "a.jpg")
    assert found / 100 >= least


def test_bytes_between_the_last_block_and_the_end_are_noted(tmp_path):
    data = _encoded(_scene(), quality=90)
    (tmp_path / "a.jpg").write_bytes(data[:-2] + b"\x55" * 50 + data[-2:])
    picture = read(tmp_path / "a.jpg")
    assert picture.notes == ("50 bytes follow the last block of the compressed data, which may be damaged",)


def test_a_header_that_claims_more_than_the_data_hold_is_refused_before_decoding(tmp_path):
    data = _encoded(_scene(16, 16), quality=90)
    frame = data.index(b"\xff\xc0")
    (tmp_path / "a.jpg").write_bytes(data[: frame + 5] + struct.pack(">HH", 9000, 9000) + data[frame + 9 :])
    with pytest.raises(ImageError, match="cannot be followed beyond 0% of the picture"):
        read(tmp_path / "a.jpg")


_KINDS = {
    "a 12-bit JPEG": lambda: imagecodecs.jpeg8_encode(_scene().astype(np.uint16) << 4, level=95, bitspersample=12),
    "a lossless JPEG": lambda: imagecodecs.jpeg8_encode(_scene(), level=100, lossless=True),
    "a JPEG-LS": lambda: imagecodecs.jpegls_encode(_scene()),
    "a hierarchical JPEG": lambda: _encoded(_scene()).replace(b"\xff\xc0", b"\xff\xc5", 1),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_other_kinds_are_named(kind, tmp_path):
    (tmp_path / "a.jpg").write_bytes(_KINDS[kind]())
    for function in (probe, read):
        with pytest.raises(ImageError, match=f"{kind} is not supported; convert it to PNG or TIFF first"):
            function(tmp_path / "a.jpg")


def test_missing_scans_are_noted(tmp_path):
    data = _encoded(_scene(), quality=90, progressive=True)
    starts = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    table = data.rindex(b"\xff\xc4", 0, starts[-1])
    (tmp_path / "a.jpg").write_bytes(data[:table] + b"\xff\xd9")
    assert read(tmp_path / "a.jpg").notes == (
        "the last scans of the progressive JPEG are missing, so that it is coarser than it was",
    )


def test_flat_areas_whose_code_is_zero_bits_are_no_holes(tmp_path):
    flat = np.full((600, 600, 1), 128, np.uint8)
    flat[:8, :8] = _scene(8, 8, 1)
    for progressive in (False, True):
        (tmp_path / "a.jpg").write_bytes(_encoded(flat, optimize=True, progressive=progressive))
        assert read(tmp_path / "a.jpg").notes == ()
