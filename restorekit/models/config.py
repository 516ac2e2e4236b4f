"""Settings shared by families of models: likelihood, network sizes, weight of the rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from restorekit.core.errors import SpecError
from restorekit.core.types import Geometry
from restorekit.models.likelihood_heads import KINDS
from restorekit.models.noise_model import KINDS as NOISE_KINDS


@dataclass(frozen=True)
class DecoderConfig:
    """Image format and likelihood of a decoder.

    Parameters
    ----------
    channels : int
        Channels of the images; 0 = as in the training images.
    likelihood : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        Likelihood of the decoder. "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" is
        discretised, and "mixture" has several of these.
    floor : float
        Smallest standard deviation of a Gaussian decoder, on the [0, 1] scale.
    classes : int
        Number of class labels that condition the networks; 0 = none.
    """

    channels: int = field(default=0, metadata={"low": 0})
    likelihood: str = field(default="gaussian", metadata={"choices": KINDS})
    floor: float = field(default=1 / 255, metadata={"low": 1e-6})
    classes: int = field(default=0, metadata={"low": 0})

    def fitted(self, shape: tuple[int, int, int], classes: int) -> Self:
        """Return settings completed by the shape, (C, H, W), and the number of classes of the training images."""
        return replace(self, channels=self.channels or shape[0], classes=self.classes or classes)


@dataclass(frozen=True)
class NetworkConfig(DecoderConfig):
    """Sizes of an encoder and a decoder, in addition to `DecoderConfig`.

    Parameters
    ----------
    network : {"mlp", "conv"}
        Fully connected on images of one size, or convolutional with a grid of latents.
    size : tuple of int
        Height and width of the images, for "mlp"; empty = as in the training images.
    hidden : tuple of int
        Widths of the hidden layers ("mlp"), or channels at 1/2, 1/4 ... of the resolution ("conv").
    latent : int
        Number of latents ("mlp"), or of latents per grid position ("conv").
    """

    network: str = field(default="conv", metadata={"choices": ("mlp", "conv")})
    size: tuple[int, ...] = field(default=(), metadata={"low": 1})
    hidden: tuple[int, ...] = field(default=(32, 64), metadata={"low": 1})
    latent: int = field(default=16, metadata={"low": 1})

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.network == "conv" and not self.hidden:
            raise SpecError("network=conv needs at least one width in hidden, such as hidden=32,64, got none")

    @property
    def geometry(self) -> Geometry:
        """Image geometry of the networks."""
        if not (self.stride or self.size):
            raise SpecError("network=mlp expects images of one size, got none; set size, such as size=28,28")
        size = None if self.stride else (self.size[0], self.size[1])
        return Geometry(size, self.stride or 1, 8 * self.stride, (self.channels,))

    @property
    def stride(self) -> int:
        """Pixels per grid position of the latents; 0 = a vector of latents."""
        return 2 ** len(self.hidden) if self.network == "conv" else 0

    def fitted(self, shape: tuple[int, int, int], classes: int) -> Self:
        """Return settings completed by the shape, (C, H, W), and the number of classes of the training images."""
        size = self.size or (shape[1:] if self.network == "mlp" else ())
        return replace(super().fitted(shape, classes), size=size)


@dataclass(frozen=True)
class RateConfig:
    """Weight of the rate in an objective.

    Parameters
    ----------
    beta : float
        Weight of the rate.
    kl_warmup : int
        Updates over which the weight of the rate grows from 0 to beta.
    free_bits : float
        Nats per latent channel and image without cost.
    """

    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    kl_warmup: int = field(default=0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})

    def rate_weight(self, step: int | None) -> float:
        """Return the weight after `step` updates: beta, or its share during the warm-up; None: beta."""
        grown = 1.0 if step is None or not self.kl_warmup else min(1.0, step / self.kl_warmup)
        return self.beta * grown


def check_size(size: tuple[int, ...]) -> None:
    """Raise a SpecError unless `size` is empty or height and width."""
    if len(size) not in (0, 2):
        raise SpecError(f"size expects height and width, such as 28,28, got {len(size)} numbers")


@dataclass(frozen=True)
class VAEConfig(RateConfig, NetworkConfig):
    """Sizes and objective of a `VAE`.

    Parameters
    ----------
    importance : int
        Draws of z in the bound: 1 = the ELBO; with more, the log of the mean of their weights, a tighter bound.
    dropout : float
        Share of hidden values zeroed in training.
    noise : float
        Standard deviation of the noise in the training images, on [0, 1]; 0 = clean images.
    grain : {"known", "sigma", "gain"}
        Noise model: known, learnt level, or learnt level and growth with brightness.
    alpha : float
        Weight of a classifier's log-probability of known classes. Unknown classes are then summed over with the
        probabilities of that classifier. 0 = no classifier; an unknown class is one more class. An image of several
        tiles has a class in each.
    """

    importance: int = field(default=1, metadata={"objective": True, "low": 1})
    dropout: float = field(default=0.0, metadata={"objective": True, "low": 0, "high": 0.99})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    grain: str = field(default="known", metadata={"choices": NOISE_KINDS})
    alpha: float = field(default=0.0, metadata={"low": 0})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grain != "known" and self.likelihood != "gaussian":
            raise SpecError(
                f"grain={self.grain} expects likelihood=gaussian, which adds no noise of its own, "
                f"got {self.likelihood}; remove likelihood, or set grain=known"
            )
        if self.importance > 1 and self.free_bits:
            raise SpecError(
                f"free_bits needs a rate, and the bound of importance={self.importance} draws has none; "
                "remove one of them"
            )
