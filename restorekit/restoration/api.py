"""Restoring single images from Python.

Images as Python callers hold them, numpy arrays or torch tensors, and the batches that restorers take.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.config import checked_sigma
from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute, Precision
from restorekit.core.errors import ImageError, RestorekitWarning, UsageError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Restoration
from restorekit.corruptions.spec import parse
from restorekit.images.axes import axes_of, frames_order, frames_shape, parse_axes, stored_layout
from restorekit.restoration.assumptions import pose_problem, resolve_degradation
from restorekit.restoration.loading import Opened, open_restorer
from restorekit.restoration.safeguards import hold
from restorekit.uncertainty.intervals import enclose_or_warn


class PythonRestorer:
    """A model for Python: takes and returns images as numpy arrays or torch tensors.

    Parameters
    ----------
    opened : Opened
        What `open_restorer` gave.
    corruption : Corruption or None
        Corruption of the images, if it is known.
    """

    def __init__(self, opened: Opened, corruption: Corruption | None = None) -> None:
        self.opened, self.corruption = opened, corruption

    def __call__(
        self,
        image: Any,
        missing: Any = None,
        sigma: float | None = None,
        samples: int = 0,
        seed: int = 0,
        label: int | None = None,
        interval: float | None = None,
        axes: str | None = None,
    ) -> Restoration:
        """Restore one image, or a batch.

        Parameters
        ----------
        image : ndarray (H, W) or (H, W, C), or Tensor (H, W), (C, H, W) or (B, C, H, W)
            On [0, 1] where it is float; uint8 and uint16 span 0 to their maximum. NaN means missing.
        missing : array or Tensor of the same height and width, optional
            Non-zero where a pixel is missing.
        sigma : float, optional
            Standard deviation of the noise on [0, 1]; 0 = none; None = unknown, or as in the images that the model has
            learnt from where those had noise.
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

        Returns
        -------
        Restoration
            On [0, 1]. Fields laid out like the image, numpy for numpy, torch for torch; draws have a leading axis.

        Raises
        ------
        UsageError
            A shape, type, scale or option that does not fit.
        """
        if not isinstance(samples, Integral) or samples < 0:
            raise UsageError(f"expected a number of draws, an integer from 0 on, got {samples!r}")
        self.opened.check(label, int(samples))
        if self.corruption is not None and sigma is not None:
            raise UsageError(
                f"the corruption {self.corruption} already sets the noise level, got sigma={sigma}; remove sigma"
            )
        y, form = read_batch(image, axes)
        observed = y.isfinite()
        if missing is not None:
            observed = observed & ~read_missing(missing, tuple(y.shape), form.axes if axes else None)
        stated = None if sigma is None else checked_sigma(sigma, str(sigma))
        found = resolve_degradation(self.corruption, stated, model=self.opened.learnt_noise)
        level = None if found.sigma is None else torch.full((len(y), 1, 1, 1), found.sigma)
        restorer = self.opened.restorer
        channels = max(restorer.geometry.channels)
        problem = pose_problem(torch.where(observed, y, 0.0), observed, found.corruption, channels, level, label)
        rng = Rng(seed, tuple(str(i) for i in range(len(y))))
        restored = per_channel.restore(restorer, problem, samples, rng)
        restored, concerns = hold(problem, restored)
        for sentence in concerns:
            warnings.warn(sentence, RestorekitWarning, stacklevel=2)
        if interval is not None:
            together = per_channel.channels_per_pass(restorer, problem.observation.shape[0])
            restored = enclose_or_warn(restored, problem, together, self.opened.table, interval)
        others = restored.std, restored.draws, restored.low, restored.high
        std, draws, low, high = (None if values is None else form.give(values) for values in others)
        return Restoration(form.give(restored.mmse), std, draws, low, high, restored.diagnostics)


def load(
    name: str = "default", device: str = "auto", sampler: str | None = None, precision: Precision = "auto",
    compiled: bool = False, corruption: str | None = None,
) -> PythonRestorer:  # fmt: skip
    """Load a model, weights or classical method by name; see `devices.Compute` and `PythonRestorer`.

    `corruption` is the spec of the corruption, if it is more than noise and missing values, such as
    ``blur:size=2+gaussian:sigma=5/255``; `sampler` that of an unconditional model's sampler.
    """
    known = None if corruption is None else parse(corruption, registry.corruptions())
    return PythonRestorer(open_restorer(name, known, sampler, Compute(device, precision, compiled)), known)


MAX_CHANNELS = 4  # an axis this short holds channels if the other candidate is longer
MAX_FLOAT_VALUE = 10.0  # floats beyond this are no noisy [0, 1] any more
_FULL = {torch.uint8: 2**8 - 1, torch.uint16: 2**16 - 1, torch.bool: 1}


@dataclass(frozen=True)
class ArrayForm:
    """Layout of a caller's image.

    Attributes
    ----------
    numpy : bool
        An array; else a tensor.
    axes : str
        One letter for each axis, as in `restorekit.images.axes`.
    shape : tuple of int
        Shape of the image.
    device : torch.device
        Where it lies.
    """

    numpy: bool
    axes: str
    shape: tuple[int, ...]
    device: torch.device

    def give(self, batch: Tensor) -> Any:
        """Lay out results, (..., B, C, H, W), like the caller's image; axes before B stay where they are."""
        frames = batch.movedim(-3, -1)
        axes, shape, lead, channels = self.axes, self.shape, frames.shape[:-4], frames.shape[-1]
        if channels > 1 and "C" not in axes and not self.numpy:
            axes, shape = f"C{axes}", (channels, *shape)
        sizes, order = stored_layout(tuple(frames.shape[-4:]), shape, axes)
        result = frames.reshape(*lead, *sizes).permute(*range(len(lead)), *(len(lead) + i for i in order))
        return result.numpy() if self.numpy else result.to(self.device)


