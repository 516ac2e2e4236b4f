"""Two lists of figures of the same images: how much better one is on average, how sure that is, and on which images.

The interval of the mean difference is a bootstrap-t: images are drawn with replacement, and what is kept of each
resample is how many of its own standard errors its mean is off. Percentile and BCa intervals are too short for few
images (they know nothing of Student's t) and shorter still where differences are skewed, as those of image quality
are; a test holds the coverage of this one.

References
----------
Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, section 12.5.
Hall, "Theoretical comparison of bootstrap confidence intervals", Annals of Statistics 16, 1988, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restorekit.evaluation.metric_values import MetricInfo

LEVEL = 0.95
RESAMPLES = 4999
LEAST = 5  # images; of fewer, resamples of one image alone are too common
ROUNDING = 1 / (12 * 255**2)  # variance that rounding to 8 bits adds, on the [0, 1] scale
SHARE = 1e-3  # of a figure that is in no dB: what rounding does to a root mean square error of 0.025, which is 32 dB
TIES = (
    "a tie: in dB, a difference below what rounding to 8 bits adds to the mean squared error (0.006 dB at 30 dB, "
    "0.05 at 40); else below a thousandth of the larger"
)
_ENTRIES = 2_000_000  # of resamples held at once
_NOTHING = 1e-9  # of the standard error: a resample of equal values, but for the order of additions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """How one list of figures compares with another.

    Attributes
    ----------
    images : int
        Images that have both figures.
    mean, mean_against : float or None
        Means of the two lists over the images where both are finite; None where there are none.
    difference : float or None
        The first mean minus the second; of a figure with a goal, of the distances to it.
    low, high : float or None
        Ends of the interval of the mean difference, over images like these; None where none can be told.
    reason : str
        Why there is no interval, or how many images stand outside of the means; else empty.
    wins, losses, ties : int
        Images on which the first is better, worse, or equal but for rounding.
    worse : tuple of str
        Images on which the first is worse, the worst first.
    differences : tuple of (str, float)
        Image and difference where both are finite, the first's worst image first.
    """

    images: int
    mean: float | None
    mean_against: float | None
    difference: float | None
    low: float | None
    high: float | None
    reason: str
    wins: int
    losses: int
    ties: int
    worse: tuple[str, ...]
    differences: tuple[tuple[str, float], ...]


def compare(
    ours: Mapping[str, float | None], theirs: Mapping[str, float | None], figure: MetricInfo, seed: int = 0
) -> Comparison:
    """Compare two methods image by image.

    Parameters
    ----------
    ours, theirs : mapping of str to float or None
        Figures by image; what only one has is passed over.
    figure : Figure
        What the figures are: which are good ones, and in what unit.
    seed : int
        Of the resamples.
    """
    both = [key for key, value in ours.items() if value is not None and theirs.get(key) is not None]
    a, b = (np.array([found[key] for key in both], float) for found in (ours, theirs))
    finite = np.isfinite(a) & np.isfinite(b)
    d, gains = _apart(a[finite], b[finite], figure), _gains(a, b, figure)
    order = [int(i) for i in np.argsort(gains, kind="stable")]
    (low, high), why = _told(interval(d, seed))
    out = f"images with an infinite figure, here {int((~finite).sum())}, count in wins, losses and ties alone"
    return Comparison(
        images=len(both),
        mean=_mean(a[finite]),
        mean_against=_mean(b[finite]),
        difference=_mean(d),
        low=low,
        high=high,
        reason="; ".join(filter(None, (why, "" if finite.all() else out))),
        wins=int((gains > 0).sum()),
        losses=int((gains < 0).sum()),
        ties=int((gains == 0).sum()),
        worse=tuple(both[i] for i in order if gains[i] < 0),
        differences=tuple((both[i], float(_apart(a[[i]], b[[i]], figure)[0])) for i in order if finite[i]),
    )


def _mean(values: Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _told(found: tuple[float, float] | str) -> tuple[tuple[float | None, float | None], str]:
    return ((None, None), found) if isinstance(found, str) else (found, "")


def _gains(a: Array, b: Array, figure: MetricInfo) -> Array:
    """Return by how much each of a is better than that of b; 0 for ties."""
    with np.errstate(invalid="ignore"):  # infinite minus infinite, which is a tie
        gain = (1 if better(figure) == "higher" else -1) * _apart(a, b, figure)
    return np.where(indistinct(a, b, figure.unit), 0.0, gain)


def better(figure: MetricInfo) -> Literal["higher", "lower"]:
    """Return which differences of a figure are good ones: "lower" of distances to a goal."""
    return "lower" if figure.goal is not None else figure.better or "higher"


def how(seed: int) -> str:
    """Say how an interval is found."""
    return f"bootstrap-t over images, {RESAMPLES} resamples, seed {seed}; none for fewer than {LEAST} images"


def _apart(a: Array, b: Array, figure: MetricInfo) -> Array:
    """Return differences; of a figure with a goal, those of the distances to it."""
    if figure.goal is not None:
        a, b = abs(a - figure.goal), abs(b - figure.goal)
    return a - b


def indistinct(a: Array, b: Array, unit: str) -> NDArray[np.bool_]:
    """Say where two lists of figures, (N,), differ by less than rounding restorations to 8 bits can make: `TIES`."""
    with np.errstate(invalid="ignore"):
        if unit == "dB":
            most = 10 * np.log10(1 + ROUNDING * 10 ** (np.maximum(a, b) / 10))
        else:
            most = SHARE * np.maximum(abs(a), abs(b))
        return np.asarray((a == b) | (np.isfinite(a) & np.isfinite(b) & (abs(a - b) <= most)))


def interval(
    values: Array, seed: int = 0, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float] | str:
    """Return the ends of the interval of a mean, or one sentence why there is none.

    Parameters
    ----------
    values : array, (N,)
        Finite; one for each of N images that are drawn like those that the interval is to hold for.
    seed : int
        Of the resamples.
    level : float
        Share of such intervals that enclose the mean over all such images.
    resamples : int
        How many; (resamples + 1) (1 - level) / 2 should be whole.
    """
    n = len(values)
    if n < LEAST:
        return f"no interval: it takes {LEAST} images or more, got {n}"
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)
    if error <= _NOTHING * abs(mean) or error == 0:
        return "no interval: it is the same on every image"
    t = np.sort(_off(values, mean, error, np.random.default_rng(seed), resamples))
    outside = round((resamples + 1) * (1 - level) / 2)
    low, high = mean - float(t[-outside]) * error, mean - float(t[outside - 1]) * error
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval: it is the same on nearly every image"
    return low, high


def _off(values: Array, mean: float, error: float, generator: np.random.Generator, resamples: int) -> Array:
    """Return by how many of their own standard errors the means of resamples are off; infinite for equal values."""
    n, found = len(values), list[Array]()
    rows = max(1, min(resamples, _ENTRIES // n))
    for first in range(0, resamples, rows):
        sample = values[generator.integers(n, size=(min(rows, resamples - first), n))]
        off, own = sample.mean(1) - mean, sample.std(1, ddof=1) / math.sqrt(n)
        flat = own <= _NOTHING * error
        found.append(np.where(flat, np.copysign(np.inf, off), off / np.where(flat, 1.0, own)))
    return np.concatenate(found)


def clear(found: Comparison, figure: MetricInfo) -> int:
    """Return 1 where the first of two is better beyond doubt, -1 where it is worse, 0 where the interval holds 0."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0
    return 1 if (found.low > 0) == (better(figure) == "higher") else -1
