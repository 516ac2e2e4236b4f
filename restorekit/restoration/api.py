"""Restoring single images from Python."""

from __future__ import annotations

import base64
import io
import os
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.config import check_integer
from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute, Precision, Quality
from restorekit.core.errors import ImageError, RestorekitWarning, UsageError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Problem, Restoration
from restorekit.corruptions.spec import parse
from restorekit.images import exif, formats
from restorekit.images.intensity import (
    MARGIN_SIGMAS,
    NOISY_MARGIN,
    IntensityRange,
    RangeOption,
    from_unit,
    parse_range,
)
from restorekit.images.picture import SUFFIXES, Array, turned_upright, with_infrared
from restorekit.restoration.assumptions import NO_NOISE, pose_problem, resolve_degradation, sigma_of
from restorekit.restoration.loading import Opened, open_repair, open_restorer
from restorekit.restoration.objects import (
    CallerImage,
    ImageValues,
    prepare_values,
    read_missing,
    read_object,
    without_infrared,
)
from restorekit.restoration.repair import Repair
from restorekit.restoration.safeguards import hold
from restorekit.uncertainty.conditions import white_level, without_noise
from restorekit.uncertainty.intervals import enclose_or_warn
from restorekit.uncertainty.noise_level import estimate_sigma
from restorekit.uncertainty.touch import TOUCH

__all__ = ["PythonRestorer", "RestoredImage", "load"]
WINDOW = 2048  # side of the central part of a large image from which its noise level is estimated, pixels
_EIGHT_BITS = ("png", "jpeg", "webp", "bmp")  # formats without floats


