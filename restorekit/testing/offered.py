"""Models, damage and images that samplers are tried with."""

from __future__ import annotations

import torch

from restorekit.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.corruptions import Chain, Clean, Gaussian, Missing
from restorekit.models import VAE
from restorekit.noise import Noise
from restorekit.testing.cases import build
from restorekit.testing.facts import names, pictures, shake
from restorekit.types import Draws, Observation

OFFERED: tuple[Corruption, ...] = (Chain((Gaussian(0.1), Missing(0.5))), Gaussian(0.1), Missing(0.5), Clean())


def latent_model() -> LatentModel:
    """Return a small model, always the same."""
    model = build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    assert isinstance(model, LatentModel)
    shake(model)
    return model


def accepted(sampler: Sampler) -> list[Corruption]:
    """Return what of the damage that it is offered a sampler undoes."""
    return [c for c in OFFERED if sampler.refuse(latent_model(), c) is None]


def observed(corruption: Corruption, channels: int = 1) -> Observation:
    """Return what is observed of two images, always the same."""
    return corruption(pictures(2, channels, 8, 12), Noise(0, names(2)))


def drawn(
    sampler: Sampler, corruption: Corruption, o: Observation, n: int, first: int = 0, model: Model | None = None
) -> Draws:
    """Return draws `first` to `first + n` of a sampler."""
    latent = latent_model() if model is None else model
    assert isinstance(latent, LatentModel)
    with torch.no_grad():
        return sampler(latent, corruption, o, n, Noise(0, names(len(o))).after(first))
