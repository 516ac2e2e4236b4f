"""Another device, pretended: tensors that have a device and a shape but no values, so that no GPU is needed."""

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

from restorekit.contracts import Model
from restorekit.noise import Noise
from restorekit.types import Batch

GPU = "cuda:0"  # what a plugin keeps for it from one call to the next has no values: do not compute there afterwards
LOOKS = (DataDependentOutputException, DynamicOutputShapeException)  # what a look at a value raises
M = TypeVar("M", bound=Model)


# what torch.autograd.grad and recurrent layers ask of a GPU that is only pretended, which is no fault of theirs
LACKS = ("hasPrimaryContext", "cudaErrorInsufficientDriver", "cudaErrorNoDevice", "NVIDIA driver")
MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one: a plugin may keep constants from one call to the next


class Pretended(Noise):
    """Noise for a pretended device, for which there is no generator: numbers have no values there anyway."""

    def _generator(self, device: torch.device, *names: object) -> Generator:
        return super()._generator(torch.device("cpu"), *names)


def there(t: Tensor) -> Tensor:
    """Return a tensor of the same shape on the pretended GPU."""
    pretended = MODE.from_tensor(t.detach())
    with MODE:
        return pretended.to(GPU)


def model_there(model: M) -> M:
    """Return a copy of a model on the pretended GPU."""
    twin = copy.deepcopy(model)
    for module in twin.modules():
        for name, p in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(there(p), p.requires_grad))
        for name, b in module.named_buffers(recurse=False):
            setattr(module, name, there(b))
    return twin


def batch_there(batch: Batch) -> Batch:
    """Return a batch on the pretended GPU."""
    o = batch.observation

    def moved(t: Tensor | None) -> Tensor | None:
        return None if t is None else there(t)

    observation = dataclasses.replace(
        o, y=there(o.y), observed=there(o.observed), sigma=moved(o.sigma), label=moved(o.label), guess=moved(o.guess),
        params={name: there(value) for name, value in o.params.items()},
    )  # fmt: skip
    return Batch(moved(batch.x), observation, batch.corruption, batch.step)


class Stop(NamedTuple):
    """What stopped work on the pretended GPU; whether a look at a value, which a real one waits for, or two devices."""

    text: str
    looked: bool
    misplaced: bool


def stops(work: Callable[[], object]) -> Stop | None:
    """Do something on the pretended GPU; return what stopped it, or None.

    From where it asks for what a pretended GPU lacks, nothing more is judged.
    """
    try:
        with MODE:
            work()
    except Exception as error:  # a stranger's code, without values or on devices that do not fit together
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
            stop = stops(functools.partial(twin.terms, batch, Pretended(0), group))
            if stop is not None and not stop.misplaced:  # which another check tells of
                return stop.text
    return None