@dataclass(frozen=True, repr=False)
class RestoredImage(Restoration):
    """A restoration of a caller's image, laid out like it.

    Attributes
    ----------
    taken : CallerImage or None
        The image as it came.
    values : ImageValues or None
        The image as the restorer saw it.
    estimate : Tensor, (B, C, H, W), or None
        `mmse` as a batch.
    repaired : array or Tensor of bool, or None
        Where defects were found and filled, laid out like the image; None: none were searched.
    """

    taken: CallerImage | None = None
    values: ImageValues | None = None
    estimate: Tensor | None = None
    repaired: Any = None

    @classmethod
    def of(cls, restored: Restoration, taken: CallerImage, values: ImageValues) -> RestoredImage:
        """Lay out the restoration of a batch like the image that it came from."""
        others = restored.std, restored.draws, restored.low, restored.high
        mmse = taken.form.give(restored.mmse)
        std, draws, low, high = (None if one is None else taken.form.give(one) for one in others)
        repaired = None if values.repaired is None else taken.form.give(values.repaired)
        estimate = restored.mmse.cpu()
        return cls(mmse, std, draws, low, high, restored.diagnostics, taken, values, estimate, repaired)

    @property
    def image(self) -> Any:
        """The restored image as it came: its type, range, layout and alpha.

        An array for an array or a path, a tensor for a tensor, a PIL image for a PIL image. Values without data,
        colours of transparent pixels and values far outside of the range are those of the input. With the mask "ir", an
        infrared channel is that of the input; an infrared page is left out here, and kept by `save`.
        """
        taken, pixels, _ = self._parts()
        alpha = self._alpha(pixels)
        _, joined, _ = with_infrared(taken.picture, pixels, taken.picture.format)
        pixels = joined if len(joined) == len(pixels) else pixels  # pages of infrared are no part of the image
        samples = pixels if alpha is None else np.concatenate([pixels, alpha], axis=3)
        if taken.form.kind == "pil":
            from PIL import Image

            found, m = (
                Image.fromarray(samples[0, :, :, 0] if samples.shape[3] == 1 else samples[0]),
                taken.picture.metadata,
            )
            info = {"exif": m.exif and exif.PREFIX + m.exif, "icc_profile": m.icc, "xmp": m.xmp, "dpi": m.dpi}
            found.info.update((key, value) for key, value in info.items() if value)
            return found
        return taken.form.give(torch.from_numpy(samples).movedim(-1, 1))

    def save(self, path: str | Path) -> None:
        """Write the restored image to a file, in the format of its suffix.

        An image that was read from a path keeps its metadata. Floats are written as 8 bits to PNG, JPEG, WebP and BMP.

        Raises
        ------
        ImageError
            The suffix is unknown, the file is the image's own, or the format does not hold such an image.
        """
        taken, pixels, span = self._parts()
        path = Path(path)
        kind = next((k for k, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)
        if kind is None:
            raise ImageError(f"{path} has no suffix of an image; use for example .png, .tif or .npy")
        if taken.path is not None and path.exists() and path.samefile(taken.path):
            raise ImageError(f"{path} is the image itself, which is never written to; choose another name")
        if pixels.dtype.kind == "f" and kind in _EIGHT_BITS:
            unit = (pixels - span.low) / (span.high - span.low)
            pixels = from_unit(unit, IntensityRange(0.0, 255.0), np.uint8)
        picture, pixels = turned_upright(taken.picture, pixels)
        formats.write(path, picture, pixels, kind, jpeg_quality="auto")

    def show(self) -> None:
        """Open the restored image in the viewer of the system."""
        from PIL import Image

        Image.fromarray(self._preview()).show()

    def _repr_html_(self) -> str:
        """Return the picture and its description for notebooks."""
        from PIL import Image

        data = io.BytesIO()
        Image.fromarray(self._preview()).save(data, "PNG")
        text = base64.b64encode(data.getvalue()).decode("ascii")
        return f'<figure><img src="data:image/png;base64,{text}"><figcaption>{self!r}</figcaption></figure>'

    def _preview(self) -> Array:
        from restorekit.images.previews import pictured

        _, pixels, span = self._parts()
        return pictured(pixels[0], span)

    def _parts(self) -> tuple[CallerImage, Array, IntensityRange]:
        """Return the image as it came, the restored numbers in its range, (B, H, W, C), and the range."""
        if self.taken is None or self.values is None or self.estimate is None:
            raise UsageError("this restoration was made without an image; use mmse")
        before, span, kept = self.taken.picture.pixels, self.values.range, self.values.kept
        dtype = np.dtype(np.float32) if before.dtype.kind == "b" else before.dtype
        pixels = from_unit(self.estimate.movedim(1, -1).numpy(), span, dtype)
        if kept is not None and kept.shape == pixels.shape:
            pixels = np.where(kept, before.astype(dtype), pixels)
            if (nodata := self.taken.picture.nodata) is not None and dtype == before.dtype:
                pixels = np.where(nodata.where & ~kept, pixels, nodata.restore(pixels))
        return self.taken, pixels, span

    def _alpha(self, pixels: Array) -> Array | None:
        """Return the alpha of the image where it fits its pixels."""
        alpha = None if self.taken is None else self.taken.picture.alpha
        fits = alpha is not None and alpha.shape[:3] == pixels.shape[:3] and alpha.dtype == pixels.dtype
        return alpha if fits else None


class PythonRestorer:
    """A model for Python: restores arrays, tensors, PIL images and files.

    Parameters
    ----------
    opened : Opened
        What `open_restorer` gave.
    corruption : Corruption or None
        Corruption of the images, if it is known.
    """

    def __init__(self, opened: Opened, corruption: Corruption | None = None) -> None:
        self.opened, self.corruption = opened, corruption
        self._process = os.getpid()

    def __repr__(self) -> str:
        channels = " or ".join(map(str, self.opened.restorer.geometry.channels))
        known = "" if self.corruption is None else f", against {self.corruption}"
        kind = "classical method" if self.opened.card is None else "model"
        return f"<restorekit {kind} {self.opened.name!r} on {self.opened.device}, {channels} channels{known}>"

    def __call__(
        self,
        image: Any,
        missing: Any = None,
        sigma: float | str | None = None,
        samples: int = 0,
        seed: int = 0,
        label: int | None = None,
        interval: float | None = None,
        axes: str | None = None,
        mask: Any = None,
        range: RangeOption = None,
        mask_confirmed: bool = False,
        ir_threshold: float | None = None,
        repair: str | None = None,
        touch: float | None = None,
    ) -> RestoredImage:
        """Restore one image, or a batch.

        Parameters
        ----------
        image : ndarray (H, W) or (H, W, C), Tensor (H, W), (C, H, W) or (B, C, H, W), PIL image, or path
            On [0, 1] where it is float; uint8 spans 0 to 255, uint16 0 to 65535 or the 8 to 14 bits that its values
            fit, with a warning. NaN, masked values, colours of fully transparent pixels and values far outside of the
            range are missing.
        missing, mask : array, Tensor or PIL image of the same height and width, path, "alpha", "ir" or "color:#RRGGBB"
            Non-zero where a pixel is missing; two names for one argument. "ir": dust in the infrared plane of a scan,
            which is the last of 2 or 4 channels of an array with `axes`, or as for ``--mask ir`` at a path. For an
            image from a path the default is NAME.missing.png next to it.
        sigma : float, "auto" or None
            Standard deviation of the noise on [0, 1]; 0 = none; "auto" = estimated from the image; None = unknown, or
            as in the images that the model has learnt from where those had noise.
        samples : int
            Draws to return.
        seed : int
            Seed of the draws.
        label : int, optional
            Class of the image, for models that know classes.
        interval : float, optional
            Share of the unknown values that `low` and `high` are to enclose; they are NaN, with a warning,
            where the model's calibration does not reach.
        axes : str, optional
            One letter for each axis of an image in another layout, such as ``"NHWC"``, ``"CYX"`` or ``"TZYX"``; see
            `restorekit.images.axes.parse_axes`. A mask has the same axes, with or without C.
        range : "auto", (low, high) or None
            Numbers that are 0 and 1 on the scale of `sigma` and of the results, as in `--range`.
        mask_confirmed : bool
            Whether a mask may mark more than 60 % or less than 0.01 % of the image, as in `--mask-confirmed`.
        ir_threshold : float, optional
            Of the mask "ir": share of the infrared light that dust blocks at least, as in `--ir-threshold`.
        repair : str, optional
            Detector of defects that nobody has marked, such as ``"film"``, or several with commas between them; they
            are filled, and all other values stay as they are unless `sigma` says otherwise.
        touch : float, optional
            Share of the pixels of clean images that the repair touches on average; 0.001 unless set.

        Returns
        -------
        RestoredImage
            On [0, 1]. Fields laid out like the image, torch for torch, else numpy; draws have a leading axis. Its
            `image` has the type and the range of the input.

        Raises
        ------
        UsageError
            A shape, scale or option that does not fit; a ValueError, and a TypeError for an object of another type.
        ImageError
            A file that cannot be read, or a mask that marks another share of the image and is not confirmed.
        """
        check_integer("samples", samples, 0)
        check_integer("label", label, 0)
        check_integer("seed", seed)
        if missing is not None and mask is not None:
            raise UsageError("missing and mask are two names for one argument; pass one of them")
        self.opened.check(label, int(samples))
        self._check_process()
        if self.corruption is not None and sigma is not None:
            raise UsageError(
                f"the corruption {self.corruption} already sets the noise level, got sigma={sigma}; remove sigma"
            )
        if touch is not None and repair is None:
            raise UsageError("touch belongs to a repair, and there is none; pass repair='film' or remove touch")
        search = None if repair is None else open_repair(repair, touch or TOUCH, compute=Compute(self.opened.device))[0]
        sigma = 0.0 if repair and sigma is None and self.corruption is None else sigma  # all else stays as it is
        taken, hidden = read_object(image, axes), mask if missing is None else missing
        is_infrared = isinstance(hidden, str) and hidden == "ir"
        if ir_threshold is not None and not is_infrared:
            raise UsageError("ir_threshold requires mask='ir'; pass it or remove ir_threshold")
        taken = without_infrared(taken) if is_infrared else taken
        lost = _neighbour(taken) if hidden is None else read_missing(hidden, taken, axes, mask_confirmed, ir_threshold)
        clear = not (isinstance(hidden, str) and hidden == "alpha")
        values, problem, notes = self._pose(taken, lost, search, clear, sigma, label, parse_range(range))
        restorer = self.opened.restorer
        rng = Rng(int(seed), tuple(str(i) for i in torch.arange(len(values.y)).tolist()))
        restored, concerns = hold(problem, per_channel.restore(restorer, problem, int(samples), rng))
        for note in (*notes, *concerns):
            warnings.warn(note, RestorekitWarning, stacklevel=2)
        if interval is not None:
            together = per_channel.channels_per_pass(restorer, problem.observation.shape[0])
            restored = enclose_or_warn(restored, problem, together, self.opened.table, interval)
        return RestoredImage.of(restored, taken, values)

    def _pose(
        self, taken: CallerImage, lost: Tensor | None, search: Repair | None, clear: bool, sigma: float | str | None,
        label: int | None, range: RangeOption,
    ) -> tuple[ImageValues, Problem, list[str]]:  # fmt: skip
        """Return the values of an image, the problem that they pose, and what the caller may not expect."""
        stored = parse(taken.picture.spec, registry.corruptions()) if taken.picture.spec else None
        found = resolve_degradation(self.corruption, sigma_of(sigma), stored, self.opened.learnt_noise)
        margin = NOISY_MARGIN if found.source in ("user", "file") else None
        margin = margin if found.sigma is None else MARGIN_SIGMAS * found.sigma
        values = prepare_values(taken, range, margin, clear)
        if lost is not None:
            values = values.without(lost)
        values = values if search is None else values.searched(search)
        restorer = self.opened.restorer
        level = None if found.sigma is None else torch.full((len(values.y), 1, 1, 1), found.sigma)
        pose = partial(
            pose_problem, values.y, values.observed, found.corruption, max(restorer.geometry.channels), label=label
        )
        problem = pose(sigma=level)
        if found.source == "nobody" and found.sigma is None:
            reasons = [without_noise(y, o) for y, o in zip(values.y, values.observed, strict=True)]
            if all(reasons):
                found = resolve_degradation(sigma=0.0)
                zeros, channels = torch.zeros(len(reasons), 1, 1, 1), max(restorer.geometry.channels)
                exact = pose_problem(values.y, values.observed, found.corruption, channels, zeros, label)
                return values, exact, [*values.notes, NO_NOISE.format(reasons[0])]
        if not found.estimate:
            return values, problem, values.notes
        estimated, levels = _estimated(problem, restorer.needs_sigma)
        return values, pose(sigma=estimated), [*values.notes, *levels]

    def _check_process(self) -> None:
        """Make a model usable in a forked process, whose threads of OpenMP are gone; refuse one on a GPU.

        Raises
        ------
        UsageError
            The process was forked from one that had opened CUDA.
        """
        if os.getpid() == self._process:
            return
        if self.opened.device != "cpu":
            raise UsageError(
                f"a forked process cannot use {self.opened.device}; start workers with the method 'spawn', or load the"
                " model in each of them"
            )
        torch.set_num_threads(1)
        self._process = os.getpid()


def _neighbour(taken: CallerImage) -> Tensor | None:
    """Return the mask next to an image's file, bool (1 or B, 1 or C, H, W), or None."""
    if taken.path is None:
        return None
    from restorekit.images.discovery import Item
    from restorekit.images.masks import parse_mask

    found = parse_mask(None).missing(Item(taken.path, taken.path.name), taken.picture).missing
    return None if found is None else torch.from_numpy(np.moveaxis(found, -1, 1).copy())


def _estimated(problem: Problem, required: bool) -> tuple[Tensor | None, list[str]]:
    """Estimate the noise level of each image, (B, 1, 1, 1), from its central part if it is large; and say what failed.

    Noise that is not white has no level: NaN, which is unknown, unless the restorer requires one.
    """
    o = problem.observation
    if o.direct and o.y.shape[1:] == o.shape and max(o.shape[1:]) > WINDOW:
        firsts = [max(0, (side - WINDOW) // 2) for side in o.shape[1:]]
        places = [torch.arange(a, min(n, a + WINDOW)) for a, n in zip(firsts, o.shape[1:], strict=True)]
        problem = Problem(o.cut(*places), problem.corruption)
    levels, notes = list[float](), list[str]()
    for i in torch.arange(len(o)).tolist():
        one = problem.take(torch.tensor([i]))
        found = white_level(one)
        levels.append(found.sigma if found.sigma is not None else float(estimate_sigma(one)) if required else torch.nan)
        notes += [f"{found.reason}: restored without a noise level"] if found.sigma is None else []
    return torch.tensor(levels).view(-1, 1, 1, 1), list(dict.fromkeys(notes))


def load(
    name: str = "default", device: str = "auto", sampler: str | None = None, precision: Precision = "auto",
    compiled: bool = False, corruption: str | None = None, quality: Quality = "standard",
) -> PythonRestorer:  # fmt: skip
    """Load a model, weights or classical method by name; see `devices.Compute` and `PythonRestorer`.

    `corruption` is the spec of the corruption, if it is more than noise and missing values, such as
    ``blur:size=2+gaussian:sigma=5/255``; `sampler` that of an unconditional model's sampler.
    """
    known = None if corruption is None else parse(corruption, registry.corruptions())
    return PythonRestorer(open_restorer(name, known, sampler, Compute(device, precision, compiled, quality)), known)
