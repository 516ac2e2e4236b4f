import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from restorekit.core.errors import ImageError
from restorekit.images import exif, probe, read, write
from restorekit.images.exif import PREFIX


def _photo(height=48, width=64, channels=3):
    waves = np.add.outer(np.sin(np.arange(height) / 5), np.cos(np.arange(width) / 7))
    image = np.stack([127 + 60 * waves + 10 * k for k in range(channels)], axis=2).astype(np.uint8)
    return Image.fromarray(image if channels == 3 else image[..., 0])


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [10, 75, 100])
def test_tables_subsampling_and_progression_are_kept(quality, subsampling, progressive, tmp_path):
    _photo().save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling, progressive=progressive)
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "a.jpg") as ours, Image.open(tmp_path / "b.jpg") as theirs:
        assert ours.quantization == theirs.quantization
        assert ours.layer == theirs.layer
        assert bool(ours.info.get("progressive")) == bool(theirs.info.get("progressive")) == progressive
        assert np.array_equal(np.asarray(ours), picture.pixels[0])
    assert read(tmp_path / "b.jpg").metadata.jpeg == picture.metadata.jpeg


def test_gray_stays_gray(tmp_path):
    _photo(channels=1).save(tmp_path / "a.jpg", quality=60)
    picture = read(tmp_path / "a.jpg")
    assert picture.pixels.shape == (1, 48, 64, 1)
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "a.jpg") as ours, Image.open(tmp_path / "b.jpg") as theirs:
        assert theirs.mode == "L"
        assert ours.quantization == theirs.quantization


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_read_upright_and_written_upright_with_the_rest_of_the_exif(orientation, tmp_path):
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x0112] = orientation
    block.get_ifd(0x8769)[0x927C] = b"maker note"
    _photo().save(tmp_path / "a.jpg", exif=block, quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        seen = np.asarray(ImageOps.exif_transpose(image))
        blob = image.info["exif"]
    picture = read(tmp_path / "a.jpg")
    header = probe(tmp_path / "a.jpg")
    assert (header.height, header.width) == seen.shape[:2]
    assert np.array_equal(picture.pixels[0], seen)
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif().get(0x0112) == 1
        assert image.info["exif"] == PREFIX + exif.reset_orientation(blob.removeprefix(PREFIX))
        assert image.getexif().get_ifd(0x8769)[0x927C] == b"maker note"


def test_profile_comment_xmp_iptc_and_density_are_kept(tmp_path):
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x05abcde\0"
    extra = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
    icc = np.random.default_rng(0).bytes(100_000)  # more than one segment
    _photo().save(
        tmp_path / "a.jpg",
        icc_profile=icc,
        comment="a comment",
        xmp=b"<x tiff:Orientation='6'/>",
        extra=extra,
        dpi=(72, 144),
    )
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["icc_profile"] == icc
        assert image.info["comment"] == b"a comment"
        assert image.info["xmp"] == b"<x tiff:Orientation='1'/>"
        assert image.info["photoshop"] == {0x0404: b"abcde"}
        assert image.info["dpi"] == (72, 144)
    assert picture.metadata.icc == icc


def test_no_density_is_made_up(tmp_path):
    _photo().save(tmp_path / "a.jpg")
    picture = read(tmp_path / "a.jpg")
    assert picture.metadata.dpi is None
    write(tmp_path / "b.jpg", picture, picture.pixels)
    assert read(tmp_path / "b.jpg").metadata.dpi is None


def test_cmyk_is_refused_with_a_way_out(tmp_path):
    _photo().convert("CMYK").save(tmp_path / "a.jpg")
    for function in (probe, read):
        with pytest.raises(ImageError, match=r"CMYK JPEG .*magick"):
            function(tmp_path / "a.jpg")


def test_further_pictures_in_the_file_are_dropped_with_a_note(tmp_path):
    _photo().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[_photo()])
    picture = read(tmp_path / "a.jpg")
    assert picture.notes == ("only the first of several pictures in the file is kept",)
    write(tmp_path / "b.jpg", picture, picture.pixels)
    assert read(tmp_path / "b.jpg").notes == ()


