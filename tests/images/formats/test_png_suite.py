"""Every kind of PNG that the specification allows is read as it was made, and every broken one is refused."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGBA: (8, 16)}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _chunk(kind, data, crc=0):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ crc)


def _packed(samples, depth):
    """Rows of a picture, (H, W, S), each behind the byte of its filter, here none."""
    if depth == 16:
        rows = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(len(samples), -1)
    else:
        bits = np.unpackbits(samples.astype(np.uint8).reshape(len(samples), -1, 1), axis=2)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(len(samples), -1), axis=1)
    return np.pad(rows, ((0, 0), (1, 0))).tobytes()


def _png(samples, colour, depth, interlaced=False, before=(), pixels=None, header=None):
    height, width, _ = samples.shape
    parts = [samples[y::down, x::right] for x, y, right, down in ADAM7] if interlaced else [samples]
    raw = b"".join(_packed(part, depth) for part in parts if part.size)
    header = header or struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(raw) if pixels is None else pixels
    half = len(data) // 2
    chunks = [(b"IHDR", header), *before, (b"IDAT", data[:half]), (b"IDAT", data[half:]), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _samples(colour, depth, height=19, width=21, seed=0):
    return np.random.default_rng(seed).integers(0, 2**depth, (height, width, SAMPLES[colour]))


def _table(depth):
    return np.random.default_rng(depth).integers(0, 256, (2**depth, 3), np.uint8)


def _expected(samples, colour, depth, opacity=None):
    """Samples as the specification defines them, of 8 or 16 bits, with alpha last."""
    if colour == PALETTE:
        index = samples[..., 0]
        full = _table(depth)[index]
        return full if opacity is None else np.concatenate([full, opacity[index][..., None]], 2)
    full = samples * 255 // (2**depth - 1) if depth < 8 else samples
    full = full.astype(np.uint16 if depth == 16 else np.uint8)
    if opacity is None:
        return full
    key = (samples == opacity).all(2, keepdims=True)
    return np.concatenate([full, np.where(key, 0, np.iinfo(full.dtype).max).astype(full.dtype)], 2)


def _read(path, data):
    path.write_bytes(data)
    picture, header = read(path), probe(path)
    assert (header.height, header.width, header.channels) == picture.pixels.shape[1:]
    assert header.dtype == picture.pixels.dtype
    return picture, np.concatenate([picture.pixels[0], *([] if picture.alpha is None else [picture.alpha[0]])], 2)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_colour_type_and_depth_is_read_as_it_was_made(colour, depth, interlaced, tmp_path):
    table = [(b"PLTE", _table(depth).tobytes())] if colour == PALETTE else []
    for height, width in ((1, 1), (2, 3), (19, 21), (40, 9)):
        samples = _samples(colour, depth, height, width)
        data = _png(samples, colour, depth, interlaced, table)
        picture, found = _read(tmp_path / "a.png", data)
        assert np.array_equal(found, _expected(samples, colour, depth))
        if depth <= 8:  # Pillow reads 16-bit colour in 8 bits
            mode = {GRAY: "L", RGB: "RGB", PALETTE: "RGB", GRAY_ALPHA: "LA", RGBA: "RGBA"}[colour]
            with Image.open(io.BytesIO(data)) as image:
                assert np.array_equal(np.asarray(image.convert(mode)).reshape(found.shape), found)
        write(tmp_path / "b.png", picture, picture.pixels)
        assert np.array_equal(read(tmp_path / "b.png").pixels, picture.pixels)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), [kind for kind in KINDS if kind[0] in (GRAY, RGB)])
def test_a_transparent_colour_becomes_alpha_and_is_said(colour, depth, interlaced, tmp_path):
    samples = _samples(colour, depth)
    key = samples[3, 4]
    data = _png(samples, colour, depth, interlaced, [(b"tRNS", key.astype(">u2").tobytes())])
    picture, found = _read(tmp_path / "a.png", data)
    assert np.array_equal(found, _expected(samples, colour, depth, key))
    assert "its transparent colour is written as an alpha channel" in picture.notes


@pytest.mark.parametrize("depth", DEPTHS[PALETTE])
def test_a_palette_with_opacities_becomes_rgba_and_is_said(depth, tmp_path):
    samples, opacity = _samples(PALETTE, depth), np.full(2**depth, 255, np.uint8)
    opacity[: 2**depth - 1] = np.random.default_rng(1).integers(0, 256, 2**depth - 1)
    table = [(b"PLTE", _table(depth).tobytes()), (b"tRNS", opacity[:-1].tobytes())]
    picture, found = _read(tmp_path / "a.png", _png(samples, PALETTE, depth, False, table))
    assert np.array_equal(found, _expected(samples, PALETTE, depth, opacity))
    assert picture.notes == ("palette image is written as RGBA",)


_ANCILLARY = {
    "gamma": (b"gAMA", struct.pack(">I", 35000)),
    "background": (b"bKGD", struct.pack(">H", 1)),
    "background of colour": (b"bKGD", struct.pack(">HHH", 1, 2, 3)),
    "significant bits": (b"sBIT", b"\4\4\4"),
    "time": (b"tIME", bytes(7)),
    "size of a pixel": (b"pHYs", struct.pack(">IIB", 1, 4, 0)),
    "suggested palette": (b"PLTE", bytes(range(30))),
    "histogram": (b"hIST", bytes(20)),
    "unknown": (b"abCd", b"anything"),
}


@pytest.mark.parametrize(("name", "colour"), list(itertools.product(_ANCILLARY, (GRAY, RGB, RGBA))))
def test_what_describes_the_picture_changes_no_sample(name, colour, tmp_path):
    if name in ("suggested palette", "histogram") and colour == GRAY:
        pytest.skip("gray has no palette")
    samples = _samples(colour, 8)
    _, found = _read(tmp_path / "a.png", _png(samples, colour, 8, before=[_ANCILLARY[name]]))
    assert np.array_equal(found, samples)


def _header(width=21, height=19, depth=8, colour=RGB, compression=0, filtering=0, interlace=0):
    return struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlace)


def _broken():
    samples = _samples(RGB, 8)
    whole, raw = _png(samples, RGB, 8), _packed(samples, 8)
    for place, byte in ((0, 0x88), (1, ord("N")), (4, ord("\n")), (6, ord("\r"))):
        yield f"signature {place}", whole[:place] + bytes([byte]) + whole[place + 1 :]
    yield "line ends converted", whole.replace(b"\r\n", b"\n")
    headers = {
        "colour type 1": _header(colour=1),
        "colour type 9": _header(colour=9),
        **{f"depth {depth}": _header(depth=depth) for depth in (0, 1, 3, 4, 99)},
        "no width": _header(width=0),
        "no height": _header(height=0),
        "compression 1": _header(compression=1),
        "filter method 1": _header(filtering=1),
        "interlace 2": _header(interlace=2),
        "taller than its data": _header(height=20),
        "short header": _header()[:-1],
    }
    yield from ((name, _png(samples, RGB, 8, header=header)) for name, header in headers.items())
    for kind in (b"IHDR", b"IDAT"):
        at = whole.index(kind)
        size = struct.unpack(">I", whole[at - 4 : at])[0]
        yield f"check sum of {kind.decode()}", whole[: at + 4 + size] + bytes(4) + whole[at + 8 + size :]
    yield "no pixels", SIGNATURE + _chunk(b"IHDR", _header()) + _chunk(b"IEND", b"")
    yield "no palette", _png(_samples(PALETTE, 8), PALETTE, 8)
    streams = {
        "zlib header": b"\x79" + zlib.compress(raw)[1:],
        "zlib check sum": zlib.compress(raw)[:-4] + bytes(4),
        "zlib data": zlib.compress(raw)[:200] + bytes(40) + zlib.compress(raw)[240:],
        "not compressed": raw,
        "empty": b"",
        "filter 5": zlib.compress(b"\5" + raw[1:]),
        "few rows": zlib.compress(raw[: len(raw) // 2]),
    }
    yield from ((name, _png(samples, RGB, 8, pixels=stream)) for name, stream in streams.items())
    yield from ((f"cut to {size}", whole[:size]) for size in (20, 40, 100, len(whole) // 2, len(whole) - 30))


BROKEN = dict(_broken())


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, tmp_path):
    (tmp_path / "a.png").write_bytes(BROKEN[name])
    with pytest.raises(ImageError):
        read(tmp_path / "a.png")


def test_nothing_is_printed(tmp_path, capfd):
    for colour, depth in KINDS:
        table = [(b"PLTE", _table(depth).tobytes())] if colour == PALETTE else []
        _read(tmp_path / "a.png", _png(_samples(colour, depth), colour, depth, True, table))
    for name in BROKEN:
        (tmp_path / "b.png").write_bytes(BROKEN[name])
        with pytest.raises(ImageError):
            read(tmp_path / "b.png")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("place", ["IHDR", "IDAT", "data", "end"])
def test_broken_interlaced_files_are_refused(place, tmp_path):
    whole = _png(_samples(RGB, 8), RGB, 8, True)
    at = {"IHDR": 29, "IDAT": whole.index(b"IDAT") + 10, "data": len(whole) // 2, "end": len(whole) - 20}[place]
    (tmp_path / "a.png").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
    with pytest.raises(ImageError):
        read(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(whole[:at])
    with pytest.raises(ImageError):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("size", [10_000, 3_000_000, 100_000_000])
def test_large_texts_and_profiles_are_carried_over(kind, size, tmp_path):
    packed = zlib.compress(bytes(size) if kind == b"iCCP" else b"a" * size)
    data = {b"zTXt": b"note\0\0", b"iTXt": b"note\0\1\0\0\0", b"iCCP": b"scan\0\0"}[kind] + packed
    samples = _samples(RGB, 8)
    picture, found = _read(tmp_path / "a.png", _png(samples, RGB, 8, before=[(kind, data)]))
    assert np.array_equal(found, samples)
    write(tmp_path / "b.png", picture, picture.pixels)
    assert (kind, data) in read(tmp_path / "b.png").metadata.chunks
    if size < 10_000_000:
        assert len(picture.metadata.icc if kind == b"iCCP" else dict(picture.metadata.text)["note"]) == size


_SOUND = zlib.compress(_packed(_samples(RGB, 8), 8))
_STREAMS = {  # of which libpng makes a picture and a line on the terminal
    "wrong check sum": (_SOUND[:-4] + b"\1\2\3\4", False),
    "no check sum": (_SOUND[:-4], False),
    "bytes behind": (_SOUND + b"more", True),
    "a row too many": (zlib.compress(_packed(_samples(RGB, 8), 8) + bytes(64)), True),
    "two pictures too many": (zlib.compress(_packed(_samples(RGB, 8), 8) * 3), True),
}


@pytest.mark.parametrize("name", _STREAMS)
def test_streams_that_do_not_end_where_the_pixels_do(name, tmp_path, capfd):
    stream, readable = _STREAMS[name]
    (tmp_path / "a.png").write_bytes(_png(_samples(RGB, 8), RGB, 8, pixels=stream))
    if readable:
        assert np.array_equal(read(tmp_path / "a.png").pixels[0], _samples(RGB, 8))
    else:
        with pytest.raises(ImageError, match="damaged"):
            read(tmp_path / "a.png")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("order", ["repeated", "behind the pixels", "before the palette", "pixels apart"])
def test_chunks_that_are_repeated_or_out_of_place_are_refused(order, interlaced, tmp_path, capfd):
    table, opacity = (b"PLTE", _table(8).tobytes()), (b"tRNS", bytes(9))
    sound = _png(_samples(PALETTE, 8), PALETTE, 8, interlaced, [table, opacity])
    assert _read(tmp_path / "a.png", sound)[1].shape == (19, 21, 4)
    first, *_ = (at for at in range(len(sound)) if sound[at : at + 4] == b"IDAT")
    chunk = _chunk(*opacity)
    second = sound.index(b"IDAT", first + 4) - 4
    broken = {
        "repeated": sound.replace(chunk, chunk * 2),
        "behind the pixels": sound.replace(chunk, b"")[:-12] + chunk + sound[-12:],
        "before the palette": _png(_samples(PALETTE, 8), PALETTE, 8, interlaced, [opacity, table]),
        "pixels apart": sound[:second] + _chunk(b"tEXt", b"a\0b") + sound[second:],
    }
    (tmp_path / "a.png").write_bytes(broken[order])
    with pytest.raises(ImageError, match="repeated or not in their order"):
        read(tmp_path / "a.png")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("colour", "size"), [(GRAY, 1), (GRAY, 6), (RGB, 2), (GRAY_ALPHA, 2), (RGBA, 6), (RGB, 0)])
def test_a_transparent_colour_that_the_kind_cannot_have_is_left_out(colour, size, tmp_path, capfd):
    samples = _samples(colour, 8)
    _, found = _read(tmp_path / "a.png", _png(samples, colour, 8, before=[(b"tRNS", bytes(size))]))
    assert np.array_equal(found, samples)
    assert capfd.readouterr() == ("", "")
