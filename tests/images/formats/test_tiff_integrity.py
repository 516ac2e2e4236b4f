"""A TIFF page whose samples cannot be read as they were written is refused; tifffile would fill in zeros."""

import io
import re
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write
from tests._helpers.tiff_files import packed_tiff, random_samples

GRAY, RGB = random_samples(40, 24) | 1, random_samples(40, 24, 3) | 1
KINDS = {
    "strips": (GRAY, {"rowsperstrip": 8}),
    "one strip": (GRAY, {}),
    "deflate": (RGB, {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 8}),
    "lzw tiles": (RGB, {"photometric": "rgb", "compression": "lzw", "tile": (16, 16)}),
    "planes": (np.moveaxis(RGB, 2, 0).copy(), {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 8}),
    "jpeg": (RGB, {"photometric": "ycbcr", "compression": "jpeg", "tile": (16, 16)}),
}
OFFSETS, COUNTS = (273, 324), (279, 325)


def _tiff(name, big=False, order="<", **options):
    samples, kind = KINDS[name]
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big, byteorder=order) as writer:
        writer.write(samples, metadata=None, **kind, **options)
    return out.getvalue()


def _entry(data, *codes):
    """Return the tag of one of the codes."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return next(tag for tag in file.pages[0].tags if tag.code in codes)


def _refused(path, data, match="damaged|truncated|needs|left out|states"):
    path.write_bytes(bytes(data))
    for function in (probe, read):
        with pytest.raises(ImageError, match=match):
            function(path)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", KINDS)
def test_a_tag_of_the_layout_that_cannot_be_read_is_no_default(name, order, big, tmp_path):
    data = _tiff(name, big, order)
    (tmp_path / "a.tif").write_bytes(data)
    assert probe(tmp_path / "a.tif").height == read(tmp_path / "a.tif").pixels.shape[1] == 40
    for codes in ((256,), (258,), (277,), OFFSETS, COUNTS):
        damaged = bytearray(data)
        struct.pack_into(f"{order}H", damaged, _entry(data, *codes).offset + 2, 99)  # no type of a TIFF
        with pytest.raises(ImageError):
            (tmp_path / "a.tif").write_bytes(damaged)
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("name", [name for name in KINDS if name != "one strip"])
@pytest.mark.parametrize("number", [0, 2**31 - 1, -1])
@pytest.mark.parametrize("codes", [OFFSETS, COUNTS])
def test_a_strip_or_tile_that_is_not_in_the_file(name, codes, number, tmp_path):
    data = bytearray(_tiff(name))
    tag = _entry(data, *codes)
    size = {3: 2, 4: 4}[int(tag.dtype)]
    data[tag.valueoffset + size : tag.valueoffset + 2 * size] = (number % 256**size).to_bytes(size, "little")
    _refused(tmp_path / "a.tif", data)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("back", ["first", "last"])
def test_directories_in_a_circle_do_not_go_on_for_ever(back, pages, big, tmp_path):
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big) as writer:
        for _ in range(pages):
            writer.write(GRAY, metadata=None)
    data = bytearray(out.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        starts = [page.offset for page in file.pages]
        after = starts[-1] + (8 + 20 * len(file.pages[-1].tags) if big else 2 + 12 * len(file.pages[-1].tags))
    struct.pack_into("<Q" if big else "<I", data, after, starts[0 if back == "first" else -1])
    _refused(tmp_path / "a.tif", data, "lead in a circle")


def _with_tiles(length, width):
    data = bytearray(_tiff("jpeg"))
    for code, value in ((322, width), (323, length)):
        entry = _entry(data, code)
        struct.pack_into("<HII", data, entry.offset + 2, 4, 1, value)
    return data


def test_a_tile_that_is_much_larger_than_its_picture_is_refused(tmp_path):
    _refused(tmp_path / "a.tif", _with_tiles(65520, 65520), "its tiles have 65520 x 65520 pixels")


def test_a_file_with_tiles_that_are_no_multiple_of_16_is_written_in_strips(tmp_path):
    packed_tiff(tmp_path / "a.tif", GRAY.astype(int), 8, tile=10)
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.pixels[0, ..., 0], GRAY)
    write(tmp_path / "b.tif", picture, picture.pixels)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), GRAY)
    assert not tifffile.TiffFile(tmp_path / "b.tif").pages[0].is_tiled


def test_a_page_that_is_taller_than_its_strips(tmp_path):
    data = bytearray(_tiff("one strip") + bytes(5000))
    struct.pack_into("<H", data, _entry(data, 257).valueoffset, 120)
    _refused(tmp_path / "a.tif", data)


@pytest.mark.parametrize("tag", [True, False])
def test_a_sparse_file_is_read_if_it_says_what_its_holes_hold(tag, tmp_path):
    extra = {"extratags": [(42113, "s", 0, "7", True)]} if tag else {}
    data = bytearray(_tiff("lzw tiles", **extra))
    for codes in (OFFSETS, COUNTS):
        entry = _entry(data, *codes)
        size = {3: 2, 4: 4}[int(entry.dtype)]
        data[entry.valueoffset : entry.valueoffset + size] = bytes(size)
    if not tag:
        _refused(tmp_path / "a.tif", data, "1 of the 6 strips or tiles of the TIFF are left out")
        return
    (tmp_path / "a.tif").write_bytes(data)
    picture = read(tmp_path / "a.tif")
    hole = np.zeros((40, 24), bool)
    hole[:16, :16] = True
    assert np.array_equal(picture.missing[0, ..., 0], hole)
    assert np.array_equal(picture.pixels[0][~hole], RGB[~hole])


@pytest.mark.parametrize(
    ("code", "value", "match"),
    [
        (277, 4, "bits for 3 samples of 4"),
        (277, 1, "bits for 3 samples of 1"),
        (259, 4, "bits per sample for a fax"),
        (284, 9, "tag 284 cannot be read"),
        (262, 3, "no palette"),
    ],
)
def test_tags_that_contradict_one_another(code, value, match, tmp_path):
    data = bytearray(_tiff("deflate"))
    struct.pack_into("<H", data, _entry(data, code).valueoffset, value)
    _refused(tmp_path / "a.tif", data, match)


def test_a_gray_page_without_bits_is_not_read_as_one_bit(tmp_path):
    data = bytearray(_tiff("strips"))
    struct.pack_into("<H", data, _entry(data, 258).offset, 65000)  # the tag is another one now
    _refused(tmp_path / "a.tif", data, "states no bits per sample")
    packed_tiff(tmp_path / "b.tif", GRAY % 2, 1)  # here it is true
    whole = bytearray((tmp_path / "b.tif").read_bytes())
    struct.pack_into("<H", whole, _entry(whole, 258).offset, 65000)
    (tmp_path / "b.tif").write_bytes(whole)
    assert np.array_equal(read(tmp_path / "b.tif").pixels[0, ..., 0], GRAY % 2 * 255)


@pytest.mark.parametrize("damage", ["cut", "zeros", "no end"])
@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"rowsperstrip": 16}, {}])
def test_damaged_jpeg_data_within_a_tiff(options, damage, tmp_path):
    out = io.BytesIO()
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 3, columns * 3, rows + columns], 2).astype(np.uint8) ^ random_samples(64, 64, 3) % 16
    tifffile.imwrite(out, smooth, photometric="ycbcr", compression="jpeg", metadata=None, **options)
    data = bytearray(out.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    (tmp_path / "a.tif").write_bytes(data)
    assert read(tmp_path / "a.tif").pixels.shape == (1, 64, 64, 3)
    end = start + count
    if damage == "no end":
        data[end - 2 : end] = b"\1\2"
    elif damage == "zeros":
        data[end - count // 3 : end - 2] = bytes(count // 3 - 2)
    else:
        data[end - count // 3 : end] = b"\xff\xd9" + bytes(count // 3 - 2)
    (tmp_path / "a.tif").write_bytes(data)
    try:
        assert any("zeros in a row" in note for note in read(tmp_path / "a.tif").notes)
        assert damage == "zeros"  # which may be blocks of one colour
    except ImageError as error:
        assert re.search("damaged|truncated", str(error))


def test_ycbcr_without_jpeg_and_palettes_with_alpha_are_what_pillow_makes_of_them(tmp_path):
    for planar in ({}, {"compression": "zlib", "tile": (16, 16)}):
        ycc = Image.fromarray(RGB).convert("YCbCr")
        tifffile.imwrite(tmp_path / "a.tif", np.asarray(ycc), photometric="ycbcr", metadata=None, **planar)
        picture = read(tmp_path / "a.tif")
        assert np.abs(picture.pixels[0].astype(int) - np.asarray(ycc.convert("RGB"))).max() <= 1
        assert "YCBCR is written as RGB" in picture.notes
    image = Image.fromarray(random_samples(40, 24, 4), "RGBA").convert("PA")
    image.save(tmp_path / "b.tif")
    picture = read(tmp_path / "b.tif")
    assert probe(tmp_path / "b.tif").channels == 3
    expected = np.asarray(image.convert("RGBA"))
    assert np.array_equal(np.concatenate([picture.pixels, picture.alpha], 3)[0], expected)
