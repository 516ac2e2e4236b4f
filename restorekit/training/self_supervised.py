"""Images that are damaged already, to learn from without clean ones."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, parts_of
from restorekit.core.errors import UsageError
from restorekit.core.gaussian import has_closed_form
from restorekit.core.rng import Rng
from restorekit.core.types import AFFINE_LAWS, Batch, NoiseLaw, Observation, Problem, shape_of
from restorekit.images.dataset import LabelledImages
from restorekit.images.intensity import IntensityRange

LOOKED_AT = 50  # images whose noise is estimated, at most


@dataclass(frozen=True)
class KnownNoise(Corruption):
    """Take an image for an observation: NaN is missing, the rest has Gaussian noise of a known level.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise on [0, 1]; 0 = none.
    """

    name: ClassVar[str] = "given"
    noise_law: ClassVar[NoiseLaw | None] = "gaussian"

    sigma: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0, "of_255": True})

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return sigma."""
        return self.fixed("sigma", count)

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Say what is observed in x, (B, C, H, W), which may hold NaN."""
        observed = x.isfinite()
        level = torch.full((len(x), 1, 1, 1), self.sigma, device=x.device)
        return Observation(torch.where(observed, x, 0.0), observed, shape_of(x), level)


def batch(x: Tensor, observation: Observation, corruption: Corruption, step: int | None = None) -> Batch:
    """Return what is learnt from: x is no truth where it was given as an observation."""
    return Batch(None if isinstance(corruption, KnownNoise) else x, observation, corruption, step)


class Damaged(LabelledImages):
    """Images with NaN where a value is missing, each damaged once where a corruption is given, so that none is clean.

    Parameters
    ----------
    images : LabelledImages
        As they are in their files.
    corruption : Corruption or None
        Gaussian noise, missing values or both, to try what can be learnt so.
    seed : int
        Of that; each image draws by its name.
    """

    def __init__(self, images: LabelledImages, corruption: Corruption | None, seed: int) -> None:
        self._images, self._corruption, self._seed = images, corruption, seed
        self.keys, self.labels, self.label_names = images.keys, images.labels, images.label_names

    def raw(self, i: int) -> Tensor:
        """Return image i on [0, 1], (H, W, C), NaN where missing."""
        x, lost = self._images[i], self._images.missing(i)
        if lost is not None:
            x = x.masked_fill(lost.movedim(-1, 0), torch.nan)
        if self._corruption is not None:
            o = self._corruption(x[None], Rng(self._seed, (self.keys[i],)).fork("given"))
            x = torch.where(o.observed, o.y, torch.nan)[0]
        return x.movedim(0, -1).contiguous()

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return IntensityRange(0.0, 1.0), None

    def missing(self, i: int) -> Tensor | None:
        """Return None: what is missing is NaN here."""
        return None

    @property
    def sizes(self) -> Tensor:
        """As of the files."""
        return self._images.sizes


class Level(NamedTuple):
    """What is said of the noise in images: a standard deviation, and of `models.grain.KINDS` which of it is learnt."""

    sigma: float
    grain: str


def level(images: LabelledImages, index: Sequence[int], corruption: Corruption | None, sigma: str | None) -> Level:
    """Return the noise in images.

    Parameters
    ----------
    images : LabelledImages
        Damaged ones.
    index : sequence of int
        Which of them.
    corruption : Corruption or None
        What damages them further; its noise counts, unless it is to be learnt.
    sigma : str or None
        What is said of it: a number; "auto" for the median of what is estimated; "learned" for one that is learnt with
        the images, from there on; "learned-gain" for one that also grows with brightness.

    Raises
    ------
    UsageError
        The corruption is neither Gaussian noise of one level nor takes values out, or nothing is said of the noise.
    """
    if corruption is not None:
        _check(corruption, sigma)
    learnt = {"learned": "sigma", "learned-gain": "gain"}.get(sigma or "", "known")
    if learnt != "known" or (corruption is None and sigma == "auto"):
        shown = index[:: max(1, len(index) // LOOKED_AT)]
        return Level(statistics.median(_estimated(images[i]) for i in shown), learnt)
    if corruption is not None:
        return Level(_own(corruption), learnt)
    if sigma is None:
        raise UsageError(
            "--self-supervised needs to know the noise of the images; give --sigma 0 where they have none and values "
            "are missing, --sigma auto to estimate it, --sigma learned, or a number such as 25/255"
        )
    return Level(float(sigma), learnt)


def _check(corruption: Corruption, sigma: str | None) -> None:
    """Raise a UsageError for damage that nothing can be learnt from, or whose noise is told twice."""
    grows = [part.name for part in parts_of(corruption) if part.noise_law in AFFINE_LAWS and part.smooth]
    other = [p.name for p in parts_of(corruption) if not has_closed_form(p) and p.name not in grows]
    if other:
        raise UsageError(
            f"--self-supervised learns from gaussian noise and missing values, got {other[0]}; leave it out"
        )
    if grows and sigma != "learned-gain":
        raise UsageError(f"the noise of {grows[0]} grows with brightness; give --sigma learned-gain")
    if sigma not in (None, "learned", "learned-gain"):
        raise UsageError(f"--corruption says what the noise is, got --sigma {sigma} too; leave one of them out")


def _own(corruption: Corruption) -> float:
    """Return the level of a corruption's Gaussian noise."""
    level = corruption.noise_level()
    if level is None:
        raise UsageError(f"--self-supervised needs one noise level, got {corruption}; give one number for sigma")
    return float(level)


def _estimated(x: Tensor) -> float:
    from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma

    o = KnownNoise()(x[None], Rng(0))
    return float(estimate_sigma(Problem(o, IMAGE)))
