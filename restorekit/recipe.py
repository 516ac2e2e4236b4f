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
        Decoupled weight decay.
    beta2 : float
        Decay of Adam's second moment.
    clip : float
        Largest gradient norm, as a multiple of the usual one; larger gradients are scaled down to it. 0 = never.
    explode : float
        An update whose gradient norm is over this many times the usual one, or not finite, is skipped
        and counted. 0 = only those not finite.
    ema : float
        Decay of the averaged weights that are saved; 0 = save the weights themselves.
    augment : bool
        Flip and transpose at random.
    gray : float
        Share of batches turned gray, where the images have colour.
    scales : tuple of float
        The images are held in each of these sizes.
    validate : int
        Updates between validations.
    keep_half : bool
        Save the model in half precision.
    """

    batch: int = field(default=16, metadata={"low": 1})
    crop: int = field(default=96, metadata={"low": 0})
    optimiser: str = field(default="muon", metadata={"choices": ("muon", "adam")})
    lr: float = 4e-4
    muon_lr: float = 0.004
    warmup: int = 200
    cosine: bool = True
    weight_decay: float = 0.0
    beta2: float = 0.99
    clip: float = 2.0
    explode: float = 20.0
    ema: float = field(default=0.999, metadata={"low": 0, "high": 1})
    augment: bool = True
    gray: float = 0.5
    scales: tuple[float, ...] = (1.0,)
    validate: int = field(default=1000, metadata={"low": 1})
    keep_half: bool = False

    def pace(self, step: int, progress: float) -> float:
        """Return the factor of the learning rates after `step` updates, `progress` in [0, 1] of the way."""
        fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))) if self.cosine else 1.0
        return min(1.0, (step + 1) / max(self.warmup, 1)) * fall

    def decay(self, step: int) -> float:
        """Return the averaging decay after `step` updates: short at first, so that the start is forgotten."""
        return min(self.ema, (1 + step) / (10 + step))
