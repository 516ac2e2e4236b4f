"""Contracts of corruptions, models, samplers, restorers and metrics.

Plugins subclass these classes, and the engine uses nothing else. The contracts of p(x | z), q(z | x) and p(z) of a
`LatentModel` are in `restorekit.core.distributions`. `restorekit.testing` checks that an implementation keeps them.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from restorekit.core.config import as_typed
from restorekit.core.distributions import Latents, Likelihood, Prior
from restorekit.core.errors import UsageError
from restorekit.core.interpolation import fill
from restorekit.core.plugins import checks, registry
from restorekit.core.rng import Rng
from restorekit.core.types import (
    Batch,
    Draws,
    Estimate,
    Geometry,
    Linear,
    NoiseLaw,
    Observation,
    Restoration,
    Source,
    Terms,
    Traits,
)


class Corruption(ABC):
    """A distribution p(y | x): how a clean image becomes an observation.

    Subclasses are frozen dataclasses. A field annotated `Ranged` is a value or a (low, high) range
    drawn once per image with `draw`; its metadata may hold ``low``, ``high`` (limits), ``unit`` and ``share`` (of 1).

    The engine never recognises a corruption by its name. It reads the traits that the class declares, which
    `restorekit.core.types.Traits` explains, and what `noise_level` and `fixed_params` return.
    """

    name: ClassVar[str]
    noise_law: ClassVar[NoiseLaw | None] = None
    smooth: ClassVar[bool] = False
    hides: ClassVar[bool] = False
    scattered: ClassVar[bool] = False
    resizes: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        wrappers = {"__call__": checks.checked_corruption, "initial_estimate": checks.checked_initial_estimate}
        checks.wrap_methods(Corruption, cls, wrappers)

    @abstractmethod
    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Draw an observation of x, (B, C, H, W) in [0, 1], on its device."""

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return log p(y | x), (B,) nats over the observed values; None where only simulation is possible."""
        return None

    def operator(self, observation: Observation) -> Linear | None:
        """Return the linear map behind the observation; None where there is none."""
        return None

    def clean_shape(self, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the x whose y has `shape`; C is `channels` where y does not tell. For what changes it."""
        return shape

    def initial_estimate(self, observation: Observation) -> Tensor:
        """Return a rough x, (B, C, H, W): what a conditional model is shown. Missing values are interpolated."""
        return fill(observation.y, observation.observed)

    @property
    def interpolates(self) -> bool:
        """Whether `initial_estimate` only interpolates missing values, and is y where none are missing."""
        return type(self).initial_estimate is Corruption.initial_estimate

    @property
    def linear(self) -> bool:
        """Whether y is a linear map of x, and nothing else: `operator` is overridden."""
        return type(self).operator is not Corruption.operator

    @property
    def reshapes(self) -> bool:
        """Whether y has another shape than x: `clean_shape` is overridden."""
        return type(self).clean_shape is not Corruption.clean_shape

    @property
    def direct(self) -> bool:
        """Whether y is x but for noise and missing values: it hides values, or has a `noise_law`."""
        return self.hides or self.noise_law is not None

    @property
    def traits(self) -> Traits:
        """Return the declared properties of this instance."""
        return Traits(*(getattr(self, name) for name in Traits._fields))

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return the `sigma` that the fields imply for any observation, (count, 1, 1, 1); None where it varies.

        Standard deviation on the [0, 1] scale. 0 if nothing but values goes missing or y is a linear map of x. Override
        it where `noise_law` is "gaussian"; `fixed` returns the value of a field.
        """
        exact = self.hides or self.linear or self.noise_law == "none"
        return torch.zeros(count, 1, 1, 1) if exact else None

    def fixed_params(self, count: int = 1) -> dict[str, Tensor]:
        """Return the `params` that the fields imply for any observation, (count, ...); of a range, its middle.

        By default the numeric fields by name; none if `sigma` and `observed` say everything. Override it where `params`
        has other keys, so that `log_prob`, `operator` and `initial_estimate` find what they read.
        """
        if self.hides or self.noise_law in ("none", "gaussian"):
            return {}
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        middles = {k: sum(v) / 2 if isinstance(v, tuple) and len(v) == 2 else v for k, v in values.items()}
        numbers = {k: v for k, v in middles.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        return {k: torch.full((count, 1, 1, 1), float(v)) for k, v in numbers.items()}

    def fixed(self, key: str, count: int = 1) -> Tensor | None:
        """Return the field `key` as `draw` does for any image, (count, 1, 1, 1); None if it is a range."""
        value = getattr(self, key)
        return None if isinstance(value, tuple) else torch.full((count, 1, 1, 1), float(value))

    def settled(self, rng: Rng) -> Corruption:
        """Return this corruption with each range replaced by the value that it draws for one image."""
        names = [f.name for f in dataclasses.fields(self) if isinstance(getattr(self, f.name), tuple)]  # type: ignore[arg-type]
        drawn = {name: float(self.draw(name, torch.zeros(1, 1, 1, 1), rng)) for name in names}
        found: Corruption = dataclasses.replace(self, **drawn)  # type: ignore[type-var]
        return found

    def draw(self, key: str, x: Tensor, rng: Rng) -> Tensor:
        """Return the field `key` for each image of x, (B, 1, 1, 1): its value, or one draw of its range."""
        value, shape = getattr(self, key), (x.shape[0], 1, 1, 1)
        if not isinstance(value, tuple):
            return x.new_full(shape, value)
        low, high = value
        u: Tensor = rng.uniform(f"{self.name}.{key}", shape, x.device).to(x.dtype)
        return u * float(high - low) + float(low)

    def __str__(self) -> str:
        """Return the spec that makes this corruption again."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        pieces = [f"{name}={as_typed(value)}" for name, value in values.items() if value != ""]
        return f"{self.name}:{','.join(pieces)}" if pieces else self.name


