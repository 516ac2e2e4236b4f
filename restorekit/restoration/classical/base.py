"""Base classes of the classical restorers: one image at a time, as numpy, one answer, no spread."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restorekit.core.contracts import Corruption, Restorer, parts_of
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration
from restorekit.restoration.classical.arrays import (
    GRAY,
    Image,
    Mask,
    Plane,
    channelwise,
    from_opponent,
    opponent,
    triangulate,
)
from restorekit.uncertainty.noise_level import noise_level


@dataclass(frozen=True, eq=False)
class ClassicalInput:
    """One image of an observation, as numpy.

    Attributes
    ----------
    y : ndarray, (Hy, Wy, Cy)
        Observed values.
    missing : ndarray of bool, (Hy, Wy, Cy)
        True where no value was observed; never everywhere.
    sigma : float or None
        Standard deviation of the noise; None = unknown.
    shape : (H, W, C)
        Shape of the clean image.
    observation : Observation
        The same as a batch of one.
    corruption : Corruption
        The corruption of the clean image.
    """

    y: Image
    missing: Mask
    sigma: float | None
    shape: tuple[int, int, int]
    observation: Observation
    corruption: Corruption

    def filled(self) -> Image:
        """Return y with missing values interpolated linearly over Delaunay triangles."""
        return channelwise(triangulate, self.y, self.missing)


class ClassicalRestorer(Restorer):
    """A method without training: one answer, no spread.

    A value that is known to be noise-free comes back exactly; an image of which nothing was observed
    comes back gray (0.5).
    """

    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore each image of a batch.

        Raises
        ------
        UsageError
            If draws are asked for, or if y is not in the clean image's shape and the method cannot change it.
        ImageError
            If one image is beyond the method.
        """
        if n > 0:
            what = f"{self.name} is a classical method with one answer and makes no draws, got samples = {n}"
            raise UsageError(f"{what}; use 0, or a generative model")
        images = [self._image(observation.take(torch.tensor([i])), corruption) for i in range(len(observation))]
        return Restoration(mmse=torch.stack(images))

    @abstractmethod
    def restore(self, inputs: ClassicalInput) -> Image:
        """Return the restored image in `inputs.shape`."""

    def _image(self, one: Observation, corruption: Corruption) -> Tensor:
        """Restore a batch of one; return (C, H, W)."""
        channels, height, width = one.shape
        if not one.observed.any():
            return one.y.new_full(one.shape, GRAY)
        y = one.y[0].detach().cpu().permute(1, 2, 0).double().numpy()
        observed = one.observed[0].cpu().permute(1, 2, 0).expand(y.shape).numpy()
        sigma = None if one.sigma is None or bool(one.sigma.isnan().any()) else float(one.sigma)
        restored = self.restore(ClassicalInput(y, ~observed, sigma, (height, width, channels), one, corruption))
        result = torch.from_numpy(restored.reshape(height, width, channels)).permute(2, 0, 1).to(one.y)
        # behind a linear operator y is not x, however free of noise it is
        if one.sigma is None or corruption.operator(one) is not None or tuple(one.y.shape[1:]) != one.shape:
            return result
        exact = one.observed & (one.sigma == 0)
        return torch.where(exact[0], one.y[0], result)


class SameSize(ClassicalRestorer):
    """A method that works on the observed pixels and cannot change the image's shape."""

    def restore(self, inputs: ClassicalInput) -> Image:
        """Check the shape and restore."""
        if inputs.y.shape != inputs.shape:
            wanted, got = (" x ".join(map(str, shape)) for shape in (inputs.shape, inputs.y.shape))
            what = f"{self.name} keeps an image's shape, expected height x width x channels of {wanted}, got {got}"
            raise UsageError(f"{what}; use lanczos or wiener for this corruption")
        return self.restore_same_size(inputs)

    @abstractmethod
    def restore_same_size(self, inputs: ClassicalInput) -> Image:
        """Return the restored image of a inputs whose y has the clean image's shape."""


class Denoiser(SameSize):
    """A method against noise: missing values are interpolated first, an image without noise is left alone."""

    def restore_same_size(self, inputs: ClassicalInput) -> Image:
        """Interpolate missing values, estimate the noise level if it is unknown, and denoise."""
        image = inputs.filled()
        sigma = noise_level(image) if inputs.sigma is None else inputs.sigma
        return self.denoise(image, sigma) if sigma > 0 else image

    @abstractmethod
    def denoise(self, image: Image, sigma: float) -> Image:
        """Return `image`, (H, W, C), without its white Gaussian noise of standard deviation sigma > 0."""

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether there is noise, and nothing but noise and missing values."""
        altering = [part for part in parts_of(corruption) if not part.hides]
        return bool(altering) and not any(
            part.linear or part.reshapes or part.noise_law == "impulse" for part in altering
        )


class PlaneDenoiser(Denoiser):
    """A method for one channel at a time; colour goes through an orthonormal opponent space.

    White noise stays white there, and the two colour differences are smoother than red, green or blue: on
    BSDS500 train that is worth 1 to 2 dB.
    """

    def denoise(self, image: Image, sigma: float) -> Image:
        """Denoise each channel."""
        planes = np.moveaxis(opponent(image), -1, 0)
        return from_opponent(np.stack([self.plane(p, sigma, chroma=c > 0) for c, p in enumerate(planes)], -1))

    @abstractmethod
    def plane(self, plane: Plane, sigma: float, chroma: bool) -> Plane:
        """Return one denoised channel, (H, W); `chroma` says that it is a colour difference, in [-1, 1]."""


class Inpainter(SameSize):
    """A method that fills in missing values and leaves observed ones as they are, noise included."""

    def restore_same_size(self, inputs: ClassicalInput) -> Image:
        """Fill in, then put the observed values back."""
        if not inputs.missing.any():
            return inputs.y
        return np.where(inputs.missing, channelwise(self.inpaint, inputs.y, inputs.missing), inputs.y)

    @abstractmethod
    def inpaint(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Return `image`, (H, W, C), with the pixels of `missing`, (H, W), some but not all, filled in."""

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether values go missing."""
        return any(part.hides for part in parts_of(corruption))
