"""Metrics of one restored image, on the [0, 1] scale with the data range always explicit.

Protocol: the caller passes the estimate (and the draws) through `quantise_8bit` first, so that every
restorer is scored on the 8-bit picture that a user gets. A restorer's own interval is scored as it is;
where it gives a spread alone, the interval lies about the finished, and so rounded, estimate.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import normalized_root_mse, structural_similarity
from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.errors import UndefinedMetricError
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.core.psnr import psnr
from restorekit.core.types import Observation, Restoration

DATA_RANGE = 1.0  # of the [0, 1] scale; never guessed from the values
WINDOW = 11  # pixels a side of the Gaussian window of SSIM: truncated at 3.5 of its standard deviations
WINDOW_SIGMA = 1.5  # which are so many pixels


class PSNR(Metric):
    """Peak signal-to-noise ratio of the estimate over all pixels, no border cut; inf for identical images."""

    name: ClassVar[str] = "psnr"
    unit: ClassVar[str] = "dB"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return 10 log10(1 / mean squared error)."""
        return _psnr(restoration.mmse, reference)


class PSNRMissing(Metric):
    """PSNR over the missing values only; undefined if none is missing."""

    name: ClassVar[str] = "psnr_missing"
    unit: ClassVar[str] = "dB"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return 10 log10(1 / mean squared error over the values that were not observed)."""
        if observation.y.shape != reference.shape:
            raise UndefinedMetricError(
                "the observation has another shape than the image, so that no value of it is missing"
            )
        missing = ~observation.observed.expand_as(reference)
        if not missing.any():
            raise UndefinedMetricError("no value is marked as missing")
        return _psnr(restoration.mmse[missing], reference[missing])


class SSIM(Metric):
    """Structural similarity in a Gaussian window of 11 x 11 pixels, sigma 1.5; mean over pixels and channels.

    As Wang, Bovik, Sheikh, Simoncelli (IEEE TIP 2004): window truncated at 3.5 sigma, K1 = 0.01, K2 = 0.03,
    population covariance, data range 1. Undefined for images smaller than the window.
    """

    name: ClassVar[str] = "ssim"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the mean SSIM."""
        height, width = reference.shape[-2:]
        if min(height, width) < WINDOW:
            raise UndefinedMetricError(
                f"it takes images of at least {WINDOW} x {WINDOW} pixels, got {width} x {height}"
            )
        value = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
            _numpy(reference[0]),
            _numpy(restoration.mmse[0]),
            data_range=DATA_RANGE,
            gaussian_weights=True,
            sigma=WINDOW_SIGMA,
            use_sample_covariance=False,
            channel_axis=0,
        )
        return float(value)


class NRMSE(Metric):
    """Root mean squared error divided by the root mean square of the clean image; undefined for a black one."""

    name: ClassVar[str] = "nrmse"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return ||estimate - reference|| / ||reference||."""
        if not reference.any():
            raise UndefinedMetricError("the clean image is black, so that errors are relative to nothing")
        return float(normalized_root_mse(_numpy(reference), _numpy(restoration.mmse), normalization="euclidean"))


class DrawPSNR(Metric):
    """Mean over draws of the PSNR of one draw: 3.01 dB under the MMSE for ideal draws; undefined without draws."""

    name: ClassVar[str] = "draw_psnr"
    unit: ClassVar[str] = "dB"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the mean of the draws' PSNR."""
        if restoration.draws is None or len(restoration.draws) == 0:
            raise UndefinedMetricError("there are no draws; a model makes them with --samples N")
        return sum(_psnr(draw, reference) for draw in restoration.draws) / len(restoration.draws)


@hookimpl
def restorekit_register_metrics() -> list[type[Metric]]:
    """Register the built-in metrics."""
    return [PSNR, PSNRMissing, SSIM, NRMSE, DrawPSNR]


def _psnr(estimate: Tensor, reference: Tensor) -> float:
    return float(psnr(estimate.detach().cpu().double()[None], reference.detach().cpu().double()[None]))


def _numpy(x: Tensor) -> NDArray[np.float64]:
    return x.detach().cpu().double().numpy()