def test_an_end_marker_inside_a_thumbnail_does_not_hide_a_truncation(tmp_path):
    thumbnail = io.BytesIO()
    _photo(8, 8).save(thumbnail, "JPEG")
    extra = b"\xff\xe5" + struct.pack(">H", len(thumbnail.getvalue()) + 2) + thumbnail.getvalue()
    _photo().save(tmp_path / "a.jpg", extra=extra)
    assert read(tmp_path / "a.jpg").pixels.shape == (1, 48, 64, 3)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:-40])
    with pytest.raises(ImageError, match="truncated"):
        read(tmp_path / "a.jpg")


@pytest.mark.parametrize("orientation", [2, 5, 6, 8])
def test_an_orientation_that_only_xmp_states_is_applied_and_reset(orientation, tmp_path):
    block = Image.Exif()
    block[0x0112] = orientation
    _photo().save(tmp_path / "exif.jpg", exif=block, quality=95)
    _photo().save(tmp_path / "a.jpg", xmp=b"<x tiff:Orientation='%d'/>" % orientation, quality=95)
    picture = read(tmp_path / "a.jpg")
    assert np.array_equal(picture.pixels, read(tmp_path / "exif.jpg").pixels)
    assert probe(tmp_path / "a.jpg").height == picture.pixels.shape[1]
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["xmp"] == b"<x tiff:Orientation='1'/>"


def test_pictures_of_the_picture_before_are_dropped(tmp_path):
    """In EXIF, and among Photoshop's resources; the others stay."""
    small = io.BytesIO()
    _photo(30, 40).save(small, "JPEG")
    first = struct.pack("<HHHIHHI", 1, 0x112, 3, 1, 6, 0, 26)
    second = struct.pack("<HHHIIHHIII", 2, 0x201, 4, 1, 56, 0x202, 4, 1, len(small.getvalue()), 0)
    block = PREFIX + b"II*\0" + struct.pack("<I", 8) + first + second + small.getvalue()
    odd = small.getvalue() + b"\0" * (len(small.getvalue()) % 2)
    text = b"8BIM\x04\x04\0\0\0\0\0\x05abcde\0"
    preview = b"8BIM\x04\x0c\x03abc" + struct.pack(">I", len(odd)) + odd
    resources = b"Photoshop 3.0\0" + text + preview + text
    extra = b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources
    _photo().save(tmp_path / "a.jpg", quality=95, exif=block, extra=extra)
    assert (tmp_path / "a.jpg").read_bytes().count(small.getvalue()) == 2
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture, picture.pixels)
    assert small.getvalue() not in (tmp_path / "b.jpg").read_bytes()
    with Image.open(tmp_path / "b.jpg") as image:
        assert dict(image.getexif()) == {0x0112: 1}
        assert image.getexif().get_ifd(1) == {}
        assert image.size == (48, 64)
    assert (tmp_path / "b.jpg").read_bytes().count(text) == 2


def test_sizes_that_exif_states_are_those_of_the_upright_picture(tmp_path):
    block = Image.Exif()
    block[0x0112] = 6
    block.get_ifd(0x8769).update({0xA002: 64, 0xA003: 48})
    _photo().save(tmp_path / "a.jpg", exif=block)
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture, picture.pixels)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (48, 64)
        assert image.getexif().get_ifd(0x8769) == {0xA002: 48, 0xA003: 64}


