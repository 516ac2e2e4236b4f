"""The round trip through every format, and what becomes of bad files."""

import os
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import find_images, is_lossy, probe, read, write, write_float
from restorekit.images.picture import Metadata, Picture

try:
    import resource
except ImportError:  # Windows
    resource = None

SPEC = "gaussian:sigma=25/255+missing:rate=0.5"


@dataclass(frozen=True)
class Case:
    name: str  # of the file
    dtype: type
    samples: int  # alpha counted
    alpha: bool
    make: Callable[[Path, np.ndarray], object]  # writes (N, H, W, S)
    frames: int = 1

    def __str__(self) -> str:
        return f"{self.name}-{np.dtype(self.dtype).name}-{self.samples}"


def _png(path, array):
    path.write_bytes(imagecodecs.png_encode(array[0]))


def _bmp(path, array):
    cv2.imencode(".bmp", array[0][..., [2, 1, 0, 3][: array.shape[3]]] if array.shape[3] > 1 else array[0])[1].tofile(
        path
    )


def _webp(path, array):
    Image.fromarray(array[0]).save(path, lossless=True, exact=True)


def _tiff(alpha, **options):
    def make(path, array):
        samples = array.shape[3]
        colours = samples - alpha
        extra = [0] * (0 if colours == 3 else colours - 1) + [2] * alpha
        if options.get("planarconfig") == "separate" and samples > 1:
            array = np.moveaxis(array, 3, 1)
        photometric = "rgb" if colours == 3 else options.get("photometric", "minisblack")
        array = array if samples > 1 else array[..., 0]
        planar = options.get("planarconfig", "contig") if samples > 1 else None
        rest = {key: value for key, value in options.items() if key not in ("photometric", "planarconfig")}
        tifffile.imwrite(path, array, photometric=photometric, planarconfig=planar, extrasamples=extra or None, **rest)

    return make


def _every_case():
    yield from (Case("a.png", d, s, s in (2, 4), _png) for d in (np.uint8, np.uint16) for s in (1, 2, 3, 4))
    yield from (Case("a.bmp", np.uint8, s, s == 4, _bmp) for s in (1, 3, 4))
    yield from (Case("a.webp", np.uint8, s, s == 4, _webp) for s in (3, 4))
    floats = (np.float16, np.float32, np.float64)
    for dtype in (np.uint8, np.uint16, *floats):
        yield from (Case("a.npy", dtype, s, False, lambda p, a: np.save(p, a), frames=2) for s in (1, 3, 5))
        yield from (Case("a.npz", dtype, s, False, lambda p, a: np.savez(p, a), frames=2) for s in (1, 3))
        for s, alpha in ((1, False), (2, True), (3, False), (4, True), (5, False), (6, True)):
            yield Case("plain.tif", dtype, s, alpha, _tiff(alpha))
            yield Case("big-endian.tif", dtype, s, alpha, _tiff(alpha, byteorder=">"), frames=3)
            yield Case("planes.tif", dtype, s, alpha, _tiff(alpha, planarconfig="separate", compression="deflate"))
    for compression in ("lzw", "zlib", "packbits", "zstd", "lzma"):
        yield Case(f"{compression}.tif", np.uint8, 3, False, _tiff(False, compression=compression, rowsperstrip=5))
    yield Case("tiled.tif", np.uint16, 3, False, _tiff(False, tile=(16, 32), compression="lzw"), frames=2)
    yield Case("predictor.tif", np.uint16, 3, False, _tiff(False, compression="lzw", predictor=2))
    yield Case("float-predictor.tif", np.float32, 1, False, _tiff(False, compression="zlib", predictor=3))
    yield Case("bigtiff.tif", np.uint16, 4, True, _tiff(True, bigtiff=True))
    yield Case("white-is-0.tif", np.uint16, 1, False, _tiff(False, photometric="miniswhite"))
    yield Case("white-is-0-alpha.tif", np.uint8, 2, True, _tiff(True, photometric="miniswhite"))


_CASES = list(_every_case())


def _random(case: Case) -> np.ndarray:
    draw = np.random.default_rng(0)
    shape = (case.frames, 33, 21, case.samples)
    if case.dtype in (np.uint8, np.uint16):
        return draw.integers(0, np.iinfo(case.dtype).max, shape, case.dtype, endpoint=True)
    return draw.normal(100, 50, shape).astype(case.dtype)


