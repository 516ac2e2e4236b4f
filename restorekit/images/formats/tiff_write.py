"""TIFF written with tifffile, laid out as the input was."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import COMPRESSION, TiffWriter

from restorekit.images.formats.tiff import MIN_IS_WHITE, SPEC_TAG, invert
from restorekit.images.formats.tiff_exif import STAND_INS, append, can_hold, describing, directories
from restorekit.images.picture import SPEC_KEY, Array, Metadata, Picture, TiffLayout

_CLASSIC_LIMIT = 2**32 - 2**25  # bytes; tifffile's own limit of 32-bit offsets
_PREDICTED = (COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.ZSTD, COMPRESSION.LZMA)
_NO_PREDICTOR, _HORIZONTAL, _FLOATING = 1, 2, 3
_STRAIGHT_ALPHA = 2
_SEPARATE = 2
_LONG, _LONG8 = 4, 16
_DESCRIPTION = 270

_Tag = tuple[int, int, int, Any]


def encode(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), one page per frame."""
    layout = _fitting(picture, pixels)
    if layout.photometric == MIN_IS_WHITE:
        pixels = invert(pixels, len(layout.extra_samples))
    big = layout.big or pixels.nbytes > _CLASSIC_LIMIT
    pointers = list[_Tag]()
    if can_hold(layout.byteorder, big):
        found, kind = directories(picture.metadata.exif), _LONG8 if big else _LONG
        pointers = [(stand_in, kind, 1, 0) for stand_in, code in STAND_INS.items() if code in found]
    with TiffWriter(path, bigtiff=big, byteorder=layout.byteorder) as writer:
        for i, frame in enumerate(pixels):
            tags: list[_Tag] = list(layout.pages[i]) if i < len(layout.pages) else []
            if i == 0 and not layout.pages:
                tags = _translated(picture.metadata)
            if spec is not None:
                tags.append((SPEC_TAG, 2, 0, f"{SPEC_KEY}: {spec}"))
            _write_page(writer, frame, layout, [*tags, *(pointers if i == 0 else [])])
    if pointers:
        append(path, picture.metadata.exif)


def _write_page(writer: TiffWriter, frame: Array, layout: TiffLayout, tags: list[_Tag]) -> None:
    samples = frame.shape[2]
    separate = layout.planar == _SEPARATE and samples > 1
    data = np.ascontiguousarray(np.moveaxis(frame, 2, 0)) if separate else frame
    stated = {code: value for code, _, _, value in tags if code in (282, 283, 296)}
    resolution: Any = None  # tifffile takes it as an argument, not as tags
    unit = None
    if {282, 283} <= stated.keys():
        order = layout.byteorder
        unit = int.from_bytes(stated[296][:2], "little" if order == "<" else "big") if 296 in stated else 2
        resolution = tuple(struct.unpack(order + "II", stated[code]) for code in (282, 283))
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
        resolutionunit=unit,
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
    same = samples.shape[3] == len(old.extra_samples) + (3 if old.photometric == 2 else 1)
    if not same:
        old = replace(old, photometric=fresh.photometric, extra_samples=fresh.extra_samples)
    predictor = old.predictor if samples.dtype == picture.pixels.dtype else fresh.predictor
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


def _translated(metadata: Metadata) -> list[_Tag]:
    """Return tags for the metadata of another format."""
    tags: list[_Tag] = []
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
