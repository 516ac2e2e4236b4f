"""The values that travel between corruptions, models, samplers and restorers.

Units and names are the same everywhere: ``x`` is a clean image, ``y`` what was observed of it,
``observed`` is True for known values, ``sigma`` is a standard deviation on the [0, 1] scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption

NoiseLaw = Literal[
    "none", "gaussian", "poisson", "poisson-gaussian", "speckle", "impulse", "rounding", "correlated", "other"
]
AFFINE_LAWS: tuple[NoiseLaw, ...] = ("poisson", "poisson-gaussian")  # white, with a variance of a + b x


class Traits(NamedTuple):
    """Declared properties of a corruption, by which samplers, classical methods and training recognise it.

    Each is a class attribute of `Corruption`, or a property where it depends on the fields. Defaults promise nothing.

    Attributes
    ----------
    noise_law : NoiseLaw or None
        Distribution of each value conditional on x, if y is x plus such noise and nothing else; else None.
        "none": y is x. "gaussian": x + sigma n, white, with sigma in `Observation.sigma`. "poisson": k / peak with
        k ~ Poisson(peak x). "poisson-gaussian": Gaussian and white, of the variance gain x + sigma^2. "speckle": x
        times noise of mean 1. "impulse": some values are 0 or 1, the others x. "rounding": x on a grid of levels.
        "correlated": neighbouring values share their noise. "other": white noise of another law.
    smooth : bool
        `log_prob` is differentiable in x.
    hides : bool
        Takes values out (y = 0, observed = False) and does nothing else.
    scattered : bool
        The values that it takes out lie singly, unlike holes and lines.
    linear : bool
        y is the linear map of x that `operator` returns, and nothing else.
    resizes : bool
        y has another height or width than x.
    reshapes : bool
        y has another shape than x, which `clean_shape` reverses.
    direct : bool
        y is x but for noise and missing values, as `Observation.direct` says of one observation.
    """

    noise_law: NoiseLaw | None
    smooth: bool
    hides: bool
    scattered: bool
    linear: bool
    resizes: bool
    reshapes: bool
    direct: bool


class Linear(Protocol):
    """A linear map between images, as a corruption's `operator` returns it."""

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on."""

    def apply(self, x: Tensor) -> Tensor:
        """Map x, (B, C, H, W), to the observation's shape."""

    def adjoint(self, u: Tensor) -> Tensor:
        """Map u, in the observation's shape, back to (B, C, H, W)."""


