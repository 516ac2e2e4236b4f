"""PNG at 8 and 16 bits: pixels by libpng, all other chunks copied as they are."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import imagecodecs
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.picture import SPEC_KEY, Array, Header, Metadata, Picture, assemble

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = len(_SIGNATURE) + 25  # signature and IHDR
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_COLOURS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
_PALETTE = 3
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # Adam7
_CARRIED_ANYWAY = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"tIME"}
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_LARGEST_TEXT = 2**26  # bytes of all texts, unpacked; more is carried over and not read
_INCH = 0.0254  # metres
_STEP = 2**20  # bytes of a stream that are unpacked at once
_LEVEL = 4  # 2 % larger than 6, twice as fast
_XMP = "XML:com.adobe.xmp"

_Chunks = tuple[tuple[bytes, bytes], ...]


class _Info(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int  # type of the specification
    interlaced: bool
    chunks: _Chunks  # everything but IHDR, PLTE, IDAT, IEND

    @property
    def orientation(self) -> int:
        xmp = _text(tuple(chunk for chunk in self.chunks if chunk[1].startswith(_XMP.encode() + b"\0")))
        return exif.orientation(dict(self.chunks).get(b"eXIf"), xmp.get(_XMP, "").encode())

    @property
    def upright_size(self) -> tuple[int, int]:
        return (self.width, self.height) if self.orientation < 5 else (self.height, self.width)


def probe(path: Path) -> Header:
    """Read the header."""
    with path.open("rb") as file:
        info = _scan(file)
    width, height = info.upright_size
    return Header("png", 1, height, width, _COLOURS[info.colour], np.dtype(np.uint16 if info.depth == 16 else np.uint8))


def decode(path: Path) -> Picture:
    """Decode a file."""
    data = path.read_bytes()
    info = _scan(io.BytesIO(data))
    samples = _decoded(data, info)[np.newaxis]
    metadata, spec = _metadata(info)
    notes: tuple[str, ...] = ()
    if info.colour == _PALETTE:
        notes = (f"palette image is written as {'RGBA' if samples.shape[3] == 4 else 'RGB'}",)
    elif info.depth < 8:
        notes = (f"{info.depth}-bit gray is written as 8-bit gray",)
    if info.colour != _PALETTE and any(kind == b"tRNS" for kind, _ in info.chunks):
        notes = (*notes, "its transparent colour is written as an alpha channel")
    return assemble(
        "png",
        samples,
        metadata,
        alpha=samples.shape[3] in (2, 4),
        orientation=info.orientation,
        spec=spec,
        notes=notes,
    )


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write one frame of uint8 or uint16, (1, H, W, S), the last of 2 or 4 samples alpha."""
    chunks = picture.metadata.chunks or _made(picture.metadata, None)
    if spec is not None:
        chunks += _made(Metadata(), spec)
    raw = pixels[0].nbytes + pixels.shape[1]  # with one filter byte per row, which its own estimate of the size forgets
    # A side of one pixel may have any stride, which imagecodecs refuses.
    frame = np.ascontiguousarray(pixels[0]) if min(pixels[0].strides) > 0 else pixels[0].copy()
    body = imagecodecs.png_encode(frame, level=_LEVEL, out=raw + raw // 256 + 4096)
    with path.open("wb") as file:
        file.write(body[:_HEAD])
        for kind, data in chunks:
            file.write(_chunk(kind, data))
        file.write(memoryview(body)[_HEAD:])


def _scan(file: IO[bytes]) -> _Info:
    """Read all chunks but the pixels."""
    file.seek(len(_SIGNATURE))
    chunks = list[tuple[bytes, bytes]]()
    while len(head := file.read(8)) == 8:  # the decoder reports missing pixels
        size, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT":
            file.seek(size + 4, io.SEEK_CUR)
            continue
        chunks.append((kind, file.read(size)))
        file.seek(4, io.SEEK_CUR)
        if kind == b"IEND":
            break
    header = chunks[0][1] if chunks and chunks[0][0] == b"IHDR" else b""
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", header)
    if depth not in _DEPTHS.get(colour, ()) or methods[:2] != [0, 0] or methods[2] > 1:  # libpng prints these as well
        raise ImageError("the file is damaged: its header is not valid; get a complete copy of the file")
    if any(kind == b"acTL" for kind, _ in chunks):
        raise ImageError("an animated PNG is not supported; save its frames as separate files")
    others = tuple(c for c in chunks if c[0] not in (b"IHDR", b"PLTE", b"IEND"))
    return _Info(width, height, depth, colour, methods[2] == 1, others)


def _decoded(data: bytes, info: _Info) -> Array:
    """Decode the pixels, (H, W, S).

    libpng accepts a broken stream with no more than a line on the terminal, and complains there of chunks that
    do not touch the pixels. Chunks and stream are checked here, and it is shown files without either.
    """
    found = _pixel_chunks(data)
    if info.colour != _PALETTE:  # a suggestion, which changes no sample
        found.pop(b"PLTE", None)
    size = {0: 2, 2: 6, _PALETTE: len(found.get(b"PLTE", b"")) // 3}.get(info.colour, 0)
    opacity = found.get(b"tRNS", b"")
    if not opacity or len(opacity) > size or (info.colour != _PALETTE and len(opacity) < size):
        found.pop(b"tRNS", None)
    kept = b"".join(_chunk(kind, found[kind]) for kind in (b"PLTE", b"tRNS") if kind in found)
    bits = info.depth * _SAMPLES[info.colour]
    passes = _PASSES if info.interlaced else ((0, 0, 1, 1),)
    sides = [(-(-(info.height - y) // down), -(-(info.width - x) // right)) for y, x, down, right in passes]
    sizes = [h * (1 + -(-w * bits // 8)) if min(h, w) > 0 else 0 for h, w in sides]
    stream = found.get(b"IDAT", b"")
    if not info.interlaced:
        if not _is_exact(stream, sizes[0]):  # more data than pixels, which some encoders write
            stream = zlib.compress(zlib.decompressobj().decompress(stream, sizes[0]), 1)
        return _part(info, info.height, info.width, kept, stream)
    raw = zlib.decompressobj().decompress(stream, sum(sizes)) if _is_exact(stream, sum(sizes)) else b""
    samples, at = np.empty(0), 0
    for (y, x, down, right), (height, width), size in zip(passes, sides, sizes, strict=True):
        if not size:
            continue
        part = _part(info, height, width, kept, zlib.compress(raw[at : at + size], 1))
        if not samples.size:
            samples = np.empty((info.height, info.width, part.shape[2]), part.dtype)
        samples[y::down, x::right] = part
        at += size
    return samples


def _part(info: _Info, height: int, width: int, kept: bytes, stream: bytes) -> Array:
    """Decode the pixels of the file, or of one pass of it, as a picture without interlacing."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, info.depth, info.colour, 0, 0, 0))
    complete = b"".join((_SIGNATURE, header, kept, _chunk(b"IDAT", stream), _chunk(b"IEND", b"")))
    return np.asarray(imagecodecs.png_decode(complete)).reshape(height, width, -1)


def _pixel_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the content of the chunks that describe the pixels, checked; that of all IDAT together.

    Raises
    ------
    ImageError
        A check sum is wrong, or a chunk is repeated, out of its place or missing.
    """
    at, found, order = len(_SIGNATURE), dict[bytes, list[bytes]](), list[bytes]()
    while at + 12 <= len(data) and order[-1:] != [b"IEND"]:
        size, kind = struct.unpack_from(">I4s", data, at)
        body, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if kind in _PIXELS:
            if zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big") != check:
                raise _broken(f"check sum of {kind.decode()}")
            found.setdefault(kind, []).append(body)
        if not [kind] == order[-1:] == [b"IDAT"]:
            order.append(kind)
        at += size + 12
    known = [kind for kind in order if kind in _PIXELS]
    if known != [kind for kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND") if kind in known]:
        raise _broken("its chunks are repeated or not in their order")
    if known[-1:] != [b"IEND"] or b"IDAT" not in known:
        raise ImageError("the file is truncated: it has no end; get a complete copy of the file")
    return {kind: b"".join(bodies) for kind, bodies in found.items()}


def _is_exact(stream: bytes, size: int) -> bool:
    """Check a compressed stream; return whether it holds `size` bytes and nothing more.

    Raises
    ------
    ImageError
        It holds fewer, is cut, or has a wrong check sum.
    """
    unpack, view, held = zlib.decompressobj(), memoryview(stream), 0
    try:
        for at in range(0, len(view), _STEP):
            rest: bytes | memoryview = view[at : at + _STEP]
            while rest and not unpack.eof:
                held += len(unpack.decompress(rest, _STEP))
                rest = unpack.unconsumed_tail
                if held > size:
                    return False
    except zlib.error as error:
        raise _broken(str(error)) from error
    if held < size or not unpack.eof:
        raise _broken("its pixels are incomplete")
    return held == size and not unpack.unused_data


def _broken(reason: str) -> ImageError:
    return ImageError(f"the file is damaged: {reason}; get a complete copy of the file")


def _metadata(info: _Info) -> tuple[Metadata, str | None]:
    """Return the metadata of the chunks, and the corruption spec."""
    chunks, size = info.chunks, info.upright_size
    text, found = _text(chunks), dict(chunks)
    spec, xmp = text.pop(SPEC_KEY, None), text.pop(_XMP, None)
    dpi = None
    if len(scale := found.get(b"pHYs", b"")) == 9 and scale[8] == 1:  # per metre
        dpi = tuple(value * _INCH for value in struct.unpack(">II", scale[:8]))
    metadata = Metadata(
        exif=exif.of_pixels(found.get(b"eXIf"), *size),
        icc=_unpacked(found.get(b"iCCP", b"").partition(b"\0")[2][1:]) or None,
        xmp=exif.xmp_of_pixels(xmp.encode(), *size) if xmp else None,
        dpi=(dpi[0], dpi[1]) if dpi and min(dpi) > 0 else None,
        text=tuple(text.items()),
        chunks=_carried(chunks, size),
    )
    return metadata, spec


def _text(chunks: _Chunks) -> dict[str, str]:
    """Return the texts that can be read; chunks are carried over whether or not they can."""
    found, room = dict[str, str](), _LARGEST_TEXT
    for kind, data in chunks:
        key, _, rest = data.partition(b"\0")
        if kind == b"tEXt":
            text: str | None = rest.decode("latin-1")
        elif kind == b"zTXt":
            text = None if (plain := _unpacked(rest[1:])) is None else plain.decode("latin-1")
        elif kind == b"iTXt":
            text = None if (plain := _international(rest)) is None else plain.decode("utf-8", "replace")
        else:
            continue
        if text is not None and len(text) <= room:
            room -= len(text)
            found[key.decode("latin-1")] = text
    return found


def _international(rest: bytes) -> bytes | None:
    """Return the text of an iTXt chunk behind its keyword."""
    parts = rest[2:].split(b"\0", 2)  # language, keyword in it, text
    if len(rest) < 2 or len(parts) < 3:
        return None
    return _unpacked(parts[2]) if rest[0] else parts[2]


def _unpacked(data: bytes) -> bytes | None:
    """Decompress what a chunk holds; None if that fails or is larger than any text or profile."""
    unpack = zlib.decompressobj()
    try:
        plain = unpack.decompress(data, _LARGEST_TEXT)
    except zlib.error:
        return None
    return plain if unpack.eof else None


def _carried(chunks: _Chunks, size: tuple[int, int]) -> _Chunks:
    """Keep what the specification marks as safe to copy when pixels change, colour space and time; not our spec."""
    carried = list[tuple[bytes, bytes]]()
    for kind, data in chunks:
        safe = bool(kind[3] & 0x20) or kind in _CARRIED_ANYWAY
        if not safe or data.startswith(SPEC_KEY.encode() + b"\0"):
            continue
        if kind == b"eXIf":
            data = exif.of_pixels(data, *size) or data
        elif kind == b"iTXt" and data.startswith(_XMP.encode() + b"\0"):
            xmp = _international(data.partition(b"\0")[2])
            data = data if xmp is None else _XMP.encode() + bytes(5) + exif.xmp_of_pixels(xmp, *size)
        carried.append((kind, data))
    return tuple(carried)


def _made(metadata: Metadata, spec: str | None) -> _Chunks:
    """Let Pillow write metadata into a PNG of one pixel, and take the chunks out of it."""
    text = PngInfo()
    for key, value in (*metadata.text, *(((SPEC_KEY, spec),) if spec is not None else ())):
        text.add_text(key, value)
    if metadata.xmp:
        text.add_itxt(_XMP, metadata.xmp.decode("utf-8", "replace"))
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(
        out, "PNG", pnginfo=text, exif=metadata.exif or b"", icc_profile=metadata.icc, dpi=metadata.dpi
    )
    return _scan(out).chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
