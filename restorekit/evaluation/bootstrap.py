"""Paired comparison of two lists of metric values: mean difference, its interval, wins and losses.

The interval of the mean difference is a bootstrap-t: images are drawn with replacement, and each resample contributes
the error of its mean in units of its own standard error. Percentile and BCa intervals are too short for few images
(they ignore Student's t), and shorter still for skewed differences, which those of image quality are. A test checks
the coverage of this one.

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
MIN_IMAGES = 5  # with fewer, resamples of a single image are too common
ROUNDING = 1 / (12 * 255**2)  # variance that rounding to 8 bits adds, on the [0, 1] scale
TIE_FRACTION = 1e-3  # of a value in other units than dB: effect of rounding on an RMSE of 0.025, which is 32 dB
TIES = (
    "a tie: in dB, a difference below what rounding to 8 bits adds to the mean squared error (0.006 dB at 30 dB, "
    "0.05 at 40); else below a thousandth of the larger"
)
_ENTRIES = 2_000_000  # of resamples held at once
_NOTHING = 1e-9  # of the standard error: a resample of equal values, but for the order of additions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Comparison of one list of metric values with another.

    Attributes
    ----------
    images : int
        Images with both values.
    mean, mean_against : float or None
        Means of the two lists over the images where both are finite; None without any.
    difference : float or None
        The first mean minus the second; for a metric with a goal, of the distances to it.
    low, high : float or None
        Ends of the interval of the mean difference, over images like these; None if there is none.
    reason : str
        Reason for a missing interval, or number of images that the means leave out; else empty.
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
    ours: Mapping[str, float | None], theirs: Mapping[str, float | None], metric: MetricInfo, seed: int = 0
) -> Comparison:
    """Compare two methods image by image.

    Parameters
    ----------
    ours, theirs : mapping of str to float or None
        Values by image; images that only one has are ignored.
    metric : MetricInfo
        Direction of good values, and unit.
    seed : int
        Of the resamples.
    """
    both = [key for key, value in ours.items() if value is not None and theirs.get(key) is not None]
    a, b = (np.array([found[key] for key in both], float) for found in (ours, theirs))
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):  # infinite minus infinite, which is a tie
        differences = a - b if metric.goal is None else abs(a - metric.goal) - abs(b - metric.goal)
    sign = 1 if better(metric) == "higher" else -1
    gains = np.where(indistinct(a, b, metric.unit), 0.0, sign * differences)
    order = [int(i) for i in np.argsort(gains, kind="stable")]
    mean, mean_against, difference = (
        float(values[finite].mean()) if finite.any() else None for values in (a, b, differences)
    )
    ends = interval(differences[finite], seed)
    (low, high), why = ((None, None), ends) if isinstance(ends, str) else (ends, "")
    out = f"images with an infinite value, here {int((~finite).sum())}, count in wins, losses and ties alone"
    return Comparison(
        images=len(both),
        mean=mean,
        mean_against=mean_against,
        difference=difference,
        low=low,
        high=high,
        reason="; ".join(filter(None, (why, "" if finite.all() else out))),
        wins=int((gains > 0).sum()),
        losses=int((gains < 0).sum()),
        ties=int((gains == 0).sum()),
        worse=tuple(both[i] for i in order if gains[i] < 0),
        differences=tuple((both[i], float(differences[i])) for i in order if finite[i]),
    )


def better(metric: MetricInfo) -> Literal["higher", "lower"]:
    """Return the direction of good values of a metric; "lower" for distances to a goal."""
    return "lower" if metric.goal is not None else metric.better or "higher"


def describe_intervals(seed: int) -> str:
    """Describe how an interval is computed."""
    return f"bootstrap-t over images, {RESAMPLES} resamples, seed {seed}; none for fewer than {MIN_IMAGES} images"


def indistinct(a: Array, b: Array, unit: str) -> NDArray[np.bool_]:
    """Return where two lists, (N,), differ by less than the effect of rounding restorations to 8 bits: `TIES`."""
    with np.errstate(invalid="ignore"):
        if unit == "dB":
            most = 10 * np.log10(1 + ROUNDING * 10 ** (np.maximum(a, b) / 10))
        else:
            most = TIE_FRACTION * np.maximum(abs(a), abs(b))
        return np.asarray((a == b) | (np.isfinite(a) & np.isfinite(b) & (abs(a - b) <= most)))


def interval(
    values: Array, seed: int = 0, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float] | str:
    """Return the ends of the interval of a mean, or one sentence with the reason why there is none.

    Parameters
    ----------
    values : array, (N,)
        Finite; one for each of N images that are drawn like those that the interval is to hold for.
    seed : int
        Of the resamples.
    level : float
        Share of such intervals that enclose the mean over all such images.
    resamples : int
        Number of resamples; (resamples + 1) (1 - level) / 2 should be an integer.
    """
    n = len(values)
    if n < MIN_IMAGES:
        return f"no interval: it takes {MIN_IMAGES} images or more, got {n}"
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)
    if error <= _NOTHING * abs(mean) or error == 0:
        return "no interval: it is the same on every image"
    generator, ratios = np.random.default_rng(seed), list[Array]()
    rows = max(1, min(resamples, _ENTRIES // n))
    for first in range(0, resamples, rows):
        sample = values[generator.integers(n, size=(min(rows, resamples - first), n))]
        off, own = sample.mean(1) - mean, sample.std(1, ddof=1) / math.sqrt(n)
        flat = own <= _NOTHING * error  # a resample of equal values, whose error is infinite in its own units
        ratios.append(np.where(flat, np.copysign(np.inf, off), off / np.where(flat, 1.0, own)))
    t = np.sort(np.concatenate(ratios))
    outside = round((resamples + 1) * (1 - level) / 2)
    low, high = mean - float(t[-outside]) * error, mean - float(t[outside - 1]) * error
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval: it is the same on nearly every image"
    return low, high


def clear(found: Comparison, metric: MetricInfo) -> int:
    """Return 1 if the interval says that the first is better, -1 if it is worse, 0 if the interval holds 0."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0
    return 1 if (found.low > 0) == (better(metric) == "higher") else -1
