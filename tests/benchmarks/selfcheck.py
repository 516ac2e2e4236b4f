"""The self-check against the truth: on BSD68 and McMaster, damaged, restored by the shipped weights.

Run: ``python -m tests.benchmarks.selfcheck DATA [SET ...]``, DATA laid out as CONTRIBUTING.md says, SETs bsd68,
mcmaster. About an hour on one core. For each damage over all images: Spearman's rank correlation of estimated and true
PSNR, the median of their absolute and of their signed difference, the share of truths within two standard errors,
how many have an estimate, how many are flagged, and the mean difference of estimated and true coverage. The level of
noise is told or an estimate (auto), of noise as it was drawn, or cut off and rounded as in a file of 8 bits.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.stats import spearmanr
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute
from restorekit.core.distributions import LEVEL
from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem, Restoration
from restorekit.corruptions import Gaussian, Holes, Missing
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.evaluation.metrics.uncertainty import Coverage90
from restorekit.images import formats
from restorekit.restoration.loading import Opened, open_restorer
from restorekit.uncertainty.intervals import enclose
from restorekit.uncertainty.noise_level import estimate_sigma
from restorekit.uncertainty.selfcheck import SelfCheck, self_check

SETS = {"bsd68": "gray/bsd68", "mcmaster": "colour/mcmaster"}
MISSING = (Missing(0.5), Missing(0.8), Holes(area=0.25))
WAYS = ("told", "auto", "8 bits", "8 bits, auto")  # of noise
NOISY = tuple(Gaussian(sigma / 255) for sigma in (15, 25, 50))


class Pair(NamedTuple):
    """What the check says of an image, and what is true."""

    check: SelfCheck
    psnr: float
    coverage: float | None


def images(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield name and pixels, (1, C, H, W) on [0, 1], of 8-bit pictures."""
    for path in sorted(folder.iterdir()):
        if path.suffix in (".png", ".jpg"):
            yield path.name, torch.from_numpy(formats.read(path).pixels[:1]).movedim(-1, 1).float() / 255


def pair(opened: Opened, key: str, x: Tensor, corruption: Corruption, way: str) -> Pair:
    """Damage an image, restore it, and check the restoration with and without the truth."""
    rng = Rng(0, (key,))
    observation = corruption(x, rng)
    if way.startswith("8 bits"):
        observation = replace(observation, y=quantise_8bit(observation.y))
    estimated = way.endswith("auto")
    if estimated:
        observation = replace(observation, sigma=estimate_sigma(Problem(observation, corruption)))
    check = self_check(Problem(observation, corruption), opened.restorer, rng, opened.table, estimated=estimated)
    found = opened.restorer(observation, corruption, 0, rng.fork("restore"))
    return Pair(check, _psnr(found, x, observation), _coverage(found, x, observation, corruption, opened))


def _psnr(found: Restoration, x: Tensor, observation: Observation) -> float:
    psnr = PSNR()(replace(found, mmse=quantise_8bit(found.mmse)), x, observation)
    assert psnr is not None
    return psnr


def _coverage(found: Restoration, x: Tensor, o: Observation, corruption: Corruption, opened: Opened) -> float | None:
    """Return the share of the missing values in the interval, the calibrated one where it reaches."""
    assert opened.table is not None
    enclosed, (refusal,) = enclose(found, Problem(o, corruption), o.shape[0], opened.table, LEVEL)
    return Coverage90()(found if refusal else enclosed, x, o)


def line(pairs: list[Pair]) -> str:
    """Sum up what was found of one damage."""
    told = [p for p in pairs if p.check.psnr is not None]
    if len(told) < 3:
        return f"{len(told)} of {len(pairs)} have an estimate"
    off = [p.check.psnr - p.psnr for p in told]
    within = [abs(d) <= 2 * p.check.psnr_se for d, p in zip(off, told, strict=True)]
    rank = float(spearmanr([p.check.psnr for p in told], [p.psnr for p in told]).statistic)
    covered = [p.check.coverage90 - p.coverage for p in told if p.check.coverage90 is not None]
    coverage = f"{statistics.mean(covered):+.3f}" if covered else "  -   "
    return (
        f"{rank:.3f}  {statistics.median(map(abs, off)):5.2f}  {statistics.median(off):+5.2f}  "
        f"{statistics.mean(within):4.0%}  {len(told):2d} of {len(pairs)}, {sum(p.check.harms for p in pairs)} flagged  "
        f"{coverage}"
    )


def main(data: Path, sets: list[str]) -> None:
    """Print a line for each set and damage."""
    opened = open_restorer("default", compute=Compute("cpu"))
    print("Spearman, median |difference|, median difference (dB), within 2 s.e., estimates, coverage off")
    for name in sets:
        pictures = list(images(data / SETS[name]))
        for corruption, way in [(c, "told") for c in MISSING] + [(c, way) for way in WAYS for c in NOISY]:
            pairs = [pair(opened, key, x, corruption, way) for key, x in pictures]
            print(f"{name:9s} {corruption!s:38s} {way:12s} {line(pairs)}", flush=True)


if __name__ == "__main__":
    root, *chosen = sys.argv[1:]
    main(Path(root), chosen or list(SETS))
