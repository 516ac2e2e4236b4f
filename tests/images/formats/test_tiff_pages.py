"""Which directories of a TIFF are its picture, frames behind one, and pages of several kinds."""

import os
import re
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write
from restorekit.images.picture import upright
from tests._helpers.tiff_files import packed_tiff, random_samples, rewritten, tags


def _written(path, pages):
    """Write pages, each with its own options."""
    with tifffile.TiffWriter(path) as writer:
        for samples, options in pages:
            turn = options.pop("turn", None)
            extra = [(274, "H", 1, turn, True)] if turn else []
            writer.write(samples, metadata=None, extratags=extra, **options)


GRAY, SMALL, RGB = random_samples(16, 24), random_samples(9, 24), random_samples(16, 24, 3)


@pytest.mark.parametrize("first", range(1, 9))
@pytest.mark.parametrize("second", [1, 3, 6, 8])
def test_every_page_is_turned_by_its_own_orientation(first, second, tmp_path):
    pages = [(RGB, {"turn": turn, "photometric": "rgb"}) for turn in (first, second)]
    _written(tmp_path / "a.tif", pages)
    picture, out = rewritten(tmp_path)
    stored = [page.asarray() for page in tifffile.TiffFile(out).pages]
    for turn, page in zip((first, second), stored, strict=True):
        assert np.array_equal(page, upright(RGB[np.newaxis], turn)[0])
    assert [page["Orientation"] for page in tags(out)] == [1, 1]
    header = probe(tmp_path / "a.tif")
    assert (header.frames, header.height, header.width, header.channels) == picture.pixels.shape
    assert header.shapes == picture.shapes


MIXED = {
    "two sizes": [(GRAY, {}), (SMALL, {})],
    "gray and colour": [(GRAY, {}), (RGB, {"photometric": "rgb"})],
    "colour and small gray": [(RGB, {"photometric": "rgb"}), (SMALL, {})],
    "black as 0 and white as 0": [(GRAY, {}), (GRAY, {"photometric": "miniswhite"}), (SMALL, {})],
    "black as 0 and white as 0 of one size": [(GRAY, {}), (GRAY, {"photometric": "miniswhite"})],
    "fax and gray": [(GRAY > 128, {}), (GRAY, {})],
    "turned and small": [(GRAY, {"turn": 6}), (SMALL, {}), (GRAY, {"turn": 3})],
    "tiles and strips": [(GRAY, {"tile": (16, 16)}), (SMALL, {"rowsperstrip": 4, "compression": "zlib"})],
    "planes and pixels": [(np.moveaxis(RGB, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}), (GRAY, {})],
}


@pytest.mark.parametrize("name", MIXED)
def test_pages_of_several_kinds_keep_theirs(name, tmp_path):
    _written(tmp_path / "a.tif", [(samples, dict(options)) for samples, options in MIXED[name]])
    picture, out = rewritten(tmp_path)
    for i, ((samples, options), page) in enumerate(zip(MIXED[name], tifffile.TiffFile(out).pages, strict=True)):
        expected = np.where(samples, 255, 0).astype(np.uint8) if samples.dtype == bool else samples
        if options.get("planarconfig") == "separate":
            expected = np.moveaxis(expected, 0, 2)
        shown = page.asarray()
        shown = np.moveaxis(shown, 0, 2) if int(page.planarconfig) == 2 and page.samplesperpixel > 1 else shown
        assert np.array_equal(
            shown, upright(expected.reshape(1, *expected.shape[:2], -1), options.get("turn", 1))[0].reshape(shown.shape)
        )
        if samples.dtype != bool:
            assert page.photometric.name.lower() == options.get("photometric", "minisblack")
        height, width, channels = picture.shapes[i] if picture.shapes else picture.pixels.shape[1:]
        assert shown.shape[:2] == (height, width) and channels == page.samplesperpixel
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_palette_among_gray_pages_is_the_only_one_in_colour(tmp_path):
    gray, palette = Image.fromarray(GRAY), Image.fromarray(RGB).quantize(20)
    for pages in ((gray, palette), (palette, gray), (gray, gray, palette)):
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        picture, out = rewritten(tmp_path)
        assert "palette image is written as RGB" in picture.notes
        for image, page in zip(pages, tifffile.TiffFile(out).pages, strict=True):
            assert np.array_equal(page.asarray(), np.asarray(image if image is gray else image.convert("RGB")))


