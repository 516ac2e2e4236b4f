"""Several corruptions, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Linear, Observation, shape_of
from restorekit.corruptions.clean import Clean
from restorekit.corruptions.gaussian import Gaussian


@dataclass(frozen=True)
class Chain(Corruption):
    """Apply `parts` in order; values that go missing are always taken out last.

    A density exists for linear parts, then at most one noise law (Gaussian ones add up), then missing
    values. Every other order can only be simulated.

    Parameters
    ----------
    parts : tuple of Corruption
        At least one; those with `hides` are moved to the end.
    """

    name: ClassVar[str] = "chain"

    parts: tuple[Corruption, ...] = ()

    def __post_init__(self) -> None:
        ordered = [p for p in self.parts if not p.hides] + [p for p in self.parts if p.hides]
        object.__setattr__(self, "parts", tuple(ordered))

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether every part that alters values is smooth."""
        return all(p.smooth for p in self._altering)

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """Whether no part does more than take values out."""
        return all(p.hides for p in self.parts)

    @property
    def _altering(self) -> list[Corruption]:
        return [p for p in self.parts if not (p.hides or isinstance(p, Clean))]

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Apply every part to x, (B, C, H, W)."""
        result = self.parts[0](x, rng.fork("0"))
        for i, part in enumerate(self.parts[1:], 1):
            result = _then(result, part(result.y, rng.fork(str(i))))
        return replace(result, shape=shape_of(x))

    def log_prob(self, observation: Observation, x: Tensor) -> Tensor | None:
        """Return log p(y | x), (B,) nats, of the one noise law behind the linear parts; None if there is no such."""
        altering = self._altering
        linear = [p for p in altering if p.operator(observation) is not None]
        laws = [p for p in altering[len(linear) :] if not (isinstance(p, Gaussian) and p.sigma == 0)]
        if not laws or any(p in linear for p in altering[len(linear) :]):
            return None
        if len(laws) > 1 and not all(isinstance(p, Gaussian) for p in laws):
            return None
        operator = self.operator(observation)
        return laws[0].log_prob(observation, x if operator is None else operator.apply(x))

    def operator(self, observation: Observation) -> Linear | None:
        """Return the map of the linear parts, one after the other; None where there is none."""
        found = [op for p in self.parts if (op := p.operator(observation)) is not None]
        return Composed(tuple(found)) if len(found) > 1 else next(iter(found), None)

    def clean_shape(self, shape: tuple[int, int, int], channels: int) -> tuple[int, int, int]:
        """Return what the parts say, from the last to the first."""
        for part in reversed(self.parts):
            shape = part.clean_shape(shape, channels)
        return shape

    @property
    def interpolates(self) -> bool:
        """Whether the part that makes the first guess only interpolates."""
        return not self._reshaping and self.parts[0].interpolates

    def initial_estimate(self, observation: Observation) -> Tensor:
        """Return the guess of the first part that alters values; of those that change the shape, the last one first."""
        if not self._reshaping:
            return self.parts[0].initial_estimate(observation)
        channels, height, width = observation.shape
        for part in reversed(self._reshaping):
            before = part.clean_shape(shape_of(observation.y), channels)
            initial = part.initial_estimate(replace(observation, shape=before))
            observation = replace(observation, y=initial, observed=torch.ones_like(initial[:, :1], dtype=torch.bool))
        return observation.y[..., :height, :width]

    @property
    def _reshaping(self) -> list[Corruption]:
        return [p for p in self.parts if type(p).clean_shape is not Corruption.clean_shape]

    def __str__(self) -> str:
        """Return the parts' specs joined with ``+``."""
        return "+".join(map(str, self.parts))


@dataclass(frozen=True, eq=False)
class Composed:
    """Linear maps one after the other; a `restorekit.core.types.Linear` itself."""

    maps: tuple[Linear, ...]

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on."""
        return sum(m.halo for m in self.maps)

    def apply(self, x: Tensor) -> Tensor:
        """Map x, (B, C, H, W), through all."""
        for m in self.maps:
            x = m.apply(x)
        return x

    def adjoint(self, u: Tensor) -> Tensor:
        """Map u back through all."""
        for m in reversed(self.maps):
            u = m.adjoint(u)
        return u


def _seen_before(before: Tensor, after: Tensor) -> Tensor:
    """Return where a value of the second step is made of values that were all seen after the first."""
    if before.shape[2:] == after.shape[2:]:
        return before
    return F.adaptive_avg_pool2d(before.float(), (after.shape[2], after.shape[3])) == 1


def _then(before: Observation, after: Observation) -> Observation:
    """Combine what two steps say: seen by both, parameters of both, standard deviations in quadrature.

    Behind a linear map the noise of the first step is no longer white, so that its level is unknown.
    """
    observed = _seen_before(before.observed, after.observed) & after.observed
    sigma = None
    if before.sigma is not None and after.sigma is not None:
        carried = before.sigma if after.direct else before.sigma.masked_fill(before.sigma > 0, torch.nan)
        sigma = (carried**2 + after.sigma**2).sqrt()
    return replace(
        after,
        y=after.y * observed,
        observed=observed,
        sigma=sigma,
        params={**before.params, **after.params},
        direct=before.direct and after.direct,
    )
