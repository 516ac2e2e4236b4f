"""Denoising autoencoder: the network of the core's `vae` without randomness, a baseline for variational ones.

It maps the initial estimate of a corrupted image to the clean image, with a spread per value that its decoder predicts
from the code. The code is a point: nothing is drawn, so that there are no correlations of errors.

References
----------
Vincent, Larochelle, Bengio, Manzagol, "Extracting and Composing Robust Features with Denoising Autoencoders",
ICML 2008, section 2.3.
Vincent et al., "Stacked Denoising Autoencoders", JMLR 2010, section 3 (the loss as a decoder's likelihood).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from restorekit import Batch, Corruption, Draws, Estimate, Model, Observation, Rng, Terms, UsageError, hookimpl
from restorekit.models import Head, NetworkConfig, network


@dataclass(frozen=True)
class AutoencoderConfig(NetworkConfig):
    """Sizes of an `Autoencoder`, in addition to those of every network of the core.

    Parameters
    ----------
    dropout : float
        Share of hidden values zeroed in training.
    """

    dropout: float = field(default=0.0, metadata={"objective": True, "low": 0, "high": 0.99})


class Autoencoder(Model):
    """Denoising autoencoder: undoes the corruption of its training in one pass; all its draws are equal."""

    name: ClassVar[str] = "autoencoder"
    Config: ClassVar[type] = AutoencoderConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "fashion": {
            "network": "mlp", "hidden": (400, 400), "latent": 40, "likelihood": "gaussian-pixel", "floor": 0.02,
            "batch": 128, "crop": 0, "optimiser": "adam", "lr": 1e-3, "augment": False,
        },
    }  # fmt: skip

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        self.head = Head(config.likelihood, config.channels, config.floor)
        self.network = network(config, self.head.numbers, 1, config.dropout)
        self.spread = self.head.spread()
        self.geometry = config.geometry

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Complete channels, size and number of classes from the training images."""
        return config.fitted(shape, classes)

    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the negative log-likelihood of the clean image: a distortion without a rate."""
        if batch.x is None:
            raise UsageError(
                "an autoencoder expects clean images and a corruption, got corrupted images only; remove "
                "--self-supervised, or train a vae or cvae"
            )
        o, drop = batch.observation, rng if self.training and self.config.dropout else None
        code = self.network.encode(o.initial_estimate(batch.corruption), o.label, drop and drop.fork("encoder"))
        raw = self.network.decode(code, o.label, drop and drop.fork("decoder"))
        distortion = -self.head(raw.float(), self.spread).log_prob(batch.x).mean()
        return Terms(distortion, {"distortion": distortion.detach()})

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate:
        """Return mean and standard deviation of the decoder; values observed without noise stay as they are."""
        code = self.network.encode(observation.initial_estimate(corruption), observation.label, None)
        likelihood = self.head(self.network.decode(code, observation.label, None).float(), self.spread)
        mean, std = likelihood.mean, likelihood.variance.sqrt()
        return Estimate(observation.keep_known(mean, observation.y), observation.keep_known(std, std.new_zeros(())))

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return the estimate n times with its variance; all draws are equal, because nothing is random."""
        found = self.estimate(observation, corruption)
        assert found.std is not None
        shape = (n, *found.mean.shape)
        return Draws(found.mean.expand(shape), (found.std**2).expand(shape))

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return the number of active units: code values that vary over images."""
        code = self.network.encode(batch.observation.initial_estimate(batch.corruption), batch.observation.label, None)
        varying = code.transpose(0, 1).flatten(1).var(1, correction=0) > 0.01
        return {"active_units": varying.float().sum()}


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the model."""
    return [Autoencoder]