def read_batch(image: Any, axes: str | None = None) -> tuple[Tensor, ArrayForm]:
    """Turn a caller's image into a batch.

    Parameters
    ----------
    image : ndarray (H, W) or (H, W, C), or Tensor (H, W), (C, H, W) or (B, C, H, W)
        uint8 and uint16 span 0 to their maximum; floats are on [0, 1] and may be noisy or NaN.
    axes : str, optional
        Letters of the axes of an image in another layout.

    Returns
    -------
    Tensor of float32, (B, C, H, W), and ArrayForm

    Raises
    ------
    UsageError
        Another shape, type or scale.
    """
    tensor, form = _laid_out(image, axes)
    return _unit(tensor), form


def read_missing(missing: Any, shape: tuple[int, ...], axes: str | None = None) -> Tensor:
    """Turn a caller's mask, non-zero = missing, into bool, (1 or B, 1 or C, H, W), for a batch of `shape`."""
    bare = axes.replace("C", "") if axes else None
    tensor, _ = _laid_out(missing, axes if axes is None or axes == bare else f"{axes},{bare}")
    fits = all(a in (1, b) for a, b in zip(tensor.shape[:2], shape[:2], strict=True))
    if not fits or tensor.shape[2:] != shape[2:]:
        raise UsageError(
            f"missing must have the image's height and width, {shape[2]} x {shape[3]}, and one or all of its"
            f" channels, got the shape {tuple(np.shape(missing))}"
        )
    return tensor != 0


def _laid_out(image: Any, layout: str | None) -> tuple[Tensor, ArrayForm]:
    """Return an image or mask as (B, C, H, W) in its own type."""
    numpy = not isinstance(image, Tensor)
    if isinstance(image, Tensor):
        tensor = image.detach()
    else:
        array = np.ascontiguousarray(image)
        if array.dtype.kind not in "uifb":
            raise UsageError(f"an image holds uint8, uint16 or floating-point numbers, got {array.dtype}")
        tensor = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    shape = tuple(tensor.shape)
    if layout is not None:
        try:
            axes = axes_of(shape, parse_axes(layout))
        except ImageError as error:
            raise UsageError(str(error)) from error
    else:
        layouts = {2: "HW", 3: "HWC"} if numpy else {2: "HW", 3: "CHW", 4: "NCHW"}
        if len(shape) not in layouts:
            wanted = "an array (H, W) or (H, W, C)" if numpy else "a tensor (H, W), (C, H, W) or (B, C, H, W)"
            raise UsageError(
                f"an image is {wanted}, got the shape {shape}; pass axes, such as 'NHWC', for another layout"
            )
        axes = layouts[len(shape)]
        if len(shape) == 3:
            _refuse_swapped(tensor.shape, numpy)
    if 0 in shape:
        raise UsageError(f"an image has at least one pixel, got the shape {shape}")
    frames = tensor.permute(frames_order(axes)).reshape(frames_shape(shape, axes))
    return frames.movedim(-1, 1).cpu(), ArrayForm(numpy, axes, shape, tensor.device)


def _refuse_swapped(shape: torch.Size, numpy: bool) -> None:
    channels, other = (shape[2], shape[0]) if numpy else (shape[0], shape[2])
    if channels > MAX_CHANNELS >= other:
        wanted, got = ("(H, W, C)", "(C, H, W)") if numpy else ("(C, H, W)", "(H, W, C)")
        raise UsageError(
            f"a 3-D {'array' if numpy else 'tensor'} is {wanted}, got {tuple(shape)}, which looks like {got};"
            " swap the axes or pass axes"
        )


def _unit(t: Tensor) -> Tensor:
    if t.is_floating_point():
        unit = t.float()
        known = unit[unit.isfinite()]
        if known.numel() and float(known.abs().max()) > MAX_FLOAT_VALUE:
            raise UsageError(
                f"floats are on the [0, 1] scale, got values up to {float(known.abs().max()):g};"
                " divide by the maximum, or pass uint8 or uint16"
            )
        return unit
    if t.dtype not in _FULL:
        raise UsageError(f"expected uint8 or uint16, got {t.dtype}; convert or divide by the maximum")
    return t.float() / _FULL[t.dtype]
