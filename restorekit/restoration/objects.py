"""Images as Python callers hold them: arrays, masked arrays, tensors, PIL images and paths, and the way back."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from restorekit.core.errors import ImageError, InputTypeError, RestorekitWarning, UsageError
from restorekit.core.rng import Rng
from restorekit.images import infrared
from restorekit.images.axes import axes_of, frames_order, frames_shape, parse_axes, stored_layout
from restorekit.images.discovery import Item
from restorekit.images.exif import strip_prefix
from restorekit.images.formats import read
from restorekit.images.intensity import (
    MIN_STRAYS,
    MIN_VALUES,
    STRAY_SHARE,
    IntensityRange,
    RangeOption,
    far_outside,
    narrow,
    resolve_range,
    to_unit,
)
from restorekit.images.marks import marks_of
from restorekit.images.masks import is_plausible_share, parse_mask
from restorekit.images.nodata import find_nodata
from restorekit.images.picture import Array, Metadata, Picture
from restorekit.images.validity import no_data, transparent
from restorekit.restoration.repair import ArraySource, Repair
from restorekit.uncertainty.touch import CAP

MAX_CHANNELS = 4  # an axis this short holds channels if the other candidate is longer
FAR = 10.0  # floats beyond this are no noisy [0, 1] any more
BLOCK, LOCAL_MARGIN, LOCAL_SHARE = 16, 0.15, 0.05  # side of an area in pixels; its mean's distance to [0, 1]; of areas
FLOAT_MARGIN = 1.0  # share of [0, 1] by which floats may lie outside of it: noise
_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)  # others have no NumPy type
_PLAIN_MODES = ("L", "RGB", "F", "LA", "RGBA", "I;16", "I;16L", "I;16B", "I;16N")
_CONVERTED_MODES = {"1": "L", "YCbCr": "RGB", "HSV": "RGB", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}


@dataclass(frozen=True)
class ArrayForm:
    """Layout of a caller's image.

    Attributes
    ----------
    kind : {"array", "tensor", "pil", "path"}
        Type of the object; results are arrays for all but tensors.
    axes : str
        One letter for each axis, as in `restorekit.images.axes`.
    shape : tuple of int
        Shape of the image.
    device : torch.device
        Where it lies.
    """

    kind: str
    axes: str
    shape: tuple[int, ...]
    device: torch.device

    def give(self, batch: Tensor) -> Any:
        """Lay out results, (..., B, C, H, W), like the caller's image; axes before B stay where they are."""
        frames = batch.movedim(-3, -1)
        axes, shape, lead, channels = self.axes, self.shape, frames.shape[:-4], frames.shape[-1]
        if channels > 1 and "C" not in axes and self.kind == "tensor":
            axes, shape = f"C{axes}", (channels, *shape)
        sizes, order = stored_layout(tuple(frames.shape[-4:]), shape, axes)
        result = frames.reshape(*lead, *sizes).permute(*range(len(lead)), *(len(lead) + i for i in order))
        return result.to(self.device) if self.kind == "tensor" else result.numpy()


class CallerImage(NamedTuple):
    """A caller's image: its numbers, its layout, and its file if it was a path."""

    picture: Picture
    form: ArrayForm
    path: Path | None = None


class ImageValues(NamedTuple):
    """An image for a restorer.

    Attributes
    ----------
    y : Tensor of float32, (B, C, H, W)
        On [0, 1], within the margin of the range; 0 where missing.
    observed : Tensor of bool, (B, C, H, W)
    kept : array of bool, (B, H, W, C), or None
        True where numbers are not observed and stay as they are in `RestoredImage.image`.
    range : IntensityRange
    notes : list of str
    repaired : Tensor of bool, (B, C, H, W), or None
        Where defects were found; they count as missing. None: none were searched.
    """

    y: Tensor
    observed: Tensor
    kept: Array | None
    range: IntensityRange
    notes: list[str]
    repaired: Tensor | None = None

    def without(self, lost: Tensor) -> ImageValues:
        """Return these values less those of a mask, which are filled in even where they would have been kept."""
        observed = self.observed & ~lost
        kept = None if self.kept is None else self.kept & ~np.moveaxis(lost.numpy(), 1, -1)
        return self._replace(y=torch.where(observed, self.y, 0.0), observed=observed, kept=kept)

    def searched(self, repair: Repair) -> ImageValues:
        """Return these values less those in which defects are found."""
        y = torch.where(self.observed, self.y, torch.nan)
        found = [repair.marks(ArraySource(one), Rng(0, (str(i),)).fork("repair")) for i, one in enumerate(y)]
        defects = torch.from_numpy(np.stack(found))[:, None] & self.observed
        notes = [
            f"{share:.1%} of the image look defective, more than {CAP:.0%}; look at `repaired` or lower touch"
            for share in defects.float().mean((1, 2, 3)).tolist()
            if share > CAP
        ]
        return self.without(defects)._replace(notes=[*self.notes, *notes], repaired=defects)


