"""Images as Python callers hold them, numpy arrays or torch tensors, and the batches that restorers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit.errors import UsageError

FEW = 4  # an axis this short holds channels where the other candidate is longer
FAR = 10.0  # floats beyond this are no noisy [0, 1] any more
_FULL = {torch.uint8: 2**8 - 1, torch.uint16: 2**16 - 1, torch.bool: 1}


@dataclass(frozen=True)
class Form:
    """How a caller's image is laid out.

    Attributes
    ----------
    numpy : bool
        An array, channels last; else a tensor, channels first.
    axes : int
        2: height and width; 3: with channels; 4: a batch, tensors only.
    device : torch.device
        Where it lies.
    """

    numpy: bool
    axes: int
    device: torch.device

    def give(self, batch: Tensor) -> Any:
        """Lay out results, (..., B, C, H, W), like the caller's image; axes before B stay where they are."""
        result = batch if self.axes == 4 else batch.squeeze(-4)
        if self.axes == 2:
            result = result.squeeze(-3)
        elif self.numpy:
            result = result.movedim(-3, -1)
        return result.numpy() if self.numpy else result.to(self.device)


def take(image: Any) -> tuple[Tensor, Form]:
    """Turn a caller's image into a batch.

    Parameters
    ----------
    image : ndarray (H, W) or (H, W, C), or Tensor (H, W), (C, H, W) or (B, C, H, W)
        uint8 and uint16 span 0 to their maximum; floats are on [0, 1] and may be noisy or NaN.

    Returns
    -------
    Tensor of float32, (B, C, H, W), and Form

    Raises
    ------
    UsageError
        Another shape, type or scale.
    """
    tensor, form = _laid_out(image)
    return _unit(tensor), form


def take_missing(missing: Any, shape: tuple[int, ...]) -> Tensor:
    """Turn a caller's mask, non-zero = missing, into bool, (1 or B, 1 or C, H, W), for a batch of `shape`."""
    tensor, _ = _laid_out(missing)
    fits = all(a in (1, b) for a, b in zip(tensor.shape[:2], shape[:2], strict=True))
    if not fits or tensor.shape[2:] != shape[2:]:
        raise UsageError(
            f"missing must have the image's height and width, {shape[2]} x {shape[3]}, and one or all of its"
            f" channels, got the shape {tuple(np.shape(missing))}"
        )
    return tensor != 0


def _laid_out(image: Any) -> tuple[Tensor, Form]:
    """Return an image or mask as (B, C, H, W) in its own type."""
    numpy = not isinstance(image, Tensor)
    tensor = _tensor(image)
    axes = tensor.dim()
    if axes not in ((2, 3) if numpy else (2, 3, 4)):
        wanted = "an array (H, W) or (H, W, C)" if numpy else "a tensor (H, W), (C, H, W) or (B, C, H, W)"
        raise UsageError(f"an image is {wanted}, got the shape {tuple(tensor.shape)}")
    if axes == 3:
        _refuse_swapped(tensor.shape, numpy)
        tensor = tensor.movedim(-1, 0) if numpy else tensor
    if 0 in tensor.shape:
        raise UsageError(f"an image has at least one pixel, got the shape {tuple(np.shape(image))}")
    form = Form(numpy, axes, tensor.device)
    return tensor[(None,) * (4 - axes)].cpu(), form


def _tensor(image: Any) -> Tensor:
    if isinstance(image, Tensor):
        return image.detach()
    array = np.ascontiguousarray(image)
    if array.dtype.kind not in "uifb":
        raise UsageError(f"an image holds uint8, uint16 or floating-point numbers, got {array.dtype}")
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def _refuse_swapped(shape: torch.Size, numpy: bool) -> None:
    channels, other = (shape[2], shape[0]) if numpy else (shape[0], shape[2])
    if channels > FEW >= other:
        wanted, got = ("(H, W, C)", "(C, H, W)") if numpy else ("(C, H, W)", "(H, W, C)")
        raise UsageError(
            f"a 3-D {'array' if numpy else 'tensor'} is {wanted}, got {tuple(shape)}, which looks like {got}"
        )


def _unit(t: Tensor) -> Tensor:
    if t.is_floating_point():
        unit = t.float()
        known = unit[unit.isfinite()]
        if known.numel() and float(known.abs().max()) > FAR:
            raise UsageError(
                f"floats are on the [0, 1] scale, got values up to {float(known.abs().max()):g};"
                " divide by what white is, or pass uint8 or uint16"
            )
        return unit
    if t.dtype not in _FULL:
        raise UsageError(
            f"integers are uint8 or uint16, which say what white is, got {t.dtype}; convert or divide first"
        )
    return t.float() / _FULL[t.dtype]
