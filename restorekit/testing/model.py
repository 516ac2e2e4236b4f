"""Checks of models: objective, gradients, randomness, restorations of any size, and the way through a file."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor
from torch._subclasses import FakeTensorMode

from restorekit import checkpoint, optimise, plugins
from restorekit.contracts import LatentModel, Model
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.noise import Noise
from restorekit.recipe import Recipe
from restorekit.samplers import Gibbs
from restorekit.settings import from_json
from restorekit.testing.facts import (
    CLOSE,
    difference,
    expect,
    global_randomness_untouched,
    names,
    only,
    pictures,
    shake,
    tensors,
    unseen,
)
from restorekit.testing.latent import LATENT_CHECKS
from restorekit.types import Batch, Draws, Estimate, Observation

SIDE = 12  # pixels a side of test images, at least
UPDATES = 4  # after which every parameter must have been reached: layers that start at zero hold up those behind
DAMAGE = Chain((Gaussian(0.1), Missing(0.5)))


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


def build(cls: type[Model], config: Any = None, channels: int = 1) -> Model:
    """Return a fresh model in evaluation mode, always with the same weights; latent ones with a sampler."""
    settings = cls.fit_config(cls.Config() if config is None else config, (channels, SIDE, SIDE), 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _ready(cls(settings))


def channel_counts(cls: type[Model], config: Any = None) -> tuple[int, ...]:
    """Return the channel counts to build for: both where the settings follow the images, else one."""
    gray = build(cls, config, 1).geometry.channels
    colour = build(cls, config, 3).geometry.channels
    return (1,) if gray == colour else (1, 3)


def checks_of(cls: type[Model]) -> tuple[Callable[[Any], None], ...]:
    """Return the checks that apply to a class."""
    return MODEL_CHECKS + (LATENT_CHECKS if issubclass(cls, LatentModel) else ())


def declares_itself(model: Model) -> None:
    """Expect a name, a frozen Config with defaults, and a geometry that makes sense."""
    who, params = _who(model), getattr(type(model).Config, "__dataclass_params__", None)
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
        f"{_who(model)}.param_groups must hold every parameter once, but not so: {left[:5]}",
    )


def has_a_scalar_objective(model: Model) -> None:
    """Expect a finite scalar loss that has a gradient, and parts that are detached scalars, for every group."""
    for batch in _batches(model):
        for group in model.param_groups():
            who, terms = f"{_who(model)}.terms for the group {group!r}", model.train()(batch, Noise(0), group)
            expect(terms.loss.dim() == 0, f"{who}: loss must be a scalar, got shape {tuple(terms.loss.shape)}")
            expect(bool(terms.loss.isfinite()), f"{who}: loss must be finite, got {float(terms.loss)}")
            expect(terms.loss.requires_grad, f"{who}: loss must have a gradient")
            expect(bool(terms.parts), f"{who}: parts must name at least one term in nats per image")
            for name, value in terms.parts.items():
                plain = isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad
                expect(plain, f"{who}: parts[{name!r}] must be a scalar tensor without gradient; use .detach() and .mean()")
                expect(bool(value.isfinite()), f"{who}: parts[{name!r}] must be finite, got {float(value)}")


def repeats_its_objective(model: Model) -> None:
    """Expect the same loss from the same batch and noise, and nothing drawn from global generators."""
    batch = next(_batches(model))
    for group in model.train().param_groups():
        with global_randomness_untouched(f"{_who(model)}.terms"):
            first, second = (float(model(batch, Noise(0), group).loss) for _ in range(2))
        expect(first == second, f"{_who(model)}.terms must repeat under the same Noise, got {first} and then {second}")


def never_waits_for_the_device(model: Model) -> None:
    """Expect `terms` to run without looking at a value: under fake tensors, which have none."""
    batch = next(_batches(model.train()))
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    o = batch.observation
    with mode:
        fake = {k: mode.from_tensor(v) for k, v in tensors(o).items() if k in ("y", "observed", "sigma")}
        x = None if batch.x is None else mode.from_tensor(batch.x)
        for group in model.param_groups():
            try:
                model(Batch(x, dataclasses.replace(o, **fake), batch.corruption, 0), Noise(0), group)
            except Exception as error:  # it ran on real tensors; what stops it here is a look at a value
                raise AssertionError(
                    f"{_who(model)}.terms must not wait for the device: no .item(), float(), bool(), .cpu() or boolean "
                    f"index on a tensor; it stopped with {type(error).__name__}: {str(error).splitlines()[0]}"
                ) from error


def trains_every_parameter(model: Model) -> None:
    """Expect finite gradients that reach every parameter of a group within a few updates."""
    groups = optimise.groups(model.train(), Recipe(), torch.device("cpu"))
    reached: set[int] = set()
    for step in range(UPDATES):
        for group in groups:
            optimise.freeze_others(group, groups)
            batch = dataclasses.replace(next(_batches(model, 8)), step=step + 1)
            model(batch, Noise(step), group.name).loss.backward()
            for p in group.params:
                finite = p.grad is None or bool(p.grad.isfinite().all())
                expect(finite, f"{_who(model)}: gradients of the group {group.name!r} must be finite, got NaN or infinity")
                reached |= {id(p)} if p.grad is not None and bool(p.grad.any()) else set()
            optimise.step(group, Recipe(), 1e-3, step)
    never = [name for name, p in model.named_parameters() if id(p) not in reached]
    expect(
        not never,
        f"{_who(model)}: within {UPDATES} updates the gradient must reach every parameter, but not {', '.join(never[:5])}; "
        "look for detach(), for a part that `terms` does not use, or remove them",
    )


def restores_in_the_shape_of_x(model: Model) -> None:
    """Expect finite float32 results in x's shape: one image, the smallest image, nothing observed."""
    shake(model)
    for channels in model.geometry.channels:
        for count, (height, width) in ((2, _size(model)), (1, _smallest(model))):
            o = _damaged(model, pictures(count, channels, height, width))
            for seen in (o, unseen(o)):
                _fits(model, seen)