def read_object(image: Any, axes: str | None = None) -> CallerImage:
    """Read a caller's image.

    Parameters
    ----------
    image : ndarray (H, W) or (H, W, C), Tensor (H, W), (C, H, W) or (B, C, H, W), PIL image, or path
        uint8 and uint16, floats on [0, 1] that may be noisy, bool. NaN and masked values are missing.
    axes : str, optional
        Letters of the axes of an array or tensor in another layout.

    Raises
    ------
    UsageError
        Another shape, type or scale, or channels whose meaning the object does not state.
    """
    if isinstance(image, str | Path):
        picture = read(image, axes=axes)
        return CallerImage(picture, _form_of_file(picture), Path(image))
    if _is_pil(image):
        picture = _of_pil(image)
        _, height, width, channels = picture.pixels.shape
        three = channels > 1
        shape = (height, width, channels) if three else (height, width)
        return CallerImage(picture, ArrayForm("pil", "HWC" if three else "HW", shape, torch.device("cpu")))
    frames, form = _laid_out(image, axes)
    missing = None
    if isinstance(image, np.ma.MaskedArray):
        missing = np.ascontiguousarray(_laid_out(np.ma.getmaskarray(image), axes)[0])
    if frames.dtype.kind == "f":
        unknown = ~np.isfinite(frames)
        if unknown.any():
            missing = unknown if missing is None else missing | unknown
    if missing is not None:
        frames = np.where(missing, frames.dtype.type(0), frames)
    nodata = find_nodata(frames, None, missing)
    if nodata is not None:
        frames = np.where(nodata.where, frames.dtype.type(0), frames)
        missing = nodata.where if missing is None else missing | nodata.where
    return CallerImage(Picture(frames, missing=missing, format="npy", nodata=nodata), form)


def prepare_values(
    taken: CallerImage, option: RangeOption = None, margin: float | None = None, clear: bool = True
) -> ImageValues:
    """Convert an image for a restorer, by the rules of `restorekit.images.intensity` and `restorekit.images.validity`.

    Parameters
    ----------
    taken : CallerImage
        What `read_object` gave.
    option : "auto", (low, high) or None
        As in `resolve_range`; None: floats of arrays and tensors are on [0, 1].
    margin : float, optional
        Share of the range by which values may lie outside of it, for noise that is stated; None: by the rules.
    clear : bool
        Whether fully transparent pixels stay as they are.

    Raises
    ------
    UsageError
        Floats on another scale, or most values far outside of the range.
    """
    picture = taken.picture
    notes = list(picture.notes) if taken.form.kind == "pil" else []
    empty = no_data(picture)
    if option is None and taken.form.kind != "path" and picture.pixels.dtype.kind in "fb":
        _check_scale(picture.pixels if empty is None else np.where(empty, 0, picture.pixels), margin or 0.0)
        span = IntensityRange(0.0, 1.0, FLOAT_MARGIN)
        warning = narrow(picture.pixels, picture.missing, span)
    else:
        span, warning = resolve_range(picture, option)
    notes += [warning] if warning else []
    span = span if margin is None else span.with_margin(max(margin, span.margin))
    outside = far_outside(picture.pixels, span)
    if outside is not None and empty is not None:
        outside &= ~empty
    if outside is not None and float(outside.mean()) > 0.5:
        raise UsageError(f"{outside.mean():.0%} of the values lie far outside of the range {span}; pass another range")
    kept = None
    for reason, where in (("no data", empty), ("transparent", transparent(picture) if clear else None),
                          (f"far outside of the range {span} (hot pixels, saturation)", outside)):  # fmt: skip
        if where is not None and where.any():
            where = np.broadcast_to(where, picture.pixels.shape)
            kept = where if kept is None else kept | where
            notes.append(f"{np.count_nonzero(where)} value(s) count as missing: {reason}")
    lost = np.False_ if picture.missing is None else picture.missing if kept is None else picture.missing & ~kept
    if count := int(np.count_nonzero(lost)):
        notes.append(f"{count} value(s) are NaN, infinite or masked; they count as missing and are filled")
    unknown = np.zeros(picture.pixels.shape, bool)
    for part in (picture.missing, kept):
        unknown = unknown if part is None else unknown | part
    observed = torch.from_numpy(np.ascontiguousarray(np.moveaxis(~unknown, -1, 1)))
    y = torch.from_numpy(np.ascontiguousarray(np.moveaxis(to_unit(picture.pixels, span), -1, 1)))
    return ImageValues(torch.where(observed, y, 0.0), observed, kept, span, notes)


