"""Validation during training: objective, PSNR of the MMSE, diagnostics, previews and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from restorekit.core.contracts import Corruption, Detector, LatentModel, Model, Network
from restorekit.core.files import atomic
from restorekit.core.psnr import psnr, quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Estimate, Geometry
from restorekit.training.crops import Pool, Windows
from restorekit.training.self_supervised import KnownNoise, as_batch

MAX_SIDE_PX = 192  # validation uses centres of at most this many pixels a side
PREVIEW_DRAWS = 4  # their mean is shown for a model without an estimate in one pass
BATCH_PX = 2**20  # pixels in a batch
MIN_MSE = 1e-12  # keeps means finite when an image is restored exactly: 120 dB


@dataclass(frozen=True, eq=False)
class Validation:
    """Held-out images of a training.

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
    """Crop the centre of every image of a pool to one size that the model accepts."""
    sizes = pool.sizes
    sides = (min(MAX_SIDE_PX, int(side)) // geometry.multiple * geometry.multiple for side in sizes.amin(0))
    height, width = geometry.size or (max(geometry.multiple, side) for side in sides)
    top, left = ((sizes - torch.tensor([height, width])).clamp_min(0) // 2).unbind(1)
    x = pool.crops(Windows(torch.arange(len(sizes)), top, left, height, width))
    return Validation(x, tuple(names), None if labels is None else labels.to(x.device))


@torch.no_grad()
def measure(model: Network, held: Validation, corruptions: Sequence[Corruption], seed: int) -> dict[str, float]:
    """Return mean parts of the objective, PSNR of the MMSE for each corruption, and diagnostics.

    A model without an estimate in one pass has no PSNR here. A latent one has ``reconstruction_psnr`` instead: how well
    the decoder reproduces the clean image that the encoder got, without any restoration.
    """
    sums, shares = dict[str, float](), dict[str, float]()
    count = max(1, BATCH_PX // held.x[0, 0].numel())
    for corruption, start in product(corruptions, range(0, len(held.x), count)):
        batch, rng = _batch(held, slice(start, start + count), corruption, seed)
        o, x = batch.observation, batch.x
        found = {**model.terms(batch, rng).parts, **model.diagnose(batch, rng.fork("diagnose"))}
        estimate = model.estimate(o, corruption) if isinstance(model, Model) else None
        if estimate is not None and x is not None:
            value = psnr(quantise_8bit(o.keep_known(estimate.mean, o.y)), x, MIN_MSE).mean()
            found |= {"psnr": value, f"psnr {corruption}": value}
        if estimate is None and isinstance(model, LatentModel) and x is not None:
            found["reconstruction_psnr"] = psnr(quantise_8bit(reconstruct(model, x, o.label)), x, MIN_MSE).mean()
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + len(o) * float(value)
            shares[name] = shares.get(name, 0.0) + len(o)
    return {name: value / shares[name] for name, value in sums.items()}


def _batch(held: Validation, cut: slice, corruption: Corruption, seed: int) -> tuple[Batch, Rng]:
    """Corrupt some validation images, with the noise level hidden unless it is assumed; return their random numbers."""
    x, rng = held.x[cut], Rng(seed, held.names[cut]).fork("validation")
    observation = corruption(x, rng)
    observation = observation if isinstance(corruption, KnownNoise) else observation.blind()
    if held.labels is not None:
        observation = replace(observation, label=held.labels[cut])
    return as_batch(x, observation, corruption), rng


@torch.no_grad()
def preview(model: Network, held: Validation, corruptions: Sequence[Corruption], seed: int, path: Path) -> None:
    """Write a picture of a few images: one row per corruption and image, observed | restored | truth | std.

    The row of a latent model is truth | its reconstruction | truth | absolute error; that of a detector is observed |
    truth | opacity of the marks | probability of a defect.
    """
    count = max(1, min(len(held.x), 8 // len(corruptions)))
    cells: list[Tensor] = []
    for corruption in corruptions:
        batch, rng = _batch(held, slice(0, count), corruption, seed)
        for row in zip(*preview_columns(model, batch, rng), strict=True):
            cells.extend(row)
    with atomic(path) as temporary:
        write_grid(torch.stack(cells), 4, temporary)


def preview_columns(model: Network, batch: Batch, rng: Rng) -> list[Tensor]:
    """Return the four columns of a preview, (B, C, H, W) each; the last is scaled to its largest value."""
    o, truth = batch.observation, batch.observation.y if batch.x is None else batch.x
    if isinstance(model, Detector):
        cover = torch.zeros_like(o.y[:, :1]) if o.marks is None else o.marks
        return [o.y, truth, *(one.expand_as(o.y) for one in (cover, model.probability(o, rng)))]
    assert isinstance(model, Model)
    estimate = model.estimate(o, batch.corruption)
    if estimate is None and isinstance(model, LatentModel):
        again = reconstruct(model, truth, o.label)
        panels, spread = [truth, again, truth], (again - truth).abs()
    else:
        if estimate is None:
            draws = model.sample(o, batch.corruption, PREVIEW_DRAWS, rng).mean
            estimate = Estimate(draws.mean(0), draws.std(0))
        zeros = torch.zeros_like(o.y)
        panels = [o.y, o.keep_known(estimate.mean, o.y), truth]
        spread = zeros if estimate.std is None else o.keep_known(estimate.std, zeros)
    return [*panels, spread / spread.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)]


def reconstruct(model: LatentModel, x: Tensor, label: Tensor | None) -> Tensor:
    """Return the decoder's mean at the mean of the posterior, (B, C, H, W)."""
    return model.decode(model.infer(x, None, label).mean, label).mean


@torch.no_grad()
def sample_grid(model: Network, held: Validation, corruption: Corruption, seed: int, path: Path) -> None:
    """Write a picture of draws: from the prior, or for four observations if the model is conditional."""
    rng = Rng(seed, held.names[:4]).fork("samples")
    if not isinstance(model, Model):
        return
    if isinstance(model, LatentModel):
        z = model.prior().sample(64, tuple(held.x.shape[1:]), Rng(seed))
        cells, columns = model.decode(z).mean, 8
    else:
        batch, _ = _batch(held, slice(0, 4), corruption, seed)
        draws = model.sample(batch.observation, batch.corruption, 6, rng).mean
        cells, columns = draws.transpose(0, 1).flatten(0, 1), 6
    with atomic(path) as temporary:
        write_grid(cells, columns, temporary)


def write_grid(cells: Tensor, columns: int, path: Path) -> None:
    """Write images, (N, C, H, W) on [0, 1], as one PNG: gray, RGB, or the first channels of others."""
    shown = cells[:, :3] if cells.shape[1] > 3 else cells[:, :1] if cells.shape[1] == 2 else cells
    grid = make_grid(shown.float().cpu().clamp(0, 1), nrow=columns, padding=2)
    Image.fromarray((grid * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()).save(path, "PNG")
