"""Checks of metrics: one number for one restored image, that says which of two is better."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.errors import UndefinedMetricError
from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration
from restorekit.testing._assertions import (
    copied,
    described,
    expect,
    global_randomness_untouched,
    name_of,
    promise,
    random_images,
    same_as_before,
)
from restorekit.testing._cases import degraded

LARGE = (192, 168)  # pixels
SMALL_ERROR, LARGE_ERROR = 0.02, 0.2  # mean size of the errors of a good and of a bad restoration


def check_metric(metric: type[Metric] | Metric) -> None:
    """Check everything that a metric promises.

    Parameters
    ----------
    metric : Metric, or a class of them
        A class is made with its defaults.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for check in METRIC_CHECKS:
        check(metric() if isinstance(metric, type) else metric)


@promise
def declares_itself(metric: Metric) -> None:
    """Expect a name, a docstring, a unit, and the word whether more of it is better."""
    described(metric)
    expect(
        metric.better in ("higher", "lower") and isinstance(metric.unit, str),
        f'{name_of(metric)} must have better = "higher" or "lower" and a text as unit, got {metric.better!r} and '
        f"{metric.unit!r}",
    )


@promise
def gives_one_number(metric: Metric) -> None:
    """Expect a float, or no value if it is undefined, for gray and colour, with and without std and draws."""
    for restoration, x, observation, what in _cases():
        value = _asked(metric, restoration, x, observation)
        none = value is None or isinstance(value, UndefinedMetricError)
        expect(
            none or (isinstance(value, float) and not math.isnan(value)),
            f"{name_of(metric)} must give a float for a restoration {what}, got {value!r}; use float(...), and raise "
            "UndefinedMetricError where there is nothing to measure",
        )


@promise
def says_why_there_is_none(metric: Metric) -> None:
    """Expect a reason, one line for a person, where the metric has no value."""
    for restoration, x, observation, what in _cases():
        value = _asked(metric, restoration, x, observation)
        reason = str(value) if isinstance(value, UndefinedMetricError) else "" if value is None else "a value"
        expect(
            reason.strip() != "" and "\n" not in reason,
            f"{name_of(metric)} must give a reason why it has no value for a restoration {what}, got {value!r}; raise "
            'UndefinedMetricError("nothing is missing"), or whatever holds: tables show it',
        )


@promise
def repeats_itself(metric: Metric) -> None:
    """Expect the same number again, nothing drawn from global generators, and its arguments left unchanged."""
    for x, o in _scenes():
        restoration = _restored(x, SMALL_ERROR)
        before = {**copied(o), **{name: t.clone() for name, t in _fields(restoration).items()}, "reference": x.clone()}
        with global_randomness_untouched(name_of(metric)):
            first, second = (_asked(metric, restoration, x, o) for _ in range(2))
        same = first == second or str(first) == str(second)
        expect(same, f"{name_of(metric)} must repeat itself, got {first} and then {second}")
        same_as_before(metric, before, {**copied(o), **_fields(restoration), "reference": x}, "a call")


@promise
def prefers_what_is_nearer(metric: Metric) -> None:
    """Expect the better of two restorations to be the one nearer the truth whose spread is where its errors are."""
    if metric.goal is not None:
        return
    for x, o in _scenes():
        near = _asked(metric, _restored(x, SMALL_ERROR), x, o)
        far = _asked(metric, _restored(x, LARGE_ERROR, misled=True), x, o)
        if not (isinstance(near, float) and isinstance(far, float)):
            continue
        expect(
            (near > far) == (metric.better == "higher"),
            f"{name_of(metric)} says that {metric.better} is better, but gives {near:.4g} for a restoration near the "
            f"truth and {far:.4g} for one far from it; look at `better`, or at the order of its arguments",
        )


METRIC_CHECKS: tuple[Callable[[Metric], None], ...] = (
    declares_itself,
    gives_one_number,
    says_why_there_is_none,
    repeats_itself,
    prefers_what_is_nearer,
)


def _scenes() -> list[tuple[Tensor, Observation]]:
    """Return pairs of a clean image and what is observed of it, gray and colour; one is large enough for any scale."""
    sizes = ((1, 24, 20), (3, 24, 20), (3, *LARGE))
    return [(x, degraded(x)) for x in (random_images(1, *size) for size in sizes)]


def _cases() -> Iterator[tuple[Restoration, Tensor, Observation, str]]:
    """Yield restorations with the clean image, what was observed, and words for it."""
    for x, o in _scenes():
        full, plain = _restored(x, SMALL_ERROR), Restoration(quantise_8bit(x))
        yield full, x, o, "with spread and draws"
        yield plain, x, o, "without spread and draws, and equal to the truth"
        lossless = dataclasses.replace(o, observed=torch.ones_like(o.observed), y=x)
        yield full, x, lossless, "of which everything was observed"


def _asked(metric: Metric, restoration: Restoration, x: Tensor, observation: Observation) -> object:
    """Return the value of a metric, or its UndefinedMetricError."""
    try:
        return metric(restoration, x, observation)
    except UndefinedMetricError as none:
        return none


def _restored(x: Tensor, error: float, misled: bool = False) -> Restoration:
    """Return a restoration so far from x, with draws, its spread where its errors are or, misled, elsewhere."""
    off = x + error * Rng(1).normal("error", tuple(x.shape), "cpu")
    spread = error + (off - x).abs().flip([3] if misled else [])
    return Restoration(quantise_8bit(off), spread, torch.stack([quantise_8bit(off), quantise_8bit(off.flip(3))]))


def _fields(restoration: Restoration) -> dict[str, Tensor]:
    found = {f.name: getattr(restoration, f.name) for f in dataclasses.fields(restoration)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
