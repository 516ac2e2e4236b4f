"""Fake GPU whose tensors have a device and a shape but no values, so that no GPU is needed.

The check that a corruption works on the fake GPU.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from restorekit.core.contracts import Corruption, Model
from restorekit.core.errors import PluginError
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Observation
from restorekit.testing._assertions import expect, name_of, names, promise, random_images, tensors

GPU = "cuda:0"  # what a plugin keeps for it from one call to the next has no values: do not compute there afterwards
LOOKS = (DataDependentOutputException, DynamicOutputShapeException)  # what a look at a value raises
M = TypeVar("M", bound=Model)


# what torch.autograd.grad and recurrent layers ask of a GPU that does not exist, which is no fault of theirs
LACKS = ("hasPrimaryContext", "cudaErrorInsufficientDriver", "cudaErrorNoDevice", "NVIDIA driver")
MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one: a plugin may keep constants from one call to the next


class FakeDeviceRng(Rng):
    """Random numbers of the fake device, which has no generator; their values do not exist there."""

    def _generator(self, device: torch.device, *names: object) -> Generator:
        return super()._generator(torch.device("cpu"), *names)


def there(t: Tensor) -> Tensor:
    """Return a tensor of the same shape on the fake GPU."""
    fake = MODE.from_tensor(t.detach())
    with MODE:
        return fake.to(GPU)


def model_there(model: M) -> M:
    """Return a copy of a model on the fake GPU."""
    twin = copy.deepcopy(model)
    for module in twin.modules():
        for name, p in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(there(p), p.requires_grad))
        for name, b in module.named_buffers(recurse=False):
            setattr(module, name, there(b))
    return twin


def batch_there(batch: Batch) -> Batch:
    """Return a batch on the fake GPU."""
    o = batch.observation

    def moved(t: Tensor | None) -> Tensor | None:
        return None if t is None else there(t)

    observation = dataclasses.replace(
        o, y=there(o.y), observed=there(o.observed), sigma=moved(o.sigma), label=moved(o.label),
        initial=moved(o.initial), params={name: there(value) for name, value in o.params.items()},
    )  # fmt: skip
    return Batch(moved(batch.x), observation, batch.corruption, batch.step)


class Stop(NamedTuple):
    """Error that stopped work on the simulated GPU: a read value, for which a real one waits, or mixed devices."""

    text: str
    looked: bool
    misplaced: bool


def stops(work: Callable[[], object]) -> Stop | None:
    """Do something on the fake GPU; return what stopped it, or None.

    Nothing is judged after the first call that needs a real GPU.
    """
    try:
        with MODE:
            work()
    except Exception as raised:  # third-party code, without values or on devices that do not fit together
        error = raised.__cause__ if isinstance(raised, PluginError) and raised.__cause__ is not None else raised
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if any(lack in str(error) for lack in LACKS):
            return None
        return Stop(text, isinstance(error, LOOKS), "device" in text.lower())
    return None


def waits(model: Model, batches: Iterable[Batch]) -> str | None:
    """Return how `terms` of any group looks at a value; None where it never does."""
    twin = model_there(model.train())
    for batch in map(batch_there, batches):
        for group in model.param_groups():
            stop = stops(functools.partial(twin.terms, batch, FakeDeviceRng(0), group))
            if stop is not None and not stop.misplaced:  # which another check tells of
                return stop.text
    return None


@promise
def works_on_a_gpu(corruption: Corruption) -> None:
    """Expect observation, density and initial estimate on the device of x, which claims to be a GPU."""
    x, found = there(random_images(2, 3, 16, 16)), dict[str, Tensor]()
    observations: list[Observation] = []

    def back(o: Observation) -> None:
        if (operator := corruption.operator(o)) is not None:
            found["operator.adjoint"] = operator.adjoint(operator.apply(x))

    def score(o: Observation) -> None:
        found.update({} if (value := corruption.log_prob(o, x)) is None else {"log_prob": value})

    _on_a_gpu(corruption, lambda: observations.append(corruption(x, FakeDeviceRng(0, names(2)))))
    for o in observations:
        found.update(tensors(o))
        for ask in (back, score, lambda o: found.update(initial_estimate=corruption.initial_estimate(o))):
            _on_a_gpu(corruption, functools.partial(ask, o))
    for name, value in found.items():
        here = str(value.device) == GPU
        expect(here, f"{name_of(corruption)}: {name} must stay on the device of x (here {GPU}), got {value.device}")


def _on_a_gpu(corruption: Corruption, work: Callable[[], object]) -> None:
    stop = stops(work)
    expect(
        stop is None or stop.looked,
        f"{name_of(corruption)} must work on a GPU, but it stopped with {stop and stop.text}; give "
        "rng.normal and what makes tensors x.device",
    )
