"""How likely images are under an unconditional model: a bound, an importance-weighted estimate, and what latents do.

References
----------
Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016: equation 8; section 5.2 for active units.
Theis, van den Oord, Bethge, "A note on the evaluation of generative models", ICLR 2016, section 3.1: dequantisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restorekit.contracts import LatentModel, Model
from restorekit.densities import Latents, Levelled, Prior
from restorekit.errors import NoFigureError
from restorekit.likelihoods import Bernoulli, DiscretisedLogistic
from restorekit.mixtures import LogisticMixture
from restorekit.noise import Noise
from restorekit.samplers.latents import parts
from restorekit.types import shape_of

VARIES = 0.01  # variance of a latent's posterior mean over images above which it is in use


@dataclass(frozen=True, eq=False)
class Score:
    """What is found of a batch of images, (B,) nats each.

    Attributes
    ----------
    distortion : Tensor
        One part of the negative ELBO, by one draw of z.
    rates : Tensor, (levels, B)
        The other part, of each level of z given those before it; one row where the model does not tell them apart.
    nll : Tensor
        - log of the mean of p(x, z_k) / q(z_k | x) over K draws: on average an upper bound that tightens with K.
    effective : Tensor
        How many of the K draws count; near 1 the bound is still loose.
    """

    distortion: Tensor
    rates: Tensor
    nll: Tensor
    effective: Tensor

    @property
    def rate(self) -> Tensor:
        """The rate of all levels."""
        return self.rates.sum(0)

    @property
    def nelbo(self) -> Tensor:
        """The negative ELBO."""
        return self.distortion + self.rate


@torch.inference_mode()
def score(model: LatentModel, x: Tensor, label: Tensor | None, k: int, chunk: int, noise: Noise) -> Score:
    """Score images.

    Parameters
    ----------
    model : LatentModel
        In evaluation mode, on the device of x.
    x : Tensor, (B, C, H, W)
        Clean images.
    label : Tensor of int64, (B,), or None
        Their classes.
    k : int
        Draws of z, at least one.
    chunk : int
        How many of them at a time; sums are kept, not the draws.
    noise : Noise
        Of the draws, by the images' names.
    """
    one = two = x.new_full((len(x),), -torch.inf)  # log of the sums of weights and of their squares
    first: list[tuple[Tensor, Tensor]] = []
    for start in range(0, k, chunk):
        distortion, rates = _terms(model, x, label, min(chunk, k - start), noise.after(start))
        first = first or [(distortion[0], rates[:, 0])]
        weight = -distortion - rates.sum(0)
        one, two = torch.logaddexp(one, weight.logsumexp(0)), torch.logaddexp(two, (2 * weight).logsumexp(0))
    return Score(*first[0], math.log(k) - one, (2 * one - two).exp())


def nelbo(model: Model, x: Tensor, label: Tensor | None, noise: Noise) -> float:
    """Return the negative ELBO of one clean image, (1, C, H, W), in nats, by one draw of z.

    NoFigureError for models that are conditional, and for images of a size or colour that the model does not take.
    """
    g, (channels, height, width) = model.geometry, shape_of(x)
    fits = channels in g.channels and (g.size or (height, width)) == (height, width)
    if not isinstance(model, LatentModel):
        raise NoFigureError("it is no model of images, but of what restores them")
    if not fits or height % g.multiple or width % g.multiple:
        raise NoFigureError(f"the model takes no image of {channels} channel(s) and {width} x {height} pixels")
    device = next(model.parameters()).device
    return float(score(model, x.to(device), None if label is None else label.to(device), 1, 1, noise).nelbo)


def _terms(model: LatentModel, x: Tensor, label: Tensor | None, n: int, noise: Noise) -> tuple[Tensor, Tensor]:
    """Return -log p(x | z), (n, B) nats, and log q(z | x) - log p(z) of each level, (levels, n, B), of n draws of z."""
    many, labels = x.repeat(n, 1, 1, 1), None if label is None else label.repeat(n)
    q = model.infer(many, None, labels)
    z = q.sample(noise.expand(n))
    distortion = -model.decode(z, labels).log_prob(many)
    rates = _rates(q, model.prior(labels), z)
    return distortion.view(n, -1), rates.view(len(rates), n, -1)


def _rates(q: Latents, prior: Prior, z: Any) -> Tensor:
    """Return log q(z | x) - log p(z), (levels, B) nats; (1, B) where not both tell of each level."""
    if isinstance(q, Levelled) and isinstance(prior, Levelled):
        return torch.stack([a - b for a, b in zip(q.log_probs(z), prior.log_probs(z), strict=True)])
    return (q.log_prob(z) - prior.log_prob(z))[None]


@dataclass(frozen=True)
class Grid:
    """What bits are counted of.

    Attributes
    ----------
    levels : int
        Values that a file can hold, on [0, 1]; 0 for floats.
    density : bool
        Whether the decoder has a density, and not probabilities of values.
    told : str
        A sentence on it.
    """

    levels: int
    density: bool
    told: str

    def dequantised(self, x: Tensor, noise: Noise) -> Tensor:
        """Add uniform noise over a step of the grid, so that a density cannot be made large at will on it."""
        if not (self.density and self.levels):
            return x
        return x + (noise.uniform("dequantise", tuple(x.shape), x.device) - 0.5) / (self.levels - 1)

    def bits(self, nll: Tensor, values: int) -> Tensor:
        """Return bits for each of an image's values."""
        step = math.log(self.levels - 1) if self.density and self.levels else 0.0
        return (nll / values + step) / math.log(2)


@torch.inference_mode()
def grid(model: LatentModel, x: Tensor, levels: int) -> Grid:
    """Say what bits mean for a model and images, (B, C, H, W), of files with so many levels (0: floats)."""
    likelihood = model.decode(model.infer(x).mean)
    if isinstance(likelihood, Bernoulli):
        return Grid(2, False, "of binary images, gray values counting as probabilities of 1")
    if isinstance(likelihood, DiscretisedLogistic | LogisticMixture):
        return Grid(likelihood.levels, False, f"of the {likelihood.levels} values of the decoder's own law")
    if not levels:
        return Grid(0, True, "of a density on [0, 1]: floats have no grid, so only differences mean something")
    return Grid(levels, True, f"of the {levels} values of a file, with uniform noise over a step added")


class Use:
    """Gathers, over images, how the posterior means of latents vary."""

    def __init__(self) -> None:
        self._sums: list[Tensor] = []

    def add(self, mean: Any) -> None:
        """Count the posterior mean of a batch."""
        flat = [t.detach().transpose(0, 1).flatten(1).double().cpu() for t in parts(mean)]
        found = [torch.stack([torch.full((len(f),), f.shape[1]).double(), f.sum(1), f.square().sum(1)]) for f in flat]
        self._sums = [a + b for a, b in zip(self._sums, found, strict=True)] if self._sums else found

    def active(self) -> list[tuple[int, int]]:
        """Return for each group of latents how many are in use, and how many there are."""
        variances = [(s[2] / s[0] - (s[1] / s[0]) ** 2) for s in self._sums]
        return [(int((v > VARIES).sum()), len(v)) for v in variances]
