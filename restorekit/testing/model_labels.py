"""Checks of models that know classes: those whose `Config` has a setting `classes`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from restorekit.core.contracts import LatentModel, Model
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Observation
from restorekit.testing._assertions import (
    CLOSE,
    difference,
    expect,
    name_of,
    names,
    perturb,
    promise,
    random_images,
    tensors,
)
from restorekit.testing._cases import CORRUPTION, batches, build, degraded, sample, size
from restorekit.testing._fake_device import waits

CLASSES = 3
LABELS = (0, 2, -1, 1)  # -1 = unknown


@promise
def learns_from_labels(model: Model) -> None:
    """Expect a finite objective of images with classes, some of which are unknown, without waiting for the device."""
    if (own := _labelled(model)) is None:
        return
    for batch in map(_with_labels, batches(own, len(LABELS))):
        for group in own.param_groups():
            loss = own.train().terms(batch, Rng(0), group).loss
            expect(
                bool(loss.isfinite()),
                f"{name_of(model)}.terms for the group {group!r} must be finite for labels {LABELS} (int64, -1 = "
                f"unknown), got {float(loss.detach())}",
            )
    stopped = waits(own, map(_with_labels, batches(own, len(LABELS))))
    expect(
        stopped is None,
        f"{name_of(model)}.terms must not wait for the device where there are labels: no boolean index, no "
        f"torch.nonzero; one_hot needs num_classes, and masks do for -1; it stopped with {stopped}",
    )


@promise
@torch.no_grad()
def restores_without_labels(model: Model) -> None:
    """Expect the class -1 (unknown) to be as good as no class at all."""
    if (own := _labelled(model)) is None:
        return
    o = degraded(random_images(2, own.geometry.channels[0], *size(own)))
    unknown = _answers(own, dataclasses.replace(o, label=torch.full((2,), -1)))
    found = difference(_answers(own, o), unknown, CLOSE)
    expect(
        found is None,
        f"{name_of(model)} must restore an image of class -1 (unknown) as one without a label, but {found}; look at "
        "how label = None and -1 are treated",
    )


@promise
@torch.no_grad()
def listens_to_labels(model: Model) -> None:
    """Expect another class to make a difference to what is restored, or to p(z), p(x | z) or q(z | x)."""
    if (own := _labelled(model)) is None:
        return
    o = degraded(random_images(2, own.geometry.channels[0], *size(own)))
    first, second = (_answers(own, dataclasses.replace(o, label=torch.full((2,), k))) for k in (0, 1))
    expect(
        difference(first, second) is not None,
        f"{name_of(model)} has a setting `classes`, so a class must make a difference, but classes 0 and 1 give the "
        f"same {', '.join(first)}; use observation.label, or take the setting out",
    )


LABEL_CHECKS: tuple[Callable[[Any], None], ...] = (learns_from_labels, restores_without_labels, listens_to_labels)


def _labelled(model: Model) -> Model | None:
    """Return a model like this one that knows classes; None where there are none such."""
    if "classes" not in {f.name for f in dataclasses.fields(model.config)}:
        return None
    own = build(type(model), dataclasses.replace(model.config, classes=CLASSES), model.geometry.channels[0])
    perturb(own)
    return own


def _with_labels(batch: Batch) -> Batch:
    return dataclasses.replace(batch, observation=dataclasses.replace(batch.observation, label=torch.tensor(LABELS)))


def _answers(model: Model, o: Observation) -> dict[str, Tensor]:
    """Return what a model says of images, by name."""
    found = {f"sample(...).{name}": value for name, value in tensors(sample(model, o, 2)).items()}
    estimate = model.estimate(o, CORRUPTION)
    found |= {} if estimate is None else {f"estimate(...).{name}": value for name, value in tensors(estimate).items()}
    if isinstance(model, LatentModel):
        x = random_images(len(o), *o.shape)
        z, q = model.prior(o.label).sample(len(o), o.shape, Rng(0, names(len(o)))), model.infer(x, None, o.label)
        found |= {f"prior(label)[{i}]": t for i, t in enumerate(z if isinstance(z, tuple) else (z,))}
        found |= {f"infer(...).mean[{i}]": t for i, t in enumerate(q.mean if isinstance(q.mean, tuple) else (q.mean,))}
        found["decode(...).mean"] = model.decode(q.mean, o.label).mean
    return found
