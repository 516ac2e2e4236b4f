"""EXIF and GPS directories inside a TIFF, which tifffile reads in part and does not write."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any, Literal, cast

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from tifffile import TiffFile, TiffPage

from restorekit.images.exif import PREFIX

_DIRECTORIES = (34665, 34853)  # EXIF, GPS
_INTEROPERABILITY = 40965
_DESCRIBING = (270, 271, 272, 305, 306, 315, 33432)
STAND_INS = {34664: 34665, 34852: 34853}  # tags that tifffile writes, and that become pointers to a directory


def can_hold(order: str, big: bool) -> bool:
    """Return whether directories can be read and written in such a file; Pillow has no big-endian BigTIFF."""
    return order == "<" or not big


def has_directories(page: TiffPage) -> bool:
    """Return whether a page points to an EXIF or a GPS directory."""
    return any(code in page.tags for code in _DIRECTORIES)


def read_exif(page: TiffPage) -> bytes | None:
    """Return the EXIF of a TIFF's page as a block of its own; None where it has no EXIF or GPS directory."""
    if not (has_directories(page) and can_hold(page.parent.byteorder, page.parent.is_bigtiff)):
        return None
    source = Image.Exif()
    source.endian, source.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    source.load_from_fp(cast(IO[bytes], page.parent.filehandle), page.offset)
    block = Image.Exif()
    for code in _DESCRIBING:
        if code in source:
            block[code] = source[code]
    for code, directory in _directories(source).items():
        block[code] = directory
    return block.tobytes().removeprefix(PREFIX)


def directories(exif: bytes | None) -> dict[int, dict[int, Any]]:
    """Return the EXIF and GPS directories of an EXIF block by the tag that points to them."""
    if not exif:
        return {}
    source = Image.Exif()
    source.load(PREFIX + exif)
    return _directories(source)


def describing(exif: bytes | None) -> dict[int, str]:
    """Return camera, software, time, author and copyright of an EXIF block by tag."""
    if not exif:
        return {}
    source = Image.Exif()
    source.load(PREFIX + exif)
    return {code: value for code in _DESCRIBING if isinstance(value := source.get(code), str)}


def _directories(source: Image.Exif) -> dict[int, dict[int, Any]]:
    found = {code: dict(source.get_ifd(code)) for code in _DIRECTORIES if code in source}
    if _INTEROPERABILITY in found.get(_DIRECTORIES[0], {}):
        found[_DIRECTORIES[0]][_INTEROPERABILITY] = dict(source.get_ifd(_INTEROPERABILITY))
    return {code: directory for code, directory in found.items() if directory}


def append(path: Path, exif: bytes | None) -> None:
    """Write the directories of `exif` at the end of a TIFF and make its stand-in tags point to them."""
    found = directories(exif)
    if not found:
        return
    with TiffFile(path) as tiff:
        places = {STAND_INS[t.code]: t.offset for t in tiff.pages.first.tags if t.code in STAND_INS}
        order, big = tiff.byteorder, tiff.is_bigtiff
    name: Literal["little", "big"] = "little" if order == "<" else "big"
    size = 8 if big else 4
    with path.open("r+b") as file:
        # A TIFF's first bytes state the byte order and the size of offsets.
        mark = b"II" if order == "<" else b"MM"
        head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8))
        for code, directory in found.items():
            end = file.seek(0, 2)
            end += file.write(b"\0" * (end % 2))
            ifd = ImageFileDirectory_v2(head, group=code)
            for key, value in directory.items():
                ifd[key] = value
            file.write(ifd.tobytes(end))
            file.seek(places[code])
            file.write(code.to_bytes(2, name))
            file.seek(places[code] + 4 + size)
            file.write(end.to_bytes(size, name))
