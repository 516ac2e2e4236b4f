"""How a model is trained: the settings that are not the model's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Parameters
    ----------
    batch : int
        Images per update, over all devices.
    portions : int
        Parts the images of an update come in, each with a corruption drawn for it; their gradients are averaged.
    crop : int
        Side of the square crops in pixels, rounded to the model's multiple; 0 = whole images of one size.
    optimiser : {"muon", "adam"}
        "muon" steps the weights of hidden layers along orthogonalised momentum and the rest with Adam.
    lr : float
        Learning rate of Adam after the warm-up.
    muon_lr : float
        Learning rate of Muon after the warm-up.
    warmup : int
        Updates over which the learning rate grows from 0.
    cosine : bool
        Let the learning rate fall to 0 along a cosine; else it stays.
    weight_decay : float
        Share of a weight that an update of learning rate 1 takes away, of both optimisers. Without it the weights of a
        long training with Muon grow until its steps of fixed length hardly turn them.
    beta2 : float
        Decay of Adam's second moment.
    clip : float
        Largest gradient norm, as a multiple of the usual one; larger gradients are scaled down to it. 0 = never.
        The first 100 updates tell what is usual, and are not clipped: let `warmup` cover them.
    explode : float
        An update whose gradient norm is over this many times the usual one, or not finite, is skipped
        and counted. 0 = only those not finite, as in the first 100 updates.
    ema : float
        Decay of the averaged weights that are saved; 0 = save the weights themselves.
    augment : bool
        Flip and transpose at random.
    gray : float
        Share of batches turned gray, where the images have colour and the model takes gray ones.
    unlabelled : float
        Share of the class labels hidden, so that the model learns to do without as well.
    labelled : float
        Share of a batch that is drawn from the images whose class is told, where others' are not; 0 = as they come.
    scales : tuple of float
        The images are held in each of these sizes, as shares of their own.
    validate : int
        Updates between validations.
    keep_half : bool
        Save the model in half precision.
    """

    batch: int = field(default=16, metadata={"low": 1})
    portions: int = field(default=1, metadata={"low": 1})
    crop: int = field(default=96, metadata={"low": 0})
    optimiser: str = field(default="muon", metadata={"choices": ("muon", "adam")})
    lr: float = field(default=4e-4, metadata={"low": 0})
    muon_lr: float = field(default=0.004, metadata={"low": 0})
    warmup: int = field(default=200, metadata={"low": 0})
    cosine: bool = True
    weight_decay: float = field(default=0.1, metadata={"low": 0})
    beta2: float = field(default=0.99, metadata={"low": 0, "high": 0.999999})
    clip: float = field(default=2.0, metadata={"low": 0})
    explode: float = field(default=20.0, metadata={"low": 0})
    ema: float = field(default=0.999, metadata={"low": 0, "high": 1})
    augment: bool = True
    gray: float = field(default=0.5, metadata={"low": 0, "high": 1})
    unlabelled: float = field(default=0.1, metadata={"low": 0, "high": 1})
    labelled: float = field(default=0.25, metadata={"low": 0, "high": 1})
    scales: tuple[float, ...] = field(default=(1.0,), metadata={"low": 0.05, "high": 1})
    validate: int = field(default=1000, metadata={"low": 1})
    keep_half: bool = False

    @property
    def labelled_per_batch(self) -> int:
        """Images of a batch that are drawn from those of known class, where there are others of unknown class."""
        return min(round(self.labelled * self.batch), self.batch)

    def pace(self, step: int, progress: float) -> float:
        """Return the factor of the learning rates after `step` updates, `progress` in [0, 1] of the way."""
        fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))) if self.cosine else 1.0
        return min(1.0, (step + 1) / max(self.warmup, 1)) * fall

    def decay(self, step: int) -> float:
        """Return the averaging decay after `step` updates: short at first, so that the start is forgotten."""
        return min(self.ema, (1 + step) / (10 + step))
