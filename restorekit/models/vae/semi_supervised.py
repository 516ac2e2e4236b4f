"""Semi-supervised classes: a classifier q(label | x), and an objective that sums over unknown classes.

    labelled:    L(x, label) - alpha log q(label | x)
    unlabelled:  sum over labels of q(label | x) L(x, label), + KL(q(label | x), p(label))

with L the negative ELBO of the model and p(label) uniform. The class is the first level of z, (label, z): one-hot, or
probabilities in a mean. Samplers draw it like the other levels.

References
----------
Kingma, Rezende, Mohamed, Welling, "Semi-supervised Learning with Deep Generative Models", NeurIPS 2014, equations 6 to
9 (model M2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.distributions import DiagonalGaussian, Prior, Temperature, each
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Terms
from restorekit.models.config import VAEConfig
from restorekit.models.layers import down, dropout, label_rows, stack
from restorekit.models.vae.encoders import MLP

Labelled = tuple[Tensor, Tensor]  # label, (B, classes), and z


class Classifier(nn.Module):
    """Classifier log q(label | x) with layers like the encoder's; the convolutional one accepts any size."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.rate, widths = config.dropout, config.hidden
        self.mlp = self.conv = None
        if config.network == "mlp":
            values = config.channels * config.size[0] * config.size[1]
            self.mlp = MLP(values, widths, config.classes, config.dropout)
            return
        inner = (nn.Sequential(stack(a, 1), down(a, b)) for a, b in pairwise(widths))
        enter = nn.Conv2d(4 * config.channels, widths[0], 3, padding=1)
        self.conv = nn.Sequential(nn.PixelUnshuffle(2), enter, *inner, stack(widths[-1], 2), nn.ReLU())
        self.last = nn.Linear(widths[-1], config.classes)

    def forward(self, x: Tensor, rng: Rng | None = None) -> Tensor:
        """Map x, (B, C, H, W), to log-probabilities, (B, classes); dropout is active if `rng` is set."""
        if self.mlp is not None:
            raw = self.mlp(x.flatten(1), rng)
        else:
            assert self.conv is not None
            h = self.conv(x).mean((2, 3))
            raw = self.last(h if rng is None else dropout(h, self.rate, rng, "classifier"))
        return F.log_softmax(raw.float(), 1)


@dataclass(frozen=True, eq=False)
class Classes:
    """Distribution of the class of each image.

    Parameters
    ----------
    probs : Tensor, (B, classes)
        Probabilities; 1 and 0 for a known class.
    logs : Tensor, (B, classes)
        Log-probabilities before any class is known.
    known : Tensor of bool, (B,)
        True for a known class, which has a log-probability of 0.
    """

    probs: Tensor
    logs: Tensor
    known: Tensor

    def sample(self, rng: Rng, temperature: float = 1.0) -> Tensor:
        """Draw one-hot classes, (B, classes); `temperature` multiplies the deviation from the mean."""
        u = rng.uniform("label", (len(self.probs), 1), self.probs.device)
        count = self.probs.shape[1]
        number = (self.probs.cumsum(1) <= u).sum(1).clamp_max(count - 1)
        return torch.lerp(self.probs, torch.eye(count, device=u.device)[number], temperature)

    def log_prob(self, label: Tensor) -> Tensor:
        """Return the log-probability of labels, (B, classes): (B,) nats."""
        return torch.where(self.known, 0.0, (label * self.logs).sum(1))


def class_distribution(label: Tensor | None, logs: Tensor) -> Classes:
    """Return the classes of known labels, int64 (B,), and of log-probabilities, (B, classes), for -1 or None."""
    count = logs.shape[1]
    number = label_rows(label, len(logs), count, logs.device)
    known, table = number != count, torch.eye(count + 1, count, dtype=logs.dtype, device=logs.device)
    return Classes(torch.where(known[:, None], table[number], logs.exp()), logs, known)


