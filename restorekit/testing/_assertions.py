"""Helpers of all checks: messages of failures, small images, and comparisons of results."""

from __future__ import annotations

import dataclasses
import functools
import random
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Estimate, Observation

T = TypeVar("T")
SIZES = ((16, 16), (7, 5), (1, 1), (1, 9))
ROUNDING = 0.5 / 255  # what storing in 8 bits may change
CLOSE = 1e-4  # what the order of additions may change


def expect(truth: bool, message: str) -> None:
    """Raise AssertionError with `message` unless it is true."""
    if not truth:
        raise AssertionError(message)


def promise(check: Callable[[T], None]) -> Callable[[T], None]:
    """Turn an error that the checked object raises into an AssertionError of one sentence."""
    wanted = (check.__doc__ or "").partition("\n")[0].strip().rstrip(".")

    @functools.wraps(check)
    def checked(thing: T) -> None:
        try:
            check(thing)
        except AssertionError:
            raise
        except Exception as error:  # third-party code may raise any error
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise AssertionError(
                f"{name_of(thing)} must get through {check.__name__} ({wanted}), "
                f"but it raised {what}{_place(error, thing)}"
            ) from error

    return checked


def _place(error: BaseException, thing: object) -> str:
    """Return words for where an error arose in the package of what was checked, or nothing."""
    cls = thing if issubclass(type(thing), type) else type(thing)  # isinstance would ask the thing itself
    own = cls.__module__.partition(".")[0]
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        if frame.f_globals.get("__name__", "").partition(".")[0] == own:
            return f" in {frame.f_code.co_filename}, line {line}"
    return ""


def random_images(count: int, channels: int, height: int, width: int, low: float = 0.05, high: float = 0.95) -> Tensor:
    """Return random images, (B, C, H, W), with values from `low` to `high`: always the same ones."""
    return low + (high - low) * Rng(0).uniform("pictures", (count, channels, height, width), "cpu")


def names(count: int) -> tuple[str, ...]:
    """Return a key for each image of a batch."""
    return tuple(f"image {i}" for i in range(count))


def observations(corruption: Corruption) -> Iterator[tuple[Tensor, Observation]]:
    """Yield pairs of small images, gray and colour, and what the corruption makes of them."""
    for channels in (1, 3):
        for height, width in SIZES:
            x = random_images(2, channels, height, width)
            yield x, corruption(x, Rng(0, names(2)))


def name_of(thing: object) -> str:
    """Name a plugin's class in a sentence."""
    return type(thing).__name__


def described(thing: object) -> None:
    """Expect a name that can be typed, and a docstring that says what it is."""
    cls, who = type(thing), name_of(thing)
    name = getattr(cls, "name", None)
    expect(
        isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", name) is not None,
        f"{who} must have a class attribute `name` of small letters, digits, - and _, as users type it, got {name!r}",
    )
    first = (cls.__doc__ or "").strip().partition("\n")[0]
    made = first.startswith(f"{cls.__name__}(")  # by @dataclass
    expect(
        bool(first) and not made,
        f"{who} must have a docstring whose first line says what it is, which `restorekit list` shows; got {first!r}",
    )


def same_as_before(thing: object, before: dict[str, Tensor], after: dict[str, Tensor], doing: str) -> None:
    """Expect tensors passed to a call to be unchanged after it."""
    found = difference(before, after)
    expect(
        found is None,
        f"{name_of(thing)} must not change its arguments in {doing}, but {found}; look for methods that end in _ "
        "and for assignments into slices",
    )


def copied(value: Observation) -> dict[str, Tensor]:
    """Return copies of every tensor of an observation by name."""
    return {name: t.clone() for name, t in tensors(value).items()}


def only(observation: Observation, i: int) -> Observation:
    """Return image i of an observation as a batch of one."""
    return observation.take(torch.tensor([i], device=observation.y.device))


def unobserved(observation: Observation) -> Observation:
    """Return the observation with every value missing."""
    nothing = torch.zeros_like(observation.observed)
    return dataclasses.replace(observation, y=torch.zeros_like(observation.y), observed=nothing, initial=None)


def tensors(value: Observation | Draws | Estimate) -> dict[str, Tensor]:
    """Return every tensor of a result by name."""
    if isinstance(value, Observation):
        found = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        found.update({f"params[{k!r}]": v for k, v in value.params.items()})
    else:
        found = value._asdict()
    return {k: v for k, v in found.items() if isinstance(v, Tensor)}


def difference(a: dict[str, Tensor], b: dict[str, Tensor], allowed: float = 0.0) -> str | None:
    """Describe where two results differ by more than `allowed`, absolute and relative; None if they do not."""
    if a.keys() != b.keys():
        return f"{sorted(a)} against {sorted(b)}"
    for name, value in a.items():
        if value.shape != b[name].shape:
            return f"{name} of shape {tuple(value.shape)} against {tuple(b[name].shape)}"
        # NaN means "unknown" and equals itself
        distance = (value.detach().double() - b[name].detach().double()).nan_to_num().abs()
        far = distance > allowed * (1 + value.detach().double().abs().nan_to_num())
        if bool(far.any()) or not torch.equal(value.isnan(), b[name].isnan()):
            return f"{name} differs by {float(distance.max()):.3g}"
    return None


def perturb(module: nn.Module) -> None:
    """Move every parameter a little, always in the same way, so that layers that start at zero speak."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.add_(0.02 * Rng(0).normal(name, tuple(p.shape) or (1,), p.device).view_as(p))


@contextmanager
def global_randomness_untouched(what: str) -> Iterator[None]:
    """Expect that the global generators of torch, numpy and Python are afterwards as they were."""
    before = _states()
    yield
    moved = [name for name, state in _states().items() if state != before[name]]
    expect(
        not moved,
        f"{what} must draw from the Rng that is passed and not from global generators, but it used that of "
        f"{' and '.join(moved)}; use rng.normal, rng.uniform or rng.generator",
    )


def _states() -> dict[str, object]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002, it is looked at, not drawn from
    found: dict[str, object] = {"torch": torch.get_rng_state().tolist(), "numpy": str(numpy_state)}
    found["Python"] = random.getstate()
    if torch.cuda.is_available():
        found["torch on the GPU"] = [state.tolist() for state in torch.cuda.get_rng_state_all()]
    return found