@pytest.mark.parametrize("case", _CASES, ids=str)
def test_pixels_and_metadata_come_back(case, tmp_path):
    array = _random(case)
    path = tmp_path / case.name
    case.make(path, array)
    picture = read(path)

    colours = array[..., : case.samples - case.alpha]
    if "white-is-0" in case.name:
        colours = np.iinfo(case.dtype).max - colours
    assert np.array_equal(picture.pixels, colours)
    assert picture.pixels.dtype == np.dtype(case.dtype)
    assert (picture.alpha is not None) == case.alpha
    header = probe(path)
    assert (header.frames, header.height, header.width, header.channels) == picture.pixels.shape
    assert (header.format, header.dtype.newbyteorder("=")) == (picture.format, picture.pixels.dtype)
    assert picture.spec is None

    write(tmp_path / "out", picture, picture.pixels, spec=SPEC)
    back = read(tmp_path / "out")
    assert np.array_equal(back.pixels, picture.pixels)
    assert back.pixels.dtype == picture.pixels.dtype
    if case.alpha:
        assert np.array_equal(back.alpha, picture.alpha)
    assert back.format == picture.format
    assert back.metadata.tiff == picture.metadata.tiff
    assert back.spec == (SPEC if picture.format in ("png", "tiff", "npz") else None)

    write(tmp_path / "restored", back, back.pixels)
    assert read(tmp_path / "restored").spec is None  # a restored file is no longer corrupted


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 65000), (65000, 1)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.npy"])
def test_odd_sizes(name, shape, tmp_path):
    pixels = np.full((1, *shape, 3), 77, np.uint8)
    Image.fromarray(pixels[0]).save(tmp_path / name) if name != "a.npy" else np.save(tmp_path / name, pixels[0])
    picture = read(tmp_path / name)
    write(tmp_path / "out", picture, picture.pixels)
    assert np.array_equal(read(tmp_path / "out").pixels, pixels)


def test_names_may_hold_spaces_and_any_letters(tmp_path):
    path = tmp_path / "ein Bild 図 é.png"
    Image.new("L", (3, 2), 9).save(path)
    write(tmp_path / "aus ü.png", read(path), read(path).pixels)
    assert read(tmp_path / "aus ü.png").pixels.max() == 9


def test_the_content_and_not_the_suffix_says_the_format(tmp_path):
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png", "JPEG")
    assert read(tmp_path / "a.png").format == "jpeg"


@pytest.mark.parametrize("target", ["png", "tiff", "webp", "npy", "npz"])
def test_another_format_keeps_pixels_and_alpha(target, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (1, 9, 7, 4), np.uint8)
    _tiff(True)(tmp_path / "a.tif", array)
    picture = read(tmp_path / "a.tif")
    write(tmp_path / "out", picture, picture.pixels, format=target)
    back = read(tmp_path / "out")
    both = back.pixels if back.alpha is None else np.concatenate([back.pixels, back.alpha], axis=3)
    assert back.format == target
    assert np.array_equal(both, array)


def test_metadata_go_with_a_picture_into_other_formats(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    icc = b"profile" * 40
    Image.new("RGB", (8, 8)).save(
        tmp_path / "a.jpg", exif=exif, icc_profile=icc, dpi=(300, 150), xmp=b"<x/>", comment="hello"
    )
    picture = read(tmp_path / "a.jpg")
    for target in ("png", "tiff", "webp"):
        write(tmp_path / target, picture, picture.pixels, format=target)
        metadata = read(tmp_path / target).metadata
        assert (metadata.icc, metadata.xmp) == (icc, b"<x/>")
        with Image.open(tmp_path / target) as image:
            assert image.getexif()[0x010F] == "Maker"
            assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        if target != "webp":
            assert metadata.dpi == pytest.approx((300, 150), abs=0.02)
            assert "hello" in dict(metadata.text).popitem()[1]
        write(tmp_path / "back.jpg", read(tmp_path / target), picture.pixels, format="jpeg")
        with Image.open(tmp_path / "back.jpg") as image:
            assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            assert (image.info["icc_profile"], image.info["xmp"]) == (icc, b"<x/>")


@pytest.mark.parametrize(
    ("format", "told"),
    [("png", "png cannot hold float32 numbers"), ("pgn", "no image format named 'pgn'; did you mean png")],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(format, told, tmp_path):
    pixels = np.zeros((1, 4, 4, 3), np.float32)
    with pytest.raises(ImageError, match=told):
        write(tmp_path / "out", Picture(pixels), pixels, format=format)
    assert not list(tmp_path.iterdir())


def test_alpha_follows_another_depth_and_size(tmp_path):
    array = np.zeros((1, 4, 4, 4), np.uint8)
    array[..., 3] = 255
    _png(tmp_path / "a.png", array)
    picture = read(tmp_path / "a.png")
    write(tmp_path / "deep.png", picture, np.zeros((1, 8, 6, 3), np.uint16))
    assert np.array_equal(read(tmp_path / "deep.png").alpha, np.full((1, 8, 6, 1), 65535))
    write(tmp_path / "float.tif", picture, np.zeros((1, 4, 4, 3), np.float32), format="tiff")
    assert np.array_equal(read(tmp_path / "float.tif").alpha, np.ones((1, 4, 4, 1)))


def test_a_gray_file_may_come_back_in_colour(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), photometric="minisblack")
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    colour = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8)
    for name in ("a.tif", "a.png"):
        write(tmp_path / "out", read(tmp_path / name), colour)
        assert np.array_equal(read(tmp_path / "out").pixels, colour)


