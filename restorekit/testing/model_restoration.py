"""Checks of models: restorations of any size, draws that repeat, and the way through a file."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from restorekit.core.config import from_json
from restorekit.core.contracts import LatentModel, Model
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Estimate, Observation
from restorekit.corruptions import Gaussian, Missing
from restorekit.models import checkpoint
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.testing._assertions import (
    CLOSE,
    copied,
    difference,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    only,
    perturb,
    promise,
    random_images,
    same_as_before,
    tensors,
    unobserved,
)
from restorekit.testing._cases import CORRUPTION, SIDE, degraded, ready, sample, size, smallest

MANY = 16  # draws
FARTHER = 1e-3  # what a pixel beyond the halo may change


@promise
def restores_in_the_shape_of_x(model: Model) -> None:
    """Expect finite float32 results in x's shape: one image, the smallest image, nothing observed."""
    perturb(model)
    for channels in model.geometry.channels:
        for count, (height, width) in ((2, size(model)), (1, smallest(model))):
            o = degraded(random_images(count, channels, height, width))
            for observation in (o, unobserved(o)):
                _fits(model, observation)


def _fits(model: Model, o: Observation) -> None:
    wanted, who = (len(o), *o.shape), f"{name_of(model)} for an image of shape {o.shape}"
    with torch.no_grad():
        expected = {
            "estimate": (wanted, model.estimate(o, CORRUPTION)),
            "sample": ((2, *wanted), sample(model, o, 2)),
        }
    for method, (shape, result) in expected.items():
        for name, value in ({} if result is None else tensors(result)).items():
            what = f"{who}: {method}(...).{name}"
            expect(value.shape == shape, f"{what} must be {shape}, got {tuple(value.shape)}")
            expect(value.dtype == torch.float32, f"{what} must be float32, got {value.dtype}")
            expect(bool(value.isfinite().all()), f"{what} must be finite, got NaN or infinity")
            positive = name == "mean" or bool((value >= 0).all())
            expect(positive, f"{what} must not be negative, got {float(value.min()):.3g}")


@promise
def restores_without_knowing_sigma(model: Model) -> None:
    """Expect a conditional model to work where the noise level is unknown: sigma None, or NaN."""
    if isinstance(model, LatentModel):
        return
    o = degraded(random_images(2, model.geometry.channels[0], *size(model)))
    _fits(model, o.blind())
    _fits(model, dataclasses.replace(o, sigma=None))


@promise
def repeats_its_draws(model: Model) -> None:
    """Expect the same draws from the same noise, in one go or in portions, and global generators untouched."""
    perturb(model)
    o = degraded(random_images(2, model.geometry.channels[0], *size(model)))
    before = copied(o)
    with global_randomness_untouched(f"{name_of(model)}.sample and estimate"), torch.no_grad():
        draws, _ = sample(model, o, 3), model.estimate(o, CORRUPTION)
    same_as_before(model, before, copied(o), "sample and estimate")
    found = difference(tensors(draws), tensors(sample(model, o, 3)))
    expect(found is None, f"{name_of(model)}.sample must repeat under the same Rng, but {found}")
    later = Draws(draws.mean[1:], None if draws.variance is None else draws.variance[1:])
    found = difference(tensors(later), tensors(sample(model, o, 2, first=1)), CLOSE)
    expect(
        found is None,
        f"{name_of(model)}.sample must give the same draws in portions, but {found} for sample(..., rng.after(1)); "
        "draw from rng.expand(n)",
    )


@promise
@torch.no_grad()
def ignores_the_batch(model: Model) -> None:
    """Expect image i of a batch to be restored as it is alone."""
    perturb(model)
    o = degraded(random_images(2, model.geometry.channels[0], *size(model)))
    together, alone = model.estimate(o, CORRUPTION), model.estimate(only(o, 1), CORRUPTION)
    if together is not None and alone is not None:
        second = Estimate(together.mean[1:], None if together.std is None else together.std[1:])
        _same_alone(model, "estimate", difference(tensors(second), tensors(alone), CLOSE))
    draws = sample(model, o, 2)
    second_draws = Draws(draws.mean[:, 1:], None if draws.variance is None else draws.variance[:, 1:])
    own = model.sample(only(o, 1), CORRUPTION, 2, Rng(0, names(2)[1:]))
    _same_alone(model, "sample", difference(tensors(second_draws), tensors(own), CLOSE))


def _same_alone(model: Model, method: str, found: str | None) -> None:
    expect(
        found is None,
        f"{name_of(model)}.{method} must give an image the same result alone and in a batch, but {found}; look for "
        "statistics over the batch, and for noise drawn without the batch as first axis",
    )


