"""Settings that families of models share: what a decoder says, sizes of its network, how the rate is weighed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from restorekit.core.errors import SpecError
from restorekit.core.types import Geometry
from restorekit.models.likelihood_heads import KINDS
from restorekit.models.noise_model import KINDS as GRAINS


@dataclass(frozen=True)
class DecoderConfig:
    """What a model that decodes latents to images is told of the images.

    Parameters
    ----------
    channels : int
        Channels of the images; taken from the training images where not set.
    likelihood : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        Of the decoder: "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" is discretised, and
        "mixture" has several of these.
    floor : float
        Least standard deviation of a Gaussian decoder, on the [0, 1] scale.
    classes : int
        Number of class labels that condition the networks; 0 = none.
    """

    channels: int = field(default=0, metadata={"low": 0})
    likelihood: str = field(default="gaussian", metadata={"choices": KINDS})
    floor: float = field(default=1 / 255, metadata={"low": 1e-6})
    classes: int = field(default=0, metadata={"low": 0})

    def fitted(self, shape: tuple[int, int, int], classes: int) -> Self:
        """Take what is not set from the shape, (C, H, W), and the number of classes of the training images."""
        return replace(self, channels=self.channels or shape[0], classes=self.classes or classes)


@dataclass(frozen=True)
class NetworkConfig(DecoderConfig):
    """Sizes of an encoder and a decoder, beside what `DecoderConfig` says.

    Parameters
    ----------
    network : {"mlp", "conv"}
        Fully connected on images of one size, or convolutional with a grid of latents.
    size : tuple of int
        Height and width of the images, for "mlp"; taken from the training images where not set.
    hidden : tuple of int
        Widths: of the hidden layers ("mlp"), or at 1/2, 1/4 ... of the resolution ("conv").
    latent : int
        Latents: in all ("mlp"), or per grid position ("conv").
    """

    network: str = field(default="conv", metadata={"choices": ("mlp", "conv")})
    size: tuple[int, ...] = field(default=(), metadata={"low": 1})
    hidden: tuple[int, ...] = field(default=(32, 64), metadata={"low": 1})
    latent: int = field(default=16, metadata={"low": 1})

    def __post_init__(self) -> None:
        of_one_size(self.size)
        if self.network == "conv" and not self.hidden:
            raise SpecError("network=conv needs at least one width in hidden, such as hidden=32,64, got none")

    @property
    def geometry(self) -> Geometry:
        """What images the networks take."""
        if not (self.stride or self.size):
            raise SpecError("network=mlp takes images of one size, and none is set; give size, such as size=28,28")
        size = None if self.stride else (self.size[0], self.size[1])
        return Geometry(size, self.stride or 1, 8 * self.stride, (self.channels,))

    @property
    def stride(self) -> int:
        """Pixels per grid position of the latents; 0 = they are a vector."""
        return 2 ** len(self.hidden) if self.network == "conv" else 0

    def fitted(self, shape: tuple[int, int, int], classes: int) -> Self:
        """Take what is not set from the shape, (C, H, W), and the number of classes of the training images."""
        size = self.size or (shape[1:] if self.network == "mlp" else ())
        return replace(super().fitted(shape, classes), size=size)


@dataclass(frozen=True)
class RateConfig:
    """How the rate of an objective is weighed.

    Parameters
    ----------
    beta : float
        Weight of the rate.
    kl_warmup : int
        Updates over which the weight of the rate grows from 0 to beta.
    free_bits : float
        Nats per latent channel and image that cost nothing.
    """

    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    kl_warmup: int = field(default=0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})

    def rate_weight(self, step: int | None) -> float:
        """Return the weight after so many updates: beta, or what the warm-up has reached of it; None: beta."""
        grown = 1.0 if step is None or not self.kl_warmup else min(1.0, step / self.kl_warmup)
        return self.beta * grown


def of_one_size(size: tuple[int, ...]) -> None:
    """Refuse what is neither height and width nor nothing, with a SpecError."""
    if len(size) not in (0, 2):
        raise SpecError(f"size takes height and width, such as 28,28, got {len(size)} numbers")


@dataclass(frozen=True)
class VAEConfig(RateConfig, NetworkConfig):
    """Sizes and objective of a `VAE`.

    Parameters
    ----------
    importance : int
        Draws of z behind the bound: 1 = the ELBO; with more, log of the mean of their weights, which is tighter.
    dropout : float
        Share of hidden values zeroed in training.
    noise : float
        Standard deviation of the noise of the images it learns from, on [0, 1]; 0 = they are clean.
    grain : {"known", "sigma", "gain"}
        That noise is known; or its level is learnt; or that and how it grows with brightness.
    alpha : float
        Above 0, classes that are missing are summed over, as a classifier says, and this is the weight of the
        classifier's log-probability where they are told. 0 = an unknown class is one more class. An image of several
        tiles has a class in each.
    """

    importance: int = field(default=1, metadata={"objective": True, "low": 1})
    dropout: float = field(default=0.0, metadata={"objective": True, "low": 0, "high": 0.99})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    grain: str = field(default="known", metadata={"choices": GRAINS})
    alpha: float = field(default=0.0, metadata={"low": 0})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grain != "known" and self.likelihood != "gaussian":
            raise SpecError(
                f"noise is learnt beside a decoder with likelihood=gaussian, which adds none, got {self.likelihood}; "
                "leave the likelihood out, or tell the noise"
            )
        if self.importance > 1 and self.free_bits:
            raise SpecError(
                f"free_bits are of the rate, which a bound by importance={self.importance} draws has not; leave one out"
            )
