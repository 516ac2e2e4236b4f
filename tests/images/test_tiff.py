import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.errors import ImageError
from restorekit.images import probe, read, write


def _random(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _round(tmp_path, **options):
    picture = read(tmp_path / "a.tif")
    write(tmp_path / "b.tif", picture, picture.pixels, **options)
    return picture, tmp_path / "b.tif"


def _tags(path):
    with tifffile.TiffFile(path) as file:
        return [{tag.name: tag.value for tag in page.tags} for page in file.pages]


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
                _random(9, 7, dtype=np.uint16),
                description=f"page {k}",
                software="scanner",
                datetime="2020:01:02 03:04:05",
                resolution=(600, 300),
                resolutionunit="CENTIMETER",
                metadata=None,
                extratags=extra,
                photometric="minisblack",
            )
    _, out = _round(tmp_path)
    for ours, theirs in zip(_tags(tmp_path / "a.tif"), _tags(out), strict=True):
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
    array = _random(33, 40, 3)
    separate = options.get("planarconfig") == "separate"
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(array, 2, 0) if separate else array, photometric="rgb", **options)
    picture, out = _round(tmp_path)
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(6, 9), extratags=[(274, 3, 1, orientation, False)])
    picture, out = _round(tmp_path)
    assert picture.pixels.shape == ((1, 6, 9, 1) if orientation < 5 else (1, 9, 6, 1))
    assert probe(tmp_path / "a.tif").height == picture.pixels.shape[1]
    assert _tags(out)[0]["Orientation"] == 1
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_white_is_0_is_turned_and_turned_back(tmp_path):
    array = _random(6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], 65535 - array)
    assert np.array_equal(tifffile.imread(out), array)
    write(tmp_path / "b.png", picture, picture.pixels, format="png")
    assert np.array_equal(read(tmp_path / "b.png").pixels, picture.pixels)


def test_bilevel_becomes_8_bits(tmp_path):
    array = np.random.default_rng(0).random((6, 9)) > 0.5
    for photometric in ("minisblack", "miniswhite"):
        tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric)
        picture, out = _round(tmp_path)
        assert np.array_equal(picture.pixels[0, ..., 0], np.where(array ^ (photometric == "miniswhite"), 255, 0))
        assert picture.notes == ("1-bit image is written as 8-bit gray",)
        assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_fax_is_read_as_pillow_reads_it(tmp_path):
    image = Image.fromarray(_random(40, 64)).convert("1")
    image.save(tmp_path / "a.tif", compression="group4")
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], np.asarray(image.convert("L")))
    assert picture.notes[-1] == "compression CCITTFAX4 is written as deflate"
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_palette_becomes_rgb(tmp_path):
    image = Image.fromarray(_random(9, 7, 3)).quantize(20)
    image.save(tmp_path / "a.tif")
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[0], np.asarray(image.convert("RGB")))
    assert picture.notes == ("palette image is written as RGB",)
    assert np.array_equal(read(out).pixels, picture.pixels)
    assert "ColorMap" not in _tags(out)[0]


def test_a_jpeg_inside_is_decoded_and_written_without_loss(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(64, 64, 3), photometric="rgb", compression="jpeg", tile=(32, 32))
    picture, out = _round(tmp_path)
    assert "compression JPEG is written as deflate" in picture.notes
    assert np.array_equal(read(out).pixels, picture.pixels)
    assert read(out).notes == ()


def test_12_bits_are_written_in_16(tmp_path):
    packed = _random(6, 8, dtype=np.uint16) >> 4
    bits = "".join(f"{value:012b}" for value in packed.ravel())
    data = bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
    tifffile.imwrite(
        tmp_path / "a.tif", iter([data]), shape=(6, 8), dtype=np.uint16, bitspersample=12, photometric="minisblack"
    )
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], packed)
    assert picture.notes == ("12-bit samples are written in 16 bits",)
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_nan_are_missing_and_0(tmp_path):
    array = np.random.default_rng(0).random((2, 6, 9, 2)).astype(np.float32)
    array[0, 1, 2, 0] = np.nan
    array[1, 3, 4, 1] = -np.inf
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig")
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.missing, ~np.isfinite(array))
    assert np.array_equal(picture.pixels, np.where(np.isfinite(array), array, 0))


