"""The whole check of one image."""

from __future__ import annotations

import statistics
from dataclasses import replace

import torch

from restorekit.contracts import Corruption, Restorer
from restorekit.intervals import Table
from restorekit.noise import Noise
from restorekit.selfcheck.case import Case
from restorekit.selfcheck.checked import DECIBEL, Method, SelfCheck, decibels
from restorekit.selfcheck.hiding import measure
from restorekit.selfcheck.level import Level, level
from restorekit.selfcheck.parts import Part, of_missing, of_observed
from restorekit.selfcheck.residual import Residual, statistics_of
from restorekit.selfcheck.sure import sure
from restorekit.types import Observation, Restoration

ERRORS = 2  # standard errors by which a restoration must be worse than the picture left as it is to be flagged
METHODS: dict[tuple[bool, bool], Method] = {
    (True, False): "sure", (False, True): "hiding", (True, True): "sure and hiding"
}  # fmt: skip
NOT_HERE = "none of what is missing lies in the crops that were looked at"
QUIETER, LOUDER = (0.8, -1.5 / 255), (1.25, 4 / 255)  # share of the true level, and more, between which BSD68 looks
NO_LEVEL = "too little of the image tells the level of its noise closely enough; tell it with --sigma S"
BY_CHANCE = (
    "the estimated error is no larger than its own standard error: it is so small that chance, or a level of noise "
    "that is not quite the true one, hides it, or too little could be compared"
)


@torch.no_grad()
def self_check(
    observation: Observation, corruption: Corruption, restorer: Restorer, noise: Noise,
    table: Table | None = None, clip: bool = True, estimated: bool = False, part: Part | None = None,
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
        Whether values are cut to [0, 1], as in files of integers: restorations, and noise unless some lies beyond.
    estimated : bool
        Whether the level of the noise in the observation is an estimate: another, that texture does not mislead, is
        made for the check then, while the restorer is told the same as ever.
    part : Part, optional
        What crops are a part of; by default they are all there is.

    Returns
    -------
    SelfCheck

    Examples
    --------
    >>> import torch
    >>> from restorekit.corruptions import Missing
    >>> from restorekit.opening import open_restorer
    >>> x = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    >>> noise = Noise(0, ("ramp",))
    >>> self_check(Missing(0.5)(x, noise), Missing(0.5), open_restorer("delaunay").restorer, noise).method
    'hiding'
    """
    case = Case(observation, corruption, restorer, noise, clip, table)
    known = part or Part(1.0, 1 - float(case.observed.double().mean()))
    if not case.comparable:
        return SelfCheck(reason=case.refusal, share=known.share)
    base, reason = case.restored(observation), case.refusal
    residual, level_error = _residual(case, base), 0.0
    if case.noisy and not reason:
        seen = _levels(case)
        reason = _unsuited(case, seen, estimated)
        if estimated and seen:
            case = replace(case, level=observation.y.new_tensor([one.sigma for one in seen]).view(-1, 1, 1, 1))
            level_error = statistics.fmean(one.error for one in seen)
    if reason:
        return SelfCheck(reason=reason, residual=residual, share=known.share)
    return replace(_estimate(case, base, known, level_error), residual=residual)


def _residual(case: Case, base: Restoration) -> Residual | None:
    """Return statistics of what was removed from an image in which something may have been."""
    if not (case.noisy and bool(case.observed.any())):
        return None
    return statistics_of(case.observation.y, case.observed, base.mmse)


def _levels(case: Case) -> list[Level]:
    """Return the level of the noise in each crop; none where one does not tell it."""
    found = [level(*crop) for crop in zip(case.observation.y, case.observed, case.cut_off, strict=True)]
    levels = [one for one in found if one is not None]
    return levels if len(levels) == len(found) else []


def _unsuited(case: Case, seen: list[Level], estimated: bool) -> str:
    """Say why the level of the noise will not do: nothing tells it, or it is not what the picture looks like."""
    if estimated or not seen:
        return NO_LEVEL if not seen and estimated else ""
    found, told = statistics.fmean(one.sigma for one in seen), float(case.sigma.mean())
    low, high = (share * told + more for share, more in (QUIETER, LOUDER))
    if not low < found < high:
        return (
            f"the noise looks like {255 * found:.1f}/255, and {255 * told:.1f}/255 was told; tell the true level, or "
            "have it estimated with --sigma auto"
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
        harms=psnr is not None and total.worse > ERRORS * total.worse_se,
        share=part.share,
    )
