"""Everything a training is, in one value."""

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
class Job:
    """Everything a training is.

    Attributes
    ----------
    run : Path
        Folder of the run.
    card : Card
        What the model file will say, but for what the training finds out.
    recipe : Recipe
        Settings of the training.
    corruptions : sequence of (Corruption, float)
        What damages the images, with weights; one is drawn per batch.
    pool : Pool
        Training images.
    held : Validation
        Validation images.
    labels : Tensor of int64, (N,), or None
        Class index of each training image.
    steps, epochs, minutes : number or None
        How long; exactly one is given.
    seed : int
        Seed of everything drawn.
    notes : tuple of str
        What was done to images or settings to make them fit, a sentence each, for the user to know.
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
    seed: int = 0
    notes: tuple[str, ...] = ()

    @cached_property
    def told(self) -> Tensor:
        """Images whose class is known, int64, (M,), where that of others is not; else none."""
        known = torch.empty(0, dtype=torch.int64) if self.labels is None else (self.labels >= 0).nonzero().flatten()
        return known if len(known) < len(self.pool.sizes) else known[:0]

    @property
    def epoch_steps(self) -> int:
        """Updates in which every image is seen once, and those of known class more often where they are few.

        With `labelled` of 1 only those of known class are.
        """
        told, batch = self.told, self.recipe.batch
        rest = batch - (self.recipe.labelled_per_batch if len(told) else 0)
        return -(-len(self.pool.sizes) // rest) if rest else -(-len(told) // batch)

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, 1 at its end."""
        if self.minutes is not None:
            return seconds / (60 * self.minutes)
        return step / (self.steps or (self.epochs or 1) * self.epoch_steps)
