"""Checking restored pictures without the truth, where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from restorekit.core.contracts import parts_of
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem
from restorekit.corruptions import Chain
from restorekit.restoration.classical import best_baselines
from restorekit.restoration.folder.options import Setup
from restorekit.restoration.folder.planes import Plane, PlaneSource
from restorekit.restoration.folder.read import OpenedFile, sentence
from restorekit.restoration.folder.records import CheckRecord
from restorekit.restoration.safeguards import HeldRestorer
from restorekit.uncertainty.selfcheck import Part, SelfCheck, self_check, windows
from restorekit.uncertainty.selfcheck.check import PIXELS

PLANES = 4  # checked planes of a picture of many frames or channels


class Verdict(NamedTuple):
    """Result of a check for the journal, None without a check, and notes for its image."""

    check: CheckRecord | None = None
    notes: Sequence[str] = ()


def verdict(opened: OpenedFile, setup: Setup) -> Verdict:
    """Check the restoration of a picture, if checks are asked for; one that fails does not lose the picture."""
    if not setup.options.self_check:
        return Verdict()
    try:
        found = _checked(opened, setup)
    except Exception as error:  # a plugin's code may raise anything
        return Verdict(CheckRecord(), [f"the self-check failed: {sentence(error, setup.own)}"])
    return Verdict(CheckRecord(found.record()), [found.flag] if found.flag else [])


def _checked(opened: OpenedFile, setup: Setup) -> SelfCheck:
    """Restore crops of some planes again, as often as it takes."""
    planes = opened.planes[:: -(-len(opened.planes) // PLANES)]
    height, width = planes[0].pixels.shape[:2]
    places = windows(height, width, PIXELS // len(planes))
    corruption = opened.degradation.corruption
    source = PlaneSource(planes, corruption, setup.options.label)
    cuts = [source.observed(p.top, p.top + p.height, p.left, p.left + p.width) for p in places]
    uncropped = len(places) == 1
    keys = tuple(plane.key if uncropped else f"{plane.key}@{p.top},{p.left}" for p in places for plane in planes)
    first = cuts[0].expand(len(cuts))
    crops = replace(first, y=torch.cat([o.y for o in cuts]), observed=torch.cat([o.observed for o in cuts]))
    check = partial(
        self_check,
        Problem(crops, corruption),
        rng=Rng(setup.options.seed, keys),
        clip=_ends(planes[0]),
        estimated=opened.degradation.estimate,
        part=_part(opened.planes, cuts, len(planes)),
    )
    found = check(HeldRestorer(setup.restorer), table=setup.table)
    if found.psnr is None or not setup.options.digest:  # a classical method needs no baseline
        return found
    others = dict[str, SelfCheck]()
    noisy = crops.sigma is None or bool((crops.sigma > 0).any())
    # Of all that a picture may have suffered, methods undo what these crops show.
    shown = [part for part in parts_of(corruption) if (not bool(crops.observed.all()) if part.hides else noisy)]
    for name in best_baselines(Chain(tuple(shown)), quick=True):
        with suppress(Exception):  # what a method cannot do costs the comparison with it, and not the check
            others[name] = check(HeldRestorer(registry.restorers()[name]()))
    return found.with_baseline(others)


def _ends(plane: Plane) -> bool:
    """Return whether a plane's file clips values at the ends of its range."""
    if plane.pixels.dtype.kind not in "ui":
        return False
    limits = np.iinfo(plane.pixels.dtype)
    return (plane.range.low, plane.range.high) == (limits.min, limits.max)


def _part(planes: list[Plane], cuts: list[Observation], checked: int) -> Part:
    """Return what share of a picture the cuts are, and what is missing of all of it."""
    height, width = planes[0].pixels.shape[:2]
    covered = sum(o.y.shape[2] * o.y.shape[3] for o in cuts) / (height * width)
    return Part(min(1.0, covered * checked / len(planes)), share_missing(planes))


def share_missing(planes: list[Plane]) -> float:
    """Return the share of the values of a picture that are missing."""
    return float(np.mean([0.0 if p.missing is None else float(p.missing.mean()) for p in planes]))
