"""What is checked, and asking its restorer again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit import asking, bands
from restorekit.blame import blamed
from restorekit.contracts import Corruption, Restorer, parts_of
from restorekit.intervals import Table
from restorekit.noise import Noise
from restorekit.seen import COARSE, coarseness
from restorekit.types import Observation, Restoration

TOLD_APART = ("gaussian", "clean")  # corruptions behind which an observed value is the true one plus Gaussian noise


@dataclass(frozen=True, eq=False)
class Case:
    """One image, or crops of it, and what restores it.

    Attributes
    ----------
    observation : Observation
        A batch: the image, or crops of one size.
    corruption : Corruption
        What it is taken to have suffered.
    restorer : Restorer
        What is checked.
    noise : Noise
        Of the run, keys naming the crops: what is drawn in restoring is drawn alike each time.
    clip : bool
        Whether values are cut to [0, 1] when they are written, as integers are.
    table : Table or None
        The restorer's calibration.
    """

    observation: Observation
    corruption: Corruption
    restorer: Restorer
    noise: Noise
    clip: bool = True
    table: Table | None = None

    @property
    def observed(self) -> Tensor:
        """Where a value was seen, bool in the shape of y."""
        return self.observation.observed.expand_as(self.observation.y)

    def restored(self, observation: Observation) -> Restoration:
        """Return the restorer's answer about a changed observation, as it would be written."""
        with blamed(f"the restorer {self.restorer.name!r}", self.restorer, self.corruption):
            answer = bands.restore(self.restorer, observation, self.corruption, 0, self.noise.fork("restore"))
        found = asking.restored(self.restorer, answer, observation, 0)
        return replace(found, mmse=found.mmse.clamp(0, 1)) if self.clip else found

    def changed(self, y: Tensor, observed: Tensor) -> Observation:
        """Return the observation with other values and other gaps, and without a guess made from the old ones."""
        return replace(self.observation, y=y * observed, observed=observed, guess=None)

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
    def variance(self) -> float:
        """The variance of the noise, mean over observed values; NaN where it is not known."""
        sigma, share = self.observation.sigma, self.observed.double().flatten(1).mean(1)
        levels = torch.full_like(share, torch.nan) if sigma is None else sigma.double().flatten().expand(len(share))
        return float((levels.square() * share).sum() / share.sum())

    @property
    def refusal(self) -> str:
        """Why no error can be estimated; empty where it can be."""
        o, sigma = self.observation, self.observation.sigma
        others = [p.name for p in parts_of(self.corruption) if not (p.hides or p.name in TOLD_APART)]
        if others or not self.comparable:
            return _beyond(others or [str(self.corruption)])
        if sigma is None or bool(sigma.isnan().any()):
            return "the level of the noise is not known; tell it with --sigma S, or have it estimated with --sigma auto"
        if bool((sigma > 0).any()) and (ratio := self._coarseness) >= COARSE:
            return (
                f"the noise is not white: at twice the scale it is {ratio:.1f} times as strong as white noise is there,"
                " and the estimate holds for white noise alone"
            )
        if not self.noisy and bool(o.observed.all()):
            return "everything in it is known"
        return "" if bool(o.observed.any()) else "no value was observed"

    @property
    def _coarseness(self) -> float:
        pairs = zip(self.observation.y, self.observed, strict=True)
        return sum(coarseness(y, observed) for y, observed in pairs) / len(self.observation)


def _beyond(names: Sequence[str]) -> str:
    return (
        f"what {' and '.join(names)} did to the values cannot be told from the picture itself; an estimate needs "
        "values that are exact, or have white Gaussian noise of a known level, or are missing"
    )
