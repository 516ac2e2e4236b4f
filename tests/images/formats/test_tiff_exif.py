import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.images import read, write
from restorekit.images.formats.tiff_exif import describing, directories


def _exif():
    block = Image.Exif()
    block[0x010F] = "Maker"
    exif = block.get_ifd(0x8769)
    exif[0x829A] = 0.008
    exif[0x9003] = "2020:01:02 03:04:05"
    exif[0x927C] = b"maker note"
    block[0x8825] = {1: "N", 2: (50.0, 1.0, 2.5)}
    return block


def _photo(tmp_path):
    Image.new("RGB", (9, 7)).save(tmp_path / "a.jpg", exif=_exif())
    return read(tmp_path / "a.jpg")


@pytest.mark.parametrize(("byteorder", "big"), [("<", False), (">", False), ("<", True)])
def test_exif_and_gps_survive_tiff_after_tiff(byteorder, big, tmp_path):
    photo = _photo(tmp_path)
    write(tmp_path / "a.tif", photo, photo.pixels, format="tiff")
    first = read(tmp_path / "a.tif")
    from dataclasses import replace

    layout = replace(first.metadata.tiff, byteorder=byteorder, big=big, pages=())
    second = replace(first, metadata=replace(first.metadata, tiff=layout))
    write(tmp_path / "b.tif", second, second.pixels)
    third = read(tmp_path / "b.tif")
    assert np.array_equal(third.pixels, photo.pixels)
    found = directories(third.metadata.exif)
    assert found == directories(photo.metadata.exif)
    assert found[34665][0x9003] == "2020:01:02 03:04:05"
    assert found[34853][2] == (50.0, 1.0, 2.5)
    assert describing(third.metadata.exif) == {0x010F: "Maker"}
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags["ExifTag"].value["DateTimeOriginal"] == "2020:01:02 03:04:05"


def test_big_endian_bigtiff_drops_it_with_a_note(tmp_path):
    extra = [(34664, 16, 1, 16, False)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), bigtiff=True, byteorder=">", extratags=extra)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data.replace(b"\x87\x68\0\x10", b"\x87\x69\0\x10"))
    picture = read(tmp_path / "a.tif")
    assert picture.notes == ("the EXIF of a big-endian BigTIFF is dropped",)
    write(tmp_path / "b.tif", picture, picture.pixels)
    assert read(tmp_path / "b.tif").notes == ()


def test_no_exif_is_none():
    assert directories(None) == {}
    assert describing(b"") == {}
