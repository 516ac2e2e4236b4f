"""Read TIFF of any depth, channels and pages with tifffile.

Tag numbers are those of the TIFF 6.0 specification (Adobe, 1992).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile

from restorekit.images import exif
from restorekit.images.formats.tiff_description import fitted_pages
from restorekit.images.formats.tiff_exif import can_hold, has_directories, read_exif
from restorekit.images.formats.tiff_integrity import check_jpeg
from restorekit.images.formats.tiff_pages import (
    Directory,
    common_dtype,
    differing_shapes,
    hidden_by_masks,
    infrared_page,
    largest_shape,
    nodata_of,
    open_tiff,
    picture_directories,
    total_frames,
)
from restorekit.images.formats.tiff_samples import PALETTE, RGB, dtype_of, scaled_bits
from restorekit.images.picture import (
    DEEPER,
    SPEC_KEY,
    Array,
    Header,
    Infrared,
    Metadata,
    PageKind,
    Picture,
    Tag,
    TiffLayout,
    assemble,
    upright,
)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # odd tags are no news for the terminal

SPEC_TAG = 65333  # private; its text starts with SPEC_KEY
_DEFLATE = COMPRESSION.ADOBE_DEFLATE
_KEPT = (COMPRESSION.NONE, COMPRESSION.LZW, _DEFLATE, COMPRESSION.PACKBITS, COMPRESSION.ZSTD, COMPRESSION.LZMA)
_REWRITTEN = {int(COMPRESSION.DEFLATE): int(_DEFLATE), **{int(c): int(c) for c in _KEPT}}  # compression in -> out
_ORIENTATION, _DESCRIPTION, _SOFTWARE, _XMP, _ICC, _LAYERS = 274, 270, 305, 700, 34675, 37724
_SUB_DIRECTORIES = 330
_OWN = (33628, 33629, 33630, 33631, 34412)  # with places in the file or counts of frames: MetaMorph, Zeiss LSM
_TEXT = {_DESCRIPTION: "Description", 315: "Author", 33432: "Copyright", _SOFTWARE: "Software"}
# Tags of the layout of the samples: written anew, or wrong after the decoding.
_LAYOUT_TAGS = {254, 255, *range(256, 260), 262, 266, 273, *range(277, 280), 284, 288, 289, 292, 293, 317}
_LAYOUT_TAGS |= {*range(322, 326), 330, 338, 339, 347, 400, *range(512, 522), *range(529, 533), 32997, 32998}
_LAYOUT_TAGS |= {34665, 34853, _LAYERS, 40965, SPEC_TAG, *_OWN}
_TILE_STEP = 16  # sides of tiles are multiples of it, in files that are written
_RESOLUTION, _RATIONAL = (282, 283), 5


def probe(path: Path) -> Header:
    """Read the header."""
    with open_tiff(path) as file:
        pages = picture_directories(file)
        return Header("tiff", total_frames(pages), *largest_shape(pages), common_dtype(pages), differing_shapes(pages))


def decode(path: Path) -> Picture:
    """Decode a file."""
    with open_tiff(path) as file:
        pages = picture_directories(file)
        doubts = tuple(dict.fromkeys(note for d in pages for note in check_jpeg(d.page)))
        samples = _read(pages)
        hidden, scan = hidden_by_masks(file, pages), infrared_page(file, pages)
        infrared = None
        if scan is not None:
            plane = np.ascontiguousarray(upright(scan.samples(), scan.orientation))
            infrared = Infrared(plane, None, pages[0].shape[2], _tags(scan))
        layout = replace(_layout(pages), masked=hidden is not None)
        metadata = _metadata(pages, layout)
        notes = _notes(file, pages, layout, scan is not None) + doubts
        text, prefix, nodata = pages[0].value_of(SPEC_TAG), f"{SPEC_KEY}: ", nodata_of(pages[0])
        if nodata is not None and common_dtype(pages) == np.uint16 and dtype_of(pages[0].page) == np.uint8:
            nodata *= DEEPER
        alpha = any(d.meaning.alpha for d in pages)
        shapes, bits = differing_shapes(pages), scaled_bits(pages[0].page)
    spec = text.removeprefix(prefix) if isinstance(text, str) and text.startswith(prefix) else None
    picture = assemble("tiff", samples, metadata, alpha, spec=spec, notes=notes, nodata=nodata, hidden=hidden)
    scale = 1.0 if bits is None else np.iinfo(picture.pixels.dtype).max / (2**bits - 1)
    return replace(picture, shapes=shapes, scale=scale, infrared=infrared)


def _read(pages: list[Directory]) -> Array:
    """Return all frames, (N, H, W, S), upright, in the machine's byte order, black as 0."""
    if len(pages) == 1:
        return upright(pages[0].samples(), pages[0].orientation)
    dtype, alpha = common_dtype(pages), any(page.meaning.alpha for page in pages)
    height, width, channels = largest_shape(pages)
    frames = np.zeros((total_frames(pages), height, width, channels + alpha), dtype)
    first = 0
    for page in pages:
        height, width, channels = page.shape
        part = frames[first : (first := first + page.frames)]
        samples = upright(page.samples(), page.orientation)
        if dtype == np.uint16 and samples.dtype == np.uint8:
            samples = samples * np.uint16(DEEPER)
        part[:, :height, :width, :channels] = samples[..., :channels]
        if alpha:
            part[..., -1] = 1 if dtype.kind == "f" else np.iinfo(dtype).max
        if page.meaning.alpha:
            part[:, :height, :width, -1] = samples[..., -1]
    return frames


