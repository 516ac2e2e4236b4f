import numpy as np
import pytest
import tifffile

from restorekit.images import read, write
from restorekit.images.formats import tiff_write
from restorekit.images.picture import Metadata, Picture
from tests._helpers.tiff_files import random_samples, rewritten, tags


def test_every_describing_tag_of_every_page_is_kept(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=">") as writer:
        for k in range(3):
            extra = [
                (315, 2, 0, f"artist {k}", False),
                (33550, 12, 3, (0.5, 0.25, 0.0), False),  # GeoTIFF's pixel scale
                (42113, 2, 0, "-9999", False),
                (65000, 4, 2, (k, 7), False),
                (34675, 7, 6, b"an icc", False),
            ]
            writer.write(
                random_samples(9, 7, dtype=np.uint16),
                description=f"page {k}",
                software="scanner",
                datetime="2020:01:02 03:04:05",
                resolution=(600, 300),
                resolutionunit="CENTIMETER",
                metadata=None,
                extratags=extra,
                photometric="minisblack",
            )
    _, out = rewritten(tmp_path)
    for ours, theirs in zip(tags(tmp_path / "a.tif"), tags(out), strict=True):
        moved = {"StripOffsets", "RowsPerStrip"}
        assert {k: v for k, v in theirs.items() if k not in moved} == {k: v for k, v in ours.items() if k not in moved}
    metadata = read(out).metadata
    assert metadata.icc == b"an icc"
    assert metadata.dpi == pytest.approx((600 * 2.54, 300 * 2.54))
    assert dict(metadata.text)["Description"] == "page 0"


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "tile": (16, 16)},
        {"compression": "packbits", "rowsperstrip": 4},
        {"bigtiff": True},
        {"byteorder": ">", "planarconfig": "separate"},
    ],
    ids=str,
)
def test_the_layout_is_kept(options, tmp_path):
    array = random_samples(33, 40, 3)
    separate = options.get("planarconfig") == "separate"
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(array, 2, 0) if separate else array, photometric="rgb", **options)
    picture, out = rewritten(tmp_path)
    with tifffile.TiffFile(tmp_path / "a.tif") as ours, tifffile.TiffFile(out) as theirs:
        assert (theirs.byteorder, theirs.is_bigtiff) == (ours.byteorder, ours.is_bigtiff)
        for name in (
            "compression",
            "predictor",
            "planarconfig",
            "photometric",
            "is_tiled",
            "tilewidth",
            "rowsperstrip",
        ):
            assert getattr(theirs.pages[0], name) == getattr(ours.pages[0], name), name
    assert np.array_equal(tifffile.imread(out).reshape(picture.pixels.shape[1:]) if not separate else array, array)


def test_the_spec_is_a_tag_and_is_not_carried_over(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(2, 6, 9))
    _, out = rewritten(tmp_path, spec="gaussian:sigma=0.1")
    assert tags(out)[1]["65333"] == "restorekit-corruption: gaussian:sigma=0.1"
    assert read(out).spec == "gaussian:sigma=0.1"


def test_another_dtype_than_the_inputs(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(20, 9), compression="zlib", predictor=True)
    floats = np.random.default_rng(0).random((1, 20, 9, 1)).astype(np.float32)
    write(tmp_path / "b.tif", read(tmp_path / "a.tif"), floats)
    assert np.array_equal(read(tmp_path / "b.tif").pixels, floats)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].predictor == 3


@pytest.mark.parametrize(("dtype", "predictor"), [(np.uint8, 2), (np.uint16, 2), (np.float32, 3)])
@pytest.mark.parametrize(("channels", "photometric", "extra"), [(1, 1, ()), (3, 2, ()), (5, 1, (0, 0, 0, 0))])
def test_what_was_no_tiff_is_written_with_deflate_and_a_predictor(
    channels, photometric, extra, dtype, predictor, tmp_path
):
    pixels = np.ones((2, 30, 20, channels), dtype)
    write(tmp_path / "a.tif", Picture(pixels), pixels, format="tiff")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (len(file.pages), file.byteorder, file.is_bigtiff) == (2, "<", False)
        page = file.pages[0]
        assert (page.compression.name, page.predictor, page.photometric) == ("ADOBE_DEFLATE", predictor, photometric)
        assert tuple(page.extrasamples) == extra
    assert np.array_equal(read(tmp_path / "a.tif").pixels, pixels)


def test_what_is_too_large_for_32_bit_offsets_becomes_a_bigtiff(tmp_path, monkeypatch):
    pixels = random_samples(1, 30, 20, 3)
    monkeypatch.setattr(tiff_write, "_CLASSIC_LIMIT", pixels.nbytes - 1)
    write(tmp_path / "a.tif", Picture(pixels), pixels, format="tiff")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
    assert np.array_equal(read(tmp_path / "a.tif").pixels, pixels)


def test_what_another_format_said_becomes_tags_of_the_first_page(tmp_path):
    pixels = random_samples(2, 6, 9, 1)
    said = Metadata(dpi=(300.0, 150.0), text=(("Title", "moon"), ("Author", "me")), icc=b"an icc", xmp=b"<x/>")
    write(tmp_path / "a.tif", Picture(pixels, metadata=said), pixels, format="tiff")
    first, second = tags(tmp_path / "a.tif")
    assert (first["XResolution"], first["YResolution"], first["ResolutionUnit"]) == ((300, 1), (150, 1), 2)
    assert first["ImageDescription"] == "Title: moon\nAuthor: me"
    assert (first["InterColorProfile"], first["XMP"]) == (b"an icc", b"<x/>")
    assert not {"ImageDescription", "InterColorProfile", "XMP"} & second.keys()