def without_infrared(taken: CallerImage) -> CallerImage:
    """Return a caller's image without the infrared plane of its scan, which `RestoredImage.save` writes again."""
    picture, form = infrared.without_infrared(taken.picture), taken.form
    if form.kind == "path":
        return taken._replace(picture=picture, form=_form_of_file(picture))
    sizes = dict(zip(form.axes, form.shape, strict=True)) | {"C": picture.pixels.shape[3]}
    return taken._replace(picture=picture, form=replace(form, shape=tuple(sizes[axis] for axis in form.axes)))


def _form_of_file(picture: Picture) -> ArrayForm:
    sizes = dict(zip("NHWC", picture.pixels.shape, strict=True))
    letters = [letter for letter in "NHWC" if letter in "HW" or sizes[letter] > 1]
    return ArrayForm("path", "".join(letters), tuple(sizes[letter] for letter in letters), torch.device("cpu"))


def read_missing(
    missing: Any, taken: CallerImage, axes: str | None = None, confirmed: bool = False,
    ir_threshold: float | None = None,
) -> Tensor:  # fmt: skip
    """Read a caller's mask, non-zero = missing.

    Parameters
    ----------
    missing : array, Tensor, PIL image, path, "alpha", "ir" or "color:#RRGGBB"
        Of the image's height and width, for one or all of its channels and images.
    taken : CallerImage
        The image.
    axes : str, optional
        As typed for the image.
    confirmed : bool
        Whether it may mark any share of the image.
    ir_threshold : float, optional
        Of "ir", as in `parse_mask`.

    Returns
    -------
    Tensor of bool, (1 or B, 1 or C, H, W)

    Raises
    ------
    UsageError
        Another shape.
    ImageError
        A mask file that does not fit, or a mask that marks more than 60 % or less than 0.01 % of the image.
    """
    picture, (count, height, width, channels) = taken.picture, taken.picture.pixels.shape
    if isinstance(missing, str | Path):
        path = taken.path or Path("image")
        source = parse_mask(str(missing), confirmed=confirmed, ir_threshold=ir_threshold)
        marked = source.missing(Item(path, path.name), picture)
        for note in marked.warnings if missing == "ir" else ():
            warnings.warn(note, RestorekitWarning, stacklevel=3)
        found = marked.missing
        marks = np.zeros((1, height, width, 1), bool) if found is None else found
    elif _is_pil(missing):
        palette = missing.mode == "P"  # of a mask, indices are its numbers
        numbers = Picture(np.asarray(missing)[np.newaxis, :, :, np.newaxis]) if palette else _of_pil(missing)
        marks, _ = marks_of(numbers)
        marks = np.asarray(marks.any(axis=3, keepdims=True))
    else:
        missing = np.ma.filled(missing != 0, True) if isinstance(missing, np.ma.MaskedArray) else missing
        bare = axes.replace("C", "") if axes else None
        marks = _laid_out(missing, axes if axes is None or axes == bare else f"{axes},{bare}", True)[0] != 0
    fits = marks.shape[0] in (1, count) and marks.shape[3] in (1, channels)
    if not fits or marks.shape[1:3] != (height, width):
        shape = marks.shape[1:3] if isinstance(missing, str | Path) or _is_pil(missing) else np.shape(missing)
        raise UsageError(
            f"missing must have the image's height and width, {height} x {width}, and one or all of its channels, got"
            f" the shape {tuple(shape)}"
        )
    share = float(marks.mean())
    if not (confirmed or isinstance(missing, str | Path) or is_plausible_share(share)):
        raise ImageError(
            f"the mask marks {share:.4%} of the image as missing, expected 0.01 % to 60 %, or nothing;"
            " non-zero means missing, so invert the mask if the other pixels are missing, or pass mask_confirmed=True"
            " if this is right"
        )
    return torch.from_numpy(np.moveaxis(marks, -1, 1).copy())


