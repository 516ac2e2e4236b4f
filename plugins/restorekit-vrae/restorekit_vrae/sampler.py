"""Draws of p(x | y) in one pass, from an inference network with a mask of missing values.

Reference: Ivanov, Figurnov, Vetrov, "Variational Autoencoder with Arbitrary Conditioning", ICLR 2019: latents from
observed values only, by a network trained with values hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from restorekit import Corruption, Draws, LatentModel, Model, Observation, Rng, Sampler, UsageError, parts_of
from restorekit.samplers import posterior


@dataclass(frozen=True)
class Amortised(Sampler):
    """Sampler z ~ q(z | y, observed), x ~ p(x | z, y): one pass a draw, as accurate as the inference network.

    For models whose inference network was trained with values hidden (`vrae`); others never learnt about gaps.
    """

    name: ClassVar[str] = "amortised"
    needs_sigma: ClassVar[bool] = True

    def merit(self, model: Model) -> int:
        """Return 4 for a model that has learnt to read gaps; else -2, so that it is never picked."""
        return 4 if isinstance(model, LatentModel) and model.reads_gaps else -2

    def refuse(self, model: Model, corruption: Corruption) -> str | None:
        """Explain why this pair cannot be sampled, and what would work; None if it can be."""
        if not isinstance(model, LatentModel):
            return f"{self.name} samples unconditional models, {model.name!r} is conditional; remove --sampler"
        other = [part.name for part in parts_of(corruption) if not (part.hides or part.noise_law == "none")]
        return (
            f"{self.name} fills in missing values and does not undo {other[0]}; use --sampler gibbs" if other else None
        )

    def __call__(self, model: LatentModel, corruption: Corruption, observation: Observation, n: int, rng: Rng) -> Draws:
        """Return n draws for each image, all as one batch."""
        if reason := self.refuse(model, corruption):
            raise UsageError(reason)
        many = observation.expand(n)
        own = (rng if model.geometry.size is None else rng.independent_tiles()).expand(n)
        z = model.infer(many.y, many.observed, many.label).sample(own)
        mean, variance = posterior(model.decode(z, many.label), many)
        return Draws(mean.view(n, -1, *mean.shape[1:]), variance.view(n, -1, *mean.shape[1:]))
