"""Metrics of the uncertainty that a restorer predicts: intervals and standard deviations."""

from __future__ import annotations

from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.distributions import LEVEL
from restorekit.core.errors import UndefinedMetricError
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.core.types import Observation, Restoration

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of a calibration curve
STEPS = 100  # of a sparsification curve
TENTHS = 10
NO_SPREAD = "the restoration tells no spread"


class _OfIntervals(Metric):
    """A mean over the missing or noisy values; of the calibrated interval, where there is none of mmse +- 1.645 std."""

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the mean; UndefinedMetricError without a spread, or where everything was known."""
        ends, where = _interval(restoration), _in_doubt(observation, reference)
        if ends is None:
            raise UndefinedMetricError(NO_SPREAD)
        low, high, x = (t.expand_as(reference)[where].double() for t in (*ends, reference))
        return float(self.of(low, high, x).mean())

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Return the metric of single values."""
        raise NotImplementedError


class Coverage90(_OfIntervals):
    """Share of the missing or noisy values that lie inside the 90 % interval; 0.9 is right, less is overconfident.

    The interval is the calibrated one where there is one, else mmse, rounded by `quantise_8bit`, +- 1.645 std.
    Undefined without a standard deviation.
    """

    name: ClassVar[str] = "coverage90"
    goal: ClassVar[float | None] = LEVEL

    def of(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        """Return which values of x lie inside."""
        return ((low <= x) & (x <= high)).double()


class Width90(_OfIntervals):
    """Mean width of the 90 % interval over the missing or noisy values; undefined without a spread."""

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
    """Rank correlation of standard deviation and absolute error over the missing or noisy values."""

    name: ClassVar[str] = "spearman"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the correlation, in [-1, 1]; UndefinedMetricError where either is the same everywhere."""
        found = _errors(restoration, reference, observation)
        if any(len(t) < 2 or t.min() == t.max() for t in found):
            raise UndefinedMetricError(
                "the spread or the error is the same everywhere, so that there is no order in it"
            )
        return float(spearmanr(*(t.numpy() for t in found)).statistic)


class Sparsification(Metric):
    """Area between the sparsification curves by standard deviation and by true error (AUSE); 0 is a perfect ranking.

    Ilg et al., "Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow", ECCV 2018, section 4.2: the
    root mean square error, relative to that of all, of what remains when the most uncertain values are taken out.
    """

    name: ClassVar[str] = "ause"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the area; UndefinedMetricError without a spread, or without any error."""
        std, error = (t.numpy() for t in _errors(restoration, reference, observation))
        if not error.any():
            raise UndefinedMetricError("there is no error to rank")
        return float(np.mean(_curve(error, std) - _curve(error, error)))


class NormalisedError(Metric):
    """Squared error over the variance that was expected (NEES); 1 is as expected, more is unlike what it learnt from.

    The sum of squared errors of the missing or noisy values over the sum of their variances; undefined without these.
    Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001, section 5.4.
    """

    name: ClassVar[str] = "nees"
    goal: ClassVar[float | None] = 1.0

    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float:
        """Return the ratio; UndefinedMetricError where no variance was expected."""
        std, error = _errors(restoration, reference, observation)
        if not std.any():
            raise UndefinedMetricError("the spread is 0 everywhere")
        return float(error.square().sum() / std.square().sum())


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


def share_inside(restoration: Restoration, reference: Tensor, observation: Observation, level: float) -> float | None:
    """Return the share of the missing or noisy values inside the interval; as if Gaussian where it has no ends."""
    ends, where = _interval(restoration, level), _unknown(observation, reference)
    if ends is None or not where.any():
        return None
    low, high, x = (t.expand_as(reference)[where] for t in (*ends, reference))
    return float(((low <= x) & (x <= high)).double().mean())


def sparsification(restoration: Restoration, reference: Tensor, observation: Observation) -> list[list[float]] | None:
    """Return the relative error of what remains as the most uncertain values are taken out, and if the worst were.

    Of every fifth of `STEPS`; see `Sparsification`. None without a spread, or without any error.
    """
    if restoration.std is None or not _unknown(observation, reference).any():
        return None
    std, error = (t.numpy() for t in _errors(restoration, reference, observation))
    return (
        None
        if not error.any()
        else [[round(float(v), 4) for v in _curve(error, key)[:: STEPS // 20]] for key in (std, error)]
    )


def _curve(error: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the relative error of what remains, at STEPS shares taken out in falling order of `key`."""
    squares = np.square(error[np.argsort(key, kind="stable")]).cumsum()
    kept = np.ceil(len(error) * (1 - np.arange(STEPS) / STEPS)).astype(int)
    remaining: np.ndarray = np.sqrt(squares[kept - 1] / kept) / np.sqrt(squares[-1] / len(error))
    return remaining


@hookimpl
def restorekit_register_metrics() -> list[type[Metric]]:
    """Register the metrics of certainty."""
    return [Coverage90, Width90, Winkler90, Spearman, Sparsification, NormalisedError]


def _errors(restoration: Restoration, reference: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
    """Return standard deviation and error of the missing or noisy values, (N,); UndefinedMetricError without any."""
    where = _in_doubt(observation, reference)
    if restoration.std is None:
        raise UndefinedMetricError(NO_SPREAD)
    return restoration.std[where].double(), (reference - restoration.mmse)[where].abs().double()


def _in_doubt(observation: Observation, reference: Tensor) -> Tensor:
    """Return where the reference was missing or noisy; UndefinedMetricError where it was not, anywhere."""
    where = _unknown(observation, reference)
    if not where.any():
        raise UndefinedMetricError("nothing was missing or noisy")
    return where


def _unknown(observation: Observation, reference: Tensor) -> Tensor:
    """Return where the reference was missing or noisy: everywhere if the corruption changed the image's shape."""
    if observation.y.shape != reference.shape:
        return torch.ones_like(reference, dtype=torch.bool)
    return observation.unknown().expand_as(reference)


def _interval(restoration: Restoration, level: float = LEVEL) -> tuple[Tensor, Tensor] | None:
    if restoration.low is not None and restoration.high is not None:
        return restoration.low, restoration.high
    if restoration.std is None:
        return None
    half = NormalDist().inv_cdf(0.5 + level / 2) * restoration.std
    return restoration.mmse - half, restoration.mmse + half
