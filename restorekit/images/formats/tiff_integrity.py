"""Checks of a TIFF page that tifffile leaves out: it fills what it cannot read with defaults and zeros.

Tag numbers are those of the TIFF 6.0 specification (Adobe, 1992).
"""

from __future__ import annotations

import math
import struct

from tifffile import TiffPage

from restorekit.core.errors import ImageError
from restorekit.images.formats.jpeg_scan import check_scans, read_markers

_COPY = "get a complete copy of the file"
_NO_DATA, _TABLES, _PALETTE, _PLANAR = 42113, 347, 3, 284
# Tags without which samples are decoded as others.
_LAYOUT = {*range(256, 260), 262, 273, 277, 278, 279, _PLANAR, 317, 320, *range(322, 326), 338, 339, _TABLES, 530}
_MAX_TILE = 2**24  # pixels of a tile that is larger than its picture
_MAX_LARGER = 16  # of the pixels of JPEG data over those of their strip or tile, which writers round up
_JPEG, _FAX = 7, (2, 3, 4)  # compressions
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 6: 3}  # samples of a colour by PhotometricInterpretation


def check_page(page: TiffPage) -> None:
    """Check that the samples of a page are described and in the file.

    Raises
    ------
    ImageError
        A tag of the layout cannot be read, tags contradict each other, or a strip or tile is missing or cut.
    """
    sides = (page.imagelength, page.imagewidth, page.imagedepth, page.samplesperpixel)
    if not all(isinstance(side, int) for side in sides):  # tifffile passes on whatever a tag holds
        raise ImageError(f"the TIFF states no size in pixels; {_COPY}")
    file, order, big = page.parent.filehandle, page.parent.byteorder, page.parent.is_bigtiff
    head, entry = (8, 20) if big else (2, 12)
    file.seek(page.offset)
    data = file.read(int.from_bytes(file.read(head), "little" if order == "<" else "big") * entry)
    # the codes of all tags as they stand in the file, whether or not tifffile could read them
    stated = {code for (code,) in struct.iter_unpack(f"{order}H{entry - 2}x", data[: len(data) // entry * entry])}
    unread = sorted(code for code in stated & _LAYOUT if code not in page.tags)
    if page.samplesperpixel == 1:
        unread = [code for code in unread if code != _PLANAR]
    if unread:
        raise ImageError(f"the file is damaged: its tag {unread[0]} cannot be read; {_COPY}")
    _check_samples(page)
    _check_segments(page)


def _check_samples(page: TiffPage) -> None:
    stated, samples = page.tags.valueof(258), page.samplesperpixel
    colours, extra = _COLOURS.get(int(page.photometric)), len(page.extrasamples)
    if isinstance(stated, tuple) and len(stated) not in (1, samples):
        raise ImageError(f"the file is damaged: it states bits for {len(stated)} samples of {samples}; {_COPY}")
    if colours is not None and (samples < colours or (extra and samples != colours + extra)):
        raise ImageError(
            f"the file is damaged: it states {samples} samples for {colours} colours and {extra} more; {_COPY}"
        )
    plain = int(page.compression) == 1 and page.databytecounts
    if stated is None and plain and page.databytecounts[0] >= 2 * -(-page.rowsperstrip * page.imagewidth // 8):
        raise ImageError(f"the file is damaged: it states no bits per sample and has more than one; {_COPY}")
    if int(page.compression) in _FAX and stated not in (None, 1):
        raise ImageError(f"the file is damaged: it states {stated} bits per sample for a fax, which has one; {_COPY}")
    if samples > 1 and page.tags.valueof(_PLANAR, 1) not in (1, 2):
        raise ImageError(f"the file is damaged: its tag {_PLANAR} cannot be read; {_COPY}")
    if page.photometric == _PALETTE and page.colormap is None:
        raise ImageError(f"the palette TIFF has no palette; {_COPY}")


def _check_segments(page: TiffPage) -> None:
    """Raise an ImageError unless all strips or tiles lie in the file."""
    size, needed = page.parent.filehandle.size, math.prod(page.chunked)
    if page.is_tiled and page.tilelength * page.tilewidth > max(_MAX_TILE, 4 * page.imagelength * page.imagewidth):
        raise ImageError(f"the file is damaged: its tiles have {page.tilelength} x {page.tilewidth} pixels; {_COPY}")
    if page.is_contiguous:  # tifffile reads from the first strip on, whatever the strips hold
        held = sum(page.databytecounts)
        if 0 < held < page.nbytes:
            raise ImageError(f"the TIFF needs {page.nbytes} bytes for a page and states {held}; {_COPY}")
        if page.dataoffsets[0] + page.nbytes > size or page.dataoffsets[0] <= 0:
            raise ImageError(f"the TIFF is truncated: its samples go beyond the end of the file; {_COPY}")
        return
    held = min(len(page.dataoffsets), len(page.databytecounts))
    if held < needed:
        raise ImageError(f"the TIFF needs {needed} strips or tiles for a page and has {held}; {_COPY}")
    places = list(zip(page.dataoffsets[:needed], page.databytecounts[:needed], strict=True))
    if any(min(offset, count) < 0 or offset + count > size for offset, count in places):
        raise ImageError(f"the TIFF is truncated: its samples go beyond the end of the file; {_COPY}")
    empty = sum(not (offset and count) for offset, count in places)
    sparse = _NO_DATA in page.tags and all(bool(offset) == bool(count) for offset, count in places)
    if empty and not sparse:
        raise ImageError(
            f"{empty} of the {needed} strips or tiles of the TIFF are left out, and it declares no number for no data;"
            " fill them first, for example with: gdal_translate IN OUT"
        )


def check_jpeg(page: TiffPage) -> tuple[str, ...]:
    """Follow the data of a page that is compressed as JPEG, as `restorekit.images.formats.jpeg_scan` does.

    Raises
    ------
    ImageError
        A strip or tile cannot be decoded.
    """
    if int(page.compression) != _JPEG or page.jpegheader is not None:
        return ()
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    tables, notes = page.tags.valueof(_TABLES) or b"", dict[str, None]()
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if not count:
            continue
        file.seek(offset)
        data = file.read(count)
        data = (bytes(tables[:-2]) + data[2:]) if len(tables) > 2 else data
        markers = read_markers(data)
        if not markers.end or not markers.scans:
            raise ImageError(f"the TIFF is truncated: a strip or tile of JPEG has no end; {_COPY}")
        if markers.height * markers.width > _MAX_LARGER * rows * columns:
            raise ImageError(f"the file is damaged: a strip or tile is larger than it may be; {_COPY}")
        if markers.unsupported is None:
            notes |= dict.fromkeys(check_scans(data, markers))
    return tuple(notes)
