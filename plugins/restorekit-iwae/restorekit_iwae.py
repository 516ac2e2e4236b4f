"""Importance-weighted autoencoders: the core's VAE and CVAE, learnt by a bound that many draws of z tighten.

With weights w_k = p(x, z_k) / q(z_k | x) of K draws, log(1/K sum_k w_k) is at most log p(x) on average, the ELBO where
K = 1, and grows with K. The encoder's plain gradient loses its signal among its noise as K grows; the doubly
reparameterised one weighs each draw's path derivative by the square of its share of the weights. Where q is the true
posterior it is 0, and not only so on average.

References
----------
Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, equations 8 and 13.
Tucker, Lawson, Gu, Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives", ICLR 2019,
equations 7 and 8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from restorekit import Batch, Model, Rng, SpecError, Terms, hookimpl
from restorekit.models import CVAE, VAE, CVAEConfig, DiagonalGaussian, ErrorModel, Errors, VAEConfig, average

GRADIENTS = ("doubly", "plain")


@dataclass(frozen=True)
class IWAEConfig(VAEConfig):
    """Sizes and objective of an `IWAE`.

    Parameters
    ----------
    importance : int
        Draws of z behind the bound: 1 = the ELBO.
    gradient : {"doubly", "plain"}
        The encoder's: doubly reparameterised (Tucker et al.), or that of Burda et al.
    """

    importance: int = field(default=5, metadata={"objective": True, "low": 1})
    gradient: str = field(default="doubly", metadata={"objective": True, "choices": GRADIENTS})


class IWAE(VAE):
    """Importance-weighted autoencoder: a VAE whose bound tightens with the draws of z behind it."""

    name: ClassVar[str] = "iwae"
    Config: ClassVar[type] = IWAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        # Burda et al.: 784-200-200-50 and back, one stochastic layer, Adam from 1e-3 on; ReLU here, and a cosine
        "burda": {
            "network": "mlp", "hidden": (200, 200), "latent": 50, "likelihood": "bernoulli", "importance": 50,
            "batch": 20, "crop": 0, "optimiser": "adam", "lr": 1e-3, "beta2": 0.999, "weight_decay": 0.0,
            "augment": False, "gray": 0.0,
        },
    }  # fmt: skip

    def bound(self, q: DiagonalGaussian, batch: Batch, rng: Rng, share: Tensor | None = None) -> Terms:
        """Return minus log of the mean weight of several draws of z, with the gradient that is set."""
        if self.config.gradient == "plain":
            return super().bound(q, batch, rng, share)
        k, beta = self.config.importance, self.config.rate_weight(batch.step)
        many = q.expand(k)
        z = many.sample(rng.expand(k))
        paths = Paths((z,))
        fixed = DiagonalGaussian(many.mu.detach(), many.logvar.detach())
        seen, rate = self.weigh(paths.ends[0], fixed, batch, rng)
        weight = (seen - beta * rate).view(k, -1)
        paths.weigh(weight, beta)
        return _terms(weight, seen.view(k, -1), rate.view(k, -1), share)


@dataclass(frozen=True)
class CIWAEConfig(CVAEConfig):
    """Sizes and objective of a `CIWAE`.

    Parameters
    ----------
    importance : int
        Draws of the fields' latents behind the bound: 1 = the ELBO.
    gradient : {"doubly", "plain"}
        The inference network's: doubly reparameterised (Tucker et al.), or that of Burda et al.
    """

    importance: int = field(default=5, metadata={"objective": True, "low": 1})
    gradient: str = field(default="doubly", metadata={"objective": True, "choices": GRADIENTS})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.importance > 1 and self.free_bits:
            raise SpecError(
                f"free_bits are of the rate, which a bound by importance={self.importance} draws has not; leave one out"
            )


class CIWAE(CVAE):
    """Importance-weighted CVAE: what it says of errors around the mean is learnt by a bound of several draws."""

    name: ClassVar[str] = "ciwae"
    Config: ClassVar[type] = CIWAEConfig

    def bound(self, around: ErrorModel, errors: Errors, rng: Rng) -> Terms:
        """Return minus log of the mean weight of several draws of the fields' latents, with the gradient that is set.

        The weights are of whole images: p(u, z | y) / q(z | u, y) over all levels of z and all unknown values of u.
        """
        k = self.config.importance
        if k == 1:
            return super().bound(around, errors, rng)
        distortion, inferred = around.explain(errors, rng.expand(k), k)
        if self.config.gradient == "plain":
            rate = torch.stack(inferred.log_ratios(inferred.latents)).sum(0)
            weight = (-distortion - self.config.beta * rate).view(k, -1)
        else:
            weight, distortion, rate = self._doubly(around, errors, inferred.latents)
        return _terms(weight, -distortion.view(k, -1), rate.view(k, -1), None)

    def _doubly(self, around: ErrorModel, errors: Errors, latents: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-weights, (K, B), -log p(u | z) and log q(z) - log p(z), of paths that know their shares.

        Each level's q depends on the coarser ones' draws. So it is not enough to fix its mean and spread: they are
        computed again, of the draws, by an inference network whose parameters are fixed.
        """
        k, beta = self.config.importance, float(self.config.beta)
        paths, net = Paths(latents), around.posterior
        fixed = {name: p.detach() for name, p in net.named_parameters()}
        shown = (errors.u, errors.scored, errors.finest, latents, paths.ends)
        rate = torch.stack(functional_call(net, fixed, shown).log_ratios(paths.ends)).sum(0)
        distortion = around.distortion(errors, paths.ends)
        weight = (-distortion - beta * rate).view(k, -1)
        paths.weigh(weight, beta)
        return weight, distortion, rate


class Paths:
    """Draws of z, levels (K B, ...), whose derivatives can be weighed once the weights that depend on them are known.

    Parameters
    ----------
    latents : sequence of Tensor
        As drawn, draws outermost.

    Attributes
    ----------
    ends : list of Tensor
        The same, for weights to be computed of: gradients come back through these.
    """

    def __init__(self, latents: Sequence[Tensor]) -> None:
        self.ends = [z.view_as(z) for z in latents]

    def weigh(self, weight: Tensor, beta: float) -> None:
        """Let each draw's gradient be multiplied by its share of the weights on its way to the encoder.

        The bound's own gradient multiplies it by that share once: equation 8 has its square. With a rate that counts
        beta times, the same derivation leaves 1 - beta + beta share instead of the share.

        Parameters
        ----------
        weight : Tensor, (K, B)
            Log-weights of the draws.
        beta : float
            Weight of the rate.
        """
        if not weight.requires_grad:
            return
        factor = (1 - beta + beta * weight.detach().softmax(0)).flatten()
        for end in self.ends:
            end.register_hook(lambda g: g * factor.view(-1, *[1] * (g.dim() - 1)))  # type: ignore[no-untyped-call]


def _terms(weight: Tensor, seen: Tensor, rate: Tensor, share: Tensor | None) -> Terms:
    """Return minus the bound of log-weights, (K, B), and its parts by single draws; images count by their share."""
    loss = math.log(len(weight)) - average(weight.logsumexp(0), share)
    distortion, own = -average(seen.mean(0), share), average(rate.mean(0), share)
    parts = {"nelbo": distortion + own, "distortion": distortion, "rate": own, f"nll (K = {len(weight)})": loss}
    return Terms(loss, {name: value.detach() for name, value in parts.items()})


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the models."""
    return [IWAE, CIWAE]
