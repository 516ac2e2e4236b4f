"""Several corruptions, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Linear, NoiseLaw, Observation, shape_of
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
    def scattered(self) -> bool:  # type: ignore[override]
        """Whether values go missing, and all of them singly."""
        hiding = [p for p in self.parts if p.hides]
        return bool(hiding) and all(p.scattered for p in hiding)

    @property
    def noise_law(self) -> NoiseLaw | None:  # type: ignore[override]
        """Law of the only part that does anything; Gaussian ones count as one."""
        acting = [p for p in self.parts if p.noise_law != "none"]
        laws = {p.noise_law for p in acting}
        if laws <= {"gaussian"}:
            return "gaussian" if laws else "none"
        return acting[0].noise_law if len(acting) == 1 else None

    @property
    def linear(self) -> bool:
        """Whether every part that alters values is a linear map, and there is one."""
        return bool(self._altering) and not self.hides and all(p.linear for p in self._altering)

    @property
    def resizes(self) -> bool:  # type: ignore[override]
        """Whether a part changes the height or width."""
        return any(p.resizes for p in self.parts)

    @property
    def reshapes(self) -> bool:
        """Whether a part changes the shape."""
        return bool(self._reshaping)

    @property
    def direct(self) -> bool:
        """Whether every part leaves x as it is but for noise and missing values."""
        return all(p.direct for p in self.parts)

    @property
    def _altering(self) -> list[Corruption]:
        return [p for p in self.parts if not (p.hides or p.noise_law == "none")]

    def noise_level(self, count: int = 1) -> Tensor | None:
        """Return the levels of the parts in quadrature; None where one is unknown, or no longer white."""
        level = self.parts[0].noise_level(count)
        for part in self.parts[1:]:
            further = part.noise_level(count)
            if level is None or further is None or not (part.direct or _is_zero(level)):
                return None
            level = (level**2 + further**2).sqrt()
        return level

    def fixed_params(self, count: int = 1) -> dict[str, Tensor]:
        """Return the parameters of all parts."""
        return {name: value for part in self.parts for name, value in part.fixed_params(count).items()}

    def settled(self, rng: Rng) -> Chain:
        """Return the parts, each settled by the random numbers that it draws from."""
        return Chain(tuple(part.settled(rng.fork(str(i))) for i, part in enumerate(self.parts)))

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
        laws = [p for p in altering[len(linear) :] if not (p.noise_law == "gaussian" and _is_zero(p.noise_level()))]
        if not laws or any(p in linear for p in altering[len(linear) :]):
            return None
        if len(laws) > 1 and not all(p.noise_law == "gaussian" for p in laws):
            return None
        operator = self.operator(observation)
        law = laws[0] if len(laws) == 1 else Gaussian()  # which reads the level of all from the observation
        return law.log_prob(observation, x if operator is None else operator.apply(x))

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
        """Whether the part that makes the initial estimate only interpolates."""
        return not self._reshaping and self.parts[0].interpolates

    def initial_estimate(self, observation: Observation) -> Tensor:
        """Return the estimate of the last part that changes the shape, else of the first that alters values."""
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
        return [p for p in self.parts if p.reshapes]

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


def _is_zero(level: Tensor | None) -> bool:
    return level is not None and not bool(level.any())


def _then(before: Observation, after: Observation) -> Observation:
    """Combine two steps: observed in both, parameters of both, standard deviations in quadrature.

    Behind a linear map the noise of the first step is no longer white, so that its level is unknown.
    """
    carried_over, (height, width) = before.observed, after.observed.shape[2:]
    if carried_over.shape[2:] != (height, width):  # a value counts as observed if all that it depends on are
        carried_over = F.adaptive_avg_pool2d(carried_over.float(), (height, width)) == 1
    observed = carried_over & after.observed
    sigma = None
    if before.sigma is not None and after.sigma is not None:
        carried = before.sigma if after.direct else before.sigma.masked_fill(before.sigma > 0, torch.nan)
        sigma = (carried**2 + after.sigma**2).sqrt()
    marks = after.marks
    if before.marks is not None:
        earlier = F.adaptive_avg_pool2d(before.marks, (height, width))  # the same if the size is
        marks = earlier if marks is None else 1 - (1 - earlier) * (1 - marks)
    return replace(
        after,
        y=after.y * observed,
        observed=observed,
        sigma=sigma,
        params={**before.params, **after.params},
        direct=before.direct and after.direct,
        marks=marks,
    )
