"""TIFF written with tifffile, laid out as the input was."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import COMPRESSION, TiffWriter

from restorekit.images.formats.tiff import SPEC_TAG
from restorekit.images.formats.tiff_description import fitted_pages
from restorekit.images.formats.tiff_exif import STAND_INS, append, can_hold, describing, directories
from restorekit.images.formats.tiff_samples import MIN_IS_WHITE, RGB, invert
from restorekit.images.picture import DEEPER, SPEC_KEY, Array, Metadata, PageKind, Picture, Tag, TiffLayout

_CLASSIC_LIMIT = 2**32 - 2**25  # bytes; tifffile's own limit of 32-bit offsets
_PREDICTED = (COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.ZSTD, COMPRESSION.LZMA)
_NO_PREDICTOR, _HORIZONTAL, _FLOATING = 1, 2, 3
_STRAIGHT_ALPHA = 2
_SEPARATE = 2
_MIN_IS_BLACK = 1
_MASK_PAGE: Tag = (254, 4, 1, 4)  # NewSubfileType of a mask, which SilverFast states for infrared
_LONG, _LONG8 = 4, 16
_DESCRIPTION = 270


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), one page per frame, each in its own size."""
    layout, alpha = _fitting(picture, pixels), picture.alpha is not None
    own = picture.shapes or [(*pixels.shape[1:3], pixels.shape[3] - alpha)] * len(pixels)
    one_kind = PageKind(layout.photometric, layout.extra_samples, alpha, pixels.dtype.name)
    kinds = layout.kinds or (one_kind,) * len(pixels)
    shapes = [(*shape[:2], shape[2] + page.alpha) for shape, page in zip(own, kinds, strict=True)]
    described = fitted_pages(layout, shapes)
    big = layout.big or pixels.nbytes > _CLASSIC_LIMIT
    pointers = list[Tag]()
    if can_hold(layout.byteorder, big):
        found, size = directories(picture.metadata.exif), _LONG8 if big else _LONG
        pointers = [(stand_in, size, 1, 0) for stand_in, code in STAND_INS.items() if code in found]
    with TiffWriter(path, bigtiff=big, byteorder=layout.byteorder) as writer:
        for i, (frame, (height, width, samples), kind) in enumerate(zip(pixels, shapes, kinds, strict=True)):
            tags: list[Tag] = list(described[i]) if i < len(described) else []
            if i == 0 and not layout.pages:
                tags = _translated(picture.metadata)
            if spec is not None:
                tags.append((SPEC_TAG, 2, 0, f"{SPEC_KEY}: {spec}"))
            stored = frame[:height, :width, :samples]
            if kind.alpha:  # which is the last sample of the widest page
                stored = np.concatenate([stored[..., :-1], frame[:height, :width, -1:]], axis=2)
            if (kind.dtype, stored.dtype) == ("uint8", np.uint16):
                stored = np.rint(stored / DEEPER)
            stored = stored.astype(kind.dtype)
            if kind.photometric == MIN_IS_WHITE:
                stored = invert(stored, len(kind.extra_samples))
            tags += pointers if i == 0 else []
            own_layout = replace(layout, photometric=kind.photometric, extra_samples=kind.extra_samples)
            _write_page(writer, stored, own_layout, tags)
            if layout.masked and picture.nodata is not None:
                valid = ~picture.nodata.where[i, :height, :width].all(axis=2)
                writer.write(
                    valid, photometric="mask", subfiletype=4, compression="zlib", metadata=None, software=False
                )
        if picture.infrared is not None and picture.infrared.decoded is None:
            own_layout = replace(layout, photometric=_MIN_IS_BLACK, extra_samples=())
            for frame in picture.infrared.plane:
                _write_page(writer, frame, own_layout, [*picture.infrared.tags, _MASK_PAGE])
    if pointers:
        append(path, picture.metadata.exif)