@pytest.mark.parametrize(
    ("other", "options", "said"),
    [
        (GRAY.astype(np.uint16), {}, "page 1 is 16 x 24 uint8 x 1; page 2 is 16 x 24 uint16 x 1"),
        (GRAY.astype(np.float32), {}, "page 2 is 16 x 24 float32 x 1"),
        (
            random_samples(16, 24, 4),
            {"photometric": "rgb", "extrasamples": [2]},
            "page 2 is 16 x 24 uint8 x 4 with alpha",
        ),
    ],
)
def test_pages_that_cannot_go_together_are_refused_with_the_difference(other, options, said, tmp_path):
    _written(tmp_path / "a.tif", [(GRAY, {}), (other, options)])
    for function in (probe, read):
        with pytest.raises(ImageError, match=said):
            function(tmp_path / "a.tif")


def test_pages_of_several_sizes_fit_no_other_format(tmp_path):
    _written(tmp_path / "a.tif", [(GRAY, {}), (SMALL, {})])
    picture = read(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"npy cannot hold pages of several sizes or kinds .* use --format tiff"):
        write(tmp_path / "b.npy", picture, picture.pixels, format="npy")


# Frames behind one directory


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        ((6, 64, 64), np.uint8, {}),
        ((5, 20, 30), np.uint16, {"metadata": {"axes": "TYX"}}),
        ((2, 3, 20, 30), np.float32, {"metadata": {"axes": "ZCYX", "name": "a stack"}}),
        ((4, 20, 30, 3), np.uint8, {"photometric": "rgb"}),
        ((4, 3, 20, 30), np.uint8, {"photometric": "rgb", "planarconfig": "separate"}),
        ((3, 20, 30), np.uint16, {"photometric": "miniswhite"}),
    ],
)
def test_frames_behind_one_directory_of_tifffile(shape, dtype, options, order, big, tmp_path):
    array = random_samples(*shape, dtype=np.uint16).astype(dtype)
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(tmp_path / "a.tif", array, truncate=True, byteorder=order, bigtiff=big, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    picture, out = rewritten(tmp_path)
    assert probe(tmp_path / "a.tif").frames == len(picture.pixels)
    assert np.array_equal(tifffile.imread(out), array)
    with tifffile.TiffFile(out) as file:
        assert len(file.pages) == len(picture.pixels)
        assert "truncated" not in file.pages[0].description
        assert file.shaped_metadata[0].get("name") == options.get("metadata", {}).get("name")
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_frames_behind_one_directory_of_metamorph(tmp_path):
    array = random_samples(4, 20, 30, dtype=np.uint16)
    uic2 = struct.pack("<4I", *range(4))
    extra = [(33628, 4, 2, (0, 0), True), (33629, 5, 4, uic2, True)]
    tifffile.imwrite(
        tmp_path / "a.tif", array[0], metadata=None, photometric="minisblack", extratags=extra, rowsperstrip=20
    )
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].dataoffsets[0]
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:place] + array.tobytes())
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], array)
    assert np.array_equal(tifffile.imread(out), array)
    assert any("MetaMorph" in note for note in picture.notes)


def test_a_stack_that_is_cut_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", random_samples(6, 64, 64), truncate=True, photometric="minisblack")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: -3 * 64 * 64 - 7])
    for function in (probe, read):
        with pytest.raises(ImageError, match="its metadata state 6 frames, the file holds 2"):
            function(tmp_path / "a.tif")


def test_frames_that_nothing_describes_are_refused(tmp_path):
    frames = random_samples(5, 64, 64)
    tifffile.imwrite(tmp_path / "a.tif", frames[0], metadata=None, photometric="minisblack")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data + frames[1:].tobytes())
    with pytest.raises(ImageError, match="one directory and as many bytes as 5 frames need"):
        read(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(data + frames.tobytes()[:5000])  # something else than frames
    assert np.array_equal(read(tmp_path / "a.tif").pixels[0, ..., 0], frames[0])


@pytest.mark.parametrize("description", ['{"shape": [6, 64, 64]}', "ImageJ=1.53t\nimages=6\nslices=6\nunit=um\n"])
def test_a_description_of_more_frames_than_there_are_is_corrected(description, tmp_path):
    frame = random_samples(64, 64)
    tifffile.imwrite(tmp_path / "a.tif", frame, metadata=None, description=description, photometric="minisblack")
    picture, out = rewritten(tmp_path)
    assert picture.notes == ("the layout that its description states is corrected",)
    assert np.array_equal(tifffile.imread(out), frame)
    assert re.findall(r"\b6\b", tifffile.TiffFile(out).pages[0].description) == []
    assert read(out).notes == ()


# Reduced copies and SubIFDs


@pytest.mark.parametrize("number", [254, 255])
def test_a_reduced_copy_that_comes_first_is_not_the_picture(number, tmp_path):
    value = 1 if number == 254 else 2
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        options = {"subfiletype": 1} if number == 254 else {"extratags": [(255, "H", 1, value, True)]}
        writer.write(GRAY[::2, ::2], metadata=None, **options)
        writer.write(GRAY, metadata=None)
    picture, _ = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[0, ..., 0], GRAY)
    assert picture.notes == ("the reduced copies or masks in the TIFF are dropped",)


