"""Training data without clean targets: corrupted images and the noise assumed in them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, Network, parts_of
from restorekit.core.errors import UsageError
from restorekit.core.gaussian import has_closed_form
from restorekit.core.rng import Rng
from restorekit.core.types import AFFINE_LAWS, Batch, NoiseLaw, Observation, Problem, shape_of
from restorekit.images.dataset import LabelledImages
from restorekit.images.intensity import IntensityRange
from restorekit.training.splits import ImageSubset

MAX_ESTIMATED_IMAGES = 50  # noise levels are estimated from at most this many images
LEGACY_KEY = "given"  # seeds the corruption of images: another key would change every result


@dataclass(frozen=True)
class KnownNoise(Corruption):
    """Use an image as an observation: NaN is missing, the rest has Gaussian noise of a known level.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise on [0, 1]; 0 = none.
    """

    name: ClassVar[str] = "known_noise"
    noise_law: ClassVar[NoiseLaw | None] = "gaussian"

    sigma: float = field(default=0.0, metadata={"low": 0.0, "high": 1.0, "of_255": True})

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return sigma."""
        return self.fixed("sigma", count)

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Return the observation that x is, (B, C, H, W), with NaN where missing."""
        observed = x.isfinite()
        level = torch.full((len(x), 1, 1, 1), self.sigma, device=x.device)
        return Observation(torch.where(observed, x, 0.0), observed, shape_of(x), level)


def as_batch(x: Tensor, observation: Observation, corruption: Corruption, step: int | None = None) -> Batch:
    """Return a batch; with `KnownNoise` it has no clean x, because x is the observation itself."""
    return Batch(None if isinstance(corruption, KnownNoise) else x, observation, corruption, step)


class CorruptedImages(LabelledImages):
    """Images with NaN for missing values; a corruption, if any, is applied to each image once.

    Parameters
    ----------
    images : LabelledImages
        The images in their files.
    corruption : Corruption or None
        Gaussian noise, missing values or both, to try self-supervised training on clean images.
    seed : int
        Seed of the corruption; each image draws by its name.
    """

    def __init__(self, images: LabelledImages, corruption: Corruption | None, seed: int) -> None:
        self._images, self._corruption, self._seed = images, corruption, seed
        self.keys, self.labels, self.label_names = images.keys, images.labels, images.label_names

    def raw(self, i: int) -> Tensor:
        """Return image i on [0, 1], (H, W, C), NaN where missing."""
        x, missing = self._images[i], self._images.missing(i)
        if missing is not None:
            x = x.masked_fill(missing.movedim(-1, 0), torch.nan)
        if self._corruption is not None:
            o = self._corruption(x[None], Rng(self._seed, (self.keys[i],)).fork(LEGACY_KEY))
            x = torch.where(o.observed, o.y, torch.nan)[0]
        return x.movedim(0, -1).contiguous()

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return IntensityRange(0.0, 1.0), None

    def missing(self, i: int) -> Tensor | None:
        """Return None: missing values are NaN in `raw`."""
        return None

    @property
    def sizes(self) -> Tensor:
        """Heights and widths of the files' images, (N, 2)."""
        return self._images.sizes


class AssumedNoise(NamedTuple):
    """Standard deviation of the noise on [0, 1], and the kind of noise model to learn (`noise_model.KINDS`)."""

    sigma: float
    kind: str


class SelfSupervised(NamedTuple):
    """Training data without clean targets: both parts, their assumed corruption, and model settings."""

    part: ImageSubset
    held: ImageSubset
    corruption: Corruption
    settings: Mapping[str, object]


