import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.images import probe, read
from tests._helpers.tiff_files import random_samples, rewritten, tags


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(6, 9), extratags=[(274, 3, 1, orientation, False)])
    picture, out = rewritten(tmp_path)
    assert picture.pixels.shape == ((1, 6, 9, 1) if orientation < 5 else (1, 9, 6, 1))
    assert probe(tmp_path / "a.tif").height == picture.pixels.shape[1]
    assert tags(out)[0]["Orientation"] == 1
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_fax_is_read_as_pillow_reads_it(tmp_path):
    image = Image.fromarray(random_samples(40, 64)).convert("1")
    image.save(tmp_path / "a.tif", compression="group4")
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], np.asarray(image.convert("L")))
    assert picture.notes[-1] == "compression CCITTFAX4 is written as deflate"
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_jpeg_inside_is_decoded_and_written_without_loss(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", random_samples(64, 64, 3), photometric="rgb", compression="jpeg", tile=(32, 32)
    )
    picture, out = rewritten(tmp_path)
    assert "compression JPEG is written as deflate" in picture.notes
    assert np.array_equal(read(out).pixels, picture.pixels)
    assert read(out).notes == ()


def test_nan_are_missing_and_0(tmp_path):
    array = np.random.default_rng(0).random((2, 6, 9, 2)).astype(np.float32)
    array[0, 1, 2, 0] = np.nan
    array[1, 3, 4, 1] = -np.inf
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig")
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.missing, ~np.isfinite(array))
    assert np.array_equal(picture.pixels, np.where(np.isfinite(array), array, 0))


def test_reduced_copies_are_dropped_with_a_note(tmp_path):
    array = random_samples(64, 64)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(array, metadata=None)
        writer.write(array[::2, ::2], subfiletype=1, metadata=None)
    picture, out = rewritten(tmp_path)
    assert probe(tmp_path / "a.tif").frames == 1
    assert picture.notes == ("the reduced copies or masks in the TIFF are dropped",)
    assert np.array_equal(picture.pixels[0, ..., 0], array)
    assert len(tags(out)) == 1


def test_sub_resolutions_are_dropped_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(random_samples(64, 64), subifds=1, metadata=None)
        writer.write(random_samples(32, 32), subfiletype=1, metadata=None)
    picture, out = rewritten(tmp_path)
    assert picture.notes == ("the reduced copies or masks in the TIFF are dropped",)
    assert read(out).notes == ()


def test_photoshop_layers_are_dropped_with_a_note(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(6, 9), extratags=[(37724, 7, 40, b"8BIM" * 10, False)])
    picture, out = rewritten(tmp_path)
    assert picture.notes == ("Photoshop layers are dropped",)
    assert "ImageSourceData" not in tags(out)[0]
    assert read(out).notes == ()


@pytest.mark.parametrize("n", [2, 5])
def test_an_imagej_stack_stays_one(n, tmp_path):
    array = random_samples(n, 6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX", "unit": "um", "spacing": 2.5})
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], array)
    with tifffile.TiffFile(tmp_path / "a.tif") as ours, tifffile.TiffFile(out) as theirs:
        assert theirs.imagej_metadata == ours.imagej_metadata
        assert np.array_equal(theirs.asarray(), array)


def test_imagej_frames_behind_one_page(tmp_path):
    array = random_samples(4, 6, 9)
    description = "ImageJ=1.53\nimages=4\nslices=4\n"
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=">") as writer:
        writer.write(array[0], description=description, metadata=None, software=False, photometric="minisblack")
    with (tmp_path / "a.tif").open("r+b") as file, tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        file.seek(tiff.pages[0].dataoffsets[0])
        file.write(array.tobytes())  # the others follow the first without pages of their own
    assert probe(tmp_path / "a.tif").frames == 4
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], array)
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_an_ome_file_keeps_its_description(tmp_path):
    array = random_samples(3, 2, 6, 9, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, ome=True, metadata={"axes": "ZCYX"})
    picture, out = rewritten(tmp_path)
    assert picture.pixels.shape == (6, 6, 9, 1)
    with tifffile.TiffFile(tmp_path / "a.tif") as ours, tifffile.TiffFile(out) as theirs:
        assert theirs.ome_metadata == ours.ome_metadata
    assert np.array_equal(tifffile.imread(out), array)
