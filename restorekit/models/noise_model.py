"""Noise that is learnt together with the images: one level, or one that grows with brightness.

References
----------
Prakash, Krull, Jug, "Fully Unsupervised Diversity Denoising with Convolutional Variational Autoencoders", ICLR 2021,
section 3: the decoder says what is clean, and the noise alone how far an observation is from it.
Laine, Karras, Lehtinen, Aila, "High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019, section 3: unknown
noise is a parameter like others, and to explain an error as noise is a little cheaper than as doubt.
Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
Raw-Data", IEEE TIP 2008, equation 4: the variance gain x + sigma^2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ("known", "sigma", "gain")
PACE = 10.0  # of the logarithms, which at a network's own learning rate would take all of a training
CHEAPER = 0.1  # Laine's weight of the standard deviation
LEAST = 0.5 / 255  # standard deviation it starts from at least


class Grain(nn.Module):
    """Variance of noise at each brightness, gain x + sigma^2.

    Parameters
    ----------
    sigma : float
        Standard deviation on [0, 1] to start from.
    gain : bool
        Whether it grows with brightness; it starts as half of the variance in the middle of [0, 1].
    """

    def __init__(self, sigma: float, gain: bool) -> None:
        super().__init__()
        self._start = max(sigma, LEAST) ** 2
        self.logs = nn.Parameter(torch.zeros(2 if gain else 1))  # of sigma^2 and gain over where they start, / PACE

    def levels(self) -> tuple[Tensor, Tensor]:
        """Return sigma^2 and gain."""
        found = self._start * (PACE * self.logs).exp()
        return (0.5 * found[0], found[1]) if len(found) == 2 else (found[0], torch.zeros_like(found[0]))

    def variance(self, x: Tensor) -> Tensor:
        """Return the variance of the noise at values x, in their shape."""
        constant, gain = self.levels()
        return constant + gain * x.clamp_min(0)

    def spec(self) -> str:
        """Return it as a corruption's spec."""
        constant, gain = (t.item() for t in self.levels())
        if len(self.logs) == 1:
            return f"gaussian:sigma={constant**0.5:.6g}"
        return f"sensor:gain={gain:.6g},sigma={constant**0.5:.6g},blur=0"


def learnt(kind: str, sigma: float) -> Grain | None:
    """Return what learns noise of a kind, one of `KINDS`; None where it is known."""
    return None if kind == "known" else Grain(sigma, kind == "gain")