def _fits(model: Model, seen: Observation) -> None:
    wanted, who = (len(seen), *seen.shape), f"{_who(model)} given an image of shape {seen.shape}"
    expected = {"estimate": (wanted, model.estimate(seen, DAMAGE)), "sample": ((2, *wanted), _sample(model, seen, 2))}
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
    o = _damaged(model, pictures(2, model.geometry.channels[0], *_size(model)))
    _fits(model, o.blind())
    _fits(model, dataclasses.replace(o, sigma=None))


def repeats_its_draws(model: Model) -> None:
    """Expect the same draws from the same noise, in one go or in portions, and global generators untouched."""
    shake(model)
    o = _damaged(model, pictures(2, model.geometry.channels[0], *_size(model)))
    with global_randomness_untouched(f"{_who(model)}.sample"):
        draws = _sample(model, o, 3)
    found = difference(tensors(draws), tensors(_sample(model, o, 3)))
    expect(found is None, f"{_who(model)}.sample must repeat under the same Noise, but {found}")
    later = Draws(draws.mean[1:], None if draws.variance is None else draws.variance[1:])
    found = difference(tensors(later), tensors(_sample(model, o, 2, first=1)), CLOSE)
    expect(
        found is None,
        f"{_who(model)}.sample must give the same draws in portions, but {found} for sample(..., noise.after(1)); "
        "draw from noise.expand(n)",
    )