def test_unspecified_extra_samples_are_bands_and_alpha_is_alpha(tmp_path):
    array = _random(6, 9, 4)
    for kind, alpha in ((0, False), (1, True), (2, True)):
        tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=[kind])
        picture, out = _round(tmp_path)
        assert picture.pixels.shape[3] == probe(tmp_path / "a.tif").channels == 4 - alpha
        assert _tags(out)[0]["ExtraSamples"] == (kind,)
        assert np.array_equal(tifffile.imread(out), array)


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(_random(6, 9))
        writer.write(_random(5, 9))
    for function in (probe, read):
        with pytest.raises(ImageError, match=r"differ in size or type \(6x9 uint8 and 5x9 uint8\); split it"):
            function(tmp_path / "a.tif")


def test_reduced_copies_are_dropped_with_a_note(tmp_path):
    array = _random(64, 64)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(array, metadata=None)
        writer.write(array[::2, ::2], subfiletype=1, metadata=None)
    picture, out = _round(tmp_path)
    assert probe(tmp_path / "a.tif").frames == 1
    assert picture.notes == ("the reduced copies or masks in the TIFF are dropped",)
    assert np.array_equal(picture.pixels[0, ..., 0], array)
    assert len(_tags(out)) == 1


def test_sub_resolutions_are_dropped_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(_random(64, 64), subifds=1, metadata=None)
        writer.write(_random(32, 32), subfiletype=1, metadata=None)
    picture, out = _round(tmp_path)
    assert picture.notes == ("the reduced copies or masks in the TIFF are dropped",)
    assert read(out).notes == ()


def test_photoshop_layers_are_dropped_with_a_note(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(6, 9), extratags=[(37724, 7, 40, b"8BIM" * 10, False)])
    picture, out = _round(tmp_path)
    assert picture.notes == ("Photoshop layers are dropped",)
    assert "ImageSourceData" not in _tags(out)[0]
    assert read(out).notes == ()


@pytest.mark.parametrize("n", [2, 5])
def test_an_imagej_stack_stays_one(n, tmp_path):
    array = _random(n, 6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX", "unit": "um", "spacing": 2.5})
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], array)
    with tifffile.TiffFile(tmp_path / "a.tif") as ours, tifffile.TiffFile(out) as theirs:
        assert theirs.imagej_metadata == ours.imagej_metadata
        assert np.array_equal(theirs.asarray(), array)


def test_imagej_frames_behind_one_page(tmp_path):
    array = _random(4, 6, 9)
    description = "ImageJ=1.53\nimages=4\nslices=4\n"
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=">") as writer:
        writer.write(array[0], description=description, metadata=None, software=False, photometric="minisblack")
    with (tmp_path / "a.tif").open("r+b") as file, tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        file.seek(tiff.pages[0].dataoffsets[0])
        file.write(array.tobytes())  # the others follow the first without pages of their own
    assert probe(tmp_path / "a.tif").frames == 4
    picture, out = _round(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], array)
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_an_ome_file_keeps_its_description(tmp_path):
    array = _random(3, 2, 6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, ome=True, metadata={"axes": "ZCYX"})
    picture, out = _round(tmp_path)
    assert picture.pixels.shape == (6, 6, 9, 1)
    with tifffile.TiffFile(tmp_path / "a.tif") as ours, tifffile.TiffFile(out) as theirs:
        assert theirs.ome_metadata == ours.ome_metadata
    assert np.array_equal(tifffile.imread(out), array)


def test_colours_that_are_not_supported_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(6, 9, 4), photometric="separated")
    with pytest.raises(ImageError, match=r"colours as SEPARATED .* convert it"):
        read(tmp_path / "a.tif")


def test_the_spec_is_a_tag_and_is_not_carried_over(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(2, 6, 9))
    _, out = _round(tmp_path, spec="gaussian:sigma=0.1")
    assert _tags(out)[1]["65333"] == "restorekit-corruption: gaussian:sigma=0.1"
    assert read(out).spec == "gaussian:sigma=0.1"


def test_another_dtype_than_the_inputs(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _random(20, 9), compression="zlib", predictor=True)
    floats = np.random.default_rng(0).random((1, 20, 9, 1)).astype(np.float32)
    write(tmp_path / "b.tif", read(tmp_path / "a.tif"), floats)
    assert np.array_equal(read(tmp_path / "b.tif").pixels, floats)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].predictor == 3