@promise
def restores_files_of_any_size(model: Model) -> None:
    """Expect images of odd sizes to come back through `restore`, with what was observed without noise bit for bit."""
    perturb(model)
    restorer = ModelRestorer(model, model.sampler if isinstance(model, LatentModel) else None)
    corruption, channels = Missing(0.5), model.geometry.channels[-1]
    for height, width in ((7, 5), (SIDE + 5, SIDE + 8)):
        x = random_images(2, channels, height, width)
        o = corruption(x, Rng(0, names(2)))
        found = restorer(o, corruption, 1, Rng(0, names(2)))
        what = f"{name_of(model)}: an image of {height} x {width} pixels, restored,"
        expect(found.mmse.shape == x.shape, f"{what} must be {tuple(x.shape)}, got {tuple(found.mmse.shape)}")
        kept = torch.equal(torch.where(o.observed, found.mmse, 0.0), o.y)
        expect(kept, f"{what} must keep what was observed without noise; look at geometry and estimate")


@promise
@torch.no_grad()
def looks_no_farther_than_its_halo(model: Model) -> None:
    """Expect a pixel not to depend on others farther away than `geometry.halo`, or tiles would not fit together."""
    halo, multiple = model.geometry.halo, model.geometry.multiple
    if model.geometry.size is not None:
        return
    perturb(model)
    width = -(-(halo + 1 + SIDE) // multiple) * multiple
    x = random_images(1, model.geometry.channels[0], size(model)[0], width)
    other = torch.cat([1 - x[..., :1], x[..., 1:]], 3)
    change = (_shown(model, x) - _shown(model, other)).abs()[..., halo + 1 :]
    reached = change.amax((0, 1, 2)).gt(FARTHER).nonzero().flatten().tolist()
    expect(
        not reached,
        f"{name_of(model)}.geometry.halo must be the most pixels that a result depends on, got {halo}, but one "
        f"{halo + 1 + max(reached, default=0)} away moves it by up to {float(change.max()):.3g}; count kernels and "
        "strides, or give geometry a size",
    )


def _shown(model: Model, x: Tensor) -> Tensor:
    """Return what a model makes of noisy images in one pass: its estimate, or a latent model's reconstruction."""
    if isinstance(model, LatentModel):
        mean: Tensor = model.decode(model.infer(x).mean).mean
        return mean
    noisy = Gaussian(0.1)
    o = dataclasses.replace(noisy(x, Rng(0, names(len(x)))), y=x, initial=x)
    found = model.estimate(o, noisy)
    return model.sample(o, noisy, 1, Rng(0, names(len(x)))).mean[0] if found is None else found.mean


@promise
@torch.no_grad()
def estimates_the_mean_of_its_draws(model: Model) -> None:
    """Expect the one-pass estimate, where there is one, near the mean of many draws, within their spread."""
    perturb(model)
    o = degraded(random_images(2, model.geometry.channels[0], *size(model)))
    estimate = model.estimate(o, CORRUPTION)
    if estimate is None:
        return
    draws = sample(model, o, MANY)
    inner = 0.0 if draws.variance is None else float(draws.variance.mean().sqrt())
    spread = float(draws.mean.var(0).mean().sqrt()) + inner
    gap = float((draws.mean.mean(0) - estimate.mean).square().mean().sqrt())
    expect(
        gap <= 2 * spread + 0.05,
        f"{name_of(model)}.estimate must be the mean of p(x | y), but it lies {gap:.3g} from the mean of {MANY} draws, "
        f"whose spread is only {spread:.3g}; look for scales, clamps or an offset that only one of the two has",
    )


@promise
def comes_back_from_its_file(model: Model) -> None:
    """Expect a saved and loaded model to give the very same draws, bit for bit."""
    perturb(model)
    o = degraded(random_images(2, model.geometry.channels[0], *size(model)))
    back = _saved_and_loaded(model)
    expect(
        back.config == model.config, f"{name_of(model)}.Config must survive JSON, got {back.config} for {model.config}"
    )
    found = difference(tensors(sample(model, o, 2)), tensors(sample(back, o, 2)))
    expect(
        found is None,
        f"{name_of(model)} must draw the same after saving and loading, but {found}; keep state in buffers",
    )


def _saved_and_loaded(model: Model) -> Model:
    """Save and load a model; without a file if its class is not registered, as `checkpoint.load` looks it up."""
    if registry.models().get(model.name) is type(model):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
            return ready(checkpoint.load(path)[0])
    config = json.loads(json.dumps(dataclasses.asdict(model.config)))
    back = type(model)(from_json(type(model).Config, config))
    back.load_state_dict(load_bytes(save_bytes({k: v.contiguous() for k, v in model.state_dict().items()})))
    return ready(back)


RESTORING_CHECKS: tuple[Callable[[Any], None], ...] = (
    restores_in_the_shape_of_x,
    restores_without_knowing_sigma,
    repeats_its_draws,
    ignores_the_batch,
    restores_files_of_any_size,
    looks_no_farther_than_its_halo,
    estimates_the_mean_of_its_draws,
    comes_back_from_its_file,
)
