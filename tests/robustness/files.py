"""Small image files of many kinds, and damaged copies of them.

No sample of a file of 8 or 16 bits is 0, so that zeros in a picture are values that a decoder filled in.
"""

import gzip
import io
import struct
import zipfile
import zlib

import cv2
import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 21, 26
_INTERESTING = (0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 127, 128, 255, 256, 1023, 4096, 32767, 32768, 65535, 65536, 10**6)
_INTERESTING += (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1)
_PNG, _RIFF = b"\x89PNG\r\n\x1a\n", b"RIFF"


def samples(*shape, dtype=np.uint8, seed=0):
    """Smooth samples with some noise, without a 0."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    smooth = (rows * 3 + columns * 4) % 200 + 20
    smooth = smooth.reshape(*smooth.shape, *[1] * (len(shape) - 2)) + rng.integers(0, 16, shape)
    return (
        smooth.astype(dtype) if np.dtype(dtype).kind == "f" else (smooth * (np.iinfo(dtype).max // 255)).astype(dtype)
    )


def _pillow(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _tiff(*arrays, big=False, order="<", **options):
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=big, byteorder=order) as writer:
        for array in arrays:
            writer.write(array, metadata=None, **options)
    return out.getvalue()


def _written(save, *arguments, **named):
    out = io.BytesIO()
    save(out, *arguments, **named)
    return out.getvalue()


def seeds():
    """Return files by name, the part before the space of which is their format."""
    gray, rgb, rgba = samples(HEIGHT, WIDTH), samples(HEIGHT, WIDTH, 3), samples(HEIGHT, WIDTH, 4)
    deep = samples(HEIGHT, WIDTH, dtype=np.uint16)
    image, dull = Image.fromarray(rgb), Image.fromarray(gray)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    return {
        "png gray": _pillow(dull, "PNG"),
        "png bits": _pillow(dull.convert("1"), "PNG"),
        "png colour": _pillow(image, "PNG", exif=exif, dpi=(300, 300), icc_profile=bytes(200)),
        "png alpha": _pillow(Image.fromarray(rgba), "PNG"),
        "png palette": _pillow(image.quantize(30), "PNG", transparency=3),
        "png deep": _pillow(Image.fromarray(deep), "PNG"),
        "jpeg gray": _pillow(dull, "JPEG", quality=90),
        "jpeg colour": _pillow(image, "JPEG", quality=90, exif=exif, comment=b"a comment"),
        "jpeg full": _pillow(image, "JPEG", quality=95, subsampling=0),
        "jpeg progressive": _pillow(image, "JPEG", progressive=True),
        "jpeg inks": _pillow(image.convert("CMYK"), "JPEG"),
        "jpeg restarts": _pillow(image, "JPEG", restart_marker_blocks=1),
        "webp lossy": _pillow(image, "WEBP", quality=90, exif=exif),
        "webp lossless": _pillow(image, "WEBP", lossless=True),
        "webp alpha": _pillow(Image.fromarray(rgba), "WEBP"),
        "webp frames": _pillow(image, "WEBP", save_all=True, append_images=[image.rotate(90)]),
        "bmp gray": _pillow(dull, "BMP"),
        "bmp colour": _pillow(image, "BMP"),
        "bmp bits": _pillow(dull.convert("1"), "BMP"),
        "bmp alpha": cv2.imencode(".bmp", rgba)[1].tobytes(),
        "gif": _pillow(image.quantize(20), "GIF"),
        "pnm": _pillow(dull, "PPM"),
        "tiff gray": _tiff(gray, rowsperstrip=7),
        "tiff colour": _tiff(rgb, photometric="rgb", order=">", description="a picture"),
        "tiff palette": _pillow(image.quantize(30), "TIFF"),
        "tiff fax": _pillow(dull.convert("1"), "TIFF", compression="group4"),
        "tiff fax3": _pillow(dull.convert("1"), "TIFF", compression="group3"),
        "tiff packed": _tiff(gray, compression="packbits", rowsperstrip=7),
        "tiff lzw": _tiff(rgb, photometric="rgb", compression="lzw", predictor=True, rowsperstrip=8),
        "tiff deflate": _tiff(deep, compression="zlib", predictor=True, rowsperstrip=8),
        "tiff zstd": _tiff(deep, compression="zstd"),
        "tiff tiles": _tiff(rgb, photometric="rgb", tile=(16, 16), compression="zlib"),
        "tiff jpeg": _tiff(rgb, photometric="rgb", compression="jpeg", rowsperstrip=16),
        "tiff ycbcr": _tiff(rgb, photometric="ycbcr", compression="jpeg", tile=(16, 16)),
        "tiff planes": _tiff(np.moveaxis(rgb, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
        "tiff alpha": _tiff(rgba, photometric="rgb", extrasamples=[2]),
        "tiff five": _tiff(samples(HEIGHT, WIDTH, 5), photometric="minisblack", planarconfig="contig"),
        "tiff pages": _tiff(gray, gray[:11], rgb[:, :7, 0].copy()),
        "tiff mixed": _tiff(gray, deep),
        "tiff big": _tiff(deep, deep[::-1], big=True),
        "tiff half": _tiff(samples(HEIGHT, WIDTH, dtype=np.float16)),
        "tiff float": _tiff(samples(HEIGHT, WIDTH, dtype=np.float32), compression="zlib", predictor=True),
        "tiff white": _tiff(gray, photometric="miniswhite", extratags=[(274, "H", 1, 6, True)]),
        "tiff 12": _tiff(deep >> 4, bitspersample=12),
        "tiff imagej": _written(tifffile.imwrite, np.stack([deep] * 3), imagej=True),
        "tiff ome": _written(tifffile.imwrite, np.stack([deep] * 3), ome=True),
        "tiff stack": _written(tifffile.imwrite, np.stack([gray] * 3), truncate=True, photometric="minisblack"),
        "tiff pyramid": _pyramid(gray),
        "npy gray": _written(np.save, gray),
        "npy colour": _written(np.save, rgb),
        "npy float": _written(np.save, np.stack([gray] * 6).astype(np.float32)),
        "npz": _written(np.savez, images=np.stack([gray] * 6), labels=np.arange(6)),
        "npz packed": _written(np.savez_compressed, image=deep, note=np.array("text")),
        "idx": struct.pack(">HBB3I", 0, 8, 3, 5, HEIGHT, WIDTH) + gray.tobytes() * 5,
        "idx zipped": gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 5, HEIGHT, WIDTH) + gray.tobytes() * 5, mtime=0),
    }  # fmt: skip


def _pyramid(gray):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(gray, subifds=1, metadata=None)
        writer.write(gray[::2, ::2], subfiletype=1, metadata=None)
    return out.getvalue()


def damaged(data, rng):
    """Return a damaged copy of a file: one or two changes drawn with `rng`, a `random.Random`."""
    changes = [_flip, _zeros, _cut, _splice, _insert, _append, _number, *[_structure(data)] * 5]
    for _ in range(rng.choice((1, 1, 1, 2))):
        data = rng.choice(changes)(data, rng) or data
    return _sealed(data) if data.startswith(_PNG) and rng.random() < 0.5 else data


def _flip(data, rng):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _zeros(data, rng):
    start, size = rng.randrange(len(data)), rng.choice((1, 4, 16, 64, 256))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


def _cut(data, rng):
    return data[: rng.randrange(1, len(data))]


def _splice(data, rng):
    """Leave a part out, and close the gap."""
    start, size = rng.randrange(len(data)), rng.choice((1, 2, 8, 64, 512))
    return data[:start] + data[start + size :]


def _insert(data, rng):
    """Put a copy of one part of the file into another place."""
    start, size, place = rng.randrange(len(data)), rng.choice((1, 2, 8, 64, 512)), rng.randrange(len(data))
    return data[:place] + data[start : start + size] + data[place:]


def _append(data, rng):
    return data + rng.choice((bytes(100), b"\xff" * 10, rng.randbytes(300), data))


def _number(data, rng, places=None):
    """Put a number at the end of some range, of 1 to 8 bytes, somewhere into the file."""
    size, order = rng.choice((1, 2, 4, 4, 8)), rng.choice(("little", "big"))
    place = rng.choice(places) if places else rng.randrange(len(data))
    value = rng.choice(_INTERESTING) % 256**size
    return data[:place] + value.to_bytes(size, order) + data[place + size :]


def _structure(data):
    """Return the change that fits the format of a file."""
    found = {_PNG: _png, b"\xff\xd8": _jpeg, b"II": _tiff_entry, b"MM": _tiff_entry, b"PK": _zip, b"\x93NUMPY": _npy}
    found |= {b"\x1f\x8b": _gzip}
    return next((change for head, change in found.items() if data.startswith(head)), _head)


def _head(data, rng):
    return _number(data, rng, range(min(64, len(data))))


def _chunks(data):
    """Return type and content of the chunks of a PNG."""
    found, at = [], len(_PNG)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + size]))
        at += size + 12
    return found


def _sealed(data):
    """Return a PNG with the right check sums."""
    return _joined(_chunks(data))


def _joined(chunks):
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return _PNG + b"".join(parts)


def _png(data, rng):
    chunks = _chunks(data)
    if not chunks:
        return None
    at, other = rng.randrange(len(chunks)), rng.randrange(len(chunks))
    kind, body = chunks[at]
    match rng.randrange(7):
        case 0:
            chunks[at], chunks[other] = chunks[other], chunks[at]
        case 1:
            chunks.insert(other, chunks[at])
        case 2:
            del chunks[at]
        case 3:
            chunks[at] = (kind, body[: rng.randrange(len(body) + 1)])
        case 4:
            chunks[at] = (
                rng.choice((b"tRNS", b"PLTE", b"iCCP", b"acTL", b"eXIf", b"zTXt", b"iTXt", b"ABCD", b"pHYs")),
                body,
            )
        case 5 if chunks[0][0] == b"IHDR":
            chunks[0] = (b"IHDR", _number(chunks[0][1], rng)[:13])
        case _:
            at, body = next(((i, c) for i, (k, c) in enumerate(chunks) if k == b"IDAT"), (None, b""))
            if at is None:
                return None
            chunks[at] = (b"IDAT", _recompressed(body, rng))
    return _joined(chunks)


def _recompressed(body, rng):
    """Damage what a zlib stream holds, or how it ends."""
    try:
        raw = zlib.decompress(body)
    except zlib.error:
        return body
    return rng.choice((
        lambda: zlib.compress(_flip(raw, rng)), lambda: zlib.compress(_cut(raw, rng)),
        lambda: zlib.compress(raw + bytes(9)), lambda: zlib.compress(raw)[:-4], lambda: zlib.compress(raw) + b"more",
    ))()  # fmt: skip


def _segments(data):
    """Return the segments of a JPEG before its first scan, and the rest."""
    at, found = 2, []
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append(data[at : at + size])
        at += size
    return found, data[at:]


def _jpeg(data, rng):
    segments, rest = _segments(data)
    if not segments:
        return None
    at, other = rng.randrange(len(segments)), rng.randrange(len(segments))
    match rng.randrange(6):
        case 0:
            segments[at], segments[other] = segments[other], segments[at]
        case 1:
            segments.insert(other, segments[at])
        case 2:
            del segments[at]
        case 3:
            segments[at] = segments[at][:4] + _flip(segments[at][4:], rng) if len(segments[at]) > 4 else segments[at]
        case 4:
            segments[at] = segments[at][:1] + bytes([rng.randrange(0xC0, 0xFF)]) + segments[at][2:]
        case _:
            place = rng.randrange(len(rest) + 1)
            rest = (
                rest[:place]
                + rng.choice((b"\xff\xd9", b"\xff\xd0", b"\xff\xda", b"\xff\xff", b"\xff\xc4\0\5\0\0\0"))
                + rest[place:]
            )
    return b"\xff\xd8" + b"".join(segments) + rest


def _tiff_entry(data, rng):
    """Change a field of one entry of a directory: tag, type, count or value."""
    number, big = "little" if data[:2] == b"II" else "big", data[2:4] in (b"+\0", b"\0+")
    width, count, entry = (8, 8, 20) if big else (4, 2, 12)
    at = int.from_bytes(data[8 if big else 4 :][:width], number)
    for _ in range(rng.choice((0, 0, 1, 2))):  # one of the pages
        entries = int.from_bytes(data[at : at + count], number)
        following = int.from_bytes(data[at + count + entries * entry :][:width], number)
        at = following if 0 < following < len(data) else at
    entries = int.from_bytes(data[at : at + count], number)
    if not 0 < entries < 100 or at + count + entries * entry > len(data):
        return None
    place = at + count + entry * rng.randrange(entries)
    where, size = rng.choice(((0, 2), (2, 2), (4, width), (4 + width, width), (4 + width, width), (4 + width, 2)))
    if rng.random() < 0.15:  # another entry in its place
        source = at + count + entry * rng.randrange(entries)
        return data[:place] + data[source : source + entry] + data[place + entry :]
    tags = (
        254,
        255,
        256,
        257,
        258,
        259,
        262,
        266,
        273,
        274,
        277,
        278,
        279,
        284,
        317,
        320,
        322,
        330,
        338,
        339,
        347,
        530,
    )
    tags += (700, 32997, 33629, 34412, 34665, 37724, 42113, 50839)
    value = (
        rng.choice(tags)
        if where == 0
        else rng.randrange(20)
        if where == 2
        else rng.choice((*range(12), *_INTERESTING, rng.randrange(len(data))))
    )
    value = (value % 256**size).to_bytes(size, number)
    return data[: place + where] + value + data[place + where + size :]


def _npy(data, rng):
    """Change the text of the header."""
    end = 10 + int.from_bytes(data[8:10], "little")
    head = data[10:end].decode("latin-1")
    words = (("|u1", "<u8"), ("|u1", "|O"), ("|u1", "<c8"), ("|u1", "<U7"), ("|u1", "|b1"), ("False", "True"),
             ("26", "2600000000"), ("21", "-1"), ("(", "(1, 2, 3, "), ("(", "(" * 50), ("descr", "dexcr"),
             ("|u1", "[('a', '|u1')]"), ("26", "26.0"), ("21", "0"),
             ("<f4", ">f4"), ("<f4", "<f8"), ("'", "\x1b"))  # fmt: skip
    new = head.replace(*rng.choice(words)).encode("latin-1")
    return data[:8] + len(new).to_bytes(2, "little") + new + data[end:]


def _zip(data, rng):
    """Damage one array of an NPZ, or its name, and write the archive anew."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return None
    if not members:
        return None
    name = rng.choice(sorted(members))
    match rng.randrange(5):
        case 0:
            del members[name]
        case 1:
            members[rng.choice(("../x.npy", "x", "\x1b[31m.npy", " ", "a:b.npy", "restorekit-corruption.npy"))] = (
                members[name]
            )
        case 2:
            members[name] = rng.choice((_cut, _flip, _head))(members[name], rng) if members[name] else b""
        case _:
            members[name] = _npy(members[name], rng) if members[name].startswith(b"\x93NUMPY") else b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _gzip(data, rng):
    try:
        raw = gzip.decompress(data)
    except Exception:
        return None
    return gzip.compress(rng.choice((_cut, _flip, _head, _append))(raw, rng), mtime=0)
