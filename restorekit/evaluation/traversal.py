"""Images drawn from a model's prior, and what each latent turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from restorekit.core.contracts import LatentModel
from restorekit.core.devices import choose
from restorekit.core.distributions import Levelled, Temperature
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.evaluation.likelihood import rates
from restorekit.images.dataset import LabelledImages
from restorekit.models import checkpoint
from restorekit.restoration.loading import check_label
from restorekit.samplers.base import mapped, parts
from restorekit.training.validation import write_grid

PORTION = 256  # images drawn at once
MAX_LATENT_SD = 3.0  # prior standard deviations to which a latent is turned


def draw(
    name: str, count: int, label: int | None, size: int, temperature: Temperature, seed: int, device: str,
    steps: int = 0, turned: Sequence[int] | None = None,
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
    temperature : float, or tuple of float
        Scale of the latents' standard deviation; of all levels, or of each, that nearest the pixels last.
    seed : int
        Seed.
    device : str
        Where to compute.
    steps : int
        Where above 0: from each of `count` draws so many steps lead to another draw.
    turned : sequence of int, or None
        Numbers of latents; each in turn goes from -MAX_LATENT_SD to MAX_LATENT_SD in `steps`, the others
        staying 0.

    Raises
    ------
    UsageError
        The model is conditional and has no prior over images, or does not know the label.
    """
    model = _latent(name, device)
    check_label(label, model, name)
    geometry = model.geometry
    height, width = geometry.size or (-(-size // geometry.multiple) * geometry.multiple,) * 2
    shape = (geometry.channels[0], height, width)
    if steps:
        _check_ways(model, turned, shape, name)
        return _ways(model, count, shape, label, Rng(seed), steps, turned)
    _check_temperature(model, temperature, shape, name)
    images, rng = list[Tensor](), Rng(seed)
    with torch.inference_mode():
        for first in range(0, count, PORTION):
            n = min(PORTION, count - first)
            labels = None if label is None else torch.full((n,), label, device=next(model.parameters()).device)
            prior: Any = model.prior(labels)  # of levels, where there is a temperature for each
            z = prior.sample(n, shape, rng.fork(str(first)), temperature)
            images.append(model.decode(z, labels).mean.cpu())
    return torch.cat(images)


def _latent(name: str, device: str) -> LatentModel:
    model, card = checkpoint.load(checkpoint.resolve(name))
    if not isinstance(model, LatentModel):
        raise UsageError(
            f"{name} holds a {card.model!r}, which draws only conditional on an observation; use restore --samples,"
            " or an unconditional model"
        )
    return model.to(choose(device))


def ranked(name: str, images: LabelledImages, device: str) -> list[tuple[int, float]]:
    """Return the number of each latent of a model and its rate on images, nats per image, from the largest down."""
    found = rates(_latent(name, device), images).tolist()
    return sorted(enumerate(found), key=lambda pair: -pair[1])


@torch.inference_mode()
def _check_temperature(model: LatentModel, temperature: Temperature, shape: tuple[int, ...], name: str) -> None:
    """Raise a UsageError where temperatures are not one for all levels of latents, or one for each."""
    prior = model.prior()
    levels = len(parts(prior.sample(1, shape, Rng(0)))) if isinstance(prior, Levelled) else 1
    if isinstance(temperature, tuple) and len(temperature) != levels:
        raise UsageError(
            f"{name} takes one temperature, or one for each of its levels of latents, which are {levels}, got "
            f"{len(temperature)}; change --temperature"
        )


@torch.inference_mode()
def _check_ways(model: LatentModel, turned: Sequence[int] | None, shape: tuple[int, ...], name: str) -> None:
    """Raise a UsageError where latents of several levels are to be turned, whose numbers would mean more than one."""
    if turned is not None and len(parts(model.prior().sample(1, shape, Rng(0)))) > 1:
        raise UsageError(
            f"{name} has latents at several levels, of which --traverse has no numbers; draw with --temperature, such "
            "as 1,0, to see what a level does"
        )


@torch.inference_mode()
def _ways(
    model: LatentModel, count: int, shape: tuple[int, ...], label: int | None, rng: Rng, steps: int,
    turned: Sequence[int] | None,
) -> Tensor:  # fmt: skip
    """Return decoder means along ways through the latents, one way after the other."""
    device = next(model.parameters()).device
    labels = None if label is None else torch.full((count,), label, device=device)
    ends = [model.prior(labels).sample(count, shape, rng.fork(name)) for name in ("from", "to")]
    weights = torch.linspace(0, 1, steps, device=device)
    ways = mapped(lambda a, b: _between(a, b, weights) if turned is None else _turned(a, weights, turned), *ends)
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


def _turned(like: Tensor, weights: Tensor, which: Sequence[int]) -> Tensor:
    """Return zeros like (B, K, ...), a way for each latent of `which` that there is, (ways steps, K, ...)."""
    there = [i for i in which if i < like.shape[1]]
    ways = like.new_zeros(len(there), len(weights), *like.shape[1:])
    for way, i in zip(ways, there, strict=True):
        way[:, i] = (MAX_LATENT_SD * (2 * weights - 1)).view(-1, *[1] * (like.dim() - 2))
    return ways.flatten(0, 1)


def titled(rows: Sequence[str], cells: Tensor, columns: int, path: Path) -> None:
    """Write images, (N, C, H, W) on [0, 1], as one PNG of so many columns, each row with its title to the left."""
    write_grid(cells, columns, path)
    with Image.open(path) as opened:
        grid = opened.convert("RGB" if opened.mode == "RGB" else "L")
    high = cells.shape[2] + 2
    font = ImageFont.load_default(size=max(8, min(12, high - 4)))
    wide = max(round(font.getlength(row)) for row in rows) + 6
    sheet = Image.new(grid.mode, (grid.width + wide, grid.height))
    sheet.paste(grid, (wide, 0))
    pen = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        pen.text((3, 2 + high * i + cells.shape[2] // 2), row, "white", font, anchor="lm")
    sheet.save(path, "PNG")