@pytest.mark.parametrize("flag", [1, 0])
def test_the_picture_may_stand_in_a_subifd_of_its_reduced_copy(flag, tmp_path):
    camera = [(271, "s", 0, "a camera", True), (274, "H", 1, 6, True)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB[::4, ::4], photometric="rgb", subifds=2, subfiletype=flag, metadata=None, extratags=camera)
        writer.write(RGB, photometric="rgb", metadata=None)
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels, upright(RGB[np.newaxis], 6))
    assert len(tags(out)) == 1
    assert tags(out)[0]["Make"] == "a camera"
    assert tags(out)[0]["Orientation"] == 1
    assert read(out).notes == ()


def test_a_pyramid_is_its_largest_level(tmp_path):
    stack = random_samples(2, 64, 64)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in stack:
            writer.write(frame, subifds=2, tile=(16, 16), metadata=None)
            writer.write(frame[::2, ::2], subfiletype=1, metadata=None)
            writer.write(frame[::4, ::4], subfiletype=1, metadata=None)
    picture, out = rewritten(tmp_path)
    assert np.array_equal(picture.pixels[..., 0], stack)
    assert np.array_equal(tifffile.imread(out), stack)


def test_the_raw_file_of_a_camera_is_refused_and_not_its_preview_restored(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB[::4, ::4], photometric="rgb", subifds=1, subfiletype=1, metadata=None)
        writer.write(GRAY.astype(np.uint16), photometric="cfa", metadata=None)
    with pytest.raises(ImageError, match="colour filter array of a camera"):
        read(tmp_path / "a.tif")


def test_only_reduced_copies_are_read_at_their_largest(tmp_path):
    _written(tmp_path / "a.tif", [(GRAY[::2, ::2], {"subfiletype": 1}), (GRAY, {"subfiletype": 1})])
    assert np.array_equal(read(tmp_path / "a.tif").pixels[0, ..., 0], GRAY)


# One picture, one file


@pytest.mark.parametrize("other", ["../secret.tif", "fifo.tif", "/dev/zero", "/dev/stdin"])
def test_no_file_that_ome_xml_names_is_opened(other, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(tmp_path / "secret.tif", np.full((16, 24), 99, np.uint8))
    os.mkfifo(folder / "fifo.tif")
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="24" SizeY="16" SizeZ="2" SizeC="1" SizeT="1"><TiffData IFD="0" '
        'FirstZ="0"><UUID>urn:uuid:1</UUID></TiffData><TiffData IFD="0" FirstZ="1"><UUID FileName="'
        f'{other}">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
    )
    tifffile.imwrite(folder / "a.ome.tif", GRAY, metadata=None, description=xml)
    opened = []
    import builtins
    import io

    for module in (builtins, io):
        monkeypatch.setattr(
            module, "open", lambda file, *a, _open=io.open, **k: opened.append(str(file)) or _open(file, *a, **k)
        )
    picture = read(folder / "a.ome.tif")
    monkeypatch.undo()
    assert np.array_equal(picture.pixels[..., 0], GRAY[np.newaxis])
    assert {name for name in opened if not name.isdigit()} == {str(folder / "a.ome.tif")}


def test_orientation_in_xmp_turns_a_page_whose_tags_state_none(tmp_path):
    for form in ('tiff:Orientation="8"', "><tiff:Orientation>8</tiff:Orientation"):
        xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {form}></rdf:Description></x:xmpmeta>'.encode()
        for tag, turn in ((None, 8), (1, 1), (3, 3)):
            extra = [(700, "B", len(xmp), xmp, True), *([(274, "H", 1, tag, True)] if tag else [])]
            tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", metadata=None, extratags=extra)
            picture, out = rewritten(tmp_path)
            assert np.array_equal(picture.pixels, upright(RGB[np.newaxis], turn))
            assert np.array_equal(read(out).pixels, picture.pixels)