def _write_page(writer: TiffWriter, frame: Array, layout: TiffLayout, tags: list[Tag]) -> None:
    samples = frame.shape[2]
    separate = layout.planar == _SEPARATE and samples > 1
    data = np.ascontiguousarray(np.moveaxis(frame, 2, 0)) if separate else frame
    stated = {code: value for code, _, _, value in tags if code in (282, 283, 296)}
    resolution: Any = None  # tifffile takes it as an argument, not as tags
    unit = None
    if {282, 283} <= stated.keys() and all(len(stated[code]) == 8 for code in (282, 283)):
        order = layout.byteorder
        unit = int.from_bytes(stated[296][:2], "little" if order == "<" else "big") if 296 in stated else 2
        values = tuple(struct.unpack(order + "II", stated[code]) for code in (282, 283))
        if unit in (1, 2, 3) and all(below for _, below in values):  # else broken, and of no use
            resolution = values
    writer.write(
        data if samples > 1 else frame[..., 0],
        photometric=layout.photometric,
        planarconfig=(layout.planar if separate else 1) if samples > 1 else None,
        extrasamples=layout.extra_samples or None,
        compression=layout.compression,
        predictor=None if layout.predictor == _NO_PREDICTOR else layout.predictor,
        tile=layout.tile,
        rowsperstrip=None if layout.tile else layout.rows_per_strip,
        resolution=resolution,
        resolutionunit=None if resolution is None else unit,
        software=False,
        metadata=None,
        extratags=[(*tag, False) for tag in tags if tag[0] not in stated],
        contiguous=False,
    )


def _fitting(picture: Picture, samples: Array) -> TiffLayout:
    """Return the input's layout, changed where the samples to write are of another kind."""
    colours = samples.shape[3] - (picture.alpha is not None)
    fresh = _fresh(colours, picture.alpha is not None, samples)
    old = picture.metadata.tiff
    if old is None:
        return fresh
    kinds = old.kinds or (PageKind(old.photometric, old.extra_samples, picture.alpha is not None, ""),)
    widest = max(len(kind.extra_samples) - kind.alpha + (3 if kind.photometric == RGB else 1) for kind in kinds)
    if samples.shape[3] != widest + any(kind.alpha for kind in kinds):
        old = replace(old, photometric=fresh.photometric, extra_samples=fresh.extra_samples, kinds=())
    elif len(old.kinds) not in (0, len(samples)):
        old = replace(old, kinds=())
    elif samples.dtype != picture.pixels.dtype:
        old = replace(old, kinds=tuple(kind._replace(dtype=samples.dtype.name) for kind in old.kinds))
    fits = samples.dtype.kind == ("f" if old.predictor == _FLOATING else "u") or old.predictor == _NO_PREDICTOR
    predictor = old.predictor if fits and samples.dtype == picture.pixels.dtype else fresh.predictor
    return replace(old, predictor=predictor if old.compression in _PREDICTED else _NO_PREDICTOR)


def _fresh(colours: int, alpha: bool, samples: Array) -> TiffLayout:
    floating = samples.dtype.kind == "f"
    return TiffLayout(
        byteorder="<",
        big=False,
        photometric=2 if colours == 3 else 1,
        planar=1,
        compression=int(COMPRESSION.ADOBE_DEFLATE),
        predictor=_FLOATING if floating else _HORIZONTAL,
        tile=None,
        rows_per_strip=max(1, 2**20 // max(1, samples.shape[2] * samples.shape[3] * samples.itemsize)),
        extra_samples=(0,) * (0 if colours == 3 else colours - 1) + (_STRAIGHT_ALPHA,) * alpha,
        pages=(),
    )


def _translated(metadata: Metadata) -> list[Tag]:
    """Return tags for the metadata of another format."""
    tags: list[Tag] = []
    if metadata.dpi is not None:
        tags += [(282 + k, 5, 1, struct.pack("<II", round(v * 1000), 1000)) for k, v in enumerate(metadata.dpi)]
        tags.append((296, 3, 1, struct.pack("<H", 2)))
    described = describing(metadata.exif)
    tags += [(code, 2, 0, value.encode()) for code, value in described.items()]
    if metadata.text and _DESCRIPTION not in described:
        lines = "\n".join(f"{key}: {value}" for key, value in metadata.text)
        tags.append((_DESCRIPTION, 2, 0, lines.encode()))
    tags += [(code, 7, len(data), data) for code, data in ((700, metadata.xmp), (34675, metadata.icc)) if data]
    return tags
