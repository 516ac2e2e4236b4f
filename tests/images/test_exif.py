import struct

import pytest
from PIL import Image

from restorekit.images import exif


def _block(orientation: int, order: str = "<") -> bytes:
    block = Image.Exif()
    block.endian = order
    block[0x010F] = "Maker"
    block[0x0112] = orientation
    block[0x0131] = "Software"
    return block.tobytes().removeprefix(exif.PREFIX)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_and_reset_and_nothing_else_changes(order, orientation):
    block = _block(orientation, order)
    assert exif.orientation(block) == orientation
    reset = exif.reset_orientation(block)
    assert reset is not None
    assert exif.orientation(reset) == 1
    assert sum(a != b for a, b in zip(block, reset, strict=True)) == (orientation != 1)


@pytest.mark.parametrize("block", [None, b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"nonsense", _block(3)[:20]])
def test_a_damaged_block_names_no_orientation(block):
    assert exif.orientation(block) == 1
    assert exif.reset_orientation(block) == block


def test_a_value_out_of_range_counts_as_upright():
    assert exif.orientation(_block(9)) == 1


def test_xmp_orientation_becomes_1_and_the_length_stays():
    xmp = b'<x tiff:Orientation="6" a="6"><tiff:Orientation>8</tiff:Orientation></x>'
    assert exif.upright_xmp(xmp) == b'<x tiff:Orientation="1" a="6"><tiff:Orientation>1</tiff:Orientation></x>'


@pytest.mark.parametrize("order", "<>")
def test_stated_sizes_are_set_and_nothing_else_changes(order):
    block = Image.Exif()
    block.endian = order
    block[0x0100], block[0x0101], block[0x010F] = 14, 13, "Maker"
    block[0x8769] = {0xA002: 14, 0xA003: 70000, 0x9286: b"comment"}
    before = block.tobytes().removeprefix(exif.PREFIX)
    after = Image.Exif()
    after.load(exif.PREFIX + exif.resized(before, 28, 66000))
    assert {k: v for k, v in after.items() if k != 0x8769} == {0x0100: 28, 0x0101: 66000, 0x010F: "Maker"}
    assert after.get_ifd(0x8769) == {0xA002: 28, 0xA003: 66000, 0x9286: b"comment"}


@pytest.mark.parametrize("block", [b"II*\0", b"II*\0\xff\xff\xff\xff", b"nonsense", _block(3), _block(3)[:20]])
def test_a_block_that_states_no_size_stays(block):
    assert exif.resized(block, 28, 28) == block


def test_xmp_sizes_are_set():
    xmp = b'<x tiff:ImageWidth="14" a="14"><exif:PixelYDimension>13</exif:PixelYDimension></x>'
    assert exif.resized_xmp(xmp, 280, 26) == (
        b'<x tiff:ImageWidth="280" a="14"><exif:PixelYDimension>26</exif:PixelYDimension></x>'
    )


def _with_thumbnail(order: str, thumbnail: bytes, behind: bytes = b"", sizes: tuple[int, int] = (64, 48)) -> bytes:
    """Return a block: orientation and sizes, then a second directory and its picture, then what a maker appends."""
    sides = (0x100, 3, 1, sizes[0], 0, 0x101, 3, 1, sizes[1], 0)
    first = struct.pack(order + "H" + 3 * "HHIHH", 3, *sides, 0x112, 3, 1, 6, 0)
    head = struct.pack(order + "I", 8) + first + struct.pack(order + "I", 50)
    at = 50 + 2 + 24 + 4
    entries = (0x201, 4, 1, at, 0x202, 4, 1, len(thumbnail))
    second = struct.pack(order + "HHHIIHHIII", 2, *entries, 0)
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + head + second + thumbnail + behind


@pytest.mark.parametrize("order", "<>")
def test_the_thumbnail_of_the_picture_before_is_dropped(order):
    thumbnail = bytes(range(200))
    block = _with_thumbnail(order, thumbnail)
    assert thumbnail in block
    after = exif.of_pixels(block, 48, 64)
    assert thumbnail not in after
    read = Image.Exif()
    read.load(exif.PREFIX + after)
    assert dict(read) == {0x100: 48, 0x101: 64, 0x112: 1}
    assert read.get_ifd(1) == {}  # the second directory


@pytest.mark.parametrize("order", "<>")
def test_what_stands_behind_a_thumbnail_stays_in_its_place(order):
    thumbnail, behind = bytes(range(1, 201)), b"a maker's own data, found by its offset"
    block = _with_thumbnail(order, thumbnail, behind)
    after = exif.of_pixels(block, 48, 64)
    assert thumbnail not in after
    assert after.index(behind) == block.index(behind)


@pytest.mark.parametrize("cut", range(0, 110, 3))
def test_a_cut_block_with_a_thumbnail_is_no_error(cut):
    block = _with_thumbnail("<", bytes(40))
    assert isinstance(exif.of_pixels(block[:cut], 48, 64), bytes)


def test_sizes_that_are_right_stay_as_they_are():
    block = _with_thumbnail("<", b"", sizes=(48, 64))
    assert exif.resized(block, 48, 64) == block


@pytest.mark.parametrize(
    ("xmp", "orientation"),
    [
        (b"<x tiff:Orientation='6'/>", 6),
        (b'<x tiff:Orientation = " 8 "/>', 8),
        (b"<tiff:Orientation>\n  3\n</tiff:Orientation>", 3),
        (b'<x xmlns:q="http://ns.adobe.com/tiff/1.0/" q:Orientation="5"/>', 5),
        (b'<x other:Orientation="5"/>', 1),
        (b'<x tiff:Orientation="1"/>', 1),
        (b'<x tiff:Orientation="9"/>', 1),
        (b'<x tiff:Orientation="62"/>', 1),
        (b"", 1),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_orientation_in_xmp_is_read_and_reset(xmp, orientation, codec):
    stored = xmp.decode().encode(codec)
    assert exif.orientation(None, stored) == orientation
    upright = exif.upright_xmp(stored)
    assert exif.orientation(None, upright) == 1
    assert len(upright) == len(stored)


def test_exif_overrules_xmp():
    assert exif.orientation(_block(8), b"<x tiff:Orientation='6'/>") == 8
    assert exif.orientation(_block(1), b"<x tiff:Orientation='6'/>") == 1
    assert exif.orientation(b"II*\0", b"<x tiff:Orientation='6'/>") == 6


def test_thumbnails_in_xmp_are_dropped():
    xmp = b"<x><xmp:Thumbnails><rdf:Alt><rdf:li>\nbase64</rdf:li></rdf:Alt></xmp:Thumbnails><a/></x>"
    assert exif.xmp_of_pixels(xmp, 4, 4) == b"<x><a/></x>"