def parts_of(corruption: Corruption) -> tuple[Corruption, ...]:
    """Return the parts of a chain; a single corruption is its own part."""
    parts: tuple[Corruption, ...] = getattr(corruption, "parts", ()) or (corruption,)
    return parts


class Network(nn.Module, ABC):
    """A network that `restorekit train` trains, built from a frozen dataclass `Config`."""

    name: ClassVar[str]
    Config: ClassVar[type]
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}  # named settings of Config and of training.config.Recipe
    self_supervised: ClassVar[Mapping[str, object] | None] = None  # settings to train without x; None: cannot
    geometry: Geometry

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        wrappers = {"terms": checks.checked_terms, "diagnose": checks.checked_diagnosis}
        checks.wrap_methods(Network, cls, wrappers)

    @classmethod
    def fit_config(cls, config: Any, shape: tuple[int, int, int], classes: int) -> Any:
        """Return `config` completed from the training images: their shape (C, H, W) and their number of classes."""
        return dataclasses.replace(config, classes=config.classes or classes) if hasattr(config, "classes") else config

    @abstractmethod
    def terms(self, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        """Return the objective of one parameter group on one batch."""

    def forward(self, ask: Callable[[Network], Terms]) -> Terms:
        """Return ``ask(self)``, so that wrappers for precision and processes see the call.

        It takes a function instead of a `Batch` because the wrappers search arguments for tensors to convert.
        """
        return ask(self)

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameter groups: one optimiser each, stepped in this order while the others are frozen."""
        return {"model": list(self.parameters())}

    def diagnose(self, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        """Return scalar diagnostics: KL per latent group (nats per image), number of active units."""
        return {}


class Model(Network):
    """A generative model p(x, z) or p(x, z | y), built from a frozen dataclass `Config`."""

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        wrappers = {
            "sample": checks.checked_draws,
            "sample_with": checks.checked_sampling,
            "estimate": checks.checked_estimate,
        }
        checks.wrap_methods(Model, cls, wrappers)

    @abstractmethod
    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws of p(x | y)."""

    def estimate(self, observation: Observation, corruption: Corruption) -> Estimate | None:
        """Return mean and standard deviation of p(x | y) in one pass; None if only the mean of draws exists."""
        return None

    def noise_spec(self) -> str | None:
        """Return the spec of the noise in the training images; None if they were clean."""
        return None


class Detector(ABC):
    """A method that finds defects which nobody has marked, such as dust, hairs and scratches."""

    name: ClassVar[str]
    geometry: Geometry = Geometry()
    calibration: ClassVar[Mapping[str, object] | None] = None  # thresholds as in a card, of a detector without weights
    bytes_per_pixel: int = 2048  # memory of one pixel in a pass
    penalty: ClassVar[float] = 0.0  # by which larger marks must be surer, as in `restorekit.images.defects.find_marks`
    extends: ClassVar[bool] = False  # over the rims of marks, as in `restorekit.images.defects.extend_marks`
    transient: ClassVar[bool] = False  # each of its defects is on one frame of a sequence only

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        checks.wrap_methods(Detector, cls, {"probability": checks.checked_detector})

    @abstractmethod
    def probability(self, observation: Observation, rng: Rng) -> Tensor:
        """Return the probability that each pixel is defective, (B, 1, H, W) in [0, 1]."""

    def search(self, source: Source, rng: Rng) -> Tensor | None:
        """Return the probabilities of one image at once, (1, 1, H, W); None: those of tiles, from `probability`.

        For a detector whose evidence is spread over the full image.
        """
        return None


class LatentModel(Model):
    """An unconditional model p(x, z), which draws from p(x | y) with a sampler.

    Restorers pass a sampler to `sample_with`. `sample` takes the one in the attribute `sampler`, which is yours to set.
    """

    sampler: Sampler | None = None
    discrete: bool = False  # a part of z is a class, which gradients cannot reach
    reads_gaps: bool = False  # q(z | x) was trained on images with hidden values and holds for them

    @abstractmethod
    def infer(self, x: Tensor, observed: Tensor | None = None, label: Tensor | None = None) -> Latents:
        """Return q(z | x), which must ignore values that were not observed."""

    @abstractmethod
    def prior(self, label: Tensor | None = None) -> Prior:
        """Return p(z)."""

    @abstractmethod
    def decode(self, z: Any, label: Tensor | None = None) -> Likelihood:
        """Return p(x | z)."""

    def sample(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
        """Return n draws of p(x | y) made by `sampler`."""
        if self.sampler is None:
            raise UsageError(
                f"the model {self.name!r} is unconditional and needs a sampler to restore; set model.sampler"
            )
        return self.sample_with(self.sampler, observation, corruption, n, rng)

    def sample_with(
        self, sampler: Sampler, observation: Observation, corruption: Corruption, n: int, rng: Rng
    ) -> Draws:
        """Return n draws of p(x | y) made by `sampler`; the model itself does not change."""
        return sampler(self, corruption, observation, n, rng)


class Sampler(ABC):
    """Makes draws of p(x | y) from an unconditional model and a corruption."""

    name: ClassVar[str]
    needs_sigma: ClassVar[bool] = False  # requires the noise level
    answers: ClassVar[str] = ""  # name of its single result, for a sampler without draws
    shares: ClassVar[bool] = False  # draws of an image share work and are best made in one call

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        checks.wrap_methods(Sampler, cls, {"__call__": checks.checked_sampler})

    @abstractmethod
    def __call__(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Return n draws."""

    def merit(self, model: Model) -> int:
        """Return the priority for a model: of the samplers that accept a pair, the one of highest merit is used."""
        return 0

    @abstractmethod
    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Return one sentence why this pair cannot be sampled, and what would work; None if it can."""


class Restorer(ABC):
    """A method that turns an observation into a restoration: a model or a classical method."""

    name: ClassVar[str]
    batches: ClassVar[bool] = False  # faster on batches of images of one size
    needs_sigma: bool = False  # requires the level of Gaussian noise
    geometry: Geometry = Geometry()

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        checks.wrap_methods(Restorer, cls, {"__call__": checks.checked_restorer, "rows": checks.checked_rows})

    @abstractmethod
    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore a batch: the one-pass estimate for n = 0, n draws for n > 0."""

    def rows(self, source: Source, corruption: Corruption, n: int, rng: Rng) -> Iterator[tuple[int, Restoration]]:
        """Restore from the top down; yield (top, finished rows). The default restores all rows at once."""
        yield 0, self(source.rows(0, source.shape[2]), corruption, n, rng)

    def is_applicable(self, corruption: Corruption) -> bool:
        """Return whether this restorer is meant for that corruption."""
        return True


class Metric(ABC):
    """A number for one restored image."""

    name: ClassVar[str]
    unit: ClassVar[str] = ""
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    goal: ClassVar[float | None] = None  # the best value, if neither the highest nor the lowest is best

    def __init_subclass__(cls) -> None:
        """Wrap the methods of a subclass in the checks of its contract."""
        super().__init_subclass__()
        checks.wrap_methods(Metric, cls, {"__call__": checks.checked_metric})

    @abstractmethod
    def __call__(self, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
        """Return the metric of a batch of one image, (1, C, H, W).

        Raises
        ------
        UndefinedMetricError
            There is none for this image, and why: a table shows a dash, and this. None is the same without a reason.
        """


registry.CONTRACTS.update(
    models=Model, corruptions=Corruption, samplers=Sampler, restorers=Restorer, metrics=Metric, detectors=Detector
)  # plugins are checked against them when they are loaded
