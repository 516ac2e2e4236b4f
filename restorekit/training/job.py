"""Complete description of one training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.models.checkpoint import Card
from restorekit.training.config import Recipe
from restorekit.training.crops import Pool
from restorekit.training.validation import Validation


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """Complete description of one training.

    Attributes
    ----------
    run : Path
        Folder of the run.
    card : Card
        Card of the model file, except for what the training measures.
    recipe : Recipe
        Settings of the training.
    corruptions : sequence of (Corruption, float)
        Corruptions with their weights; one is drawn per portion of a batch.
    pool : Pool
        Training images.
    held : Validation
        Validation images.
    labels : Tensor of int64, (N,), or None
        Class index of each training image.
    steps, epochs, minutes : number or None
        Length of the training; exactly one is set.
    decay : float or None
        Share of the training at its end over which the learning rate falls; None: that of the recipe.
    seed : int
        Seed of everything drawn.
    notes : tuple of str
        Changes made to images or settings to make them fit, one sentence each, to show to the user.
    """

    run: Path
    card: Card
    recipe: Recipe
    corruptions: Sequence[tuple[Corruption, float]]
    pool: Pool
    held: Validation
    labels: Tensor | None = None
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    decay: float | None = None
    seed: int = 0
    notes: tuple[str, ...] = ()

    @cached_property
    def labelled_indices(self) -> Tensor:
        """Images of known class, int64, (M,), if other images have none; else empty."""
        known = torch.empty(0, dtype=torch.int64) if self.labels is None else (self.labels >= 0).nonzero().flatten()
        return known if len(known) < len(self.pool.sizes) else known[:0]

    @property
    def epoch_steps(self) -> int:
        """Updates in which every image is used once; with ``labelled`` of 1, every image of known class.

        If few images have a class, an epoch uses those more often.
        """
        labelled, batch = self.labelled_indices, self.recipe.batch
        rest = batch - (self.recipe.labelled_per_batch if len(labelled) else 0)
        return -(-len(self.pool.sizes) // rest) if rest else -(-len(labelled) // batch)

    @property
    def steady(self) -> float:
        """Share of the training after which the learning rate falls; 1 where it never stays constant."""
        share = self.recipe.decay if self.recipe.schedule == "trapezoid" else 0.0
        rounding = 1e-9  # progress is a quotient of times
        return 1.0 if self.recipe.schedule == "cosine" else 1 - rounding - (share if self.decay is None else self.decay)

    def learning_rate_factor(self, step: int, progress: float) -> float:
        """Return the factor of the learning rates after `step` updates, a share `progress` of the training."""
        return self.recipe.learning_rate_factor(step, progress, self.decay)

    def progress(self, step: int, seconds: float) -> float:
        """Return the completed share of the training, 1 at its end."""
        if self.minutes is not None:
            return seconds / (60 * self.minutes)
        return step / (self.steps or (self.epochs or 1) * self.epoch_steps)
