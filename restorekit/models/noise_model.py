"""Noise model learnt together with the images: one level, or one that grows with brightness.

References
----------
Prakash, Krull, Jug, "Fully Unsupervised Diversity Denoising with Convolutional Variational Autoencoders", ICLR 2021,
section 3: the decoder predicts the clean image, and noise alone explains the distance of an observation from it.
Laine, Karras, Lehtinen, Aila, "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019, section 3: unknown
noise is a parameter like others, and an error costs a little less as noise than as uncertainty.
Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
Raw-Data", IEEE TIP 2008, equation 4: the variance gain x + sigma^2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ("known", "sigma", "gain")
LOG_SCALE = 10.0  # of the logarithms: at a network's learning rate they would take an entire training to settle
NOISE_DISCOUNT = 0.1  # Laine's weight of the standard deviation
MIN_START_SIGMA = 0.5 / 255  # smallest standard deviation to start from


class NoiseModel(nn.Module):
    """Noise variance gain x + sigma^2 as a function of brightness x.

    Parameters
    ----------
    sigma : float
        Standard deviation on [0, 1] to start from.
    gain : bool
        Whether the variance grows with brightness; at first that part is half of the variance in the middle of [0, 1].
    """

    def __init__(self, sigma: float, gain: bool) -> None:
        super().__init__()
        self._start = max(sigma, MIN_START_SIGMA) ** 2
        # log ratios of sigma^2 and gain to their start, divided by LOG_SCALE
        self.logs = nn.Parameter(torch.zeros(2 if gain else 1))

    def levels(self) -> tuple[Tensor, Tensor]:
        """Return sigma^2 and gain."""
        found = self._start * (LOG_SCALE * self.logs).exp()
        return (0.5 * found[0], found[1]) if len(found) == 2 else (found[0], torch.zeros_like(found[0]))

    def variance(self, x: Tensor) -> Tensor:
        """Return the noise variance at values x, in their shape."""
        constant, gain = self.levels()
        return constant + gain * x.clamp_min(0)

    def spec(self) -> str:
        """Return the spec of a corruption with this noise."""
        constant, gain = (t.item() for t in self.levels())
        if len(self.logs) == 1:
            return f"gaussian:sigma={constant**0.5:.6g}"
        return f"sensor:gain={gain:.6g},sigma={constant**0.5:.6g},blur=0"


def make_noise_model(kind: str, sigma: float) -> NoiseModel | None:
    """Return a learnable noise model of a kind, one of `KINDS`, that starts from `sigma`; None if noise is known."""
    return None if kind == "known" else NoiseModel(sigma, kind == "gain")
