"""Classical methods of scikit-image."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import cycle_spin, denoise_nl_means, denoise_tv_chambolle, denoise_wavelet, inpaint_biharmonic

from restorekit.core.errors import ImageError
from restorekit.restoration.classical.arrays import Image, Plane, padded
from restorekit.restoration.classical.base import Inpainter, PlaneDenoiser

# Every number here was chosen on crops of BSDS500 train, at these noise levels, never on a test set.
SIGMAS = (15 / 255, 25 / 255, 50 / 255)


class TV(PlaneDenoiser):
    """Total variation: the image of least variation that lies near the noisy one.

    Reference: Chambolle, "An algorithm for total variation minimization and applications", J. Math. Imaging Vis. 2004.
    """

    name: ClassVar[str] = "tv"
    weights: ClassVar[tuple[float, ...]] = (0.62, 0.73, 0.84)  # of sigma, at SIGMAS

    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Minimise total variation plus distance."""
        weight = float(np.interp(sigma, SIGMAS, self.weights)) * sigma
        settings = {"weight": weight, "eps": 2e-5, "max_num_iter": 300}
        result: Plane = denoise_tv_chambolle(plane, **settings)  # type: ignore[no-untyped-call]  # scikit-image has no types
        return result


class Wavelet(PlaneDenoiser):
    """BayesShrink with cycle spinning: the mean over shifts of a soft threshold in an orthogonal wavelet basis.

    Chang, Yu, Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE TIP 2000;
    Coifman, Donoho, "Translation-invariant de-noising", 1995.
    """

    name: ClassVar[str] = "wavelet"
    shifts: ClassVar[tuple[int, int]] = (3, 3)  # 4 x 4 transforms; 8 x 8 are 0.02 dB better below sigma 50/255
    depth: ClassVar[int] = 4

    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Average thresholded copies."""

        def spin(large: Plane) -> Plane:
            levels = min(self.depth, int(math.log2(min(large.shape) / 3)))  # no deeper than the wavelet is long
            settings = {"sigma": sigma, "wavelet": "db2", "wavelet_levels": levels}
            result: Plane = cycle_spin(large, func=denoise_wavelet, max_shifts=self.shifts, func_kw=settings, workers=1)
            return result

        return padded(spin, plane, 8)


class NLM(PlaneDenoiser):
    """Non-local means.

    Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005; the fast form of Froment,
    "Parameter-free fast pixelwise non-local means denoising", IPOL 2014.
    """

    name: ClassVar[str] = "nlm"
    strength: ClassVar[float] = 0.6  # h over sigma; the same is best at 15, 25 and 50/255
    chroma_strength: ClassVar[float] = 0.9

    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Average pixels with similar 5 x 5 surroundings, at most 7 pixels away."""
        h = (self.chroma_strength if chroma else self.strength) * sigma
        result: Plane = denoise_nl_means(plane, patch_size=5, patch_distance=7, h=h, sigma=sigma, preserve_range=True)
        return result


class Biharmonic(Inpainter):
    """Biharmonic equations: the smoothest surface through the observed pixels, all channels in one system.

    Damelin, Hoang, "On surface completion and image inpainting by biharmonic functions", Int. J. Math. Math.
    Sci. 2018.
    """

    name: ClassVar[str] = "biharmonic"
    most: ClassVar[int] = 250_000  # a solid hole of that size takes 30 s and 1.3 GB

    def inpaint(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Solve for the missing pixels, region by region.

        Raises
        ------
        ImageError
            If one connected region has more than `most` missing pixels.
        """
        # Regions as scikit-image splits them: two observed pixels or more lie between them.
        near = ndimage.binary_dilation(missing)
        labels, _ = ndimage.label(near, structure=np.ones((3, 3)))
        largest = int(np.bincount(labels[missing]).max())
        if largest > self.most:
            what = f"biharmonic solves for at most {self.most} missing pixels in one connected region, got {largest}"
            raise ImageError(f"{what}; use navier-stokes or delaunay for this image")
        result: Image = inpaint_biharmonic(image, missing, split_into_regions=True, channel_axis=-1)
        return result
