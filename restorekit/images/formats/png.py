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
_COLOURS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}
_PALETTE = 3
_CARRIED_ANYWAY = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"tIME"}
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_LARGEST_TEXT = 2**26  # bytes, unpacked; larger ones are carried over and not read
_INCH = 0.0254  # metres
_LEVEL = 4  # 2 % larger than 6, twice as fast
_XMP = "XML:com.adobe.xmp"

_Chunks = tuple[tuple[bytes, bytes], ...]


class _Info(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int  # type of the specification
    chunks: _Chunks  # everything but IHDR, PLTE, IDAT, IEND

    @property
    def orientation(self) -> int:
        return exif.orientation(dict(self.chunks).get(b"eXIf"), _text(self.chunks).get(_XMP, "").encode())

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
    samples = imagecodecs.png_decode(_bare(data))
    samples = samples.reshape(1, info.height, info.width, -1)
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
    body = imagecodecs.png_encode(np.ascontiguousarray(pixels[0]), level=_LEVEL, out=raw + raw // 256 + 4096)
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
    width, height, depth, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    if any(kind == b"acTL" for kind, _ in chunks):
        raise ImageError("an animated PNG is not supported; save its frames as separate files")
    others = tuple(c for c in chunks if c[0] not in (b"IHDR", b"PLTE", b"IEND"))
    return _Info(width, height, depth, colour, others)


def _bare(data: bytes) -> bytes:
    """Remove all chunks that do not describe the pixels, as libpng complains of many on the terminal."""
    view, at, parts = memoryview(data), len(_SIGNATURE), [memoryview(_SIGNATURE)]
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in _PIXELS:
            parts.append(view[at : at + size + 12])
        at += size + 12
    return b"".join(parts)


def _metadata(info: _Info) -> tuple[Metadata, str | None]:
    """Return the metadata of the chunks, and the corruption spec."""
    chunks, size = info.chunks, info.upright_size
    text, found = _text(chunks), dict(reversed(chunks))
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
    found = dict[str, str]()
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
        if text is not None:
            found[key.decode("latin-1")] = text
    return found


def _international(rest: bytes) -> bytes | None:
    """Return the text of an iTXt chunk behind its keyword."""
    parts = rest[2:].split(b"\0", 2)  # language, keyword in it, text
    if len(rest) < 2 or len(parts) < 3:
        return None
    return _unpacked(parts[2]) if rest[0] else parts[2]


def _unpacked(data: bytes) -> bytes | None:
    """Decompress what a chunk holds; None if it is damaged or larger than any text or profile."""
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
