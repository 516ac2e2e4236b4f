"""Checks of metrics: one number for one restored image, that says which of two is better."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.contracts import Metric
from restorekit.metrics import finish
from restorekit.noise import Noise
from restorekit.testing.cases import damaged
from restorekit.testing.facts import (
    copied,
    described,
    expect,
    global_randomness_untouched,
    name_of,
    pictures,
    promise,
    same_as_before,
)
from restorekit.types import Observation, Restoration

NEAR, FAR = 0.02, 0.2  # mean size of the errors of a good and of a bad restoration


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
    """Expect a float, or None where it does not apply, of gray and colour, with and without spread and draws."""
    for x, o in _scenes():
        full, plain = _restored(x, NEAR), Restoration(finish(x))
        lossless = dataclasses.replace(o, observed=torch.ones_like(o.observed), y=x)
        for restoration, seen, what in (
            (full, o, "with spread and draws"),
            (plain, o, "without spread and draws, and equal to the truth"),
            (full, lossless, "of which everything was observed"),
        ):
            value = metric(restoration, x, seen)
            sound = value is None or (isinstance(value, float) and not math.isnan(value))
            expect(
                sound,
                f"{name_of(metric)} must give a float or None for a restoration {what}, got {value!r}; use float(...), "
                "and None where there is nothing to measure",
            )


@promise
def repeats_itself(metric: Metric) -> None:
    """Expect the same number again, nothing drawn from global generators, and what it is given left alone."""
    for x, o in _scenes():
        restoration = _restored(x, NEAR)
        before = {**copied(o), **{name: t.clone() for name, t in _fields(restoration).items()}, "reference": x.clone()}
        with global_randomness_untouched(name_of(metric)):
            first, second = (metric(restoration, x, o) for _ in range(2))
        expect(first == second, f"{name_of(metric)} must repeat itself, got {first} and then {second}")
        same_as_before(metric, before, {**copied(o), **_fields(restoration), "reference": x}, "a call")


@promise
def prefers_what_is_nearer(metric: Metric) -> None:
    """Expect the better of two restorations to be the one nearer the truth whose spread is where its errors are."""
    if metric.goal is not None:
        return
    for x, o in _scenes():
        near, far = metric(_restored(x, NEAR), x, o), metric(_restored(x, FAR, misled=True), x, o)
        if near is None or far is None:
            continue
        expect(
            (near > far) == (metric.better == "higher"),
            f"{name_of(metric)} says that {metric.better} is better, but gives {near:.4g} for a restoration near the "
            f"truth and {far:.4g} for one far from it; look at `better`, or at the order of its arguments",
        )


METRIC_CHECKS: tuple[Callable[[Metric], None], ...] = (
    declares_itself,
    gives_one_number,
    repeats_itself,
    prefers_what_is_nearer,
)


def _scenes() -> list[tuple[Tensor, Observation]]:
    """Return pairs of a clean image and what is observed of it, gray and colour."""
    return [(x, damaged(x)) for x in (pictures(1, channels, 24, 20) for channels in (1, 3))]


def _restored(x: Tensor, error: float, misled: bool = False) -> Restoration:
    """Return a restoration so far from x, with draws, its spread where its errors are or, misled, elsewhere."""
    off = x + error * Noise(1).normal("error", tuple(x.shape), "cpu")
    spread = error + (off - x).abs().flip([3] if misled else [])
    return Restoration(finish(off), spread, torch.stack([finish(off), finish(off.flip(3))]))


def _fields(restoration: Restoration) -> dict[str, Tensor]:
    found = {f.name: getattr(restoration, f.name) for f in dataclasses.fields(restoration)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
