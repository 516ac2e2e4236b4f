import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restorekit.core.errors import ImageError
from restorekit.images import Metadata, Picture, probe, read, write


def _chunks(path):
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += size + 12
    return found


def _insert(path, *chunks):
    """Put chunks behind the header of a PNG."""
    data = path.read_bytes()
    made = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    path.write_bytes(data[:33] + made + data[33:])


def _round(path, tmp_path, **options):
    picture = read(path)
    write(tmp_path / "out.png", picture, picture.pixels, **options)
    return picture, tmp_path / "out.png"


def test_all_metadata_are_kept_byte_for_byte(tmp_path):
    text = PngInfo()
    text.add_text("Title", "a title")
    text.add_text("Comment", "z" * 500, zip=True)
    text.add_itxt("Description", "größer", lang="de", tkey="Beschreibung")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path, pnginfo=text, exif=exif, icc_profile=b"p" * 300, dpi=(300, 150))
    chosen = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", bytes(32)), (b"tIME", bytes(7)), (b"prVt", b"private")]
    _insert(path, *chosen)
    _, out = _round(path, tmp_path)
    kept = [chunk for chunk in _chunks(out) if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert kept == [chunk for chunk in _chunks(path) if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")]
    metadata = read(out).metadata
    assert metadata.icc == b"p" * 300
    assert dict(metadata.text) == {"Title": "a title", "Comment": "z" * 500, "Description": "größer"}
    assert metadata.dpi == pytest.approx((300, 150), abs=0.02)


def test_chunks_that_depend_on_the_pixels_are_dropped(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (5, 4)).save(path)
    _insert(path, (b"sBIT", b"\x05"), (b"bKGD", b"\0\1"), (b"unSA", b"unsafe to copy"), (b"safe", b"kept"))
    _, out = _round(path, tmp_path)
    assert [kind for kind, _ in _chunks(out)] == [b"IHDR", b"safe", b"IDAT", b"IEND"]


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA"])
def test_interlaced_and_shallow_files_are_read_as_pillow_reads_them(mode, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).convert(mode)
    image.save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    wanted = np.asarray(image.convert({"P": "RGB", "1": "L"}.get(mode, mode))).reshape(9, 7, -1)
    assert np.array_equal(picture.pixels[0], wanted[..., : picture.pixels.shape[3]])
    note = {"P": ("palette image is written as RGB",), "1": ("1-bit gray is written as 8-bit gray",)}
    assert picture.notes == note.get(mode, ())


def test_a_palette_with_transparency_becomes_rgb_and_alpha(tmp_path):
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4), "P")
    image.putpalette([k for i in range(12) for k in (i, 2 * i, 3 * i)])
    image.save(tmp_path / "a.png", transparency=bytes([0, 100] + [255] * 10))
    picture, out = _round(tmp_path / "a.png", tmp_path)
    assert picture.alpha is not None
    assert picture.notes == ("palette image is written as RGBA",)
    assert picture.alpha.ravel()[:3].tolist() == [0, 100, 255]
    assert picture.pixels[0, 0, 3].tolist() == [3, 6, 9]
    back = read(out)
    assert np.array_equal(back.pixels, picture.pixels)
    assert np.array_equal(back.alpha, picture.alpha)
    assert back.notes == ()


