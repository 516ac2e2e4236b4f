"""Built-in models, and the distributions, layers and networks that models are made of."""

from __future__ import annotations

from restorekit.core.contracts import Detector, Model
from restorekit.core.distributions import (
    LOG_2PI,
    Bernoulli,
    DiagonalGaussian,
    DiscretisedLogistic,
    Latents,
    Levelled,
    Likelihood,
    LogisticMixture,
    Prior,
    Temperature,
    Tempered,
    capped,
    each,
    floored,
    per_image,
)
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.models.config import DecoderConfig, NetworkConfig, RateConfig, VAEConfig, check_size
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.error_model import ErrorModel, ErrorSample
from restorekit.models.cvae.model import CVAE
from restorekit.models.cvae.unet import Prediction, Trunk
from restorekit.models.layers import ResidualBlock, Up, down, dropout, embed_labels, label_rows, stack
from restorekit.models.likelihood_heads import Head
from restorekit.models.marks import Marks, MarksConfig
from restorekit.models.vae.encoders import ConvNetwork, MLPNetwork, network
from restorekit.models.vae.model import VAE, StandardPrior, average

__all__ = [
    "CVAE",
    "LOG_2PI",
    "VAE",
    "Bernoulli",
    "CVAEConfig",
    "ConvNetwork",
    "DecoderConfig",
    "DiagonalGaussian",
    "DiscretisedLogistic",
    "ErrorModel",
    "ErrorSample",
    "Head",
    "Latents",
    "Levelled",
    "Likelihood",
    "LogisticMixture",
    "MLPNetwork",
    "Marks",
    "MarksConfig",
    "NetworkConfig",
    "Prediction",
    "Prior",
    "RateConfig",
    "ResidualBlock",
    "StandardPrior",
    "Temperature",
    "Tempered",
    "Trunk",
    "Up",
    "VAEConfig",
    "average",
    "capped",
    "check_size",
    "down",
    "dropout",
    "each",
    "embed_labels",
    "floored",
    "label_rows",
    "network",
    "per_image",
    "stack",
]  # fmt: skip


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the built-in models."""
    return [VAE, CVAE]


@hookimpl
def restorekit_register_detectors() -> list[type[Detector]]:
    """Register the built-in detector that learns."""
    return [Marks]
