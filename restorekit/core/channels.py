"""Restoration of images whose channel count a restorer does not accept, channel by channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from restorekit.core.contracts import Restorer
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem, Restoration

Values = TypeVar("Values", bound=Any)


def restore(restorer: Restorer, problem: Problem, n: int, rng: Rng) -> Restoration:
    """Restore a batch in memory, channel by channel if the restorer does not accept all channels at once.

    Parameters
    ----------
    restorer : Restorer
        Restorer of images, or of single channels.
    problem : Problem
        Images of any number of channels.
    n : int
        Draws to return; 0 = one pass.
    rng : Rng
        Its keys name the images; each channel has a stream of its own.

    Returns
    -------
    Restoration
        With the channels of the images.
    """
    channels = problem.observation.shape[0]
    if channels_per_pass(restorer, channels) == channels:
        return restorer(problem.observation, problem.corruption, n, rng)
    keys = rng.keys or tuple(str(i) for i in range(len(problem)))
    restored = []
    for c, (_, part) in enumerate(parts(problem, 1)):
        own = replace(rng, keys=tuple(f"{key}#band{c}" for key in keys))
        restored.append(restorer(part.observation, part.corruption, n, own))

    def joined(name: str) -> Tensor | None:
        values: list[Tensor | None] = [getattr(r, name) for r in restored]
        channels = [channel for channel in values if channel is not None]
        return torch.cat(channels, -3) if channels else None

    mmse = torch.cat([r.mmse for r in restored], -3)
    diagnostics = {k: torch.stack([r.diagnostics[k] for r in restored]).mean(0) for k in restored[0].diagnostics}
    return Restoration(mmse, joined("std"), joined("draws"), joined("low"), joined("high"), diagnostics)


def channels_per_pass(restorer: Restorer, channels: int) -> int:
    """Return how many of an image's channels the restorer takes at once."""
    accepted = restorer.geometry.channels
    return channels if channels in accepted or 1 not in accepted else 1  # if it accepts neither, its own error says so


def parts(problem: Problem, together: int) -> list[tuple[slice, Problem]]:
    """Split a batch into groups of channels restored at once, each with its place: all channels, or one by one."""
    channels = problem.observation.shape[0]
    if together == channels:
        return [(slice(None), problem)]
    singles = (replace(problem, observation=observed_channel(problem.observation, c)) for c in range(channels))
    return [(slice(c, c + 1), single) for c, single in enumerate(singles)]


def observed_channel(o: Observation, c: int) -> Observation:
    """Return channel c of an observation."""
    initial = None if o.initial is None else one_channel(o.initial, c, 1)
    y, observed = one_channel(o.y, c, 1), one_channel(o.observed, c, 1)
    return replace(o, y=y, observed=observed, shape=(1, *o.shape[1:]), initial=initial)


def one_channel(values: Values, c: int, axis: int) -> Values:
    """Return channel c of a tensor or an array, its axis kept; a single channel stands for all."""
    if values.shape[axis] == 1:
        return values
    index = [slice(None)] * values.ndim
    index[axis] = slice(c, c + 1)
    return values[tuple(index)]  # type: ignore[no-any-return]