def _is_pil(image: Any) -> bool:
    return hasattr(image, "getbands") and hasattr(image, "mode")


def _of_pil(image: Any) -> Picture:
    """Return the numbers of a PIL image by its mode: palettes are looked up, alpha is separated; and its metadata."""
    try:
        image.load()
    except (ValueError, OSError) as error:
        raise ImageError(
            f"the PIL image cannot be loaded ({error}); open a complete file, and close it later"
        ) from error
    mode, metadata = str(image.mode), pil_metadata(image.info)
    frames = getattr(image, "n_frames", 1)
    notes = (f"only the current one of its {frames} frames is restored",) if frames > 1 else ()
    if mode in ("P", "PA") or "transparency" in image.info:
        opaque, clear = ("L", "LA") if mode in ("1", "L") else ("RGB", "RGBA")
        image = image.convert(clear if mode == "PA" or "transparency" in image.info else opaque)
    elif mode in _CONVERTED_MODES:
        image = image.convert(_CONVERTED_MODES[mode])
    elif mode != "I" and mode not in _PLAIN_MODES:
        raise UsageError(f"a PIL image of mode {mode} is not supported; pass image.convert('RGB')")
    array = np.asarray(image)
    if not array.size:
        raise UsageError(f"an image has at least one pixel, got a PIL image of {image.width} x {image.height}")
    if mode == "I":
        if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
            raise UsageError("a PIL image of mode I holds numbers of 16 bits, got others; convert it to float first")
        array = array.astype(np.uint16)
    array = array.astype(array.dtype.newbyteorder("="))
    pixels, alpha = array.reshape(1, *array.shape[:2], -1), None
    if image.mode in ("LA", "RGBA"):
        pixels, alpha = np.ascontiguousarray(pixels[..., :-1]), np.ascontiguousarray(pixels[..., -1:])
    return Picture(pixels, alpha, format="png", metadata=metadata, notes=notes)


def pil_metadata(info: Mapping[Any, Any]) -> Metadata:
    """Return the metadata in the `info` of a PIL image, whose pixels are not turned: the orientation stays."""
    parts = {key: info[key] for key in ("icc_profile", "exif", "xmp") if isinstance(info.get(key), bytes) and info[key]}
    dpi = tuple(float(value) for value in info.get("dpi") or ())
    return Metadata(
        exif=strip_prefix(parts.get("exif")),
        icc=parts.get("icc_profile"),
        xmp=parts.get("xmp"),
        dpi=(dpi[0], dpi[1]) if len(dpi) == 2 and min(dpi) > 0 else None,
    )


