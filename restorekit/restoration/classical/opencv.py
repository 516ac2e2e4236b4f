"""Classical methods of OpenCV."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from restorekit.core.contracts import Corruption, parts_of
from restorekit.core.errors import UsageError
from restorekit.restoration.classical.arrays import Image, Plane
from restorekit.restoration.classical.base import ClassicalInput, ClassicalRestorer, Inpainter, PlaneDenoiser

LEVELS = 65535.0  # Telea's method adds half a level to what it fills in, as if it were to be rounded, to floats too
STEPS = 2048  # of the 16-bit scale that noisy values are put on, per unit
MARGIN = 1.0  # added before that, so that noise below 0 is not clipped
RADIUS = 2  # pixels; best of 1, 2, 3, 5, 8 for both inpainters on BSDS500 train at 50 and 80 % missing


class OpenCVNLM(PlaneDenoiser):
    """Non-local means of OpenCV, on 16 bits with absolute distances.

    Buades, Coll, Morel, "Non-local means denoising", IPOL 2011. Patch size and strength were chosen on
    BSDS500 train.
    """

    name: ClassVar[str] = "opencv-nlm"

    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Average pixels with similar 3 x 3 (strong noise: 5 x 5) surroundings, at most 10 pixels away."""
        patch, strength = (3, 0.86) if sigma < 28 / 255 else (5, 0.73)
        h = strength * sigma * (1.3 if chroma else 1.0) * STEPS
        stored = ((plane + MARGIN) * STEPS).round().clip(0, 2**16 - 1).astype(np.uint16)
        cleaned = cv2.fastNlMeansDenoising(stored, [h], None, patch, 21, cv2.NORM_L1)
        return cleaned.astype(np.float64) / STEPS - MARGIN


class OpenCVInpainter(Inpainter):
    """An inpainter of `cv2.inpaint`, each channel on its own in 32-bit floats, so that nothing is rounded."""

    flag: ClassVar[int]

    def inpaint(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Fill in the missing pixels."""
        gaps = missing.astype(np.uint8)
        planes = (np.where(missing, 0, image[..., c] * LEVELS).astype(np.float32) for c in range(image.shape[-1]))
        filled = [cv2.inpaint(plane, gaps, RADIUS, self.flag).astype(np.float64) / LEVELS for plane in planes]
        return np.stack(filled, -1)


class Telea(OpenCVInpainter):
    """Fast marching: fills a hole from its edge inwards, each pixel by a weighted mean of those known.

    Reference: Telea, "An image inpainting technique based on the fast marching method", J. Graphics Tools 2004.
    """

    name: ClassVar[str] = "telea"
    flag: ClassVar[int] = cv2.INPAINT_TELEA


class NavierStokes(OpenCVInpainter):
    """Navier-Stokes: carries lines of equal brightness into a hole as a fluid flows.

    Reference: Bertalmio, Bertozzi, Sapiro, "Navier-Stokes, fluid dynamics, and image and video inpainting", CVPR 2001.
    """

    name: ClassVar[str] = "navier-stokes"
    flag: ClassVar[int] = cv2.INPAINT_NS


class Lanczos(ClassicalRestorer):
    """Enlarge the observation to the clean image's size with Lanczos' windowed sinc over 8 x 8 pixels.

    Missing values are interpolated first; a gray observation of a colour image is repeated.
    """

    name: ClassVar[str] = "lanczos"

    def restore(self, inputs: ClassicalInput) -> Image:
        """Resample."""
        height, width, channels = inputs.shape
        image = inputs.filled()
        if image.shape[-1] not in (1, channels):
            raise UsageError(
                f"lanczos changes no colours, expected 1 or {channels} channels, got {image.shape[-1]}; remove lanczos"
            )
        if image.shape[:2] != (height, width):
            large = cv2.resize(image, (width, height), interpolation=cv2.INTER_LANCZOS4)
            image = large.reshape(height, width, -1).astype(np.float64)
        return np.broadcast_to(image, inputs.shape).copy()

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether the height or width changed."""
        return any(part.resizes for part in parts_of(corruption))