def ignores_the_batch(model: Model) -> None:
    """Expect image i of a batch to be restored as it is alone."""
    shake(model)
    o = _damaged(model, pictures(2, model.geometry.channels[0], *_size(model)))
    together, alone = model.estimate(o, DAMAGE), model.estimate(only(o, 1), DAMAGE)
    if together is not None and alone is not None:
        second = Estimate(together.mean[1:], None if together.std is None else together.std[1:])
        _same_alone(model, "estimate", difference(tensors(second), tensors(alone), CLOSE))
    draws = _sample(model, o, 2)
    second_draws = Draws(draws.mean[:, 1:], None if draws.variance is None else draws.variance[:, 1:])
    own = model.sample(only(o, 1), DAMAGE, 2, Noise(0, names(2)[1:]))
    _same_alone(model, "sample", difference(tensors(second_draws), tensors(own), CLOSE))


def _same_alone(model: Model, method: str, found: str | None) -> None:
    expect(
        found is None,
        f"{_who(model)}.{method} must give an image the same alone and in a batch, but {found}; look for statistics over "
        "the batch, and for noise drawn without the batch as first axis",
    )


def comes_back_from_its_file(model: Model) -> None:
    """Expect a saved and loaded model to give the very same draws, bit for bit."""
    shake(model)
    o = _damaged(model, pictures(2, model.geometry.channels[0], *_size(model)))
    back = _through_a_file(model) if plugins.models().get(model.name) is type(model) else _through_bytes(model)
    expect(back.config == model.config, f"{_who(model)}.Config must survive JSON, got {back.config} for {model.config}")
    found = difference(tensors(_sample(model, o, 2)), tensors(_sample(back, o, 2)))
    expect(found is None, f"{_who(model)} must draw the same after saving and loading, but {found}; keep state in buffers")


def diagnoses_in_scalars(model: Model) -> None:
    """Expect `diagnose` to return finite scalars."""
    for name, value in model.diagnose(next(_batches(model)), Noise(0)).items():
        sound = isinstance(value, Tensor) and value.dim() == 0 and bool(value.isfinite())
        expect(sound, f"{_who(model)}.diagnose: {name!r} must be a finite scalar tensor, got {value}")


MODEL_CHECKS: tuple[Callable[[Any], None], ...] = (
    declares_itself,
    groups_its_parameters,
    has_a_scalar_objective,
    repeats_its_objective,
    never_waits_for_the_device,
    trains_every_parameter,
    restores_in_the_shape_of_x,
    restores_without_knowing_sigma,
    repeats_its_draws,
    ignores_the_batch,
    comes_back_from_its_file,
    diagnoses_in_scalars,
)


def _who(model: Model) -> str:
    return f"the model {type(model).__name__}"


def _ready(model: Model) -> Model:
    if isinstance(model, LatentModel):
        model.sampler = Gibbs(sweeps=2)
    return model.eval()


def _smallest(model: Model) -> tuple[int, int]:
    return model.geometry.size or (model.geometry.multiple,) * 2


def _size(model: Model) -> tuple[int, int]:
    """Return a height and a width that differ where the model takes any."""
    multiple = model.geometry.multiple
    height = -(-SIDE // multiple) * multiple
    return model.geometry.size or (height, height + multiple)


def _damaged(model: Model, x: Tensor) -> Observation:
    return DAMAGE(x, Noise(0, names(len(x))))


def _batches(model: Model, count: int = 4) -> Iterator[Batch]:
    """Yield a training batch for each channel count."""
    for channels in model.geometry.channels[::-1]:
        x = pictures(count, channels, *_size(model))
        yield Batch(x, DAMAGE(x, Noise(0)), DAMAGE, 1)


def _sample(model: Model, o: Observation, n: int, first: int = 0) -> Draws:
    with torch.no_grad():
        return model.sample(o, DAMAGE, n, Noise(0, names(len(o))).after(first))


def _through_a_file(model: Model) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
        return _ready(checkpoint.load(path)[0])


def _through_bytes(model: Model) -> Model:
    """Do what a file does, for classes that are not registered."""
    config = json.loads(json.dumps(dataclasses.asdict(model.config)))
    back = type(model)(from_json(type(model).Config, config))
    back.load_state_dict(load_bytes(save_bytes({k: v.contiguous() for k, v in model.state_dict().items()})))
    return _ready(back)
