"""Adding calibrated intervals to restorations."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Real

import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Corruption
from restorekit.core.errors import RestorekitWarning, UsageError
from restorekit.core.types import Observation, Restoration
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.conditions import Conditions, distances, see

RESHAPED = "the calibration is of images whose size and channels are kept"


def enclose(
    restoration: Restoration, observation: Observation, corruption: Corruption, channels: int, table: Table,
    level: float,
) -> tuple[Restoration, list[str | None]]:  # fmt: skip
    """Add the ends of the calibrated interval to a restored batch, NaN in images that the table does not cover.

    Parameters
    ----------
    restoration, observation : Restoration, Observation
        Of a batch.
    corruption : Corruption
        What it was restored from.
    channels : int
        How many were restored together: `restorekit.core.channels.together`.
    table : Table
        The calibration.
    level : float
        Share to enclose.

    Returns
    -------
    (Restoration, list of str or None)
        For each image why the table does not cover it, or one of its bands.

    Raises
    ------
    UsageError
        The restoration has no standard deviation.
    """
    if restoration.std is None:
        raise UsageError(
            "an interval is as many standard deviations wide, and this restorer gives none; choose a model"
        )
    if observation.y.shape[1:] != observation.shape:
        ends = torch.full_like(restoration.std, torch.nan)
        return replace(restoration, low=ends, high=ends), [RESHAPED] * len(observation)
    halves = torch.full_like(restoration.std, torch.nan)
    refusals: list[str | None] = [None] * len(observation)
    for at, part in per_channel.parts(observation, channels):
        distance = distances(part.observed)
        for b, seen in enumerate(see(part, corruption, distance)):
            refusals[b] = refusals[b] or table.refusal(seen, level)
            if refusals[b] is None:
                halves[b, at] = half_width(table, seen, distance[b], restoration.std[b, at], level)
    for b, refusal in enumerate(refusals):
        halves[b] = torch.nan if refusal else halves[b]
    return replace(restoration, low=restoration.mmse - halves, high=restoration.mmse + halves), refusals


def enclose_told(
    restoration: Restoration, observation: Observation, corruption: Corruption, channels: int, table: Table | None,
    level: float,
) -> Restoration:  # fmt: skip
    """Add the ends of the interval as `enclose` does; warn of images that have none, and refuse what is no level."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise UsageError(f"interval is a share between 0 and 1, such as 0.9, got {level!r}")
    if table is None:
        raise UsageError("this model has no calibration to make intervals from; run restorekit calibrate on it")
    enclosed, refusals = enclose(restoration, observation, corruption, channels, table, float(level))
    for refusal in dict.fromkeys(filter(None, refusals)):
        warnings.warn(f"low and high are NaN: {refusal}", RestorekitWarning, stacklevel=3)
    return enclosed


def half_width(table: Table, seen: Conditions, distance: Tensor, std: Tensor, level: float) -> Tensor:
    """Return half the width of the interval about each value, as `Table.factor` takes its parameters."""
    return std * table.factor(seen, distance.expand(std.shape), std.cpu(), level).to(std)
