"""How honest a restorer is about its own errors: metrics of intervals and of standard deviations."""

from __future__ import annotations

from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from restorekit.contracts import Metric
from restorekit.hookspecs import hookimpl
from restorekit.types import Observation, Restoration

LEVEL = 0.9  # share that the intervals measured here are to enclose
HALF = NormalDist().inv_cdf(0.5 + LEVEL / 2)  # of a normal distribution's, in standard deviations
STEPS = 100  # of a sparsification curve
TENTHS = 10


class _OfIntervals(Metric):
    """A mean over the missing or noisy values; of the calibrated interval where there is one, else mmse +- HALF std."""

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
        """Return the mean; None without a spread, or where everything was known."""
        ends, where = _interval(restoration), _unknown(observation, reference)
        if ends is None or not where.any():
            return None
        low, high, x = (t.expand_as(reference)[where].double() for t in (*ends, reference))
        return float(self.of(low, high, x).mean())

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Return the metric of single values."""
        raise NotImplementedError


class Coverage90(_OfIntervals):
    """Share of the missing or noisy values that lie inside the 90 % interval; 0.9 is right, less is overconfident.

    The interval is the calibrated one where there is one, else mmse, rounded by `finish`, +- 1.645 std. None
    without a spread.
    """

    name: ClassVar[str] = "coverage90"
    goal: ClassVar[float | None] = LEVEL

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Say what lies inside."""
        return ((low <= x) & (x <= high)).double()


class Width90(_OfIntervals):
    """Mean width of the 90 % interval over the missing or noisy values; None without a spread."""

    name: ClassVar[str] = "width90"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Return widths on the [0, 1] scale."""
        return high - low


class Winkler90(_OfIntervals):
    """Mean Winkler score of the 90 % interval: its width, and 20 times how far outside of it the truth lies.

    Winkler, "A Decision-Theoretic Approach to Interval Estimation", JASA 1972. Only the true quantiles minimise it.
    """

    name: ClassVar[str] = "winkler90"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Return scores on the [0, 1] scale."""
        return high - low + 2 / (1 - LEVEL) * ((low - x).clamp_min(0) + (x - high).clamp_min(0))


class Spearman(Metric):
    """Rank correlation of standard deviation and absolute error over the missing or noisy values; None without."""

    name: ClassVar[str] = "spearman"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
        """Return the correlation, in [-1, 1]; None where either is the same everywhere."""
        found = _errors(restoration, reference, observation)
        if found is None or any(len(t) < 2 or t.min() == t.max() for t in found):
            return None
        return float(spearmanr(*(t.numpy() for t in found)).statistic)


class Sparsification(Metric):
    """Area between the sparsification curves by standard deviation and by true error (AUSE); 0 is a perfect ranking.

    Ilg et al., "Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow", ECCV 2018, section 4.2: the
    root mean square error, relative to that of all, of what remains when the most uncertain values are taken out.
    """

    name: ClassVar[str] = "ause"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
        """Return the area; None without a spread, or without any error."""
        found = _errors(restoration, reference, observation)
        if found is None or not found[1].any():
            return None
        std, error = (t.numpy() for t in found)
        return float(np.mean(_curve(error, std) - _curve(error, error)))


def coverage_by_width(restoration: Restoration, reference: Tensor, observation: Observation) -> list[float] | None:
    """Return the share inside the 90 % interval for each tenth of the unknown values, narrowest intervals first.

    None without a spread, or with fewer than TENTHS unknown values.
    """
    ends, where = _interval(restoration), _unknown(observation, reference)
    if ends is None or int(where.sum()) < TENTHS:
        return None
    low, high, x = (t.expand_as(reference)[where] for t in (*ends, reference))
    inside = ((low <= x) & (x <= high))[(high - low).argsort(stable=True)].double()
    return [float(part.mean()) for part in inside.tensor_split(TENTHS)]


def _curve(error: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the relative error of what remains, at STEPS shares taken out in falling order of `key`."""
    squares = np.square(error[np.argsort(key, kind="stable")]).cumsum()
    kept = np.ceil(len(error) * (1 - np.arange(STEPS) / STEPS)).astype(int)
    remaining: np.ndarray = np.sqrt(squares[kept - 1] / kept) / np.sqrt(squares[-1] / len(error))
    return remaining


@hookimpl
def restorekit_register_metrics() -> list[type[Metric]]:
    """Register the metrics of certainty."""
    return [Coverage90, Width90, Winkler90, Spearman, Sparsification]


def _errors(restoration: Restoration, reference: Tensor, observation: Observation) -> tuple[Tensor, Tensor] | None:
    """Return standard deviation and absolute error of the missing or noisy values, (N,); None without such."""
    where = _unknown(observation, reference)
    if restoration.std is None or not where.any():
        return None
    return restoration.std[where].double(), (reference - restoration.mmse)[where].abs().double()


def _unknown(observation: Observation, reference: Tensor) -> Tensor:
    """Return where the reference was missing or noisy: everywhere if the corruption changed the image's shape."""
    if observation.y.shape != reference.shape:
        return torch.ones_like(reference, dtype=torch.bool)
    return observation.unknown().expand_as(reference)


def _interval(restoration: Restoration) -> tuple[Tensor, Tensor] | None:
    if restoration.low is not None and restoration.high is not None:
        return restoration.low, restoration.high
    if restoration.std is None:
        return None
    half = HALF * restoration.std
    return restoration.mmse - half, restoration.mmse + half
