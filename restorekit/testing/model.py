"""Checks of models: their description, objective and gradients."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from restorekit.core.config import describe_type, from_json
from restorekit.core.contracts import LatentModel, Model
from restorekit.core.rng import Rng
from restorekit.testing._assertions import described, expect, global_randomness_untouched, name_of, promise, tensors
from restorekit.testing._cases import batches, build, channel_counts
from restorekit.testing._fake_device import GPU, FakeDeviceRng, batch_there, model_there, stops, waits
from restorekit.testing.latent_model import LATENT_CHECKS
from restorekit.testing.model_labels import LABEL_CHECKS
from restorekit.testing.model_restoration import RESTORING_CHECKS
from restorekit.testing.model_training import SELF_SUPERVISED_CHECKS, TRAINING_CHECKS
from restorekit.training import optimizers
from restorekit.training.config import Recipe

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


@promise
def declares_itself(model: Model) -> None:
    """Expect a name, a docstring, a frozen Config that users can type, sound presets, and a sound geometry."""
    described(model)
    who, params = name_of(model), getattr(type(model).Config, "__dataclass_params__", None)
    expect(params is not None and params.frozen, f"{who}.Config must be decorated with @dataclass(frozen=True)")
    hints = typing.get_type_hints(type(model).Config)
    for f in dataclasses.fields(type(model).Config):
        can = describe_type(hints[f.name]) != str(hints[f.name])
        expect(
            can,
            f"{who}.Config.{f.name} must be an int, float, bool, str, or a tuple[int, ...] or tuple[float, ...], so "
            f"that --set can give it, got {hints[f.name]}",
        )
    for name, preset in model.presets.items():
        own, training = ({f.name for f in dataclasses.fields(cls)} for cls in (type(model).Config, Recipe))
        strange = sorted(set(preset) - own - training)
        expect(
            not strange,
            f"{who}.presets[{name!r}] must hold settings of its Config or of training.config.Recipe, got "
            f"{', '.join(strange)}",
        )
        for cls, keys in ((type(model).Config, own), (Recipe, training)):
            from_json(cls, {key: value for key, value in preset.items() if key in keys})
    g = model.geometry
    sound = g.multiple >= 1 and g.halo >= 0 and len(g.channels) > 0
    expect(sound, f"{who}.geometry must have multiple >= 1, halo >= 0 and channel counts, got {g}")
    fits = g.size is None or all(side % g.multiple == 0 for side in g.size)
    expect(fits, f"{who}.geometry.size must be a multiple of {g.multiple}, got {g.size}")


@promise
def groups_its_parameters(model: Model) -> None:
    """Expect every parameter in exactly one group."""
    grouped = [id(p) for params in model.param_groups().values() for p in params]
    own = {id(p): name for name, p in model.named_parameters()}
    left = [name for key, name in own.items() if grouped.count(key) != 1]
    expect(
        not left and len(grouped) == len(own),
        f"{name_of(model)}.param_groups must hold every parameter once, but not so: {left[:5]}",
    )


@promise
def has_a_scalar_objective(model: Model) -> None:
    """Expect a finite scalar loss that has a gradient, and parts that are detached scalars, for every group."""
    for batch in batches(model):
        for group in model.param_groups():
            who, terms = f"{name_of(model)}.terms for the group {group!r}", model.train().terms(batch, Rng(0), group)
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


@promise
def repeats_its_objective(model: Model) -> None:
    """Expect the same loss from the same batch and noise, and nothing drawn from global generators."""
    batch = next(batches(model))
    for group in model.train().param_groups():
        with global_randomness_untouched(f"{name_of(model)}.terms"):
            first, second = (float(model.terms(batch, Rng(0), group).loss.detach()) for _ in range(2))
        expect(first == second, f"{name_of(model)}.terms must repeat under the same Rng, got {first} and then {second}")


@promise
def never_waits_for_the_device(model: Model) -> None:
    """Expect `terms` to run without looking at a value: under fake tensors, which have none."""
    stopped = waits(model, batches(model))
    expect(
        stopped is None,
        f"{name_of(model)}.terms must not wait for the device: no .item(), float(), bool(), .cpu() or boolean index on "
        f"a tensor, a parameter or a buffer; it stopped with {stopped}",
    )


@promise
def works_on_a_gpu(model: Model) -> None:
    """Expect objective, estimate and prior to make every tensor on the device of their input: on a fake GPU."""
    twin, batch, found = model_there(model.train()), batch_there(next(batches(model))), dict[str, Tensor]()

    def work() -> None:
        for group in model.param_groups():
            found[f"terms(..., {group!r}).loss"] = twin.terms(batch, FakeDeviceRng(0), group).loss
        estimate = twin.eval().estimate(batch.observation, batch.corruption)
        if isinstance(twin, LatentModel):
            z = twin.prior().sample(2, batch.observation.shape, FakeDeviceRng(0))
            found["decode(prior().sample(...)).mean"] = twin.decode(z).mean
        found.update({} if estimate is None else {f"estimate(...).{k}": v for k, v in tensors(estimate).items()})

    stop = stops(work)
    expect(
        stop is None or stop.looked,
        f"{name_of(model)} must work on a GPU, but it stopped with {stop and stop.text}; make tensors with "
        "x.new_zeros(...) or device=x.device, and keep constants in buffers (register_buffer)",
    )
    for name, value in found.items():
        expect(
            str(value.device) == GPU,
            f"{name_of(model)}.{name} must stay on the device of y (here {GPU}), got {value.device}",
        )


@promise
def trains_every_parameter(model: Model) -> None:
    """Expect finite gradients that reach every parameter of a group within a few updates."""
    groups = optimizers.groups(model.train(), Recipe(), torch.device("cpu"))
    reached: set[int] = set()
    for step in range(UPDATES):
        for group in groups:
            optimizers.freeze_others(group, groups)
            for batch in batches(model, 8):
                later = dataclasses.replace(batch, step=step + 1)
                torch.autograd.backward(model.terms(later, Rng(step), group.name).loss)
            for p in group.params:
                finite = p.grad is None or bool(p.grad.isfinite().all())
                expect(
                    finite,
                    f"{name_of(model)}: gradients of the group {group.name!r} must be finite, got NaN or infinity",
                )
                reached |= {id(p)} if p.grad is not None and bool(p.grad.any()) else set()
            optimizers.step(group, Recipe(), 1.0, step)
    never = [name for name, p in model.named_parameters() if id(p) not in reached]
    expect(
        not never,
        f"{name_of(model)}: within {UPDATES} updates the gradient must reach every parameter, but not "
        f"{', '.join(never[:5])}; look for detach(), for a part that `terms` does not use, or remove them",
    )


@promise
def diagnoses_in_scalars(model: Model) -> None:
    """Expect `diagnose` to return finite scalars."""
    for name, value in model.diagnose(next(batches(model)), Rng(0)).items():
        sound = isinstance(value, Tensor) and value.dim() == 0 and bool(value.isfinite())
        expect(sound, f"{name_of(model)}.diagnose: {name!r} must be a finite scalar tensor, got {value}")


MODEL_CHECKS: tuple[Callable[[Any], None], ...] = (
    declares_itself,
    groups_its_parameters,
    has_a_scalar_objective,
    repeats_its_objective,
    never_waits_for_the_device,
    works_on_a_gpu,
    trains_every_parameter,
    diagnoses_in_scalars,
    *TRAINING_CHECKS,
    *LABEL_CHECKS,
    *RESTORING_CHECKS,
    *SELF_SUPERVISED_CHECKS,
)
