"""PSNR of images on [0, 1], and the rounding to 8 bits that precedes it in the protocol."""

from __future__ import annotations

from torch import Tensor


def quantise_8bit(x: Tensor) -> Tensor:
    """Clamp x to [0, 1] and round it to 8 bits, as the protocol scores it."""
    return (x.clamp(0, 1) * 255).round() / 255


def psnr_of_mse(mse: Tensor) -> Tensor:
    """Return the PSNR, dB, of mean squared errors on a scale whose range is 1; infinity for 0."""
    return -10 * mse.log10()


def psnr(x: Tensor, reference: Tensor, least_mse: float = 0.0) -> Tensor:
    """Return the PSNR of each image, data range 1, no border cut.

    Parameters
    ----------
    x, reference : Tensor, (B, ...)
        Images on [0, 1]; the result has their precision.
    least_mse : float
        Mean squared errors below it count as this one, so that means over images stay finite.

    Returns
    -------
    Tensor, (B,)
        dB; infinity for identical images if `least_mse` is 0.
    """
    return psnr_of_mse(((x - reference) ** 2).flatten(1).mean(1).clamp_min(least_mse))