# No data


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize(("dtype", "number"), [(np.uint8, 0), (np.uint8, 255), (np.uint16, 65535), (np.uint16, 7)])
def test_integers_without_data_are_missing_and_come_back(dtype, number, photometric, tmp_path):
    array = random_samples(16, 24, dtype=dtype)
    array[:5] = number
    extra = [(42113, "s", 0, f"{number} ", True)]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric, metadata=None, extratags=extra)
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.missing[0, ..., 0], array == number)
    assert "no data" in picture.notes[-1]
    restored = np.full_like(picture.pixels, number if photometric == "minisblack" else np.iinfo(dtype).max - number)
    write(tmp_path / "b.tif", picture, restored)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif") == number, array == number)
    assert tags(tmp_path / "b.tif")[0]["GDAL_NODATA"].strip() == str(number)


@pytest.mark.parametrize("number", ["-9999", "nan", "-3.4028234663852886e+38", "0", "inf"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_without_data_are_missing_and_come_back(dtype, number, tmp_path):
    array = np.random.default_rng(0).normal(5000, 100, (2, 16, 24)).astype(dtype)
    array[:, 3:6] = dtype(np.float32(number))
    array[0, 0, 0] = np.nan
    extra = [(42113, "s", 0, number, True)]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata=None, extratags=extra)
    picture, out = rewritten(tmp_path)
    lost = np.zeros(array.shape, bool)
    lost[:, 3:6] = True
    assert np.array_equal(picture.missing[..., 0], lost | np.isnan(array))
    assert np.array_equal(tifffile.imread(out)[lost], array[lost], equal_nan=True)
    assert not picture.pixels[..., 0][lost].any()
    assert np.isnan(tifffile.imread(out)[0, 0, 0]) == (number == "nan")  # NaN is filled unless declared


@pytest.mark.parametrize("text", ["-9999", "70000", "1.5", "none", ""])
def test_a_number_that_the_samples_cannot_be_marks_nothing(text, tmp_path):
    array = random_samples(16, 24, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, extratags=[(42113, "s", 0, text, True)])
    assert read(tmp_path / "a.tif").missing is None


def test_a_colour_is_without_data_only_in_all_its_channels(tmp_path):
    array = random_samples(16, 24, 3)
    array[:4], array[4:8, :, 0] = 0, 0
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="rgb", metadata=None, extratags=[(42113, "s", 0, "0", True)]
    )
    picture = read(tmp_path / "a.tif")
    assert np.array_equal(picture.missing[0, ..., 1], (array == 0).all(axis=2))


def test_strips_that_are_not_there_are_not_read_as_black(tmp_path):
    packed_tiff(tmp_path / "a.tif", np.ones((40, 8), int), 12, rows=10)
    data = (tmp_path / "a.tif").read_bytes()
    length = struct.pack("<HHII", 257, 4, 1, 40)
    (tmp_path / "a.tif").write_bytes(data.replace(length, struct.pack("<HHII", 257, 4, 1, 80)))
    for function in (probe, read):
        with pytest.raises(ImageError, match="needs 8 strips or tiles for a page and has 4"):
            function(tmp_path / "a.tif")


@pytest.mark.parametrize("odd", [{282: (1, 0), 283: (1, 1)}, {282: (72, 1), 283: (72, 1), 296: 9}])
def test_an_odd_resolution_does_not_keep_a_picture_from_being_written(odd, tmp_path):
    extra = [(code, "2I", 1, value, True) for code, value in odd.items() if code != 296]
    extra += [(296, "H", 1, odd[296], True)] if 296 in odd else []
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, extratags=extra)
    picture, out = rewritten(tmp_path)
    assert np.array_equal(read(out).pixels, picture.pixels)


def test_a_broken_subifd_does_not_hide_the_picture(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, extratags=[(330, "I", 1, 3, True)])
    assert np.array_equal(read(tmp_path / "a.tif").pixels[0, ..., 0], GRAY)


@pytest.mark.parametrize("back_to", [0, 1])
def test_directories_in_a_circle_are_refused(back_to, tmp_path):
    _written(tmp_path / "a.tif", [(GRAY, {}), (GRAY, {}), (GRAY, {})])
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, last = file.pages[back_to].offset, file.pages[2]
        end = last.offset + 2 + 12 * len(last.tags)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    assert data[end : end + 4] == bytes(4)
    data[end : end + 4] = struct.pack("<I", first)
    (tmp_path / "a.tif").write_bytes(data)
    for function in (probe, read):
        with pytest.raises(ImageError, match="its directories lead in a circle"):
            function(tmp_path / "a.tif")