def _restored(seed=0, height=160, width=200, channels=3):
    """Pixels like those of a restoration: smooth, with edges, and in a file of low quality."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    tones = [
        100 + 70 * np.sin((x + 3 * k) / 11) * np.cos(y / 9) + 40 * ((x // 25 + y // 31) % 2) for k in range(channels)
    ]
    return (np.stack(tones, 2) + rng.normal(0, 1, (height, width, channels))).clip(0, 255).astype(np.uint8)[None]


@pytest.mark.parametrize("channels", [1, 3])
def test_what_changed_is_written_so_that_the_file_holds_it(channels, tmp_path):
    Image.fromarray(_restored(channels=channels)[0].squeeze()).save(tmp_path / "a.jpg", quality=60)
    picture, pixels = read(tmp_path / "a.jpg"), _restored(1, channels=channels)
    (note,) = write(tmp_path / "b.jpg", picture, pixels, jpeg_quality="auto")
    assert "written as JPEG of quality" in note
    assert ("RGB without chroma subsampling" in note) == (channels == 3)
    errors = {}
    for name in ("auto", "keep", "100"):
        write(tmp_path / f"{name}.jpg", picture, pixels, jpeg_quality=name)
        errors[name] = np.mean((read(tmp_path / f"{name}.jpg").pixels - pixels.astype(float)) ** 2)
    assert errors["auto"] <= 0.1 < errors["keep"]
    assert 10 * np.log10(1 + errors["auto"] / (65025 / 10**3.5)) < 0.06  # dB of a restoration at 35 dB
    with Image.open(tmp_path / "keep.jpg") as image, Image.open(tmp_path / "a.jpg") as before:
        assert image.quantization == before.quantization
    with Image.open(tmp_path / "100.jpg") as image:
        assert set(image.quantization[0]) == {1}


def test_metadata_and_density_outlive_the_change_to_rgb(tmp_path):
    icc = np.random.default_rng(0).bytes(5000)
    _photo().save(
        tmp_path / "a.jpg", icc_profile=icc, comment="a comment", xmp=b"<x/>", dpi=(300, 150), progressive=True
    )
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture, picture.pixels, jpeg_quality="auto")
    with Image.open(tmp_path / "b.jpg") as image:
        assert (image.info["icc_profile"], image.info["comment"], image.info["xmp"]) == (icc, b"a comment", b"<x/>")
        assert (image.getexif()[0x011A], image.getexif()[0x011B], image.getexif()[0x0128]) == (300, 150, 2)
        assert image.info["progressive"]
    assert read(tmp_path / "b.jpg").pixels.shape == picture.pixels.shape


@pytest.mark.parametrize("dpi", [None, (72, 72), (300, 150)])
@pytest.mark.parametrize("tags", [None, {0x010F: "Maker"}, {0x011A: 300.0, 0x011B: 150.0, 0x0128: 2}])
def test_colours_do_not_depend_on_the_density_that_the_file_states(dpi, tags, tmp_path):
    """A JFIF segment makes decoders take the components of an RGB file for YCbCr."""
    block = Image.Exif()
    block.update(tags or {})
    options = ({"dpi": dpi} if dpi else {}) | ({"exif": block} if tags else {})
    Image.fromarray(_restored()[0]).save(tmp_path / "a.jpg", **options)
    picture, pixels = read(tmp_path / "a.jpg"), _restored(1)
    notes = write(tmp_path / "b.jpg", picture, pixels, jpeg_quality="auto")
    with Image.open(tmp_path / "b.jpg") as image:
        seen = np.asarray(image)[None]
    others = cv2.imread(str(tmp_path / "b.jpg"))[None, ..., ::-1]
    for found in (read(tmp_path / "b.jpg").pixels, seen, others):
        assert np.mean((found - pixels.astype(float)) ** 2) <= 0.36
    assert any("dropped, as its EXIF block states none" in note for note in notes) == bool(
        dpi and tags and 0x011A not in tags
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_nearly_smooth_is_written_smaller_and_as_close(channels, tmp_path):
    """Quantisation leaves out noise that was left, so that the file is closer to the truth than at 100."""
    y, x = np.mgrid[:256, :256]
    truth = np.stack([120 + 60 * np.sin((x + 9 * k) / 40) * np.cos(y / 33) for k in range(channels)], 2)
    pixels = np.rint(truth + np.random.default_rng(0).normal(0, 0.4, truth.shape)).clip(0, 255).astype(np.uint8)[None]
    Image.fromarray(pixels[0].squeeze()).save(tmp_path / "a.jpg", quality=90)
    picture, found = read(tmp_path / "a.jpg"), {}
    for name in ("auto", "100"):
        notes = write(tmp_path / f"{name}.jpg", picture, pixels, jpeg_quality=name)
        changed = read(tmp_path / f"{name}.jpg").pixels.astype(float)
        found[name] = np.mean((changed - truth) ** 2), (tmp_path / f"{name}.jpg").stat().st_size
        assert name == "100" or ("quality 96" in notes[0] and np.mean((changed - pixels) ** 2) <= 0.36)
    assert found["auto"][0] < found["100"][0]
    assert found["auto"][1] < 0.6 * found["100"][1]


def test_detail_that_quantisation_would_change_is_written_with_quality_100(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 200, (1, 64, 64, 3), np.uint8)
    Image.fromarray(pixels[0]).save(tmp_path / "a.jpg", quality=90)
    (note,) = write(tmp_path / "b.jpg", read(tmp_path / "a.jpg"), pixels, jpeg_quality="auto")
    assert "quality 100" in note
    assert np.mean((read(tmp_path / "b.jpg").pixels - pixels.astype(float)) ** 2) < 0.15
