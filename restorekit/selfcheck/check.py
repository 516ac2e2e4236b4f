"""The whole check of one image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from restorekit.contracts import Corruption, Restorer
from restorekit.intervals import Table
from restorekit.noise import Noise
from restorekit.selfcheck.case import Case
from restorekit.selfcheck.checked import DECIBEL, Method, SelfCheck, decibels
from restorekit.selfcheck.hiding import FEWEST, Hidden, measure
from restorekit.selfcheck.residual import Residual, statistics
from restorekit.selfcheck.sure import Risk, sure
from restorekit.types import Observation, Restoration

ERRORS = 2  # standard errors by which a restoration must be worse than the picture left as it is to be flagged
METHODS: dict[tuple[bool, bool], Method] = {
    (True, False): "sure", (False, True): "hiding", (True, True): "sure and hiding"
}  # fmt: skip
TOO_FEW = f"fewer than {FEWEST} values could be hidden, too few to tell anything"
HIDDEN_BY_CHANCE = (
    "the estimated error is not above 0: it is so small that chance, or a level of noise that is not quite the true "
    "one, hides it"
)


class Part(NamedTuple):
    """What part of an image an observation is.

    share : float, of its pixels;
    missing : float, share of the values of the whole image that are missing.
    """

    share: float
    missing: float


@torch.no_grad()
def self_check(
    observation: Observation, corruption: Corruption, restorer: Restorer, noise: Noise,
    table: Table | None = None, clip: bool = True, part: Part | None = None, sigma_error: float = 0.0,
) -> SelfCheck:  # fmt: skip
    """Estimate how good the restoration of one image is, without the truth, by restoring it some times more.

    Observed values of known noise are checked by Stein's unbiased risk estimate, missing ones by hiding observed ones.

    Parameters
    ----------
    observation : Observation
        One image, (1, C, H, W), or crops of one image, (B, C, H, W).
    corruption : Corruption
        What it is taken to have suffered.
    restorer : Restorer
        What is checked: its one-pass estimate, else the mean over as many draws as it makes unasked.
    noise : Noise
        Of the run, a key for each crop: the same gives the same result.
    table : Table, optional
        The restorer's calibration, by which coverage is of its calibrated intervals.
    clip : bool
        Whether restored values are cut to [0, 1], as in files of integers.
    part : Part, optional
        What crops are a part of; by default they are all there is.
    sigma_error : float
        Relative standard error of the noise level, where that is an estimate itself.

    Returns
    -------
    SelfCheck

    Examples
    --------
    >>> from restorekit.corruptions import Gaussian
    >>> opened = open_restorer("default")  # doctest: +SKIP
    >>> self_check(observation, Gaussian(25 / 255), opened.restorer, Noise(0, ("a.png",))).psnr  # doctest: +SKIP
    """
    case = Case(observation, corruption, restorer, noise, clip, table)
    known = part or Part(1.0, 1 - float(case.observed.double().mean()))
    if not case.comparable:
        return SelfCheck(reason=case.refusal, share=known.share)
    base = case.restored(observation)
    residual = _residual(case, base)
    if reason := case.refusal:
        return SelfCheck(reason=reason, residual=residual, share=known.share)
    risk = sure(case, base) if case.noisy else None
    hidden = None if bool(case.observed.all()) else measure(case, base)
    if hidden is None and known.missing > 0:
        return SelfCheck(reason=TOO_FEW, residual=residual, share=known.share)
    total = _missing(hidden, known.missing) + _observed(risk, case.variance, known, sigma_error)
    return _found(total, METHODS[risk is not None, hidden is not None], hidden, residual, known.share)


def _residual(case: Case, base: Restoration) -> Residual | None:
    """Return statistics of what was removed from an image in which something may have been."""
    if not (case.noisy and bool(case.observed.any())):
        return None
    return statistics(case.observation.y, case.observed, base.mmse)


@dataclass(frozen=True)
class _Errors:
    """Mean squared errors over an image, or the part that some of its values have in them, on [0, 1] squared.

    Of the restoration, with its standard error; of the picture left as it is; and of their difference.
    """

    mse: float = 0.0
    se: float = 0.0
    left: float = 0.0
    worse: float = 0.0
    worse_se: float = 0.0

    def __add__(self, other: _Errors) -> _Errors:
        return _Errors(
            self.mse + other.mse,
            math.hypot(self.se, other.se),
            self.left + other.left,
            self.worse + other.worse,
            math.hypot(self.worse_se, other.worse_se),
        )


def _missing(hidden: Hidden | None, share: float) -> _Errors:
    """Return the part of the missing values."""
    if hidden is None:
        return _Errors()
    return _Errors(*(share * v for v in (hidden.mse, hidden.se, hidden.filled, hidden.worse, hidden.worse_se)))


def _observed(risk: Risk | None, variance: float, part: Part, sigma_error: float) -> _Errors:
    """Return the part of the observed values: without noise they are right."""
    if risk is None:
        return _Errors()
    share, apart = 1 - part.missing, math.sqrt(1 - part.share) * risk.between
    told = 2 * sigma_error * variance  # standard error of the variance
    se, worse_se = (math.hypot(risk.se, apart, told * slope) for slope in (risk.slope, risk.slope - 1))
    return _Errors(share * risk.mse, share * se, share * variance, share * (risk.mse - variance), share * worse_se)


def _found(total: _Errors, method: Method, hidden: Hidden | None, residual: Residual | None, share: float) -> SelfCheck:
    psnr = decibels(total.mse) if math.isfinite(total.se) else None
    return SelfCheck(
        method=method,
        reason=HIDDEN_BY_CHANCE if psnr is None else "",
        psnr=psnr,
        psnr_se=None if psnr is None else DECIBEL * total.se / total.mse,
        psnr_left=decibels(total.left),
        psnr_missing=None if hidden is None else decibels(hidden.mse),
        coverage90=None if hidden is None else hidden.coverage,
        coverage90_se=None if hidden is None else hidden.coverage_se,
        residual=residual,
        harms=total.worse > ERRORS * total.worse_se,
        share=share,
    )
