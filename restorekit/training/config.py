"""Settings of a training that are not the model's own."""

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
        Parts of a batch, each with its own randomly drawn corruption; their gradients are averaged.
    crop : int
        Side of the square crops in pixels, rounded to the model's multiple; 0 = uncropped images of one size.
    optimiser : {"muon", "adam"}
        "muon" steps the weights of hidden layers along orthogonalised momentum and the rest with Adam.
    lr : float
        Learning rate of Adam after the warm-up.
    muon_lr : float
        Learning rate of Muon after the warm-up.
    warmup : int
        Updates over which the learning rate grows from 0.
    schedule : {"cosine", "trapezoid", "constant"}
        Learning rate after the warm-up: "cosine" lets it fall to 0 over the full training, "trapezoid" over the share
        `decay` at the end, so that a training can be extended, and "constant" only when it is ended with ``--end-in``.
    decay : float
        Share of the training over which a trapezoid falls. Reference: Haegele et al., "Scaling Laws and
        Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, whose fall by 1 - sqrt it takes.
    weight_decay : float
        Share of a weight that an update of learning rate 1 removes, for both optimisers. Without it the weights of a
        long training with Muon grow until its steps of fixed length hardly turn them.
    beta2 : float
        Decay of Adam's second moment.
    clip : float
        Largest gradient norm, as a multiple of the usual one; larger gradients are scaled down to it. 0 = never.
        The first 100 updates measure the usual norm and are not clipped: let `warmup` cover them.
    explode : float
        An update is skipped and counted if its gradient norm is not finite or over this many times the usual one.
        0 = skip only norms that are not finite, as in the first 100 updates.
    ema : float
        Decay of the averaged weights that are saved; 0 = save the weights themselves.
    augment : bool
        Flip and transpose at random.
    gray : float
        Share of batches converted to gray, if the images have colour and the model accepts gray images.
    unlabelled : float
        Share of the class labels hidden, so that the model also learns to do without.
    labelled : float
        Share of a batch drawn from the images of known class, if other images have none; 0 = no preference.
    scales : tuple of float
        Every image is held in each of these sizes, as shares of its own.
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
    schedule: str = field(default="cosine", metadata={"choices": ("cosine", "trapezoid", "constant")})
    decay: float = field(default=0.2, metadata={"low": 0, "high": 1})
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
        """Images of a batch that are drawn from those of known class, if other images have none."""
        return min(round(self.labelled * self.batch), self.batch)

    def learning_rate_factor(self, step: int, progress: float, decay: float | None = None) -> float:
        """Return the schedule's factor of both learning rates.

        Parameters
        ----------
        step : int
            Updates done; the warm-up counts them.
        progress : float
            Completed share of the training in [0, 1]; the decay follows it.
        decay : float or None
            Share of the training at its end over which a rate that is not a cosine falls; None: that of the schedule.
        """
        warmup = min(1.0, (step + 1) / max(self.warmup, 1))
        if self.schedule == "cosine":
            return warmup * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        share = decay if decay is not None else self.decay if self.schedule == "trapezoid" else 0.0
        fallen = 1 - max(0.0, 1 - progress) / share if progress > 1 - share else 0.0
        return warmup * (1 - math.sqrt(fallen))

    def averaging_decay(self, step: int) -> float:
        """Return the decay of the averaged weights after `step` updates: low at first, to forget the start."""
        return min(self.ema, (1 + step) / (10 + step))
