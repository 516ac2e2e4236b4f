"""Checks of models under what a training does to them: hard batches, half precision, validation.

Checks of models that learn from degraded images alone.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from restorekit.core.contracts import Model
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Terms
from restorekit.corruptions import Missing
from restorekit.testing._assertions import (
    copied,
    expect,
    name_of,
    names,
    perturb,
    promise,
    random_images,
    same_as_before,
)
from restorekit.testing._cases import CORRUPTION, batches, build, size
from restorekit.training.validation import Validation, measure, preview, sample_grid


@promise
def learns_from_any_batch(model: Model) -> None:
    """Expect a finite objective of one image, and where nothing was observed."""
    hidden = Missing(1.0)
    for x, corruption, what in (
        (random_images(1, model.geometry.channels[0], *size(model)), CORRUPTION, "a batch of one image"),
        (random_images(2, model.geometry.channels[0], *size(model)), hidden, "images of which nothing was observed"),
    ):
        batch = Batch(x, corruption(x, Rng(0)), corruption, 1)
        for group in model.param_groups():
            loss = model.train().terms(batch, Rng(0), group).loss
            expect(
                bool(loss.isfinite()),
                f"{name_of(model)}.terms for the group {group!r} must be finite for {what}, got {float(loss.detach())}"
                "; look for divisions by a count, for statistics over the batch, and for logarithms of 0",
            )


@promise
def adds_up_its_parts(model: Model) -> None:
    """Expect nelbo = distortion + rate among the parts of the objective, where all three are there."""
    for group in model.param_groups():
        parts = _terms(model, next(batches(model)), group).parts
        if {"nelbo", "distortion", "rate"} <= parts.keys():
            nelbo, made = float(parts["nelbo"]), float(parts["distortion"] + parts["rate"])
            expect(
                math.isclose(nelbo, made, rel_tol=1e-4, abs_tol=1e-3),
                f"{name_of(model)}.terms must name its parts in nats per image, nelbo = distortion + rate, got nelbo "
                f"{nelbo:.6g} and {made:.6g}; give what is weighted another name",
            )


@promise
def leaves_its_batch_alone(model: Model) -> None:
    """Expect x and observation to be after `terms` what they were, as every group learns from the same batch."""
    for group in model.param_groups():
        batch = next(batches(model))
        assert batch.x is not None
        before = {**copied(batch.observation), "x": batch.x.clone()}
        _terms(model, batch, group)
        same_as_before(model, before, {**copied(batch.observation), "x": batch.x}, "terms")


@promise
def trains_in_half_precision(model: Model) -> None:
    """Expect finite objective and gradients as on a GPU: under bfloat16 autocast, with images in channels_last."""
    model = model.train().to(memory_format=torch.channels_last)
    batch = next(batches(model))
    assert batch.x is not None
    batch = dataclasses.replace(batch, x=batch.x.contiguous(memory_format=torch.channels_last))
    for group, params in model.param_groups().items():
        with torch.autocast("cpu", torch.bfloat16):
            loss = _terms(model, batch, group).loss
        torch.autograd.backward(loss)
        sound = bool(loss.isfinite()) and all(p.grad is None or bool(p.grad.isfinite().all()) for p in params)
        expect(
            sound,
            f"{name_of(model)}.terms for the group {group!r} must be finite, and its gradients too, under bfloat16 "
            f"autocast, got {float(loss.detach())}; compute densities in float32 (.float())",
        )


@promise
def can_be_validated(model: Model) -> None:
    """Expect finite metric values, and pictures of restorations and draws, in a validation."""
    perturb(model)
    x = random_images(2, model.geometry.channels[0], *size(model))
    held, corruptions = Validation(x, names(2)), (CORRUPTION, Missing(0.5))
    found = measure(model.eval(), held, corruptions, 0)
    strange = {name: value for name, value in found.items() if not math.isfinite(value)}
    expect(
        not strange,
        f"{name_of(model)} must give finite metric values if the noise level is unknown and `batch.step` is None, as "
        f"in a validation, got {strange}; look at terms, diagnose and estimate",
    )
    with tempfile.TemporaryDirectory() as folder:
        preview(model, held, corruptions, 0, Path(folder) / "preview.png")
        sample_grid(model, held, CORRUPTION, 0, Path(folder) / "sample.png")


TRAINING_CHECKS: tuple[Callable[[Any], None], ...] = (
    learns_from_any_batch,
    adds_up_its_parts,
    leaves_its_batch_alone,
    trains_in_half_precision,
    can_be_validated,
)


def _terms(model: Model, batch: Batch, group: str) -> Terms:
    return model.train().terms(batch, Rng(0), group)


LEVEL = 0.1  # standard deviation of the noise


@promise
def learns_from_degraded_images(model: Model) -> None:
    """Expect a class with `self_supervised` settings to have an objective without x, independent of missing values."""
    if type(model).self_supervised is None:
        return
    own, who = _self_supervised(model), name_of(model)
    for batch in batches(own):
        o = batch.observation
        other = dataclasses.replace(o, y=torch.where(o.observed, o.y, 0.7))
        loss, changed = (own.terms(Batch(None, observation, CORRUPTION, 1), Rng(0)).loss for observation in (o, other))
        finite = bool(loss.isfinite()) and loss.requires_grad
        expect(finite, f"{who}.terms of a batch without x must be finite and have gradients, got {loss}")
        same = bool((loss - changed).abs() <= 1e-5 * loss.abs().clamp_min(1))
        expect(same, f"{who}.terms must not look at values that were not observed, but they change it; use `observed`")


@promise
def tells_its_noise(model: Model) -> None:
    """Expect a model with a setting `noise` to return it as a spec, so that restoring such images needs no option."""
    names = {f.name for f in dataclasses.fields(type(model).Config)}
    if type(model).self_supervised is not None and "noise" in names:
        spec = _self_supervised(model).noise_spec()
        expect(
            spec is not None, f"{name_of(model)}.noise_spec must return the noise that its settings declare, got None"
        )


def _self_supervised(model: Model) -> Model:
    """Return a model of the same class and settings that learns from degraded images."""
    names = {f.name for f in dataclasses.fields(type(model).Config)}
    settings = {**(type(model).self_supervised or {}), **({"noise": LEVEL} if "noise" in names else {})}
    return build(type(model), dataclasses.replace(model.config, **settings), model.geometry.channels[0])


SELF_SUPERVISED_CHECKS: tuple[Callable[[Any], None], ...] = (learns_from_degraded_images, tells_its_noise)