def test_write_float(tmp_path):
    draws = np.random.default_rng(0).normal(size=(8, 5, 6, 3))
    write_float(tmp_path / "draws.tif", draws, spec=SPEC)
    picture = read(tmp_path / "draws.tif")
    assert picture.pixels.dtype == np.float32
    assert np.array_equal(picture.pixels, draws.astype(np.float32))
    assert picture.spec == SPEC
    assert tifffile.imread(tmp_path / "draws.tif").shape == (8, 5, 6, 3)


def test_is_lossy():
    assert [f for f in ("png", "jpeg", "tiff", "webp", "bmp", "npy", "npz") if is_lossy(f)] == ["jpeg", "webp"]


# --- bad files ---


@pytest.mark.skipif(resource is None, reason="the system has no limits on file sizes")
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("format", ["png", "jpeg", "tiff", "webp", "bmp", "npy", "npz"])
def test_a_file_that_does_not_fit_is_told_and_leaves_nothing(format, share, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (1, 150, 160, 3), np.uint8)
    picture = Picture(pixels, format=format, metadata=Metadata())
    write(tmp_path / "whole", picture, pixels)
    size = (tmp_path / "whole").stat().st_size
    (tmp_path / "whole").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), before[1]))
    try:
        with pytest.raises(ImageError, match="cannot write"):
            write(tmp_path / "cut", picture, pixels)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def _made(folder: Path) -> dict[str, bytes]:
    """Return a good file of each format, with enough pixels that a cut hits them."""
    array = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp"):
        Image.fromarray(array).save(folder / name)
    for compression in (None, "lzw", "zlib", "zstd"):
        tifffile.imwrite(folder / f"{compression}.tif", array, compression=compression, rowsperstrip=16)
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", array)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.997])
def test_a_truncated_file_is_refused(share, tmp_path):
    for name, data in _made(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match=r"truncated|damaged") as told:
            read(path)
        assert str(path) in str(told.value)
        assert "\n" not in str(told.value)


def test_a_half_download_filled_with_zeros_is_refused(tmp_path):
    for name, data in _made(tmp_path).items():
        if name in ("a.bmp", "a.npy", "a.webp", "None.tif"):  # no check sums there: zeros are data like others
            continue
        (tmp_path / name).write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
        with pytest.raises(ImageError, match=r"truncated|damaged"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"this is text, renamed", "is a text; expected PNG, JPEG"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "is an HTML page, perhaps an error message"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (b"\x89PNG\n\x1a\n" + bytes(20), "is a PNG whose bytes were changed as those of a text"),
        (bytes(64), "is filled with zeros"),
        (b"\x01\x02", "is something else"),
        (b"GIF89a" + bytes(20), "is a GIF; expected PNG"),
        (b"8BPS" + bytes(20), "is a Photoshop file"),
        (b"\x89PNG\r\n\x1a\n", "truncated or damaged"),
        (b"\xff\xd8\xff", "truncated"),
        (b"BM", "truncated or damaged"),
        (b"II*\0", "truncated or damaged"),
        (b"PK\x03\x04", "is truncated"),
    ],
)
def test_what_is_no_image_is_told(data, told, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    for function in (probe, read):
        with pytest.raises(ImageError, match=told):
            function(tmp_path / "a.png")


def test_missing_and_unreadable_files_are_told(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="there is no file"):
        read(tmp_path / "a.png")
    with pytest.raises(ImageError, match="is a folder"):
        read(tmp_path)

    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="may not be read"):
        read(tmp_path / "a.png")


def test_a_bomb_is_refused_by_its_header_alone(tmp_path):
    zeros = np.zeros((12000, 12000), np.uint8)
    (tmp_path / "bomb.png").write_bytes(imagecodecs.png_encode(zeros, level=9))
    tifffile.imwrite(tmp_path / "bomb.tif", zeros, compression="zlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own limit stays silent
        for name in ("bomb.png", "bomb.tif"):
            assert probe(tmp_path / name).width == 12000
            with pytest.raises(ImageError, match="holds 144,000,000 pixels, more than the 100,000,000 allowed"):
                read(tmp_path / name, max_pixels=10**8)
        Image.new("L", (9600, 9500)).save(tmp_path / "large.jpg")  # above what Pillow warns of
        assert read(tmp_path / "large.jpg").pixels.shape == (1, 9500, 9600, 1)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64, np.complex64])
