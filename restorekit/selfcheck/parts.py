"""Errors of an image, put together from those of its missing and of its observed values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from restorekit.selfcheck.case import Case
from restorekit.selfcheck.hiding import Hidden, mean_variance
from restorekit.selfcheck.sure import Risk
from restorekit.types import Restoration


class Part(NamedTuple):
    """What part of an image an observation is.

    share : float, of its pixels;
    missing : float, share of the values of the whole image that are missing.
    """

    share: float
    missing: float


@dataclass(frozen=True)
class Errors:
    """Mean squared errors over an image, or what some of its values have in them, on [0, 1] squared.

    Attributes
    ----------
    mse, se : float
        Of the restoration, and its standard error.
    left : float
        Of the picture left as it is, missing values quickly interpolated.
    worse, worse_se : float
        By how much the restoration is worse, and the standard error of that.
    expected : float
        What the restorer itself expects, its mean variance; NaN where it tells none.
    """

    mse: float = 0.0
    se: float = 0.0
    left: float = 0.0
    worse: float = 0.0
    worse_se: float = 0.0
    expected: float = 0.0

    def __add__(self, other: Errors) -> Errors:
        """Put together what independent parts have in them."""
        return Errors(
            self.mse + other.mse,
            math.hypot(self.se, other.se),
            self.left + other.left,
            self.worse + other.worse,
            math.hypot(self.worse_se, other.worse_se),
            self.expected + other.expected,
        )

    @property
    def surprise(self) -> float | None:
        """The error over what the restorer expects; None where it expects none, or tells nothing."""
        return self.mse / self.expected if self.expected > 0 else None


def of_missing(hidden: Hidden | None, share: float) -> Errors:
    """Return what the missing values, such a share, have in them."""
    if hidden is None:
        return Errors()
    return Errors(*(share * value for value in (*hidden.mse, hidden.filled.value, *hidden.worse, hidden.expected)))


def of_observed(risk: Risk | None, case: Case, base: Restoration, part: Part, level_error: float) -> Errors:
    """Return what the observed values have in them, whose level of noise has such a standard error."""
    if risk is None:  # without noise they are right
        return Errors()
    share, apart = 1 - part.missing, math.sqrt(1 - part.share) * risk.between
    variance_error = 2 * level_error * float(case.sigma.square().mean().sqrt())
    se, worse_se = (math.hypot(risk.se, apart, variance_error * slope) for slope in (risk.slope, risk.slope - 1))
    expected = mean_variance(base, case.observed)
    return Errors(*(share * value for value in (risk.mse, se, risk.left, risk.mse - risk.left, worse_se, expected)))
