"""Asking models, corruptions, restorers and metrics, perhaps a stranger's, and holding their answers to the contract.

Only types and shapes are looked at where a look at the values would make the device wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from restorekit.blame import BrokenError, blamed
from restorekit.contracts import Corruption, LatentModel, Metric, Model, Restorer
from restorekit.noise import Noise
from restorekit.types import Batch, Draws, Estimate, Observation, Restoration, Source, Terms


def terms(model: Model, batch: Batch, noise: Noise, group: str = "model") -> Terms:
    """Return the objective of one group on one batch."""
    with blamed(f"terms of the model {model.name!r}", model, batch.corruption):
        found = model.terms(batch, noise, group)
        _kind(found, Terms, "Terms")
        _shape(found.loss, (), "loss")
        _scalars(found.parts, "parts")
        return found


def diagnosis(model: Model, batch: Batch, noise: Noise) -> dict[str, Tensor]:
    """Return scalars that show known failures."""
    with blamed(f"diagnose of the model {model.name!r}", model, batch.corruption):
        found = model.diagnose(batch, noise)
        _scalars(found, "what it returns")
        return found


def estimate(model: Model, observation: Observation, corruption: Corruption) -> Estimate | None:
    """Return mean and spread of one pass; None where the model has no such."""
    with blamed(f"estimate of the model {model.name!r}", model, corruption):
        found = model.estimate(observation, corruption)
        if found is not None:
            _kind(found, Estimate, "Estimate or None")
            _shape(found.mean, (len(observation), *observation.shape), "mean")
            _like(found.std, found.mean, "std")
        return found


def draws(model: Model, observation: Observation, corruption: Corruption, n: int, noise: Noise) -> Draws:
    """Return n draws of p(x | y)."""
    sampler = model.sampler if isinstance(model, LatentModel) else None
    through = "" if sampler is None else f" through the sampler {sampler.name!r}"
    with blamed(f"sample of the model {model.name!r}{through}", model, corruption):
        found = model.sample(observation, corruption, n, noise)
        _kind(found, Draws, "Draws")
        _shape(found.mean, (n, len(observation), *observation.shape), "mean")
        _like(found.variance, found.mean, "variance")
        return found


def damage(corruption: Corruption, x: Tensor, noise: Noise) -> Observation:
    """Return an observation of x."""
    with blamed(f"the corruption {str(corruption)!r}", corruption):
        found = corruption(x, noise)
        _kind(found, Observation, "Observation")
        _dimensions(found.y, len(x), "y")
        _dimensions(found.observed, len(x), "observed")
        if tuple(found.shape) != tuple(x.shape[1:]):
            raise BrokenError(f"expected the shape of x, {tuple(x.shape[1:])}, in `shape`, got {found.shape}")
        return found


def guess(observation: Observation, corruption: Corruption) -> Tensor:
    """Return the first guess at x."""
    with blamed(f"first_guess of the corruption {str(corruption)!r}", corruption):
        found = observation.first_guess(corruption)
        _shape(found, (len(observation), *observation.shape), "the first guess")
        return found


def rows(
    restorer: Restorer, source: Source, corruption: Corruption, n: int, noise: Noise
) -> Iterator[tuple[int, Restoration]]:
    """Restore from the top down; yield (top, finished rows), of finite values."""
    count, channels, _, width = source.shape
    with blamed(f"the restorer {restorer.name!r}", restorer, corruption):
        for top, band in restorer.rows(source, corruption, n, noise):
            _kind(band, Restoration, "Restoration")
            height = band.mmse.shape[-2] if isinstance(band.mmse, Tensor) and band.mmse.dim() == 4 else 1
            _restored(band, (count, channels, height, width), n)
            yield top, band


def restored(restorer: Restorer, answer: Restoration, observation: Observation, n: int) -> Restoration:
    """Return what a restorer answered about a batch, once it is found to be whole and finite."""
    with blamed(f"the restorer {restorer.name!r}", restorer):
        _kind(answer, Restoration, "Restoration")
        _restored(answer, (len(observation), *observation.shape), n)
        return answer


def measured(metric: Metric, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
    """Return the metric of one restored image; a NoFigureError passes, as it is an answer too."""
    with blamed(f"the metric {metric.name!r}", metric):
        found = metric(restoration, reference, observation)
        if found is not None and not isinstance(found, float | int):
            raise BrokenError(f"expected a float, or a NoFigureError that says why not, got {type(found).__name__}")
        return found


def _restored(found: Restoration, shape: tuple[int, ...], n: int) -> None:
    _shape(found.mmse, shape, "mmse")
    for name in ("std", "low", "high"):
        _like(getattr(found, name), found.mmse, name)
    if found.draws is not None:
        _shape(found.draws, (n, *shape), "draws")
    if not bool(found.mmse.isfinite().all()):
        raise BrokenError("expected finite values in mmse, got NaN or infinity")


def _kind(found: object, kind: type, wanted: str) -> None:
    if not isinstance(found, kind):
        raise BrokenError(f"expected {wanted}, got {type(found).__name__}")


def _shape(found: object, shape: tuple[int, ...], what: str) -> None:
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if got != shape:
        raise BrokenError(f"expected a tensor of shape {shape} in {what}, got {got}")


def _like(found: object, other: Tensor, what: str) -> None:
    if found is not None:
        _shape(found, tuple(other.shape), what)


def _dimensions(found: object, count: int, what: str) -> None:
    if not isinstance(found, Tensor) or found.dim() != 4 or len(found) != count:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise BrokenError(f"expected a tensor ({count}, C, H, W) in {what}, got {got}")


def _scalars(found: Any, what: str) -> None:
    if not isinstance(found, Mapping):
        raise BrokenError(f"expected names and scalar tensors in {what}, got {type(found).__name__}")
    for name, value in found.items():
        _shape(value, (), f"{what}[{name!r}]")
