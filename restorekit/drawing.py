"""Images drawn from a model's prior."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit import checkpoint
from restorekit.api import check_label
from restorekit.contracts import LatentModel
from restorekit.devices import choose
from restorekit.errors import UsageError
from restorekit.noise import Noise

PORTION = 256  # images drawn at once


def draw(name: str, count: int, label: int | None, size: int, temperature: float, seed: int, device: str) -> Tensor:
    """Return decoder means of draws from the prior, (count, C, H, W).

    Parameters
    ----------
    name : str
        Model file or installed weights.
    count : int
        How many.
    label : int or None
        Class index, for models that know classes.
    size : int
        Side of the images in pixels, for models that take any.
    temperature : float
        Scale of the latents' standard deviation.
    seed : int
        Seed.
    device : str
        Where to compute.

    Raises
    ------
    UsageError
        The model is conditional and has no prior over images, or does not know the label.
    """
    model, card = checkpoint.load(checkpoint.resolve(name))
    if not isinstance(model, LatentModel):
        raise UsageError(
            f"{name} holds a {card.model!r}, which draws only given an observation; use restore --samples,"
            " or an unconditional model"
        )
    check_label(label, model, name)
    model = model.to(choose(device))
    geometry = model.geometry
    height, width = geometry.size or (-(-size // geometry.multiple) * geometry.multiple,) * 2
    shape = (geometry.channels[0], height, width)
    portions = [(first, min(PORTION, count - first)) for first in range(0, count, PORTION)]
    noise = Noise(seed)
    return torch.cat([_portion(model, n, shape, label, noise.fork(str(i)), temperature) for i, n in portions])


def _portion(
    model: LatentModel, n: int, shape: tuple[int, ...], label: int | None, noise: Noise, temperature: float
) -> Tensor:
    labels = None if label is None else torch.full((n,), label, device=next(model.parameters()).device)
    with torch.inference_mode():
        z = model.prior(labels).sample(n, shape, noise, temperature)
        return model.decode(z, labels).mean.cpu()
