"""Self-check of one image.

Large images are checked in crops. The error of an image combines those of its missing and of its observed values.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from restorekit.core.contracts import Restorer
from restorekit.core.rng import Rng
from restorekit.core.types import Problem, Restoration
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.noise_level import NoiseLevel, level
from restorekit.uncertainty.selfcheck.case import Case
from restorekit.uncertainty.selfcheck.holdout import Hidden, mean_variance, measure
from restorekit.uncertainty.selfcheck.residual import statistics_of
from restorekit.uncertainty.selfcheck.result import DECIBEL, Method, SelfCheck, decibels
from restorekit.uncertainty.selfcheck.sure import Risk, sure

MIN_HARM_SE = 2  # standard errors by which a restoration must be worse than the picture left as it is to be flagged
METHODS: dict[tuple[bool, bool], Method] = {
    (True, False): "sure", (False, True): "hiding", (True, True): "sure and hiding"
}  # fmt: skip
NOT_HERE = "none of what is missing lies in the crops that were looked at"
QUIETER, LOUDER = (0.8, -1.5 / 255), (1.25, 4 / 255)  # share of the true level, and more, between which BSD68 looks
NO_LEVEL = "too little of the image measures the level of its noise closely enough; pass it with --sigma S"
BY_CHANCE = (
    "the estimated error is no larger than its own standard error: it is so small that chance, or a level of noise "
    "that is not quite the true one, hides it, or too little could be compared"
)


@torch.no_grad()
def self_check(
    problem: Problem, restorer: Restorer, rng: Rng,
    table: Table | None = None, clip: bool = True, estimated: bool = False, part: Part | None = None,
) -> SelfCheck:  # fmt: skip
    """Estimate how good the restoration of one image is, without the truth, by restoring it some times more.

    Observed values of known noise are checked by Stein's unbiased risk estimate, missing ones by hiding observed ones.

    Parameters
    ----------
    problem : Problem
        One image, (1, C, H, W), or crops of one image, (B, C, H, W), and its assumed corruption.
    restorer : Restorer
        What is checked: its one-pass estimate, else the mean over as many draws as it makes unasked.
    rng : Rng
        Of the run, a key for each crop: the same gives the same result.
    table : Table, optional
        The restorer's calibration, by which coverage is of its calibrated intervals.
    clip : bool
        Whether values are cut to [0, 1], as in files of integers: restorations, and noise unless some lies beyond.
    estimated : bool
        Whether the level of the noise in the observation is an estimate: another, that texture does not mislead, is
        made for the check then, while the restorer gets the original estimate. So it is where no level is known.
    part : Part, optional
        What crops are a part of; by default they are all there is.

    Returns
    -------
    SelfCheck

    Examples
    --------
    >>> import torch
    >>> from restorekit.corruptions import Missing
    >>> from restorekit.restoration.loading import open_restorer
    >>> x = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    >>> rng = Rng(0, ("ramp",))
    >>> problem = Problem(Missing(0.5)(x, rng), Missing(0.5))
    >>> self_check(problem, open_restorer("delaunay").restorer, rng).method
    'hiding'
    """
    case = Case(problem, restorer, rng, clip, table)
    known = part or Part(1.0, 1 - float(case.observed.double().mean()))
    if not case.comparable:
        return SelfCheck(reason=case.refusal, share=known.share)
    base, reason = case.restored(problem.observation), case.refusal
    sigma = problem.observation.sigma
    estimated = estimated or sigma is None or bool(sigma.isnan().any())
    residual, level_error = None, 0.0
    if case.noisy and bool(case.observed.any()):  # otherwise nothing was removed
        residual = statistics_of(case.observation.y, case.observed, base.mmse)
    if case.noisy and not reason:
        found = [level(*crop) for crop in zip(case.observation.y, case.observed, case.cut_off, strict=True)]
        levels = [one for one in found if one is not None]
        levels = levels if len(levels) == len(found) else []  # no level if one crop has too little to measure it
        reason = _unsuited(case, levels, estimated)
        if estimated and levels:
            case = replace(
                case, level=problem.observation.y.new_tensor([one.sigma for one in levels]).view(-1, 1, 1, 1)
            )
            level_error = statistics.fmean(one.error for one in levels)
    if reason:
        return SelfCheck(reason=reason, residual=residual, share=known.share)
    return replace(_estimate(case, base, known, level_error), residual=residual)


def _unsuited(case: Case, levels: list[NoiseLevel], estimated: bool) -> str:
    """Return why the noise level is unusable: it cannot be measured, or it contradicts the picture; else empty."""
    if estimated or not levels:
        return NO_LEVEL if not levels and estimated else ""
    found, assumed = statistics.fmean(one.sigma for one in levels), float(case.sigma.mean())
    low, high = (share * assumed + more for share, more in (QUIETER, LOUDER))
    if not low < found < high:
        return (
            f"the noise looks like {255 * found:.1f}/255, but {255 * assumed:.1f}/255 was passed; pass the true level, "
            "or have it estimated with --sigma auto"
        )
    return ""


def _estimate(case: Case, base: Restoration, part: Part, level_error: float) -> SelfCheck:
    """Put together what is found of observed and of missing values."""
    risk = sure(case, base) if case.noisy else None
    hidden = None if part.missing == 0 else NOT_HERE if bool(case.observed.all()) else measure(case, base)
    if isinstance(hidden, str):
        return SelfCheck(reason=hidden, share=part.share)
    total = of_missing(hidden, part.missing) + of_observed(risk, case, base, part, level_error)
    psnr = decibels(total.mse) if total.se < total.mse else None  # not so where either is NaN
    coverage = None if hidden is None else hidden.coverage
    return SelfCheck(
        method=METHODS[risk is not None, hidden is not None],
        reason=BY_CHANCE if psnr is None else "",
        psnr=psnr,
        psnr_se=None if psnr is None else DECIBEL * total.se / total.mse,
        psnr_left=decibels(total.left),
        psnr_missing=None if hidden is None else decibels(hidden.mse.value),
        coverage90=None if coverage is None else coverage.value,
        coverage90_se=None if coverage is None else coverage.error,
        surprise=None if psnr is None else total.surprise,
        harms=psnr is not None and total.worse > MIN_HARM_SE * total.worse_se,
        share=part.share,
    )


PIXELS = 2**20  # checked pixels of one image at most, all its frames and channels together
PLACES = ((1, 3), (3, 7), (5, 1), (7, 5))  # eighths of the room that crops lie at: no two in one row or column


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def windows(height: int, width: int, pixels: int = PIXELS) -> list[Window]:
    """Return the entire image if it has at most `pixels`, else four crops of that total size, spread over it.

    Parameters
    ----------
    height, width : int
        Of the image.
    pixels : int
        At least 4.
    """
    if height * width <= pixels:
        return [Window(0, 0, height, width)]
    each = pixels // len(PLACES)
    rows = min(height, max(math.isqrt(each), each // width))
    columns = min(width, each // rows)
    down, across = height - rows, width - columns
    return [Window(row * down // 8, column * across // 8, rows, columns) for row, column in PLACES]


class Part(NamedTuple):
    """Part of an image that an observation covers.

    share : float, of its pixels;
    missing : float, share of the values of the entire image that are missing.
    """

    share: float
    missing: float


@dataclass(frozen=True)
class Errors:
    """Mean squared errors over an image, or over a part of its values, on [0, 1] squared.

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
        """Add the errors of independent parts of an image."""
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
    """Return the mean squared errors of the missing values, weighted by their share."""
    if hidden is None:
        return Errors()
    return Errors(*(share * value for value in (*hidden.mse, hidden.filled.value, *hidden.worse, hidden.expected)))


def of_observed(risk: Risk | None, case: Case, base: Restoration, part: Part, level_error: float) -> Errors:
    """Return the mean squared errors of the observed values; `level_error` is that of the noise level."""
    if risk is None:  # without noise they are right
        return Errors()
    share, between = 1 - part.missing, math.sqrt(1 - part.share) * risk.between
    variance_error = 2 * level_error * float(case.sigma.square().mean().sqrt())
    se, worse_se = (math.hypot(risk.se, between, variance_error * slope) for slope in (risk.slope, risk.slope - 1))
    expected = mean_variance(base, case.observed)
    return Errors(*(share * value for value in (risk.mse, se, risk.left, risk.mse - risk.left, worse_se, expected)))
