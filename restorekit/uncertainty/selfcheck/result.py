"""Results of a self-check as numbers and as sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch

from restorekit.core.psnr import psnr_of_mse
from restorekit.core.records import About, rounded
from restorekit.uncertainty.selfcheck.residual import Residual

Method = Literal["hiding", "sure", "sure and hiding", "none"]
DECIBEL = 10 / math.log(10)  # by which a relative error of a mean square counts
COARSER = "coarser than white noise: the noise is not white, or detail went with it"
FINER = "finer than white noise: the coarse part of the noise is left"
DETAIL = "grows where the image has structure: detail may be lost, or the noise depends on the image"
DIGITS = 5  # significant ones, of the values that are kept


@dataclass(frozen=True)
class SelfCheck:
    """Estimated quality of a restoration without the truth.

    Attributes
    ----------
    method : {"hiding", "sure", "sure and hiding", "none"}
        How the error was estimated.
    reason : str
        Why there is no estimate of the PSNR; empty where there is one.
    psnr, psnr_se : float or None
        Estimate over the entire image, where exactly known values count as right, and its standard error, dB.
    psnr_left : float or None
        The same of the picture left as it is, missing values quickly interpolated.
    psnr_missing : float or None
        The estimate over the missing values alone.
    coverage90, coverage90_se : float or None
        Share of hidden values in the 90 % interval, and its standard error; None where nothing exact was hidden.
    baseline, psnr_baseline : str, float or None
        The classical method that would do best on the same pixels, and its estimate; empty where none was asked.
    surprise : float or None
        Estimated squared error over the variance that the restorer expected: 1 is as expected, far more is unlike what
        it learnt from; None where it expects nothing.
    residual : Residual or None
        Statistics of what was taken away; None where observed values were kept as they are.
    harms : bool
        Whether the restoration is worse than the picture left as it is, by more than chance.
    share : float
        Of the pixels, that the check looked at.
    """

    method: Method = "none"
    reason: str = ""
    psnr: float | None = None
    psnr_se: float | None = None
    psnr_left: float | None = None
    psnr_missing: float | None = None
    coverage90: float | None = None
    coverage90_se: float | None = None
    baseline: str = ""
    psnr_baseline: float | None = None
    surprise: float | None = None
    residual: Residual | None = None
    harms: bool = False
    share: float = 1.0

    @property
    def gain(self) -> float | None:
        """Estimated PSNR less that of the best classical method, dB; None where one of them has none."""
        return None if self.psnr is None or self.psnr_baseline is None else self.psnr - self.psnr_baseline

    def with_baseline(self, others: Mapping[str, SelfCheck]) -> SelfCheck:
        """Return this result with the best of classical methods, by their names, on the same pixels."""
        estimates = {name: other.psnr for name, other in others.items() if other.psnr is not None}
        best = max(estimates, key=lambda name: estimates[name], default="")
        return replace(self, baseline=best, psnr_baseline=estimates.get(best))

    @property
    def flag(self) -> str:
        """Why a person should look at the image; empty where there is nothing."""
        filled = "" if self.psnr_missing is None else ", missing values quickly interpolated,"
        found = f"an estimated PSNR of {_decibels(self.psnr)}, and {_decibels(self.psnr_left)} left as it is{filled}"
        return f"the self-check says that the restoration harms: {found.removesuffix(',')}" if self.harms else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Findings, one sentence each, the most important first."""
        found = [self.flag, self._estimate, self._baseline, self._coverage, *_of_residual(self.residual)]
        part = f"the check looked at {self.share:.0%} of the pixels, in crops" if self.share < 1 else ""
        return tuple(text for text in (*found, part) if text)

    def record(self) -> SelfCheckRecord:
        """Return the entry of the journal, numbers rounded to five digits."""
        return rounded(SelfCheckRecord(self, self.gain, self.sentences), DIGITS)

    @property
    def _estimate(self) -> str:
        if self.psnr is None:
            return f"no estimate of the PSNR: {self.reason}"
        ways = {"hiding": "hiding some values", "sure": "SURE", "sure and hiding": "SURE and hiding some values"}
        missing = "" if self.psnr_missing is None else f", {_decibels(self.psnr_missing)} over missing values"
        return f"estimated PSNR {_decibels(self.psnr)} +- {self.psnr_se:.2f}{missing}, by {ways[self.method]}"

    @property
    def _baseline(self) -> str:
        if self.gain is None:
            return ""
        way = "more" if self.gain < 0 else "less"
        return f"by the same estimate the classical method {self.baseline} has {abs(self.gain):.2f} dB {way}"

    @property
    def _coverage(self) -> str:
        if self.coverage90 is None:
            return ""
        error = "" if self.coverage90_se is None else f" +- {self.coverage90_se:.1%}"
        return f"{self.coverage90:.1%}{error} of the hidden values lay in the 90 % interval"


@dataclass(frozen=True)
class SelfCheckRecord:
    """A self-check as the journal holds it: its numbers, and the sentences that they amount to.

    Attributes
    ----------
    found : SelfCheck
        Numbers, rounded.
    gain : float or None
        `SelfCheck.gain`, dB.
    sentences : sequence of str
        `SelfCheck.sentences`.
    """

    found: Annotated[SelfCheck, About(flat=True)]
    gain: float | None = None
    sentences: Sequence[str] = ()


def decibels(mse: float) -> float | None:
    """Return the PSNR of a mean squared error on [0, 1] squared; None where an estimate of it is not above 0."""
    return float(psnr_of_mse(torch.tensor(mse, dtype=torch.float64))) if mse > 0 else None


def _decibels(value: float | None) -> str:
    return "no PSNR" if value is None else f"{value:.2f} dB"


def _of_residual(residual: Residual | None) -> list[str]:
    """Return sentences that interpret the residual's statistics."""
    if residual is None:
        return []
    most = max(residual.highest, residual.lowest, key=abs)
    kind = "as white as noise" if residual.white else COARSER if most > 0 else FINER
    size = f"what was removed has a standard deviation of {255 * residual.std:.1f}/255"
    said = [f"{size} and is {kind} (values within two pixels correlate by up to {most:+.3f})"]
    if residual.structure is not None:
        follows = DETAIL if residual.structured else "does not grow where the image has structure"
        said.append(f"what was removed {follows} (rank correlation {residual.structure:+.2f})")
    return said
