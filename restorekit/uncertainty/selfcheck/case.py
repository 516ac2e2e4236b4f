"""A case of the self-check: an image, its restorer, and comparisons with the observed values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Restorer, parts_of
from restorekit.core.gaussian import has_closed_form
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem, Restoration
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.conditions import departure


@dataclass(frozen=True, eq=False)
class Case:
    """One image, or crops of it, and what restores it.

    Attributes
    ----------
    problem : Problem
        A batch: the image, or crops of one size, and its assumed corruption.
    restorer : Restorer
        What is checked.
    rng : Rng
        Of the run, keys naming the crops: what is drawn in restoring is drawn alike each time.
    clip : bool
        Whether values are cut to [0, 1] where they are written, as integers are: restorations, and noise before them
        unless some of it lies beyond.
    table : Table or None
        The restorer's calibration.
    level : Tensor, (B, 1, 1, 1), or None
        What the noise's level is taken for in estimates, if it differs from the level that the restorer gets.
    """

    problem: Problem
    restorer: Restorer
    rng: Rng
    clip: bool = True
    table: Table | None = None
    level: Tensor | None = None

    @property
    def observation(self) -> Observation:
        """Observation of the problem."""
        return self.problem.observation

    @property
    def observed(self) -> Tensor:
        """True where a value was observed, in the shape of y."""
        return self.observation.observed.expand_as(self.observation.y)

    @property
    def comparable(self) -> bool:
        """Whether y may be compared with x, value by value."""
        return self.observation.direct and self.observation.y.shape[1:] == self.observation.shape

    @property
    def noisy(self) -> bool:
        """Whether there is noise, or may be."""
        sigma = self.observation.sigma
        return sigma is None or not bool((sigma == 0).all())

    @property
    def sigma(self) -> Tensor:
        """The level of the noise, (B, 1, 1, 1), where it is known."""
        found = self.observation.sigma if self.level is None else self.level
        assert found is not None
        return found.expand(len(self.observation), 1, 1, 1)

    @property
    def cut_off(self) -> Tensor:
        """True where an observed value is clipped: an end of the range to which noise was cut; in the shape of y."""
        y, cut = self.observation.y, self.clip and self.noisy
        if not cut or bool(((y < 0) | (y > 1)).any()):  # a file of integers holds nothing beyond
            return torch.zeros_like(self.observed)
        return self.observed & ((y == 0) | (y == 1))

    def squared(self, x: Tensor) -> Tensor:
        """Return the squared difference of what was observed and x, as if noise had not been cut off at the ends.

        A value that was cut off counts with the mean of that square for Gaussian noise about x that goes beyond the
        end: without this, Stein's estimate of 8-bit images is far too good in shadows and lights.
        """
        y = self.observation.y
        end = -torch.where(y <= 0, x, 1 - x) / self.sigma
        density = -0.5 * end.square() - 0.5 * math.log(2 * math.pi)
        beyond = self.sigma.square() * (1 - end * (density - torch.special.log_ndtr(end)).exp())
        return torch.where(self.cut_off, beyond, (y - x).square())

    def restored(self, observation: Observation) -> Restoration:
        """Restore a changed observation, and clip the result as a file would."""
        changed = replace(self.problem, observation=observation)
        found = per_channel.restore(self.restorer, changed, 0, self.rng.fork("restore"))
        return replace(found, mmse=found.mmse.clamp(0, 1)) if self.clip else found

    def changed(self, y: Tensor, observed: Tensor) -> Observation:
        """Return the observation with other values and other gaps, without the old initial estimate."""
        return replace(self.observation, y=y * observed, observed=observed, initial=None)

    @property
    def refusal(self) -> str:
        """Reason why no error can be estimated; empty if it can be."""
        o = self.observation
        others = [p.name for p in parts_of(self.problem.corruption) if not has_closed_form(p)]
        if others or not self.comparable:
            return (
                f"what {' and '.join(others or [str(self.problem.corruption)])} did to the values cannot be derived "
                "from the picture itself; an estimate needs values that are exact, or have white Gaussian noise of a "
                "known level, or are missing"
            )
        parts = zip(o.y, self.observed, self.cut_off, strict=True)
        reason = next(filter(None, (departure(*part) for part in parts)), "") if self.noisy else ""
        if reason:
            return f"{reason}, and an estimate needs white noise of one level"
        if not self.noisy and bool(o.observed.all()):
            return "everything in it is known"
        return "" if bool(o.observed.any()) else "no value was observed"
