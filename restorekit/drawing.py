"""Images drawn from a model's prior."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit import checkpoint
from restorekit.contracts import LatentModel
from restorekit.devices import choose
from restorekit.errors import UsageError
from restorekit.noise import Noise
from restorekit.opening import check_label
from restorekit.samplers.latents import mapped, parts

PORTION = 256  # images drawn at once


FAR = 3.0  # prior standard deviations to which a latent is turned


def draw(
    name: str, count: int, label: int | None, size: int, temperature: float, seed: int, device: str,
    steps: int = 0, turned: bool = False,
) -> Tensor:  # fmt: skip
    """Return decoder means of draws from the prior, (count, C, H, W); or of ways through it, (count steps, C, H, W).

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
    steps : int
        Where above 0: from each of `count` draws so many steps lead to another draw; with `turned`, each of the first
        `count` latents goes from -FAR to FAR while the others stay 0.
    turned : bool
        See `steps`.

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
    if steps:
        return _ways(model, count, shape, label, Noise(seed), steps, turned)
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


@torch.inference_mode()
def _ways(
    model: LatentModel, count: int, shape: tuple[int, ...], label: int | None, noise: Noise, steps: int, turned: bool
) -> Tensor:
    """Return decoder means along ways through the latents, one way after the other."""
    device = next(model.parameters()).device
    labels = None if label is None else torch.full((count,), label, device=device)
    ends = [model.prior(labels).sample(count, shape, noise.fork(name)) for name in ("from", "to")]
    weights = torch.linspace(0, 1, steps, device=device)
    ways = mapped(lambda a, b: _turned(a, weights) if turned else _between(a, b, weights), *ends)
    many = None if label is None else torch.full((len(parts(ways)[0]),), label, device=device)
    return model.decode(ways, many).mean.cpu()


def _between(one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Return the great arcs, (B steps, ...), from `one` to `other`, which stay as far from 0 as draws do.

    Reference: White, "Sampling Generative Networks", 2016, section 2.1.
    """
    a, b = one.flatten(1), other.flatten(1)
    angle = torch.nn.functional.cosine_similarity(a, b).clamp(-1 + 1e-6, 1 - 1e-6).acos()[:, None, None]
    w = weights[None, :, None]
    found = (((1 - w) * angle).sin() * a[:, None] + (w * angle).sin() * b[:, None]) / angle.sin()
    return found.reshape(-1, *one.shape[1:])


def _turned(like: Tensor, weights: Tensor) -> Tensor:
    """Return zeros, (B steps, K, ...), but for latent i of image i, which goes from -FAR to FAR."""
    count = min(like.shape[0], like.shape[1])
    ways = like.new_zeros(count, len(weights), *like.shape[1:])
    for i in range(count):
        ways[i, :, i] = (FAR * (2 * weights - 1)).view(-1, *[1] * (like.dim() - 2))
    return ways.flatten(0, 1)
