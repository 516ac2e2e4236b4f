"""Checks of what implementations of the contracts return, wrapped around their methods.

The base classes of `restorekit.core.contracts` wrap the methods of every subclass when it is defined, so that no call
can forget the check. Only types and shapes are checked where a look at values would make the device wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from restorekit.core.plugins.boundary import BrokenError, attribute_errors
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Draws, Estimate, Observation, Restoration, Source, Terms

Method = Callable[..., Any]


def wrap_methods(contract: type, cls: type, wrappers: Mapping[str, Callable[[Method], Method]]) -> None:
    """Wrap the methods of a class that implement a contract, whichever of its bases defines them.

    What the contract itself defines, and what is wrapped already, stays as it is.
    """
    for name, wrapper in wrappers.items():
        owner = next((base for base in cls.__mro__ if name in vars(base)), contract)
        if owner is not contract and not getattr(vars(owner)[name], "is_checked", False):
            wrapped = wrapper(vars(owner)[name])
            wrapped.is_checked = True  # type: ignore[attr-defined]
            setattr(cls, name, wrapped)


def checked_corruption(method: Method) -> Method:
    """Check the observation that `Corruption.__call__` returns."""

    @functools.wraps(method)
    def call(self: Any, x: Tensor, rng: Rng) -> Observation:
        with attribute_errors(f"the corruption {str(self)!r}", self):
            found: Observation = method(self, x, rng)
            _expect_type(found, Observation, "Observation")
            _expect_images(found.y, len(x), "y")
            _expect_images(found.observed, len(x), "observed")
            if tuple(found.shape) != tuple(x.shape[1:]):
                raise BrokenError(f"expected the shape of x, {tuple(x.shape[1:])}, in `shape`, got {found.shape}")
            return found

    return call


def checked_initial_estimate(method: Method) -> Method:
    """Check the shape that `Corruption.initial_estimate` returns."""

    @functools.wraps(method)
    def initial_estimate(self: Any, observation: Observation) -> Tensor:
        with attribute_errors(f"initial_estimate of the corruption {str(self)!r}", self):
            found: Tensor = method(self, observation)
            _expect_shape(found, (len(observation), *observation.shape), "the initial estimate")
            return found

    return initial_estimate


def checked_terms(method: Method) -> Method:
    """Check the objective that `Model.terms` returns."""

    @functools.wraps(method)
    def terms(self: Any, batch: Batch, rng: Rng, group: str = "model") -> Terms:
        with attribute_errors(f"terms of the model {self.name!r}", self, batch.corruption):
            found: Terms = method(self, batch, rng, group)
            _expect_type(found, Terms, "Terms")
            _expect_shape(found.loss, (), "loss")
            _expect_scalars(found.parts, "parts")
            return found

    return terms


def checked_detector(method: Method) -> Method:
    """Check the probabilities that `Detector.probability` returns."""

    @functools.wraps(method)
    def probability(self: Any, observation: Observation, rng: Rng) -> Tensor:
        with attribute_errors(f"the detector {self.name!r}", self):
            found: Tensor = method(self, observation, rng)
            _expect_shape(found, (len(observation), 1, *observation.y.shape[2:]), "the probability")
            return found

    return probability


def checked_diagnosis(method: Method) -> Method:
    """Check the scalars that `Model.diagnose` returns."""

    @functools.wraps(method)
    def diagnose(self: Any, batch: Batch, rng: Rng) -> dict[str, Tensor]:
        with attribute_errors(f"diagnose of the model {self.name!r}", self, batch.corruption):
            found: dict[str, Tensor] = method(self, batch, rng)
            _expect_scalars(found, "what it returns")
            return found

    return diagnose


def checked_estimate(method: Method) -> Method:
    """Check mean and standard deviation that `Model.estimate` returns."""

    @functools.wraps(method)
    def estimate(self: Any, observation: Observation, corruption: Any) -> Estimate | None:
        with attribute_errors(f"estimate of the model {self.name!r}", self, corruption):
            found: Estimate | None = method(self, observation, corruption)
            if found is not None:
                _expect_type(found, Estimate, "Estimate or None")
                _expect_shape(found.mean, (len(observation), *observation.shape), "mean")
                _expect_like(found.std, found.mean, "std")
            return found

    return estimate


def checked_draws(method: Method) -> Method:
    """Check the draws that `Model.sample` returns."""

    @functools.wraps(method)
    def sample(self: Any, observation: Observation, corruption: Any, n: int, rng: Rng) -> Draws:
        with attribute_errors(f"sample of the model {self.name!r}", self, corruption):
            return _expect_draws(method(self, observation, corruption, n, rng), observation, n)

    return sample


def checked_sampling(method: Method) -> Method:
    """Check the draws that `LatentModel.sample_with` returns."""

    @functools.wraps(method)
    def sample_with(self: Any, sampler: Any, observation: Observation, corruption: Any, n: int, rng: Rng) -> Draws:
        work = f"sample of the model {self.name!r} through the sampler {sampler.name!r}"
        with attribute_errors(work, self, sampler, corruption):
            return _expect_draws(method(self, sampler, observation, corruption, n, rng), observation, n)

    return sample_with


def checked_sampler(method: Method) -> Method:
    """Check the draws that `Sampler.__call__` returns."""

    @functools.wraps(method)
    def call(self: Any, model: Any, corruption: Any, observation: Observation, n: int, rng: Rng) -> Draws:
        with attribute_errors(f"the sampler {self.name!r}", self, model, corruption):
            return _expect_draws(method(self, model, corruption, observation, n, rng), observation, n)

    return call


def checked_restorer(method: Method) -> Method:
    """Check that `Restorer.__call__` returns finite values of the shape of x."""

    @functools.wraps(method)
    def call(self: Any, observation: Observation, corruption: Any, n: int, rng: Rng) -> Restoration:
        with attribute_errors(f"the restorer {self.name!r}", self, corruption):
            found: Restoration = method(self, observation, corruption, n, rng)
            _expect_restoration(found, (len(observation), *observation.shape), n)
            return found

    return call


def checked_rows(method: Method) -> Method:
    """Check that `Restorer.rows` yields strips of finite values as wide as x."""

    @functools.wraps(method)
    def rows(self: Any, source: Source, corruption: Any, n: int, rng: Rng) -> Iterator[tuple[int, Restoration]]:
        count, channels, _, width = source.shape
        with attribute_errors(f"the restorer {self.name!r}", self, corruption):
            for top, strip in method(self, source, corruption, n, rng):
                mmse = getattr(strip, "mmse", None)
                height = mmse.shape[-2] if isinstance(mmse, Tensor) and mmse.dim() == 4 else 1
                _expect_restoration(strip, (count, channels, height, width), n)
                yield top, strip

    return rows


def checked_metric(method: Method) -> Method:
    """Check the number that `Metric.__call__` returns; an UndefinedMetricError passes."""

    @functools.wraps(method)
    def call(self: Any, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
        with attribute_errors(f"the metric {self.name!r}", self):
            found: float | None = method(self, restoration, reference, observation)
            if found is not None and not isinstance(found, float | int):
                raise BrokenError(f"expected a float or an UndefinedMetricError, got {type(found).__name__}")
            return found

    return call


def _expect_restoration(found: Any, shape: tuple[int, ...], n: int) -> None:
    _expect_type(found, Restoration, "Restoration")
    _expect_shape(found.mmse, shape, "mmse")
    for name in ("std", "low", "high"):
        _expect_like(getattr(found, name), found.mmse, name)
    if found.draws is not None:
        _expect_shape(found.draws, (n, *shape), "draws")
    if not bool(found.mmse.isfinite().all()):
        raise BrokenError("expected finite values in mmse, got NaN or infinity")


def _expect_draws(found: Draws, observation: Observation, n: int) -> Draws:
    _expect_type(found, Draws, "Draws")
    _expect_shape(found.mean, (n, len(observation), *observation.shape), "mean")
    _expect_like(found.variance, found.mean, "variance")
    return found


def _expect_type(found: object, kind: type, wanted: str) -> None:
    if not isinstance(found, kind):
        raise BrokenError(f"expected {wanted}, got {type(found).__name__}")


def _expect_shape(found: object, shape: tuple[int, ...], what: str) -> None:
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if got != shape:
        raise BrokenError(f"expected a tensor of shape {shape} in {what}, got {got}")


def _expect_like(found: object, other: Tensor, what: str) -> None:
    if found is not None:
        _expect_shape(found, tuple(other.shape), what)


def _expect_images(found: object, count: int, what: str) -> None:
    if not isinstance(found, Tensor) or found.dim() != 4 or len(found) != count:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise BrokenError(f"expected a tensor ({count}, C, H, W) in {what}, got {got}")


def _expect_scalars(found: Any, what: str) -> None:
    if not isinstance(found, Mapping):
        raise BrokenError(f"expected names and scalar tensors in {what}, got {type(found).__name__}")
    for name, value in found.items():
        _expect_shape(value, (), f"{what}[{name!r}]")
