"""Read TIFF of any depth, channels and pages with tifffile, as gray or RGB with black as 0.

Tag numbers are those of the TIFF 6.0 specification (Adobe, 1992).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from restorekit.core.errors import ImageError
from restorekit.images import exif
from restorekit.images.formats.tiff_exif import can_hold, has_directories, read_exif
from restorekit.images.picture import SPEC_KEY, Array, Header, Metadata, Picture, TiffLayout, assemble

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # odd tags are no news for the terminal

MIN_IS_WHITE, PALETTE = 0, 3  # PhotometricInterpretation
ALPHA = (1, 2)  # ExtraSamples: premultiplied, straight
SPEC_TAG = 65333  # private; its text starts with SPEC_KEY
_DEFLATE = COMPRESSION.ADOBE_DEFLATE
_KEPT = (COMPRESSION.NONE, COMPRESSION.LZW, _DEFLATE, COMPRESSION.PACKBITS, COMPRESSION.ZSTD, COMPRESSION.LZMA)
_REWRITTEN = {int(COMPRESSION.DEFLATE): int(_DEFLATE), **{int(c): int(c) for c in _KEPT}}  # compression in -> out
_ORIENTATION, _DESCRIPTION, _SOFTWARE, _XMP, _ICC, _LAYERS = 274, 270, 305, 700, 34675, 37724
_TEXT = {_DESCRIPTION: "Description", 315: "Author", 33432: "Copyright", _SOFTWARE: "Software"}
# Tags of the layout of the samples: written anew, or wrong after the decoding.
_LAYOUT_TAGS = {254, 255, *range(256, 260), 262, 266, 273, *range(277, 280), 284, 288, 289, 292, 293, 317}
_LAYOUT_TAGS |= {*range(322, 326), 330, 338, 339, 347, 400, *range(512, 522), *range(529, 533), 32997, 32998}
_LAYOUT_TAGS |= {34665, 34853, _LAYERS, 40965, SPEC_TAG}
_RESOLUTION, _RATIONAL = (282, 283), 5
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 3, 6: 3}  # photometric -> colours; 3 and 6 become RGB


class SampleMeaning(NamedTuple):
    """Colours, whether the last sample is alpha, and what each sample beyond the colours is."""

    colours: int
    alpha: bool
    extra: tuple[int, ...]


def probe(path: Path) -> Header:
    """Read the header."""
    with TiffFile(path) as file:
        pages = _pages(file)
        page = pages[0]
        samples = meaning_of(page)
        height, width = page.imagelength, page.imagewidth
        if _orientation(page) >= 5:
            height, width = width, height
        total = len(samples.extra) + samples.colours - samples.alpha
        return Header("tiff", _frames(file, pages), height, width, total, dtype_of(page))


def decode(path: Path) -> Picture:
    """Decode a file."""
    with TiffFile(path) as file:
        pages = _pages(file)
        page = pages[0]
        meaning = meaning_of(page)
        frames = _read(file, pages)
        metadata = _metadata(page, pages)
        notes = _notes(file, page, len(pages))
        orientation, text, prefix = _orientation(page), page.tags.valueof(SPEC_TAG, ""), f"{SPEC_KEY}: "
    spec = text.removeprefix(prefix) if isinstance(text, str) and text.startswith(prefix) else None
    return assemble("tiff", frames, metadata, meaning.alpha, orientation, spec, notes)


def _pages(file: TiffFile) -> list[TiffPage]:
    """Return the pages that are frames: neither reduced copies nor masks, all of one size and type."""
    file.pages.useframes = False
    every = [cast(TiffPage, page) for page in file.pages]
    pages = [page for page in every if not (page.is_reduced or page.is_mask)] or every
    if not pages:
        raise ImageError("the TIFF holds no page; get a complete copy of the file")
    sizes = dict.fromkeys((page.shape, str(page.dtype)) for page in pages)
    if len(sizes) > 1:
        both = " and ".join(f"{'x'.join(map(str, shape))} {dtype}" for shape, dtype in list(sizes)[:2])
        raise ImageError(f"the pages of the TIFF differ in size or type ({both}); split it into one file per size")
    return pages


def _frames(file: TiffFile, pages: list[TiffPage]) -> int:
    """Count frames; ImageJ keeps many behind one page where the file is large."""
    series = file.series[0]
    behind = len(pages) == 1 and file.is_imagej and series.size > pages[0].size
    return series.size // pages[0].size if behind else len(pages)


def _read(file: TiffFile, pages: list[TiffPage]) -> Array:
    """Return all frames, (N, H, W, S), in the machine's byte order, black as 0."""
    page, n = pages[0], _frames(file, pages)
    if n > len(pages):
        stored = file.series[0].asarray().reshape(n, *page.shaped)
        return np.concatenate([samples_of(page, frame)[np.newaxis] for frame in stored])
    first = samples_of(page, page.asarray(squeeze=False))
    if n == 1:
        return first[np.newaxis]
    frames = np.empty((n, *first.shape), first.dtype)
    frames[0] = first
    for i, other in enumerate(pages[1:], start=1):
        frames[i] = samples_of(other, other.asarray(squeeze=False))
    return frames