def _metadata(pages: list[Directory], layout: TiffLayout) -> Metadata:
    first = pages[0]
    icc, xmp = first.value_of(_ICC), first.value_of(_XMP)
    text = ((name, first.value_of(code)) for code, name in _TEXT.items())
    dpi, tags = None, first.page.tags
    if tags.valueof(296, 2) in (2, 3) and 282 in tags and 283 in tags:
        x, y = first.page.get_resolution(unit=2)
        dpi = float(x), float(y)
    return Metadata(
        exif=read_exif(first.owner),
        icc=bytes(icc) if icc else None,
        xmp=exif.upright_xmp(bytes(xmp)) if xmp else None,
        dpi=dpi,
        text=tuple((name, value) for name, value in text if isinstance(value, str)),
        tiff=layout,
    )


def _layout(pages: list[Directory]) -> TiffLayout:
    page, meaning = pages[0].page, pages[0].meaning
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else (0, 0)
    kinds = tuple(
        PageKind(RGB if d.meaning.colours == 3 else int(d.page.photometric), *d.meaning[2:0:-1], dtype_of(d.page).name)
        for d in pages
        for _ in range(d.frames)
    )
    return TiffLayout(
        byteorder=page.parent.byteorder,
        big=page.parent.is_bigtiff,
        photometric=kinds[0].photometric,
        planar=int(page.planarconfig),
        compression=_REWRITTEN.get(int(page.compression), int(_DEFLATE)),
        predictor=int(page.predictor),
        tile=tile if tile[0] % _TILE_STEP == tile[1] % _TILE_STEP == 0 < min(tile) else None,
        rows_per_strip=min((page.tilelength if page.is_tiled else page.rowsperstrip) or 1, page.imagelength),
        extra_samples=meaning.extra,
        pages=tuple(tags for d in pages for tags in (_tags(d), *[()] * (d.frames - 1))),
        kinds=kinds if len(set(kinds)) > 1 else (),
    )


def _tags(directory: Directory) -> tuple[Tag, ...]:
    """Return the tags that describe: code, type, count and the bytes as they stand in the file."""
    page, owner = directory.page, directory.owner
    drop = {*_LAYOUT_TAGS, *([320] if page.photometric == PALETTE else ())}
    own = [] if owner is page else [tag for tag in owner.tags if tag.code not in page.tags]
    kept, file = [], page.parent.filehandle
    for tag in (*own, *page.tags):
        if tag.code in drop or (tag.code in _RESOLUTION and tag.dtype != _RATIONAL):
            continue
        file.seek(tag.valueoffset)
        data = file.read(tag.valuebytecount)
        if tag.code == _ORIENTATION:
            data = (1).to_bytes(len(data), "little" if page.parent.byteorder == "<" else "big")
        kept.append((tag.code, int(tag.dtype), tag.count, exif.upright_xmp(data) if tag.code == _XMP else data))
    return tuple(kept)


def _notes(file: TiffFile, pages: list[Directory], layout: TiffLayout, infrared: bool) -> tuple[str, ...]:
    kinds, owner = [d.page for d in pages], pages[0].owner
    bits = next((b for page in kinds if (b := scaled_bits(page)) is not None), 0)
    full = kinds[0].dtype.itemsize * 8 if kinds[0].dtype else 0
    compression = next((page.compression for page in kinds if int(page.compression) not in _REWRITTEN), None)
    shapes = [(*d.shape[:2], d.shape[2] + d.meaning.alpha) for d in pages for _ in range(d.frames)]
    notes = {
        "palette image is written as RGB": any(page.photometric == PALETTE for page in kinds),
        "1-bit image is written as 8-bit gray": any(page.bitspersample == 1 for page in kinds),
        f"{bits}-bit samples are scaled from 0..{2**bits - 1} to 0..{2**full - 1} and written in {full} bits": bits > 0,
        "samples of several depths are scaled to 8 bits": any(isinstance(p.bitspersample, tuple) for p in kinds),
        f"{PHOTOMETRIC.YCBCR.name} is written as RGB": any(page.photometric == PHOTOMETRIC.YCBCR for page in kinds),
        f"compression {getattr(compression, 'name', compression)} is written as deflate": compression is not None,
        "the reduced copies or masks in the TIFF are dropped": len(pages) * (1 + layout.masked) + infrared
        < len(file.pages)
        or any(_SUB_DIRECTORIES in d.owner.tags for d in pages),
        "frames behind one directory are written with a directory each": any(d.frames > 1 for d in pages),
        "the layout that its description states is corrected": fitted_pages(layout, shapes) != layout.pages,
        "Photoshop layers are dropped": _LAYERS in owner.tags,
        "tags that only MetaMorph or Zeiss LSM files have are dropped": any(
            c in page.tags for page in kinds for c in _OWN
        ),
        "the EXIF of a big-endian BigTIFF is dropped": has_directories(owner)
        and not can_hold(owner.parent.byteorder, owner.parent.is_bigtiff),
    }
    return tuple(sentence for sentence, holds in notes.items() if holds)
