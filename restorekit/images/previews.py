"""Previews for reports: 8-bit pictures small enough for a browser, with colour scales for maps."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from restorekit.core.files import atomic
from restorekit.core.types import Observation, Restoration
from restorekit.images.intensity import IntensityRange, to_unit
from restorekit.images.picture import Array
from restorekit.images.views import Overlay, Views

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 1600  # most pixels along a side of a picture
THUMB = 160  # and of the small one in a list
LOSSLESS = 2**19  # pixels up to which a picture is a PNG; larger ones are JPEGs of QUALITY
QUALITY = 92
MAX_INLINED_PIXELS = 2**26  # of a picture for a page in one file
MAIL_QUALITY = 85  # of pictures that are made smaller for a page in one file
SHARED = ("before", "truth", "missing")  # pictures that do not depend on the method
DRAWS = 8  # most draws that are kept as pictures
UNIT = IntensityRange(0.0, 1.0)
_NICE = (1, 2, 5)
TITLES = {
    "std": "standard deviation",
    "interval": "width of the interval",
    "error": "absolute error",
    "residual": "what was taken away",
    "missing": "what was missing",
    "repaired": "what was found defective",
}
REPAIRED = (255, 64, 129)  # colour of repaired pixels, unlike that of missing ones
_RESIZABLE = (np.uint8, np.uint16, np.float32)  # what OpenCV averages over areas


def step(height: int, width: int) -> int:
    """Return how many pixels of an image become one of its picture, along each side."""
    return max(1, -(-max(height, width) // SIDE))


def small(height: int, width: int) -> tuple[int, int]:
    """Return height and width of an image's picture."""
    by = step(height, width)
    return -(-height // by), -(-width // by)


def pictured(pixels: Array, span: IntensityRange, missing: npt.NDArray[np.bool_] | None = None) -> Bytes:
    """Return a preview of one frame.

    Parameters
    ----------
    pixels : array, (H, W, C)
        In the file's own numbers.
    span : IntensityRange
        The numbers of black and white.
    missing : array of bool, (H, W, 1 or C), or None
        Missing values; the picture is transparent in proportion to them.

    Returns
    -------
    array of uint8, (h, w, 3), or (h, w, 4) if some are missing
    """
    shape = small(*pixels.shape[:2])
    colours = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, :1]
    if missing is None or not missing.any():
        return eight_bits(to_unit(_averaged(colours, shape), span))
    observed = np.asarray(~missing.all(2, keepdims=True), np.float32)
    weight = _averaged(observed, shape)
    values = np.where(np.broadcast_to(missing, pixels.shape)[:, :, : colours.shape[2]], 0, colours).astype(np.float32)
    mean = _averaged(values, shape) / np.maximum(weight, 1e-6)
    return np.dstack([eight_bits(to_unit(mean, span)), np.rint(255 * weight[:, :, 0]).astype(np.uint8)])


def eight_bits(values: Floats) -> Bytes:
    """Return values on [0, 1], (..., 1 or 3), as RGB, (..., 3)."""
    levels = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels, (*levels.shape[:-1], 3)).copy()


def coloured(values: npt.NDArray[Any], low: float, high: float) -> Bytes:
    """Return values, (H, W), in the colours of cividis from low to high, as RGB, (H, W, 3).

    Nunez, Anderton, Renslow, "Optimizing colormaps with consideration for color vision deficiency", PLoS ONE 2018.
    """
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    coded = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    return np.asarray(coded[:, :, ::-1], np.uint8)


def marked(where: npt.NDArray[np.bool_], colour: tuple[int, int, int] = (255, 234, 70)) -> Bytes:
    """Return a picture of one colour, (H, W, 4), transparent outside of a mask, (H, W)."""
    return np.dstack([np.broadcast_to(np.array(colour, np.uint8), (*where.shape, 3)), 255 * where.astype(np.uint8)])