def test_numbers_without_a_range_are_refused(dtype, tmp_path):
    array = np.full((4, 4), 2, dtype)
    np.save(tmp_path / "a.npy", array)
    tifffile.imwrite(tmp_path / "a.tif", array)
    for name in ("a.npy", "a.tif"):
        with pytest.raises(ImageError, match=f"holds {np.dtype(dtype).name} numbers; expected"):
            read(tmp_path / name)


def test_no_damage_gets_past_the_sentence(tmp_path):
    """Whatever three wrong bytes do to a file, it is read or refused, and what is read can be written."""
    draw = np.random.default_rng(1)
    for name, data in _made(tmp_path).items():
        for _ in range(15):
            wrong = bytearray(data)
            for at in (*draw.integers(0, 200, 2), draw.integers(0, len(data))):
                wrong[at] = draw.integers(0, 256)
            (tmp_path / name).write_bytes(wrong)
            try:
                picture = read(tmp_path / name, max_pixels=10**6)
                write(tmp_path / "out", picture, picture.pixels)
            except ImageError as error:
                assert len(str(error)) < 500 + len(str(tmp_path))


# --- real files ---

needs_data = pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")


@needs_data
@pytest.mark.parametrize(
    "folder",
    ["real/convallaria_16bit", "real/polyu/noisy", "real/old_photos", "gray/bsd68", "colour/mcmaster", "photos"],
)
def test_real_files_come_back(folder, tmp_path):
    for item in find_images(Path(os.environ["RESTOREKIT_DATA"], folder))[:8]:
        picture = read(item.path)
        write(tmp_path / "out", picture, picture.pixels)
        back = read(tmp_path / "out")
        if picture.lossy:
            error = np.abs(back.pixels.astype(int) - picture.pixels).mean()
            assert error < 1.5  # the same tables make nearly the same pixels
            assert (tmp_path / "out").stat().st_size == pytest.approx(item.path.stat().st_size, rel=0.2)
        else:
            assert np.array_equal(back.pixels, picture.pixels)
        ours, theirs = picture.metadata, back.metadata
        assert (ours.exif, ours.icc, ours.xmp, ours.text, ours.chunks) == (
            theirs.exif,
            theirs.icc,
            theirs.xmp,
            theirs.text,
            theirs.chunks,
        )
        assert (ours.dpi, ours.jpeg) == (theirs.dpi, theirs.jpeg)


@needs_data
def test_the_micrograph_is_what_it_was(tmp_path):
    path = next(Path(os.environ["RESTOREKIT_DATA"], "real/convallaria_16bit").glob("*.tif"))
    picture = read(path)
    assert picture.pixels.shape == (1, 1024, 1024, 1)
    write(tmp_path / "out.tif", picture, picture.pixels)
    with tifffile.TiffFile(path) as ours, tifffile.TiffFile(tmp_path / "out.tif") as theirs:
        assert (theirs.byteorder, theirs.is_imagej) == (">", True)
        assert theirs.imagej_metadata == ours.imagej_metadata
        assert theirs.pages[0].tags["ColorMap"].value.tolist() == ours.pages[0].tags["ColorMap"].value.tolist()


def test_importing_the_package_loads_no_decoder():
    program = (
        "import sys, restorekit.images; print({'cv2', 'PIL', 'tifffile', 'imagecodecs', 'torch'} & set(sys.modules))"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"set()\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO on this system")
@pytest.mark.parametrize("suffix", [".tif", ".png", ".npz", ".npy"])
def test_a_fifo_a_socket_and_a_device_are_refused_and_never_opened(suffix, tmp_path):
    fifo, socket_path, device = (tmp_path / f"{name}{suffix}" for name in ("fifo", "socket", "device"))
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        device.symlink_to("/dev/zero")
        for path, kind in ((fifo, "a FIFO"), (socket_path, "a socket"), (device, "a device")):
            for function in (probe, read):
                with pytest.raises(ImageError, match=f"is {kind}.*; expected a regular file"):
                    function(path)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"GIF89a", "a GIF"),
        (b"P5\n8 8\n255\n", "a PNM"),
        (b"\0\0\0\x18ftypheic", "an HEIC"),
        (b"\0\0\0\x1cftypavif", "an AVIF"),
        (b"v/1\x01", "an OpenEXR"),
        (b"SIMPLE  =", "a FITS"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5"),
        (b"\0\0\0\x0cJXL \r\n", "a JPEG XL"),
        (b"IIRO\x08\0\0\0", "a camera's raw file"),
    ],
)
def test_files_of_kinds_that_are_not_read_are_named(head, kind, tmp_path):
    (tmp_path / "a.tif").write_bytes(head.ljust(200, b"\0"))
    with pytest.raises(ImageError, match=f"is {kind}; expected PNG"):
        read(tmp_path / "a.tif")
