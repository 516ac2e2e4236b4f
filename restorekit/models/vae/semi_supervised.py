"""Classes that most images do not tell: a classifier q(label | x) stands in, and the objective sums over its answers.

    labelled:    L(x, label) - alpha log q(label | x)
    unlabelled:  sum over labels of q(label | x) L(x, label), + KL(q(label | x), p(label))

with L the model's own negative ELBO and p(label) uniform. The class is then the first level of z, (label, z): one-hot,
or probabilities where a mean is asked for. Samplers draw it as they draw the rest.

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
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.core.distributions import DiagonalGaussian, Prior, Temperature, each
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Terms
from restorekit.models.config import VAEConfig
from restorekit.models.layers import down, dropout, rows, stack
from restorekit.models.vae.encoders import MLP

if TYPE_CHECKING:
    from restorekit.models.vae.model import VAE

Labelled = tuple[Tensor, Tensor]  # label, (B, classes), and z


class Classifier(nn.Module):
    """log q(label | x): layers like the encoder's, for images of one size or, averaged over the plane, of any."""

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
        """Map x, (B, C, H, W), to log-probabilities, (B, classes); dropout acts where noise is given."""
        if self.mlp is not None:
            raw = self.mlp(x.flatten(1), rng)
        else:
            assert self.conv is not None
            h = self.conv(x).mean((2, 3))
            raw = self.last(h if rng is None else dropout(h, self.rate, rng, "classifier"))
        return F.log_softmax(raw.float(), 1)


@dataclass(frozen=True, eq=False)
class Classes:
    """A class for each image.

    Parameters
    ----------
    probs : Tensor, (B, classes)
        Of each class; 1 and 0 where it is known.
    logs : Tensor, (B, classes)
        Log-probabilities as they are where nothing is told.
    known : Tensor of bool, (B,)
        Where the class is told: its choice costs nothing.
    """

    probs: Tensor
    logs: Tensor
    known: Tensor

    def sample(self, rng: Rng, temperature: float = 1.0) -> Tensor:
        """Draw ones and zeros, (B, classes); `temperature` multiplies what is off the mean."""
        u = rng.uniform("label", (len(self.probs), 1), self.probs.device)
        count = self.probs.shape[1]
        number = (self.probs.cumsum(1) <= u).sum(1).clamp_max(count - 1)
        return torch.lerp(self.probs, torch.eye(count, device=u.device)[number], temperature)

    def log_prob(self, label: Tensor) -> Tensor:
        """Return the log-probability of labels, (B, classes): (B,) nats."""
        return torch.where(self.known, 0.0, (label * self.logs).sum(1))


def told(label: Tensor | None, logs: Tensor) -> Classes:
    """Return the law of classes: as told, int64 (B,), or with log-probabilities, (B, classes), where -1 or None."""
    count = logs.shape[1]
    number = rows(label, len(logs), count, logs.device)
    known, table = number != count, torch.eye(count + 1, count, dtype=logs.dtype, device=logs.device)
    return Classes(torch.where(known[:, None], table[number], logs.exp()), logs, known)


@dataclass(frozen=True, eq=False)
class LabelledLatents:
    """q(label | x) q(z | x, label).

    Parameters
    ----------
    classes : Classes
        q(label | x).
    given : callable
        q(z | x, label) of labels, (B, classes).
    """

    classes: Classes
    given: Callable[[Tensor], DiagonalGaussian]

    @property
    def mean(self) -> Labelled:
        """Probabilities of the classes, and the mean of z given those."""
        return self.classes.probs, self.given(self.classes.probs).mean

    def sample(self, rng: Rng, temperature: Temperature = 1.0) -> Labelled:
        """Draw a class, and z given it."""
        of_class, of_z = each(temperature, 2)
        label = self.classes.sample(rng, of_class)
        return label, self.given(label).sample(rng, of_z)

    def log_prob(self, z: Labelled) -> Tensor:
        """Return log q(label, z | x), (B,) nats."""
        return torch.stack(self.log_probs(z)).sum(0)

    def log_probs(self, z: Labelled) -> tuple[Tensor, Tensor]:
        """Return log q(label | x) and log q(z | x, label)."""
        return self.classes.log_prob(z[0]), self.given(z[0]).log_prob(z[1])


@dataclass(frozen=True, eq=False)
class LabelledPrior:
    """p(label) p(z), every class being as likely as the others where none is told.

    Parameters
    ----------
    count : int
        Number of classes.
    label : Tensor of int64, (B,), or None
        What is told; -1 = unknown.
    own : Prior
        p(z).
    device : torch.device
        Where labels live.
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
        return told(self.label, torch.full((n, self.count), -math.log(self.count), device=self.device))


def accuracy(logs: Tensor, label: Tensor) -> Tensor:
    """Return for which share of the told classes, int64 (B,), log-probabilities, (B, classes), are greatest: scalar."""
    seen = label >= 0
    return (logs.argmax(1) == label)[seen].float().mean()


def inferred(model: VAE, shown: Tensor, label: Tensor | None) -> LabelledLatents:
    """Return q(label, z | x) of images as the encoder is shown them."""
    assert model.classifier is not None
    return LabelledLatents(told(label, model.classifier(shown)), lambda found: model.posterior(shown, found, None))


def marginal(model: VAE, batch: Batch, rng: Rng) -> Terms:
    """Return the objective of images of which some have a class: all classes are tried, each counts by its share."""
    assert model.classifier is not None
    o, count = batch.observation, model.config.classes
    logs = model.classifier(model.shown(batch), model.dropping(rng, "classifier"))
    law = told(o.label, logs)
    right = (law.probs * logs).sum(1)
    found = model.objective(_each(batch, count), rng.expand(count), (law.probs / len(o)).T.flatten())
    rate = torch.where(law.known, 0.0, right + math.log(count)).mean()
    fit = torch.where(law.known, -right, 0.0).mean()
    loss = found.loss + model.config.rate_weight(batch.step) * rate + float(model.config.alpha) * fit
    parts = {**found.parts, "label": fit.detach(), "label_rate": rate.detach()}
    return Terms(loss, {**parts, "nelbo": parts["nelbo"] + parts["label_rate"]})


def _each(batch: Batch, count: int) -> Batch:
    """Return every image with every class, classes outermost: (count * B, ...)."""
    label = torch.arange(count, device=batch.observation.y.device).repeat_interleave(len(batch.observation))
    x = None if batch.x is None else batch.x.repeat(count, 1, 1, 1)
    return replace(batch, x=x, observation=replace(batch.observation.expand(count), label=label))
