"""Classical methods of SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from restorekit.core.contracts import Corruption, parts_of
from restorekit.restoration.classical.arrays import Image, Plane, triangulate
from restorekit.restoration.classical.base import ClassicalInput, ClassicalRestorer, Inpainter, PlaneDenoiser, SameSize
from restorekit.uncertainty.noise_level import noise_level

WIDEST = 4  # pixels: radius of the largest window that the median looks for intact values in
ENOUGH = 2  # intact values a window needs; best of 1 to 6 on BSDS500 train at rates 0.1 to 0.9
CHUNK = 2**16  # pixels whose windows are held in memory at once


class Delaunay(Inpainter):
    """Linear interpolation over the Delaunay triangles of the observed pixels."""

    name: ClassVar[str] = "delaunay"

    def inpaint(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Interpolate."""
        return triangulate(image, missing)


class DelaunayCubic(Inpainter):
    """Clough-Tocher interpolation (continuous slopes) over the Delaunay triangles of the observed pixels.

    Alfeld, "A trivariate Clough-Tocher scheme for tetrahedral data", Computer Aided Geometric Design 1984.
    """

    name: ClassVar[str] = "delaunay-cubic"

    def inpaint(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Interpolate."""
        return triangulate(image, missing, CloughTocher2DInterpolator)


class Median(SameSize):
    """Medians: of the intact neighbours for salt and pepper, of the full window for other noise.

    Salt and pepper are the values at 0 and 1, and only they are replaced, from the smallest window that
    holds two intact values: after Hwang, Haddad, "Adaptive median filters", IEEE TIP 1995.
    """

    name: ClassVar[str] = "median"

    def restore_same_size(self, inputs: ClassicalInput) -> Image:
        """Replace impulses, or filter."""
        filled = inputs.filled()
        laws = [p.noise_law for p in parts_of(inputs.corruption) if not p.hides and p.noise_law != "rounding"]
        if laws[-1:] == ["impulse"]:  # no noise but rounding follows them: they are exactly 0 and 1
            bad = (inputs.y <= 0) | (inputs.y >= 1) | inputs.missing
            planes = [_replace(filled[..., c], bad[..., c]) for c in range(filled.shape[-1])]
            return np.stack(planes, -1)
        sigma = noise_level(filled) if inputs.sigma is None else inputs.sigma
        size = _window(sigma, 28 / 255, 48 / 255)
        return ndimage.median_filter(filled, (size, size, 1)) if sigma > 0 else filled

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether some values are replaced by impulses."""
        return any(part.noise_law == "impulse" for part in parts_of(corruption))


class Wiener(ClassicalRestorer):
    """The best linear estimate: with a linear operator the Wiener deconvolution, else scipy.signal.wiener.

    The prior of the deconvolution has the 1 / f^2 spectrum of natural images (Field, "Relations between the
    statistics of natural images", JOSA A 1987), so it is the solution x of
    (A' A + (sigma / slope)^2 L) x = A' y with the Laplacian L, found by conjugate gradients. That takes
    any operator, border and missing values included, where the FFT form takes periodic blur alone.
    """

    name: ClassVar[str] = "wiener"
    slope: ClassVar[float] = 0.09  # between neighbours; chosen on BSDS500 train, blurred by Gaussians and a box
    floor: ClassVar[float] = 1e-3  # least sigma: rounding to 8 bits
    steps: ClassVar[int] = 200

    def restore(self, inputs: ClassicalInput) -> Image:
        """Deconvolve, or filter where nothing is known but noise."""
        operator = inputs.corruption.operator(inputs.observation)
        if operator is None:
            return _LocalWiener().restore(inputs)
        sigma = noise_level(inputs.filled()) if inputs.sigma is None else inputs.sigma
        weight, like = (max(sigma, self.floor) / self.slope) ** 2, inputs.observation.y

        def normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
            image = x.reshape(inputs.shape)
            known = np.where(inputs.missing, 0, _through(operator.apply, image, like))
            return (_through(operator.adjoint, known, like) + weight * _roughness(image)).ravel()

        wanted = _through(operator.adjoint, np.where(inputs.missing, 0, inputs.y), like).ravel()
        system = LinearOperator((wanted.size, wanted.size), normal, dtype=np.float64)
        solution, _ = cg(system, wanted, rtol=1e-5, maxiter=self.steps)
        result: Image = solution.reshape(inputs.shape)
        return result

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether there is a linear operator or white Gaussian noise."""
        return any(part.linear or part.noise_law == "gaussian" for part in parts_of(corruption))


class _LocalWiener(PlaneDenoiser):
    """Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE PAMI 1980."""

    name: ClassVar[str] = "wiener"

    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Pull each value towards its window's mean, the more the less it varies there."""
        size = _window(sigma, 20 / 255, 40 / 255)
        mirrored = np.pad(plane, size, mode="symmetric")  # SciPy takes the outside for black
        with np.errstate(divide="ignore", invalid="ignore"):  # a flat window divides by 0 before it takes the mean
            result: Plane = signal.wiener(mirrored, size, noise=sigma**2)[size:-size, size:-size]
        return result


def _window(sigma: float, first: float, second: float) -> int:
    """Return the side of a window: 3, 5 or 7 pixels, more with more noise; the limits were chosen on BSDS500 train."""
    return 3 if sigma < first else 5 if sigma < second else 7


def _replace(plane: Plane, bad: NDArray[np.bool_]) -> Plane:
    """Replace bad values by medians of intact ones; where there are none near, by the median of all."""
    intact = np.where(bad, np.nan, plane)
    result, left = plane.copy(), bad.copy()
    for radius in range(1, WIDEST + 1):
        remaining = np.argwhere(left)
        for where in (remaining[i : i + CHUNK] for i in range(0, len(remaining), CHUNK)):
            medians = _medians(intact, where, radius)
            found = np.isfinite(medians)
            rows, columns = where[found].T
            result[rows, columns], left[rows, columns] = medians[found], False
    # a large area at 0 or 1 is more likely black or white than noise
    return np.where(left, ndimage.median_filter(plane, 2 * WIDEST + 1), result) if left.any() else result


def _medians(intact: Plane, where: NDArray[np.intp], radius: int) -> Plane:
    """Return the median of the intact values around each pixel of `where`, (N, 2); NaN where there are too few."""
    edge = np.pad(intact, radius, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(edge, (2 * radius + 1, 2 * radius + 1))
    values = windows[where[:, 0], where[:, 1]].reshape(len(where), -1)
    medians = np.full(len(where), np.nan)
    enough = np.isfinite(values).sum(1) >= ENOUGH
    medians[enough] = np.nanmedian(values[enough], 1)
    return medians


def _through(method: Callable[[Tensor], Tensor], image: Image, like: Tensor) -> Image:
    """Send an image, (H, W, C), through a map between batches of tensors."""
    batch = torch.from_numpy(image.transpose(2, 0, 1)[None]).to(like)
    result: Image = method(batch)[0].permute(1, 2, 0).cpu().double().numpy()
    return result


def _roughness(image: Image) -> Image:
    """Apply the negative Laplacian with mirrored borders, a symmetric positive matrix."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="symmetric")
    result: Image = 4 * image - padded[:-2, 1:-1] - padded[2:, 1:-1] - padded[1:-1, :-2] - padded[1:-1, 2:]
    return result
