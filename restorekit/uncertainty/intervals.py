"""Calibrated intervals around restored values."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from numbers import Real
from statistics import NormalDist

import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.errors import RestorekitWarning, UsageError
from restorekit.core.types import Problem, Restoration
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.conditions import Conditions, conditions_of, distances

RESHAPED = "the calibration is of images whose size and channels are kept"


@dataclass(frozen=True, eq=False)
class Interval:
    """Interval around the values of one image, or of channels restored together.

    Attributes
    ----------
    level : float
        Probability that the interval encloses a value.
    table : Table or None
        Calibration; None if there is none, or if it does not cover the image.
    conditions : Conditions or None
        Conditions of the image, by which the table is read.
    refusal : str or None
        Reason why the table does not cover the image.
    """

    level: float
    table: Table | None = None
    conditions: Conditions | None = None
    refusal: str | None = None

    @classmethod
    def read(cls, table: Table, conditions: Conditions, level: float) -> Interval:
        """Return the interval for an image under these conditions, calibrated if the table covers them."""
        refusal = table.refusal(conditions, level)
        return cls(level, None if refusal else table, conditions, refusal)

    @property
    def calibrated(self) -> bool:
        """Whether the width comes from the table."""
        return self.table is not None and self.conditions is not None

    def half_width(self, distance: Tensor, std: Tensor) -> Tensor:
        """Return half the width at each value: calibrated, otherwise as if errors were Gaussian.

        Parameters
        ----------
        distance : Tensor, that broadcasts to std
            Pixels to the nearest observed value, at most `conditions.MAX_DISTANCE_PX`; only read if calibrated.
        std : Tensor
            Predicted standard deviation on [0, 1].
        """
        if self.table is None or self.conditions is None:
            return NormalDist().inv_cdf(0.5 + self.level / 2) * std
        return std * self.table.factor(self.conditions, distance.expand(std.shape), std.cpu(), self.level).to(std)


def add_ends(restoration: Restoration, half_width: Tensor) -> Restoration:
    """Add the ends of the interval, half a width below and above the mean."""
    return replace(restoration, low=restoration.mmse - half_width, high=restoration.mmse + half_width)


def enclose(
    restoration: Restoration, problem: Problem, channels: int, table: Table, level: float
) -> tuple[Restoration, list[str | None]]:
    """Add the ends of the calibrated interval to a restored batch, NaN in images that the table does not cover.

    Parameters
    ----------
    restoration : Restoration
        Restored batch.
    problem : Problem
        The problem that it solves.
    channels : int
        Channels restored together, as `restorekit.core.channels.channels_per_pass` returns them.
    table : Table
        Calibration.
    level : float
        Probability that the interval encloses a value.

    Returns
    -------
    (Restoration, list of str or None)
        For each image, the reason why the table does not cover it, or one of its channels.

    Raises
    ------
    UsageError
        The restoration has no standard deviation.
    """
    if restoration.std is None:
        raise UsageError(
            "an interval is as many standard deviations wide, and this restorer gives none; choose a model"
        )
    halves = torch.full_like(restoration.std, torch.nan)
    if problem.observation.y.shape[1:] != problem.observation.shape:
        return add_ends(restoration, halves), [RESHAPED] * len(problem)
    refusals: list[str | None] = [None] * len(problem)
    for at, part in per_channel.parts(problem, channels):
        distance = distances(part.observation.observed)
        for b, conditions in enumerate(conditions_of(part, distance)):
            interval = Interval.read(table, conditions, level)
            refusals[b] = refusals[b] or interval.refusal
            if refusals[b] is None:
                halves[b, at] = interval.half_width(distance[b], restoration.std[b, at])
    for b, refusal in enumerate(refusals):
        halves[b] = torch.nan if refusal else halves[b]
    return add_ends(restoration, halves), refusals


def enclose_or_warn(
    restoration: Restoration, problem: Problem, channels: int, table: Table | None, level: float
) -> Restoration:
    """Add the ends of the interval as `enclose` does, and warn of images without one.

    Raises
    ------
    UsageError
        The level is not a number between 0 and 1, or there is no calibration.
    """
    if not isinstance(level, Real) or not 0 < level < 1:
        raise UsageError(f"interval is a share between 0 and 1, such as 0.9, got {level!r}")
    if table is None:
        raise UsageError("this model has no calibration of this quality for intervals; run restorekit calibrate on it")
    enclosed, refusals = enclose(restoration, problem, channels, table, float(level))
    for refusal in dict.fromkeys(filter(None, refusals)):
        warnings.warn(f"low and high are NaN: {refusal}", RestorekitWarning, stacklevel=3)
    return enclosed
