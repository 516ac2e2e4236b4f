"""Models to check, and what they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from restorekit.contracts import LatentModel, Model
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.noise import Noise
from restorekit.samplers import Gibbs
from restorekit.testing.facts import names, pictures
from restorekit.types import Batch, Draws, Observation

SIDE = 12  # pixels a side of test images, at least
DAMAGE = Chain((Gaussian(0.1), Missing(0.5)))


def build(cls: type[Model], config: Any = None, channels: int = 1) -> Model:
    """Return a fresh model in evaluation mode, always with the same weights; latent ones with a sampler."""
    settings = cls.fit_config(cls.Config() if config is None else config, (channels, SIDE, SIDE), 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ready(cls(settings))


def channel_counts(cls: type[Model], config: Any = None) -> tuple[int, ...]:
    """Return the channel counts to build for: both where the settings follow the images, else one."""
    gray = build(cls, config, 1).geometry.channels
    colour = build(cls, config, 3).geometry.channels
    return (1,) if gray == colour else (1, 3)


def ready(model: Model) -> Model:
    """Return the model in evaluation mode, with a sampler where it needs one."""
    if isinstance(model, LatentModel):
        model.sampler = Gibbs(sweeps=2)
    return model.eval()


def smallest(model: Model) -> tuple[int, int]:
    """Return the least height and width that the model takes."""
    return model.geometry.size or (model.geometry.multiple,) * 2


def size(model: Model) -> tuple[int, int]:
    """Return a height and a width that differ where the model takes any."""
    multiple = model.geometry.multiple
    height = -(-SIDE // multiple) * multiple
    return model.geometry.size or (height, height + multiple)


def damaged(x: Tensor) -> Observation:
    """Return what is observed of x: noisy, with missing values, each image with a key of its own."""
    return DAMAGE(x, Noise(0, names(len(x))))


def batches(model: Model, count: int = 4) -> Iterator[Batch]:
    """Yield training batches: noisy ones with gaps and ones with gaps alone, for each channel count."""
    for channels in model.geometry.channels[::-1]:
        x = pictures(count, channels, *size(model))
        for damage in (DAMAGE, Missing(0.5)):
            yield Batch(x, damage(x, Noise(0)), damage, 1)


def sample(model: Model, o: Observation, n: int, first: int = 0) -> Draws:
    """Return draws `first` to `first + n` of the model."""
    with torch.no_grad():
        return model.sample(o, DAMAGE, n, Noise(0, names(len(o))).after(first))
