"""How well a model does during training: PSNR of the MMSE, its objective, its latents, and pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.psnr import psnr, quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Estimate, Geometry
from restorekit.training.crops import Pool, Windows
from restorekit.training.self_supervised import KnownNoise
from restorekit.training.self_supervised import batch as as_batch

SIDE = 192  # validation looks at centres of at most this many pixels a side
DRAWS = 4  # whose mean is pictured, of a model that has no estimate in one pass
PORTION = 2**20  # pixels a batch
LEAST_MSE = 1e-12  # so that the PSNR of an image that is restored exactly, 120 dB, leaves means finite


@dataclass(frozen=True, eq=False)
class Validation:
    """Images kept apart to judge a training.

    Attributes
    ----------
    x : Tensor, (N, C, H, W)
        Centres of the images.
    names : tuple of str
        Their names, which seed their noise.
    labels : Tensor of int64, (N,), or None
        Class indices.
    """

    x: Tensor
    names: tuple[str, ...]
    labels: Tensor | None = None


def centres(pool: Pool, names: Sequence[str], geometry: Geometry, labels: Tensor | None = None) -> Validation:
    """Cut the centre out of every image of a pool, of one size that the model takes."""
    sizes = pool.sizes
    sides = (min(SIDE, int(side)) // geometry.multiple * geometry.multiple for side in sizes.amin(0))
    height, width = geometry.size or (max(geometry.multiple, side) for side in sides)
    top, left = ((sizes - torch.tensor([height, width])).clamp_min(0) // 2).unbind(1)
    x = pool.crops(Windows(torch.arange(len(sizes)), top, left, height, width))
    return Validation(x, tuple(names), None if labels is None else labels.to(x.device))


@torch.no_grad()
def measure(model: Model, held: Validation, corruptions: Sequence[Corruption], seed: int) -> dict[str, float]:
    """Return the mean of the objective's parts, the PSNR of the MMSE for each corruption, and diagnoses.

    A model without an estimate in one pass has no such PSNR here; of a latent one, ``reconstruction_psnr`` says
    how well the decoder gives back the clean image that the encoder saw: nothing was restored.
    """
    sums: dict[str, float] = {}
    for corruption in corruptions:
        for batch, noise in _batches(held, corruption, seed):
            share = len(batch.observation) / len(held.x) / len(corruptions)
            for name, value in _one(model, batch, noise, len(corruptions)).items():
                sums[name] = sums.get(name, 0.0) + share * float(value)
    return sums


def _one(model: Model, batch: Batch, rng: Rng, runs: int) -> dict[str, Tensor]:
    found = dict(model.terms(batch, rng).parts)
    found.update(model.diagnose(batch, rng.fork("diagnose")))
    estimate = model.estimate(batch.observation, batch.corruption)
    if estimate is not None and batch.x is not None:
        restored = batch.observation.keep_known(estimate.mean, batch.observation.y)
        value = psnr(quantise_8bit(restored), batch.x, LEAST_MSE).mean()
        found["psnr"] = value
        found[f"psnr {batch.corruption}"] = value * runs  # each corruption is one of `runs` shares of the mean
    if estimate is None and isinstance(model, LatentModel) and batch.x is not None:
        again = reconstruct(model, batch.x, batch.observation.label)
        found["reconstruction_psnr"] = psnr(quantise_8bit(again), batch.x, LEAST_MSE).mean()
    return found


def _batches(held: Validation, corruption: Corruption, seed: int) -> list[tuple[Batch, Rng]]:
    count = max(1, PORTION // held.x[0, 0].numel())
    return [_batch(held, slice(i, i + count), corruption, seed) for i in range(0, len(held.x), count)]


def _batch(held: Validation, cut: slice, corruption: Corruption, seed: int) -> tuple[Batch, Rng]:
    x, rng = held.x[cut], Rng(seed, held.names[cut]).fork("validation")
    observation = corruption(x, rng)
    observation = observation if isinstance(corruption, KnownNoise) else observation.blind()
    if held.labels is not None:
        observation = replace(observation, label=held.labels[cut])
    return as_batch(x, observation, corruption), rng


@torch.no_grad()
def preview(model: Model, held: Validation, corruptions: Sequence[Corruption], seed: int, path: Path) -> None:
    """Write a picture: a row for each corruption of observed | restored | truth | std, for a few images.

    A latent model gets truth | reconstruction of it | truth | size of the error.
    """
    count = max(1, min(len(held.x), 8 // len(corruptions)))
    columns = 4
    cells: list[Tensor] = []
    for corruption in corruptions:
        batch, noise = _batch(held, slice(0, count), corruption, seed)
        for row in zip(*_panels(model, batch, noise), strict=True):
            cells.extend(row)
    write_grid(torch.stack(cells), columns, path)


def _panels(model: Model, batch: Batch, rng: Rng) -> list[Tensor]:
    o, estimate = batch.observation, model.estimate(batch.observation, batch.corruption)
    truth = o.y if batch.x is None else batch.x
    if estimate is None and isinstance(model, LatentModel):
        again = reconstruct(model, truth, o.label)
        return [truth, again, truth, _spread((again - truth).abs())]
    if estimate is None:
        draws = model.sample(o, batch.corruption, DRAWS, rng).mean
        estimate = Estimate(draws.mean(0), draws.std(0))
    std = torch.zeros_like(o.y) if estimate.std is None else o.keep_known(estimate.std, torch.zeros_like(o.y))
    return [o.y, o.keep_known(estimate.mean, o.y), truth, _spread(std)]


def _spread(std: Tensor) -> Tensor:
    """Scale spreads, (B, C, H, W), to their largest."""
    return std / std.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)


def reconstruct(model: LatentModel, x: Tensor, label: Tensor | None) -> Tensor:
    """Return the decoder's mean at the posterior's mean, (B, C, H, W)."""
    return model.decode(model.infer(x, None, label).mean, label).mean


@torch.no_grad()
def sample_grid(model: Model, held: Validation, corruption: Corruption, seed: int, path: Path) -> None:
    """Write a picture of draws: from the prior, or of one observation where the model is conditional."""
    rng = Rng(seed, held.names[:4]).fork("samples")
    if isinstance(model, LatentModel):
        z = model.prior().sample(64, tuple(held.x.shape[1:]), Rng(seed))
        cells, columns = model.decode(z).mean, 8
    else:
        batch, _ = _batch(held, slice(0, 4), corruption, seed)
        draws = model.sample(batch.observation, batch.corruption, 6, rng).mean
        cells, columns = draws.transpose(0, 1).flatten(0, 1), 6
    write_grid(cells, columns, path)


def write_grid(cells: Tensor, columns: int, path: Path) -> None:
    """Write images, (N, C, H, W) on [0, 1], as one PNG: gray, RGB, or the first bands of others."""
    seen = cells[:, :3] if cells.shape[1] > 3 else cells[:, :1] if cells.shape[1] == 2 else cells
    grid = make_grid(seen.float().cpu().clamp(0, 1), nrow=columns, padding=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((grid * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()).save(path, "PNG")
