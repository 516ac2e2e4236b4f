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