def _laid_out(image: Any, layout: str | None, mask: bool = False) -> tuple[Array, ArrayForm]:
    """Return an array or tensor as (B, H, W, C) in its own type."""
    numpy, device = not isinstance(image, Tensor), torch.device("cpu")
    try:
        if isinstance(image, Tensor):
            device, tensor = image.device, image.detach().cpu().resolve_conj().resolve_neg()
            short = tensor.is_floating_point() and tensor.dtype not in _NUMPY_FLOATS
            array = (tensor.float() if short else tensor).numpy()
        else:
            array = np.asarray(np.ma.getdata(image)) if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:  # sparse, quantised or without data; lists of unequal length
        reason = textwrap.shorten(str(error), 120)
        raise InputTypeError(f"{type(image).__name__} cannot become an array ({reason}); pass a dense one") from error
    array = array.astype(np.float64) if array.dtype == np.longdouble else array
    if array.dtype.kind not in "uifb":
        raise InputTypeError(
            f"an image is an array, tensor, PIL image or path with uint8, uint16 or floating-point numbers, got"
            f" {type(image).__name__} of {array.dtype}"
        )
    if not mask and array.dtype.kind in "ui" and array.dtype.newbyteorder("=").name not in ("uint8", "uint16"):
        raise InputTypeError(
            f"integers are uint8 or uint16, which say what white is, got {array.dtype}; convert or divide first"
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    shape = tuple(array.shape)
    axes = _axes(shape, layout, numpy, mask)
    if 0 in shape:
        raise UsageError(f"an image has at least one pixel, got the shape {shape}")
    frames = array.transpose(frames_order(axes)).reshape(frames_shape(shape, axes))
    return frames, ArrayForm("array" if numpy else "tensor", axes, shape, device)


def _axes(shape: tuple[int, ...], layout: str | None, numpy: bool, mask: bool) -> str:
    """Return the axes of an array or tensor; raise a UsageError for a shape that needs `axes`."""
    if layout is not None:
        try:
            return axes_of(shape, parse_axes(layout))
        except ImageError as error:
            raise UsageError(str(error)) from error
    layouts = {2: "HW", 3: "HWC"} if numpy else {2: "HW", 3: "CHW", 4: "NCHW"}
    wanted = "an array (H, W) or (H, W, C)" if numpy else "a tensor (H, W), (C, H, W) or (B, C, H, W)"
    if len(shape) not in layouts:
        raise UsageError(f"an image is {wanted}, got the shape {shape}; pass axes, such as 'NHWC', for another layout")
    axes = layouts[len(shape)]
    sizes = dict(zip(axes, shape, strict=True))
    channels, sides = sizes.get("C", 1), (sizes["H"], sizes["W"])
    if len(shape) == 3 and channels > MAX_CHANNELS >= (shape[0] if numpy else shape[2]):
        wanted, got = ("(H, W, C)", "(C, H, W)") if numpy else ("(C, H, W)", "(H, W, C)")
        raise UsageError(
            f"a 3-D {'array' if numpy else 'tensor'} is {wanted}, got {shape}, which looks like {got};"
            " swap the axes or pass axes"
        )
    if channels == MAX_CHANNELS and not mask:
        raise UsageError(
            f"4 channels may be RGBA, CMYK or spectral channels, got the shape {shape}; pass a PIL image for RGBA, or"
            f" axes={axes!r} for channels that are restored one by one"
        )
    if channels > MAX_CHANNELS and 4 * channels > min(sides):
        volume = "ZYX" if numpy or len(shape) == 3 else "NZYX"
        raise UsageError(
            f"an axis of {channels} may hold channels, slices or columns, got the shape {shape}; pass"
            f" axes={axes!r}, or axes={volume!r} for a volume"
        )
    return axes


def _check_scale(values: Array, margin: float) -> None:
    """Raise a UsageError if more floats than single strays, or local means beyond noise, are not on [0, 1]."""
    magnitude = np.abs(values[np.isfinite(values)].astype(np.float32))
    far = int(np.count_nonzero(magnitude > FAR))
    if far > (max(MIN_STRAYS, magnitude.size // STRAY_SHARE) if magnitude.size >= MIN_VALUES else 0):
        raise UsageError(
            f"floats are on the [0, 1] scale, got values up to {float(magnitude.max()):g}; divide by what white is,"
            " pass uint8 or uint16, or pass range"
        )
    count, height, width, channels = values.shape
    tall, wide = min(height, BLOCK), min(width, BLOCK)
    blocks = np.clip(values[:, : height // tall * tall, : width // wide * wide].astype(np.float32), -1, 2)
    means = blocks.reshape(count, height // tall, tall, width // wide, wide, channels).mean((2, 4))
    room = LOCAL_MARGIN + margin / 10  # which the mean of a block of stated noise stays within
    if np.mean((means < -room) | (means > 1 + room)) > LOCAL_SHARE:
        low, high = float(values.min()), float(values.max())
        raise UsageError(
            f"floats are on the [0, 1] scale, got areas outside of it and values from {low:g} to {high:g}; scale the"
            f" image, or pass range, such as range=({low:g}, {high:g})"
        )