@dataclass(frozen=True, eq=False)
class Observation:
    """An observation of a batch of images.

    Attributes
    ----------
    y : Tensor, (B, Cy, Hy, Wy)
        Observed values on the scale of x, neither clipped nor quantised, 0 where missing.
    observed : Tensor of bool, (B, 1 or Cy, Hy, Wy)
        True for observed values.
    shape : (C, H, W)
        Shape of the clean image; a corruption may change it.
    sigma : Tensor, (B, 1, 1, 1), or None
        Standard deviation of the Gaussian noise on the [0, 1] scale; 0 = noise-free, None (or NaN for one
        image of a batch) = unknown.
    label : Tensor of int64, (B,), or None
        Class index; -1 = unknown.
    params : mapping of str to Tensor, (B, ...)
        What was drawn from ranges; `Corruption.log_prob` and `Corruption.operator` read it.
    initial : Tensor, (B, C, H, W), or None
        The corruption's initial estimate of x, if computed already (over the untiled image, before it was cut
        into tiles).
    direct : bool
        Whether y is x itself but for noise and missing values; False behind a linear map, or fading.
    marks : Tensor, (B, 1, Hy, Wy), or None
        Opacity in [0, 1] of simulated dust, hairs and scratches that y shows, from which detectors learn.
    """

    y: Tensor
    observed: Tensor
    shape: tuple[int, int, int]
    sigma: Tensor | None = None
    label: Tensor | None = None
    params: Mapping[str, Tensor] = field(default_factory=dict)
    initial: Tensor | None = None
    direct: bool = True
    marks: Tensor | None = None

    def __len__(self) -> int:
        return self.y.shape[0]

    def take(self, index: Tensor) -> Observation:
        """Return some images of the batch by their numbers, int64, which may repeat."""
        return self._mapped(lambda t: t[index])

    def to(self, device: torch.device) -> Observation:
        """Return the same on a device."""
        return self if self.y.device == device else self._mapped(lambda t: t.to(device))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Observation:
        """Change all tensors, (B, ...), in the same way."""
        optional = self.sigma, self.label, self.initial, self.marks
        sigma, label, initial, marks = (None if t is None else change(t) for t in optional)
        params, y, observed = {k: change(v) for k, v in self.params.items()}, change(self.y), change(self.observed)
        return replace(
            self, y=y, observed=observed, sigma=sigma, label=label, params=params, initial=initial, marks=marks
        )

    def expand(self, n: int) -> Observation:
        """Repeat every image `n` times, draws outermost: (n * B, ...)."""
        return self.take(torch.arange(len(self), device=self.y.device).repeat(n))

    def cut(self, rows: Tensor, columns: Tensor) -> Observation:
        """Return rows and columns by int64 indices, which may repeat; for observations of x's own size."""

        def pick(t: Tensor) -> Tensor:
            return _picked(_picked(t, 2, rows), 3, columns).clone(memory_format=torch.contiguous_format)

        initial, marks = (None if t is None else pick(t) for t in (self.initial, self.marks))
        shape = (self.shape[0], len(rows), len(columns))
        return replace(self, y=pick(self.y), observed=pick(self.observed), shape=shape, initial=initial, marks=marks)

    def unknown(self) -> Tensor:
        """Return the mask of values that are not known exactly: missing ones, and noisy or possibly noisy ones.

        Returns
        -------
        Tensor of bool, that broadcasts to x: in the shape of `observed`, or (B, 1, 1, 1) behind a linear map.
        """
        if self.sigma is None or not self.direct:
            return self.observed.new_ones(self.observed.shape if self.direct else (len(self), 1, 1, 1))
        return ~(self.observed & (self.sigma == 0))

    def keep_known(self, value: Tensor, known: Tensor) -> Tensor:
        """Return `value`, (B, C, H, W), with `known` where x is known exactly; untouched where y has another shape."""
        return torch.where(self.unknown(), value, known) if self.y.shape[1:] == self.shape else value

    def blind(self) -> Observation:
        """Return the same without the level of the noise; that there is none stays known."""
        if self.sigma is None:
            return self
        return replace(self, sigma=self.sigma.masked_fill(self.sigma > 0, torch.nan))

    def initial_estimate(self, corruption: Corruption) -> Tensor:
        """Return `initial` if computed already, else the corruption's initial estimate."""
        return corruption.initial_estimate(self) if self.initial is None else self.initial


