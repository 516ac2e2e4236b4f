"""Perceptual metrics of image quality: MS-SSIM, GMSD, and LPIPS if its weights are on the disk."""

from __future__ import annotations

from restorekit import Metric, hookimpl
from restorekit_perceptual.gmsd import GMSD
from restorekit_perceptual.lpips import LPIPS
from restorekit_perceptual.ms_ssim import MSSSIM

__all__ = ["GMSD", "LPIPS", "MSSSIM", "restorekit_register_metrics"]


@hookimpl
def restorekit_register_metrics() -> list[type[Metric]]:
    """Register the metrics of this package."""
    return [MSSSIM, GMSD, LPIPS]