def test_one_transparent_gray_becomes_alpha(tmp_path):
    Image.fromarray(np.array([[1, 2, 3]], np.uint8)).save(tmp_path / "a.png", transparency=2)
    picture, out = _round(tmp_path / "a.png", tmp_path)
    assert picture.alpha.ravel().tolist() == [255, 0, 255]
    assert probe(out).channels == probe(tmp_path / "a.png").channels == 1
    assert np.array_equal(read(out).alpha, picture.alpha)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_orientation_is_applied_and_reset(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png", exif=exif)
    picture, out = _round(tmp_path / "a.png", tmp_path)
    assert picture.pixels.shape == ((1, 4, 5, 3) if orientation == 1 else (1, 5, 4, 3))
    assert probe(tmp_path / "a.png").height == picture.pixels.shape[1]
    with Image.open(out) as image:
        assert image.getexif()[0x0112] == 1


def test_the_spec_is_text_that_others_can_read_and_is_not_carried_over(tmp_path):
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    _, out = _round(tmp_path / "a.png", tmp_path, spec="gaussian:sigma=0.1")
    with Image.open(out) as image:
        assert image.text["restorekit-corruption"] == "gaussian:sigma=0.1"
    picture = read(out)
    assert picture.spec == "gaussian:sigma=0.1"
    write(tmp_path / "again.png", picture, picture.pixels, spec="missing:rate=0.5")
    assert read(tmp_path / "again.png").spec == "missing:rate=0.5"


def test_an_animation_is_refused(tmp_path):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    for function in (probe, read):
        with pytest.raises(ImageError, match="animated PNG"):
            function(tmp_path / "a.png")


def test_a_wrong_check_sum_is_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 30), np.uint8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[300] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="damaged"):
        read(tmp_path / "a.png")


def test_libpng_is_not_asked_about_odd_metadata(tmp_path, capfd):
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    _insert(path, (b"iCCP", b"x\0\0" + zlib.compress(b"short")))
    read(path)
    assert capfd.readouterr().err == ""


def test_pillow_reads_what_is_written(tmp_path):
    array = np.random.default_rng(0).integers(0, 65536, (6, 5), np.uint16)
    Image.fromarray(array).save(tmp_path / "a.png")
    _, out = _round(tmp_path / "a.png", tmp_path)
    with Image.open(io.BytesIO(out.read_bytes())) as image:
        assert np.array_equal(np.asarray(image), array)


@pytest.mark.parametrize("shape", [(1, 65000, 2, 1), (1, 2, 65000, 1), (1, 20000, 1, 3)])
def test_strips_of_noise_are_written(shape, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write(tmp_path / "a.png", Picture(pixels, format="png", metadata=Metadata()), pixels)
    assert np.array_equal(read(tmp_path / "a.png").pixels, pixels)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_an_orientation_that_only_xmp_states_is_applied_and_reset(orientation, packed, tmp_path):
    xmp = f"<x tiff:ImageWidth='5' tiff:ImageLength='4'><tiff:Orientation> {orientation} </tiff:Orientation></x>"
    pixels, exif = np.arange(60, dtype=np.uint8).reshape(4, 5, 3), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "exif.png", exif=exif)
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp, zip=packed)
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=text)
    picture, out = _round(tmp_path / "a.png", tmp_path)
    assert np.array_equal(picture.pixels, read(tmp_path / "exif.png").pixels)
    assert probe(tmp_path / "a.png").height == picture.pixels.shape[1]
    with Image.open(out) as image:
        width, height = image.size
        assert image.text["XML:com.adobe.xmp"] == (
            f"<x tiff:ImageWidth='{width}' tiff:ImageLength='{height}'><tiff:Orientation> 1 </tiff:Orientation></x>"
        )


def test_an_orientation_in_exif_holds_whatever_xmp_states(tmp_path):
    exif, text = Image.Exif(), PngInfo()
    exif[0x0112] = 1
    text.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='6'/>")
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png", pnginfo=text, exif=exif)
    assert read(tmp_path / "a.png").pixels.shape == (1, 4, 5, 3)


def test_texts_beyond_any_use_are_carried_over_and_not_held_in_memory(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    _insert(path, *((b"zTXt", b"note %d\0\0" % i + zlib.compress(bytes(40_000_000))) for i in range(4)))
    picture, out = _round(path, tmp_path)
    assert len(picture.metadata.text) == 1
    assert [kind for kind, _ in _chunks(out)].count(b"zTXt") == 4


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_of_one_pixel_width_is_turned_and_written(turn, tmp_path):
    array, exif = np.arange(78, dtype=np.uint8).reshape(26, 1, 3), Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    picture = read(tmp_path / "a.png")
    write(tmp_path / "b.png", picture, picture.pixels)
    assert np.array_equal(read(tmp_path / "b.png").pixels, picture.pixels)