def _orientation(page: TiffPage) -> int:
    value = page.tags.valueof(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _metadata(page: TiffPage, pages: list[TiffPage]) -> Metadata:
    tags = page.tags
    icc, xmp = tags.valueof(_ICC), tags.valueof(_XMP)
    text = ((name, tags.valueof(code)) for code, name in _TEXT.items())
    dpi = None
    if tags.valueof(296, 2) in (2, 3) and 282 in tags and 283 in tags:
        x, y = page.get_resolution(unit=2)
        dpi = float(x), float(y)
    return Metadata(
        exif=read_exif(page),
        icc=bytes(icc) if icc else None,
        xmp=exif.upright_xmp(bytes(xmp)) if xmp else None,
        dpi=dpi,
        text=tuple((name, value) for name, value in text if isinstance(value, str)),
        tiff=_layout(page, pages),
    )


def _layout(page: TiffPage, pages: list[TiffPage]) -> TiffLayout:
    palette = page.photometric == PALETTE
    colours = 3 if palette or page.samplesperpixel - len(meaning_of(page).extra) == 3 else 1
    return TiffLayout(
        byteorder=page.parent.byteorder,
        big=page.parent.is_bigtiff,
        photometric=2 if colours == 3 else int(page.photometric),
        planar=int(page.planarconfig),
        compression=_REWRITTEN.get(int(page.compression), int(_DEFLATE)),
        predictor=int(page.predictor),
        tile=(page.tilelength, page.tilewidth) if page.is_tiled else None,
        rows_per_strip=min(page.rowsperstrip, page.imagelength),
        extra_samples=meaning_of(page).extra,
        pages=tuple(_tags(p, drop=320 if palette else -1) for p in pages),
    )


def _tags(page: TiffPage, drop: int) -> tuple[tuple[int, int, int, bytes], ...]:
    """Return the tags that describe: code, type, count and the bytes as they stand in the file."""
    file = page.parent.filehandle
    kept = []
    for tag in page.tags:
        if tag.code in _LAYOUT_TAGS or tag.code == drop or (tag.code in _RESOLUTION and tag.dtype != _RATIONAL):
            continue
        file.seek(tag.valueoffset)
        data = file.read(tag.valuebytecount)
        if tag.code == _ORIENTATION:
            data = (1).to_bytes(len(data), "little" if page.parent.byteorder == "<" else "big")
        kept.append((tag.code, int(tag.dtype), tag.count, exif.upright_xmp(data) if tag.code == _XMP else data))
    return tuple(kept)


def _notes(file: TiffFile, page: TiffPage, kept: int) -> tuple[str, ...]:
    bits = page.bitspersample
    notes = {
        "palette image is written as RGB": page.photometric == PALETTE,
        "1-bit image is written as 8-bit gray": bits == 1,
        f"{bits}-bit samples are written in {page.dtype.itemsize * 8 if page.dtype else 0} bits": bits
        not in (1, 8, 16, 32, 64),
        f"{PHOTOMETRIC(page.photometric).name} is written as RGB": page.photometric == PHOTOMETRIC.YCBCR,
        f"compression {COMPRESSION(page.compression).name} is written as deflate": int(page.compression)
        not in _REWRITTEN,
        "the reduced copies or masks in the TIFF are dropped": kept < len(file.pages) or 330 in page.tags,
        "Photoshop layers are dropped": _LAYERS in page.tags,
        "the EXIF of a big-endian BigTIFF is dropped": has_directories(page)
        and not can_hold(page.parent.byteorder, page.parent.is_bigtiff),
    }
    return tuple(sentence for sentence, holds in notes.items() if holds)


def samples_of(page: TiffPage, stored: Array) -> Array:
    """Turn what tifffile read, (planes, 1, H, W, interleaved), into (H, W, S)."""
    if stored.shape[1] != 1:
        raise ImageError("a TIFF page with depth (a volume in one page) is not supported; save one page per slice")
    samples = np.moveaxis(stored[:, 0], 0, -1)[..., 0, :] if stored.shape[0] > 1 else stored[0, 0]
    if page.photometric == PALETTE:
        if page.colormap is None:
            raise ImageError("the palette TIFF has no palette; get a complete copy of the file")
        table = np.asarray(page.colormap).T
        table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
        return table[samples[..., 0]]
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8) * np.uint8(255)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    return invert(samples, len(meaning_of(page).extra)) if page.photometric == MIN_IS_WHITE else samples


def invert(samples: Array, extra: int) -> Array:
    """Turn white-is-0 samples, (..., S), into black-is-0 ones or back, leaving `extra` last ones."""
    if samples.dtype.kind == "f":
        return samples  # no white to count from
    out = samples.copy()
    colours = slice(0, samples.shape[-1] - extra)
    out[..., colours] = np.iinfo(samples.dtype).max - samples[..., colours]
    return out


def meaning_of(page: TiffPage) -> SampleMeaning:
    """Return the meaning of the samples of a page."""
    colours = _COLOURS.get(int(page.photometric))
    if colours is None:
        name = getattr(page.photometric, "name", page.photometric)
        raise ImageError(f"a TIFF with colours as {name} is not supported; convert it to gray or RGB first")
    if page.photometric == PALETTE:
        return SampleMeaning(3, False, ())
    extra = tuple(int(e) if e in ALPHA else 0 for e in page.extrasamples) or (0,) * (page.samplesperpixel - colours)
    return SampleMeaning(colours, bool(extra) and extra[-1] in ALPHA, extra)


def dtype_of(page: TiffPage) -> np.dtype[Any]:
    """Return the dtype that `samples_of` gives, up to its byte order."""
    if page.dtype is None:
        raise ImageError(
            f"samples of {page.bitspersample} bits are not supported; convert the TIFF to 8, 16 or 32 bits"
        )
    return np.dtype(np.uint8) if page.photometric == PALETTE or page.dtype.kind == "b" else page.dtype