def _picked(t: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return `t.index_select(dim, index)`; on a CPU as a view if they follow one another: far faster."""
    if t.device.type == "cpu" and len(index):
        first, last = int(index[0]), int(index[-1]) + 1
        if last - first == len(index) and torch.equal(index, torch.arange(first, last)):
            return t.narrow(dim, first, len(index))
    return t.index_select(dim, index)


@dataclass(frozen=True, eq=False)
class Problem:
    """A restoration problem: an observation and the corruption behind it.

    Attributes
    ----------
    observation : Observation
        A batch.
    corruption : Corruption
        The corruption of every image of the batch.
    """

    observation: Observation
    corruption: Corruption

    def __len__(self) -> int:
        return len(self.observation)

    def take(self, index: Tensor) -> Problem:
        """Return some images of the batch by their numbers, int64, which may repeat."""
        return replace(self, observation=self.observation.take(index))

    def to(self, device: torch.device) -> Problem:
        """Return the same on a device."""
        return replace(self, observation=self.observation.to(device))

    def initial_estimate(self) -> Tensor:
        """Return a rough x, (B, C, H, W): the stored one, or the corruption's."""
        return self.observation.initial_estimate(self.corruption)

    def with_initial_estimate(self) -> Problem:
        """Store the initial estimate of the images, so that estimates in tiles do not depend on the tiling."""
        o = self.observation
        nothing_to_do = self.corruption.interpolates and bool(o.observed.all())
        return replace(self, observation=replace(o, initial=o.y if nothing_to_do else self.initial_estimate()))


@dataclass(frozen=True)
class Batch:
    """The data of one training update.

    Attributes
    ----------
    x : Tensor, (B, C, H, W), or None
        Clean images; None where there are none.
    observation : Observation
        What the corruption made of them.
    corruption : Corruption
        The corruption that was drawn for this batch.
    step : int or None
        Updates done so far (for warm-ups); None outside training.
    """

    x: Tensor | None
    observation: Observation
    corruption: Corruption
    step: int | None = None


def shape_of(x: Tensor) -> tuple[int, int, int]:
    """Return (C, H, W) of a batch of images, (B, C, H, W)."""
    _, channels, height, width = x.shape
    return channels, height, width


class Source(Protocol):
    """Observations of a batch of equal images, read by rows, so that a large image is never in memory at once."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""

    @property
    def resized(self) -> bool:
        """Whether y has another height or width than x: `rows` returns all of it then."""

    def rows(self, top: int, bottom: int) -> Observation:
        """Return rows `top` to `bottom` of every image."""


class Terms(NamedTuple):
    """One training objective and its named parts.

    Attributes
    ----------
    loss : Tensor, scalar
        The minimised objective.
    parts : mapping of str to Tensor, scalars
        Named terms in nats per image (mean over the batch), for people to read.
    """

    loss: Tensor
    parts: dict[str, Tensor]


class Draws(NamedTuple):
    """Draws of p(x | y): decoder means and, if any, variances, (S, B, C, H, W); the sampler's diagnostics, (B,)."""

    mean: Tensor
    variance: Tensor | None
    diagnostics: Mapping[str, Tensor] = {}


class Estimate(NamedTuple):
    """The posterior mean and spread of one pass.

    Attributes
    ----------
    mean : Tensor, (B, C, H, W)
    std : Tensor, (B, C, H, W), or None
        Standard deviation of p(x | y) per value, the decoder's own variance included.
    """

    mean: Tensor
    std: Tensor | None


@dataclass(frozen=True)
class Restoration:
    """A restored batch.

    Attributes
    ----------
    mmse : Tensor, (B, C, H, W)
        The estimate: one pass where the model has one, else the mean over draws.
    std : Tensor, (B, C, H, W), or None
        Spread per value, the decoder's own variance included.
    draws : Tensor, (S, B, C, H, W), or None
        Draws, where they were asked for.
    low, high : Tensor, (B, C, H, W), or None
        Ends of a calibrated interval.
    diagnostics : mapping of str to Tensor, (B,)
        Diagnostics of the sampler, such as the share of accepted proposals.
    """

    mmse: Tensor
    std: Tensor | None = None
    draws: Tensor | None = None
    low: Tensor | None = None
    high: Tensor | None = None
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.mmse.shape))
        extras = [name for name in ("std", "low", "high") if getattr(self, name) is not None]
        draws = [] if self.draws is None else [f"{len(self.draws)} draws"]
        return f"<{type(self).__name__} {', '.join([shape, *extras, *draws])}>"


class Geometry(NamedTuple):
    """Image sizes that a model accepts.

    Attributes
    ----------
    size : (H, W) or None
        The only size it takes; None for a fully convolutional model.
    multiple : int
        Height and width must be a multiple of this.
    halo : int
        Pixels around a tile that its result depends on.
    channels : tuple of int
        Channel counts it takes.
    """

    size: tuple[int, int] | None = None
    multiple: int = 1
    halo: int = 0
    channels: tuple[int, ...] = (1, 3)


Ranged = float | tuple[float, float]  # a value, or a (low, high) range drawn once per image
