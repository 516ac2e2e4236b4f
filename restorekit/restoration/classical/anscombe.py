"""Denoising of photon counts: variance stabilisation, Gaussian denoising, unbiased inverse."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from restorekit.core.contracts import Corruption, parts_of
from restorekit.restoration.classical.arrays import Image
from restorekit.restoration.classical.base import ClassicalInput, Denoiser, SameSize
from restorekit.restoration.classical.bm3d import BM3D
from restorekit.restoration.classical.skimage import NLM
from restorekit.uncertainty.noise_level import noise_level

BINS = 16  # of local brightness, for the estimate of the peak
HIGHEST = 1e6  # photons at x = 1: what a noise-free image is taken for


class Anscombe(SameSize):
    """Anscombe's transform around a Gaussian denoiser, with the exact unbiased inverse.

    Makitalo, Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson image
    denoising", IEEE TIP 2011. The peak (photons at x = 1) is the observation's, else it is estimated.
    """

    inner: ClassVar[type[Denoiser]]

    def restore_same_size(self, inputs: ClassicalInput) -> Image:
        """Stabilise, denoise, invert."""
        y = inputs.filled()
        known = inputs.observation.params.get("peak")
        peak = estimate_peak(y) if known is None else float(known)
        stable = stabilise(y * peak)
        scale = max(float(np.ptp(stable)), 1.0)  # the denoisers were tuned on [0, 1]
        # photons alone have unit variance now; the level of any other noise is unknown
        alone = all(part.noise_law == "poisson" or part.hides for part in parts_of(inputs.corruption))
        sigma = 1 / scale if alone else noise_level(stable / scale)
        cleaned = self.inner().denoise(stable / scale, sigma) if sigma > 0 else stable / scale
        return invert(cleaned * scale) / peak

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether there is photon noise."""
        return any(part.noise_law == "poisson" for part in parts_of(corruption))


class AnscombeNLM(Anscombe):
    """Anscombe's transform around non-local means."""

    name: ClassVar[str] = "anscombe-nlm"
    inner: ClassVar[type[Denoiser]] = NLM


class AnscombeBM3D(Anscombe):
    """Anscombe's transform around BM3D (extra ``[bm3d]``)."""

    name: ClassVar[str] = "anscombe-bm3d"
    inner: ClassVar[type[Denoiser]] = BM3D


def stabilise(counts: Image) -> Image:
    """Return 2 sqrt(k + 3/8): photon counts with a variance near 1 (Anscombe, Biometrika 1948)."""
    return np.asarray(2 * np.sqrt((counts + 3 / 8).clip(0)))


def invert(stable: Image) -> Image:
    """Return the mean count of which `stable` is the mean of the transform.

    Makitalo, Foi, "A closed-form approximation of the exact unbiased inverse of the Anscombe
    variance-stabilizing transformation", IEEE TIP 2011, equation 8.
    """
    d = stable.clip(2 * np.sqrt(3 / 8))  # the transform of no photons at all
    root = np.sqrt(3 / 2)
    mean: Image = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 * root / 8 / d**3 - 1 / 8
    return mean.clip(0)


def estimate_peak(y: Image) -> float:
    """Estimate the peak from how the noise grows with brightness: variance = mean / peak.

    The noise is measured in the diagonal differences of 2 x 2 blocks, robustly where it can be, among
    blocks of like brightness.
    """
    height, width = (side // 2 * 2 for side in y.shape[:2])
    a, b, c, d = (y[i:height:2, j:width:2].ravel() for i in (0, 1) for j in (0, 1))
    if not a.size:
        return HIGHEST
    mean, difference = (a + b + c + d) / 4, (a - b - c + d) / 2
    groups = [g for g in np.array_split(np.argsort(mean), BINS) if g.size]
    means = np.array([mean[g].mean() for g in groups])
    variances = np.array([_variance(difference[g]) for g in groups])
    slope = (means * variances).sum() / max((means**2).sum(), 1e-12)
    return float(np.clip(1 / max(slope, 1 / HIGHEST), 1e-3, HIGHEST))


def _variance(values: NDArray[np.float64]) -> float:
    """Return the variance by the median, which edges do not move; by the mean where most values are equal."""
    middle = float(np.median(np.abs(values)))
    return (middle / 0.6745) ** 2 if middle > 0 else float(np.mean(values**2))
