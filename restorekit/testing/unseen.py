"""Checks of models that learn from damaged images alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from restorekit.contracts import Model
from restorekit.noise import Noise
from restorekit.testing.cases import DAMAGE, batches, build
from restorekit.testing.facts import expect, name_of, promise
from restorekit.types import Batch

LEVEL = 0.1  # standard deviation of the noise


@promise
def learns_from_damaged_images(model: Model) -> None:
    """Expect a class with `unseen` settings to have an objective without x, on which what is missing has no say."""
    if type(model).unseen is None:
        return
    own, who = _unseen(model), name_of(model)
    for batch in batches(own):
        o = batch.observation
        other = dataclasses.replace(o, y=torch.where(o.observed, o.y, 0.7))
        loss, changed = (own.terms(Batch(None, seen, DAMAGE, 1), Noise(0)).loss for seen in (o, other))
        finite = bool(loss.isfinite()) and loss.requires_grad
        expect(finite, f"{who}.terms of a batch without x must be finite and have gradients, got {loss}")
        same = bool((loss - changed).abs() <= 1e-5 * loss.abs().clamp_min(1))
        expect(same, f"{who}.terms must not look at values that were not observed, but they change it; use `observed`")


@promise
def tells_its_noise(model: Model) -> None:
    """Expect a model with a setting `noise` to tell it as a spec, so that restoring such images needs no option."""
    names = {f.name for f in dataclasses.fields(type(model).Config)}
    if type(model).unseen is not None and "noise" in names:
        told = _unseen(model).noise_spec()
        expect(told is not None, f"{name_of(model)}.noise_spec must tell the noise that it was told to learn from")


def _unseen(model: Model) -> Model:
    """Return a model of the same class and settings that learns from damaged images."""
    names = {f.name for f in dataclasses.fields(type(model).Config)}
    settings = {**(type(model).unseen or {}), **({"noise": LEVEL} if "noise" in names else {})}
    return build(type(model), dataclasses.replace(model.config, **settings), model.geometry.channels[0])


UNSEEN_CHECKS: tuple[Callable[[Any], None], ...] = (learns_from_damaged_images, tells_its_noise)
