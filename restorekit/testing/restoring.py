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

from restorekit import checkpoint, plugins
from restorekit.contracts import LatentModel, Model
from restorekit.noise import Noise
from restorekit.settings import from_json
from restorekit.testing.cases import DAMAGE, damaged, ready, sample, size, smallest
from restorekit.testing.facts import (
    CLOSE,
    difference,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    only,
    pictures,
    shake,
    tensors,
    unseen,
)
from restorekit.types import Draws, Estimate, Observation


def restores_in_the_shape_of_x(model: Model) -> None:
    """Expect finite float32 results in x's shape: one image, the smallest image, nothing observed."""
    shake(model)
    for channels in model.geometry.channels:
        for count, (height, width) in ((2, size(model)), (1, smallest(model))):
            o = damaged(pictures(count, channels, height, width))
            for seen in (o, unseen(o)):
                _fits(model, seen)


def _fits(model: Model, seen: Observation) -> None:
    wanted, who = (len(seen), *seen.shape), f"{name_of(model)} given an image of shape {seen.shape}"
    with torch.no_grad():
        expected = {
            "estimate": (wanted, model.estimate(seen, DAMAGE)),
            "sample": ((2, *wanted), sample(model, seen, 2)),
        }
    for method, (shape, result) in expected.items():
        for name, value in ({} if result is None else tensors(result)).items():
            what = f"{who}: {method}(...).{name}"
            expect(value.shape == shape, f"{what} must be {shape}, got {tuple(value.shape)}")
            expect(value.dtype == torch.float32, f"{what} must be float32, got {value.dtype}")
            expect(bool(value.isfinite().all()), f"{what} must be finite, got NaN or infinity")
            positive = name == "mean" or bool((value >= 0).all())
            expect(positive, f"{what} must not be negative, got {float(value.min()):.3g}")


def restores_without_knowing_sigma(model: Model) -> None:
    """Expect a conditional model to work where the noise level is unknown: sigma None, or NaN."""
    if isinstance(model, LatentModel):
        return
    o = damaged(pictures(2, model.geometry.channels[0], *size(model)))
    _fits(model, o.blind())
    _fits(model, dataclasses.replace(o, sigma=None))


def repeats_its_draws(model: Model) -> None:
    """Expect the same draws from the same noise, in one go or in portions, and global generators untouched."""
    shake(model)
    o = damaged(pictures(2, model.geometry.channels[0], *size(model)))
    with global_randomness_untouched(f"{name_of(model)}.sample"):
        draws = sample(model, o, 3)
    found = difference(tensors(draws), tensors(sample(model, o, 3)))
    expect(found is None, f"{name_of(model)}.sample must repeat under the same Noise, but {found}")
    later = Draws(draws.mean[1:], None if draws.variance is None else draws.variance[1:])
    found = difference(tensors(later), tensors(sample(model, o, 2, first=1)), CLOSE)
    expect(
        found is None,
        f"{name_of(model)}.sample must give the same draws in portions, but {found} for sample(..., noise.after(1)); "
        "draw from noise.expand(n)",
    )


@torch.no_grad()
def ignores_the_batch(model: Model) -> None:
    """Expect image i of a batch to be restored as it is alone."""
    shake(model)
    o = damaged(pictures(2, model.geometry.channels[0], *size(model)))
    together, alone = model.estimate(o, DAMAGE), model.estimate(only(o, 1), DAMAGE)
    if together is not None and alone is not None:
        second = Estimate(together.mean[1:], None if together.std is None else together.std[1:])
        _same_alone(model, "estimate", difference(tensors(second), tensors(alone), CLOSE))
    draws = sample(model, o, 2)
    second_draws = Draws(draws.mean[:, 1:], None if draws.variance is None else draws.variance[:, 1:])
    own = model.sample(only(o, 1), DAMAGE, 2, Noise(0, names(2)[1:]))
    _same_alone(model, "sample", difference(tensors(second_draws), tensors(own), CLOSE))


def _same_alone(model: Model, method: str, found: str | None) -> None:
    expect(
        found is None,
        f"{name_of(model)}.{method} must give an image the same alone and in a batch, but {found}; look for statistics "
        "over the batch, and for noise drawn without the batch as first axis",
    )


def comes_back_from_its_file(model: Model) -> None:
    """Expect a saved and loaded model to give the very same draws, bit for bit."""
    shake(model)
    o = damaged(pictures(2, model.geometry.channels[0], *size(model)))
    back = _through_a_file(model) if plugins.models().get(model.name) is type(model) else _through_bytes(model)
    expect(
        back.config == model.config, f"{name_of(model)}.Config must survive JSON, got {back.config} for {model.config}"
    )
    found = difference(tensors(sample(model, o, 2)), tensors(sample(back, o, 2)))
    expect(
        found is None,
        f"{name_of(model)} must draw the same after saving and loading, but {found}; keep state in buffers",
    )


def _through_a_file(model: Model) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
        return ready(checkpoint.load(path)[0])


def _through_bytes(model: Model) -> Model:
    """Do what a file does, for classes that are not registered."""
    config = json.loads(json.dumps(dataclasses.asdict(model.config)))
    back = type(model)(from_json(type(model).Config, config))
    back.load_state_dict(load_bytes(save_bytes({k: v.contiguous() for k, v in model.state_dict().items()})))
    return ready(back)


RESTORING_CHECKS: tuple[Callable[[Any], None], ...] = (
    restores_in_the_shape_of_x,
    restores_without_knowing_sigma,
    repeats_its_draws,
    ignores_the_batch,
    comes_back_from_its_file,
)
