"""Checks of models: their description, objective and gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from restorekit import optimise
from restorekit.contracts import LatentModel, Model
from restorekit.noise import Noise
from restorekit.recipe import Recipe
from restorekit.testing.cases import batches, build, channel_counts
from restorekit.testing.facts import expect, global_randomness_untouched, name_of
from restorekit.testing.latent import LATENT_CHECKS
from restorekit.testing.restoring import RESTORING_CHECKS
from restorekit.testing.unseen import UNSEEN_CHECKS
from restorekit.types import Batch

UPDATES = 4  # after which every parameter must have been reached: layers that start at zero hold up those behind


def check_model(cls: type[Model], config: Any = None) -> None:
    """Check everything that a model promises.

    Parameters
    ----------
    cls : type of Model
        The class; it need not be registered.
    config : Config or None
        Settings; None takes the defaults, for gray and for colour images.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for channels in channel_counts(cls, config):
        for check in checks_of(cls):
            check(build(cls, config, channels))


def checks_of(cls: type[Model]) -> tuple[Callable[[Any], None], ...]:
    """Return the checks that apply to a class."""
    return MODEL_CHECKS + (LATENT_CHECKS if issubclass(cls, LatentModel) else ())


def declares_itself(model: Model) -> None:
    """Expect a name, a frozen Config with defaults, and a geometry that makes sense."""
    who, params = name_of(model), getattr(type(model).Config, "__dataclass_params__", None)
    expect(isinstance(getattr(model, "name", None), str), f"{who} must have a class attribute `name`")
    expect(params is not None and params.frozen, f"{who}.Config must be decorated with @dataclass(frozen=True)")
    g = model.geometry
    sound = g.multiple >= 1 and g.halo >= 0 and len(g.channels) > 0
    expect(sound, f"{who}.geometry must have multiple >= 1, halo >= 0 and channel counts, got {g}")
    fits = g.size is None or all(side % g.multiple == 0 for side in g.size)
    expect(fits, f"{who}.geometry.size must be a multiple of {g.multiple}, got {g.size}")


def groups_its_parameters(model: Model) -> None:
    """Expect every parameter in exactly one group."""
    grouped = [id(p) for params in model.param_groups().values() for p in params]
    own = {id(p): name for name, p in model.named_parameters()}
    left = [name for key, name in own.items() if grouped.count(key) != 1]
    expect(
        not left and len(grouped) == len(own),
        f"{name_of(model)}.param_groups must hold every parameter once, but not so: {left[:5]}",
    )


def has_a_scalar_objective(model: Model) -> None:
    """Expect a finite scalar loss that has a gradient, and parts that are detached scalars, for every group."""
    for batch in batches(model):
        for group in model.param_groups():
            who, terms = f"{name_of(model)}.terms for the group {group!r}", model.train().terms(batch, Noise(0), group)
            expect(terms.loss.dim() == 0, f"{who}: loss must be a scalar, got shape {tuple(terms.loss.shape)}")
            expect(bool(terms.loss.isfinite()), f"{who}: loss must be finite, got {float(terms.loss.detach())}")
            expect(terms.loss.requires_grad, f"{who}: loss must have a gradient")
            expect(bool(terms.parts), f"{who}: parts must name at least one term in nats per image")
            for name, value in terms.parts.items():
                plain = isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad
                expect(
                    plain, f"{who}: parts[{name!r}] must be a scalar tensor without gradient; use .detach() and .mean()"
                )
                expect(bool(value.isfinite()), f"{who}: parts[{name!r}] must be finite, got {float(value)}")


def repeats_its_objective(model: Model) -> None:
    """Expect the same loss from the same batch and noise, and nothing drawn from global generators."""
    batch = next(batches(model))
    for group in model.train().param_groups():
        with global_randomness_untouched(f"{name_of(model)}.terms"):
            first, second = (float(model.terms(batch, Noise(0), group).loss.detach()) for _ in range(2))
        expect(
            first == second, f"{name_of(model)}.terms must repeat under the same Noise, got {first} and then {second}"
        )


def never_waits_for_the_device(model: Model) -> None:
    """Expect `terms` to run without looking at a value: under fake tensors, which have none."""
    batch = next(batches(model.train()))
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    o = batch.observation
    with mode:
        x = None if batch.x is None else mode.from_tensor(batch.x)
        sigma = None if o.sigma is None else mode.from_tensor(o.sigma)
        o = dataclasses.replace(o, y=mode.from_tensor(o.y), observed=mode.from_tensor(o.observed), sigma=sigma)
        for group in model.param_groups():
            try:
                model.terms(Batch(x, o, batch.corruption, 0), Noise(0), group)
            except Exception as error:  # it ran on real tensors; what stops it here is a look at a value
                raise AssertionError(
                    f"{name_of(model)}.terms must not wait for the device: no .item(), float(), bool(), .cpu() or "
                    f"boolean index on a tensor; it stopped with {type(error).__name__}: {str(error).splitlines()[0]}"
                ) from error


def trains_every_parameter(model: Model) -> None:
    """Expect finite gradients that reach every parameter of a group within a few updates."""
    groups = optimise.groups(model.train(), Recipe(), torch.device("cpu"))
    reached: set[int] = set()
    for step in range(UPDATES):
        for group in groups:
            optimise.freeze_others(group, groups)
            for batch in batches(model, 8):
                seen = dataclasses.replace(batch, step=step + 1)
                torch.autograd.backward(model.terms(seen, Noise(step), group.name).loss)
            for p in group.params:
                finite = p.grad is None or bool(p.grad.isfinite().all())
                expect(
                    finite,
                    f"{name_of(model)}: gradients of the group {group.name!r} must be finite, got NaN or infinity",
                )
                reached |= {id(p)} if p.grad is not None and bool(p.grad.any()) else set()
            optimise.step(group, Recipe(), 1.0, step)
    never = [name for name, p in model.named_parameters() if id(p) not in reached]
    expect(
        not never,
        f"{name_of(model)}: within {UPDATES} updates the gradient must reach every parameter, but not "
        f"{', '.join(never[:5])}; look for detach(), for a part that `terms` does not use, or remove them",
    )


def diagnoses_in_scalars(model: Model) -> None:
    """Expect `diagnose` to return finite scalars."""
    for name, value in model.diagnose(next(batches(model)), Noise(0)).items():
        sound = isinstance(value, Tensor) and value.dim() == 0 and bool(value.isfinite())
        expect(sound, f"{name_of(model)}.diagnose: {name!r} must be a finite scalar tensor, got {value}")


MODEL_CHECKS: tuple[Callable[[Any], None], ...] = (
    declares_itself,
    groups_its_parameters,
    has_a_scalar_objective,
    repeats_its_objective,
    never_waits_for_the_device,
    trains_every_parameter,
    diagnoses_in_scalars,
    *RESTORING_CHECKS,
    *UNSEEN_CHECKS,
)