def self_supervised(
    cls: type[Network], part: ImageSubset, held: ImageSubset, corruptions: Sequence[tuple[Corruption, float]],
    sigma: str | None, seed: int,
) -> SelfSupervised:  # fmt: skip
    """Return the data and settings of a training without clean targets.

    Parameters
    ----------
    cls : type
        Class of the model.
    part, held : ImageSubset
        Training and validation images.
    corruptions : sequence of (Corruption, float)
        At most one; it is applied to each image once, to try this on clean images.
    sigma : str or None
        Noise of the images, as for `assumed_noise`.
    seed : int
        Seed of the corruption.

    Raises
    ------
    UsageError
        The model needs clean images, there are several corruptions, or the noise is unknown.
    """
    if cls.self_supervised is None:
        raise UsageError(f"the model {cls.name!r} learns from clean images only; remove --self-supervised")
    if len(corruptions) > 1:
        raise UsageError(
            f"--self-supervised expects at most one --corruption, got {len(corruptions)}; remove all but one"
        )
    corruption = corruptions[0][0] if corruptions else None
    own, other = (ImageSubset(CorruptedImages(p.images, corruption, seed), p.index) for p in (part, held))
    noise = assumed_noise(own.images if corruption else part.images, part.index, corruption, sigma)
    names = {f.name for f in dataclasses.fields(cls.Config)}
    if noise.kind != "known" and "grain" not in names:
        raise UsageError(f"the model {cls.name!r} cannot learn the noise; pass --sigma auto, or a number")
    settings = {name: value for name, value in (("noise", noise.sigma), ("grain", noise.kind)) if name in names}
    return SelfSupervised(own, other, KnownNoise(noise.sigma), {**cls.self_supervised, **settings})


def assumed_noise(
    images: LabelledImages, index: Sequence[int], corruption: Corruption | None, sigma: str | None
) -> AssumedNoise:
    """Return the noise assumed in corrupted images.

    Parameters
    ----------
    images : LabelledImages
        Corrupted images.
    index : sequence of int
        The images in use.
    corruption : Corruption or None
        Corruption that was applied to them; its noise is assumed, unless the noise is to be learnt.
    sigma : str or None
        A number; "auto" for the median of estimates; "learned" for a level that is learnt with the images, starting
        from that median; "learned-gain" for one that also grows with brightness.

    Raises
    ------
    UsageError
        The corruption is neither Gaussian noise of one level nor missing values, or the noise is not specified.
    """
    if corruption is not None:
        _check_corruption(corruption, sigma)
    kind = {"learned": "sigma", "learned-gain": "gain"}.get(sigma or "", "known")
    if kind != "known" or (corruption is None and sigma == "auto"):
        from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma  # not above: imports scikit-image

        shown = index[:: max(1, len(index) // MAX_ESTIMATED_IMAGES)]
        estimates = [float(estimate_sigma(Problem(KnownNoise()(images[i][None], Rng(0)), IMAGE))) for i in shown]
        return AssumedNoise(statistics.median(estimates), kind)
    if corruption is not None:
        level = corruption.noise_level()
        if level is None:
            raise UsageError(f"--self-supervised expects one noise level, got {corruption}; pass one number for sigma")
        return AssumedNoise(float(level), kind)
    if sigma is None:
        raise UsageError(
            "--self-supervised needs the noise level of the images; pass --sigma 0 if they have missing values but no "
            "noise, --sigma auto to estimate it, --sigma learned, or a number such as 25/255"
        )
    return AssumedNoise(float(sigma), kind)


def _check_corruption(corruption: Corruption, sigma: str | None) -> None:
    """Raise a UsageError for a corruption that cannot be learnt from, or if the noise is specified twice."""
    grows = [part.name for part in parts_of(corruption) if part.noise_law in AFFINE_LAWS and part.smooth]
    other = [p.name for p in parts_of(corruption) if not has_closed_form(p) and p.name not in grows]
    if other:
        raise UsageError(
            f"--self-supervised expects gaussian noise or missing values, got {other[0]}; remove it from --corruption"
        )
    if grows and sigma != "learned-gain":
        raise UsageError(f"the noise of {grows[0]} grows with brightness; pass --sigma learned-gain")
    if sigma not in (None, "learned", "learned-gain"):
        raise UsageError(f"--corruption already sets the noise level, got --sigma {sigma} too; remove one of them")