@dataclass(frozen=True, eq=False)
class LabelledLatents:
    """Joint posterior q(label | x) q(z | x, label).

    Parameters
    ----------
    classes : Classes
        q(label | x).
    conditional : callable
        Maps labels, (B, classes), to q(z | x, label).
    """

    classes: Classes
    conditional: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Labelled:
        """Probabilities of the classes, and the mean of z conditional on those."""
        return self.classes.probs, self.conditional(self.classes.probs).mean

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Labelled:
        """Draw a class, and z conditional on it."""
        of_class, of_z = each(temperature, 2)
        label = self.classes.sample(rng, of_class)
        return label, self.conditional(label).sample(rng, of_z)

    def log_prob(self, z: Labelled) -> Tensor:
        """Return log q(label, z | x), (B,) nats."""
        return torch.stack(self.log_probs(z)).sum(0)

    def log_probs(self, z: Labelled) -> tuple[Tensor, Tensor]:
        """Return log q(label | x) and log q(z | x, label)."""
        return self.classes.log_prob(z[0]), self.conditional(z[0]).log_prob(z[1])


@dataclass(frozen=True, eq=False)
class LabelledPrior:
    """Joint prior p(label) p(z), uniform over unknown classes.

    Parameters
    ----------
    count : int
        Number of classes.
    label : Tensor of int64, (B,), or None
        Known classes; -1 = unknown.
    own : Prior
        p(z).
    device : torch.device
        Device of the labels.
    """

    count: int
    label: Tensor | None
    own: Prior
    device: torch.device

    def sample(self, n: int, shape: tuple[int, ...], rng: Rng, temperature: Temperature = 1.0) -> Labelled:
        """Draw a class and z for each of n images of shape (C, H, W)."""
        of_class, of_z = each(temperature, 2)
        return self._classes(n).sample(rng, of_class), self.own.sample(n, shape, rng, of_z)

    def log_prob(self, z: Labelled) -> Tensor:
        """Return log p(label, z), (B,) nats."""
        return torch.stack(self.log_probs(z)).sum(0)

    def log_probs(self, z: Labelled) -> tuple[Tensor, Tensor]:
        """Return log p(label) and log p(z)."""
        return self._classes(len(z[0])).log_prob(z[0]), self.own.log_prob(z[1])

    def _classes(self, n: int) -> Classes:
        return class_distribution(self.label, torch.full((n, self.count), -math.log(self.count), device=self.device))


def accuracy(logs: Tensor, label: Tensor) -> Tensor:
    """Return the accuracy of log-probabilities, (B, classes), over known labels, int64 (B,): scalar."""
    known = label >= 0
    return (logs.argmax(1) == label)[known].float().mean()


def sum_over_classes(
    objective: Callable[[Batch, Rng, Tensor], Terms], batch: Batch, logs: Tensor, rng: Rng, alpha: float,
    rate_weight: float,
) -> Terms:  # fmt: skip
    """Return the objective of partly labelled images: every class is evaluated and counts by its probability.

    Parameters
    ----------
    objective : callable
        Returns the negative ELBO of labelled images, weighted by shares, (B,), of 1.
    batch : Batch
        Images; a label of -1 is unknown.
    logs : Tensor, (B, classes)
        Log-probabilities of the classifier.
    rng : Rng
        Random numbers of the objective.
    alpha, rate_weight : float
        Weights of the classifier's log-probability and of the rate.
    """
    o, count = batch.observation, logs.shape[1]
    law = class_distribution(o.label, logs)
    right = (law.probs * logs).sum(1)
    label = torch.arange(count, device=o.y.device).repeat_interleave(len(o))  # every class, outermost
    x = None if batch.x is None else batch.x.repeat(count, 1, 1, 1)
    every = replace(batch, x=x, observation=replace(o.expand(count), label=label))
    found = objective(every, rng.expand(count), (law.probs / len(o)).T.flatten())
    rate = torch.where(law.known, 0.0, right + math.log(count)).mean()
    fit = torch.where(law.known, -right, 0.0).mean()
    parts = {**found.parts, "label": fit.detach(), "label_rate": rate.detach()}
    return Terms(
        found.loss + rate_weight * rate + alpha * fit, {**parts, "nelbo": parts["nelbo"] + parts["label_rate"]}
    )