def thinned(where: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """Return a mask, (H, W), shrunk by a factor; a pixel is True if any that it stands for is."""
    height, width = where.shape
    padded = np.pad(where, ((0, -height % by), (0, -width % by)))
    return np.asarray(padded.reshape(padded.shape[0] // by, by, -1, by).any((1, 3)))


def write_view(stem: Path, picture: Bytes) -> Path:
    """Write a picture, (h, w, 3 or 4), and return its file: a PNG, or a JPEG if it is large."""
    if picture.shape[0] * picture.shape[1] <= LOSSLESS:
        path = stem.with_name(f"{stem.name}.png")
        with atomic(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG", compress_level=4)
        return path
    path = stem.with_name(f"{stem.name}.jpg")
    with atomic(path) as temporary:
        Image.fromarray(flattened(picture)).save(temporary, "JPEG", quality=QUALITY, subsampling=0)
    return path


def format_of_picture(data: bytes) -> str:
    """Return "png" or "jpeg" for the bytes of a picture that `write_view` may have written; empty for others."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            return (image.format or "").lower() if math.prod(image.size) <= MAX_INLINED_PIXELS else ""
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""


def shrink_picture(data: bytes, side: int) -> bytes:
    """Return a picture as a JPEG of at most `side` pixels a side; the data as they are if they cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            picture = np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
    except (OSError, ValueError):
        return data
    shown, into = Image.fromarray(flattened(picture)), io.BytesIO()
    shown.thumbnail((side, side))
    shown.save(into, "JPEG", quality=MAIL_QUALITY)
    return into.getvalue()


def write_thumb(path: Path, picture: Bytes) -> Path:
    """Write a picture as a JPEG of at most THUMB pixels a side, and return its file."""
    with atomic(path) as temporary:
        image = Image.fromarray(flattened(picture))
        image.thumbnail((THUMB, THUMB))
        image.save(temporary, "JPEG", quality=85)
    return path


def _averaged(pixels: Array, shape: tuple[int, int]) -> Array:
    """Return means over areas, (h, w, C)."""
    if pixels.shape[:2] == shape:
        return pixels
    values = pixels if pixels.dtype in _RESIZABLE else pixels.astype(np.float32)
    means: Array = cv2.resize(np.ascontiguousarray(values), shape[::-1], interpolation=cv2.INTER_AREA)
    return means.reshape(*shape, pixels.shape[2])


def flattened(picture: Bytes) -> Bytes:
    """Blend transparent parts of a picture with a chequered ground."""
    if picture.shape[2] == 3:
        return picture
    rows, columns = np.indices(picture.shape[:2]) // 8
    ground = np.where((rows + columns) % 2, 150, 105)[:, :, None]
    share = picture[:, :, 3:] / 255
    return np.rint(share * picture[:, :, :3] + (1 - share) * ground).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Preview:
    """Pictures of one restoration.

    Attributes
    ----------
    size : (int, int)
        Height and width of the restored image, pixels.
    before : array of uint8, (h, w, 3 or 4), or None
        The observation, transparent where missing; None if it is not known.
    after : array of uint8, (h, w, 3)
        The restoration.
    truth : array of uint8, (h, w, 3), or None
        The clean image.
    missing : array of bool, (h, w), or None
        Missing pixels of the observation.
    layers : dict of str to array of float32, (h, w)
        "std", "interval" (its width), "error", "residual" (the removed part): on [0, 1].
    draws : sequence of arrays of uint8, (h, w, 3)
        Draws of the restoration.
    repaired : array of bool, (h, w), or None
        Pixels that were found defective and repaired.
    """

    size: tuple[int, int]
    before: Bytes | None
    after: Bytes
    truth: Bytes | None = None
    missing: npt.NDArray[np.bool_] | None = None
    layers: dict[str, Floats] = field(default_factory=dict)
    draws: Sequence[Bytes] = ()
    repaired: npt.NDArray[np.bool_] | None = None

    def write(self, folder: Path, name: str, shared: str | None = None) -> Views:
        """Write all pictures into a folder.

        Parameters
        ----------
        folder : Path
            Paths are relative to the folder above it.
        name : str
            Start of the names of the files.
        shared : str or None
            Start of the names of pictures that all restorations of one observation share; None: `name`.
        """

        def put(kind: str, picture: Bytes) -> str:
            stem = shared if shared is not None and kind in SHARED else name
            return f"{folder.name}/{write_view(folder / f'{stem}-{kind}', picture).name}"

        overlays = {}
        for kind, values in self.layers.items():
            high = nice(float(np.quantile(values, 0.995)))
            overlays[kind] = Overlay(put(kind, coloured(values, 0.0, high)), TITLES[kind], 0.0, high)
        if self.missing is not None:
            overlays["missing"] = Overlay(put("missing", marked(self.missing)), TITLES["missing"])
        if self.repaired is not None:
            overlays["repaired"] = Overlay(put("repaired", marked(self.repaired, REPAIRED)), TITLES["repaired"])
        return Views(
            width=self.size[1],
            height=self.size[0],
            thumb=f"{folder.name}/{write_thumb(folder / f'{name}-thumb.jpg', self.after).name}",
            before="" if self.before is None else put("before", self.before),
            after=put("after", self.after),
            truth="" if self.truth is None else put("truth", self.truth),
            overlays=overlays,
            draws=[put(f"draw{i}", draw) for i, draw in enumerate(self.draws)],
        )


def nice(value: float) -> float:
    """Return the least of 1, 2, 5, 10, 20 ... times 1/255 that is at least a value, for the end of a scale."""
    levels = max(255 * value, 1.0)
    ten = 10.0 ** math.floor(math.log10(levels))
    return next(n * ten for n in (*_NICE, 10) if n * ten >= levels * (1 - 1e-9)) / 255


def make_preview(
    restoration: Restoration, observation: Observation | None, truth: Tensor | None = None, taken: bool = False
) -> Preview:
    """Return the preview of one image in memory, all on [0, 1].

    Parameters
    ----------
    restoration : Restoration
        Of one image.
    observation : Observation or None
        The observation of one image; None if it is not known.
    truth : Tensor, (1, C, H, W), or None
        The clean image.
    taken : bool
        Whether to show the removed part.
    """
    after = _last(restoration.mmse[0])
    result = pictured(after, UNIT)
    peek = PreviewCollector(*after.shape)
    peek.put(0, slice(None), 0, restoration, 0)
    layers = dict(peek.layers)
    if truth is not None:
        layers["error"] = np.abs(after - _last(truth[0])).mean(2)[:: peek.step, :: peek.step]
    before = missing = None
    if observation is not None:
        y = _last(observation.y[0])
        gone = ~np.broadcast_to(_last(observation.observed[0]), y.shape)
        before = pictured(y, UNIT, gone)
        missing = np.asarray(gone.any(2))[:: peek.step, :: peek.step] if gone.any() else None
    if taken and before is not None and before.shape[:2] == result.shape[:2]:
        layers["residual"] = difference(before, result)
    shown = None if truth is None else pictured(_last(truth[0]), UNIT)
    return Preview(after.shape[:2], before, result, shown, missing, layers, peek.pictures())


def _last(t: Tensor) -> Any:
    """Return (H, W, C) of (C, H, W)."""
    return t.movedim(0, -1).numpy()


def difference(one: Bytes, other: Bytes) -> Floats:
    """Return the mean absolute difference of the colours of two pictures, (h, w); 0 where the first is transparent."""
    distance = np.abs(one[..., :3].astype(np.float32) - other[..., :3]).mean(2) / 255
    found: Floats = np.where(one[..., 3] > 0, distance, 0.0) if one.shape[2] == 4 else distance
    return found


class PreviewCollector:
    """Collector of the maps and draws of a first frame that is restored strip by strip.

    Parameters
    ----------
    height, width, channels : int
        Of the restored picture, of which every `step`-th pixel along each side is kept.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.step, self.channels = step(height, width), channels
        self.shape = small(height, width)
        self.layers: dict[str, Floats] = {}
        self.draws: npt.NDArray[np.float32] | None = None

    def put(self, frame: int, channels: slice, top: int, strip: Restoration, index: int) -> None:
        """Add the maps and draws of image `index` of a restored strip whose first row is `top`."""
        if frame:
            return
        if strip.std is not None:
            self._layer("std", strip.std[index], top)
        if strip.low is not None and strip.high is not None:
            self._layer("interval", strip.high[index] - strip.low[index], top)
        if strip.draws is not None:
            draws = strip.draws[:DRAWS, index]
            if self.draws is None:
                self.draws = np.zeros((len(draws), *self.shape, self.channels), np.float32)
            kept, values = self._cut(draws, top)
            self.draws[:, kept, :, channels] = values.movedim(1, -1).numpy()

    def pictures(self) -> list[Bytes]:
        """Return the draws, (h, w, 3) each."""
        return (
            []
            if self.draws is None
            else [eight_bits(draw[..., :3] if self.channels >= 3 else draw[..., :1]) for draw in self.draws]
        )

    def _layer(self, name: str, values: Tensor, top: int) -> None:
        """Add the contribution of these channels, (C, h, W), to the mean over all channels."""
        into = self.layers.setdefault(name, np.zeros(self.shape, np.float32))
        rows, part = self._cut(values, top)
        into[rows] += (part.sum(0) / self.channels).numpy()

    def _cut(self, values: Tensor, top: int) -> tuple[slice, Tensor]:
        """Return the kept rows of a strip, and their values."""
        first = -top % self.step
        part = values[..., first :: self.step, :: self.step].float()
        begin = (top + first) // self.step
        return slice(begin, begin + part.shape[-2]), part
