"""Importance-weighted autoencoders: the core's VAE and CVAE with a bound that tightens with draws of z.

With weights w_k = p(x, z_k) / q(z_k | x) of K draws, log(1/K sum_k w_k) is at most log p(x) on average, equals the ELBO
for K = 1, and grows with K. The signal-to-noise ratio of the encoder's plain gradient falls as K grows. The doubly
reparameterised gradient weighs each draw's path derivative by the square of its share of the weights; if q is the true
posterior it is exactly 0, not only on average.

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
from restorekit.models import CVAE, VAE, CVAEConfig, DiagonalGaussian, ErrorModel, ErrorSample, VAEConfig, average

GRADIENTS = ("doubly", "plain")


@dataclass(frozen=True)
class IWAEConfig(VAEConfig):
    """Sizes and objective of an `IWAE`.

    Parameters
    ----------
    importance : int
        Draws of z in the bound: 1 = the ELBO.
    gradient : {"doubly", "plain"}
        Gradient of the encoder: doubly reparameterised (Tucker et al.), or that of Burda et al.
    """

    importance: int = field(default=5, metadata={"objective": True, "low": 1})
    gradient: str = field(default="doubly", metadata={"objective": True, "choices": GRADIENTS})


class IWAE(VAE):
    """Importance-weighted autoencoder: a VAE whose bound tightens with the number of draws of z."""

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
        """Return the negative bound of several draws of z, with the gradient of the settings."""
        if self.config.gradient == "plain":
            return super().bound(q, batch, rng, share)
        k, beta = self.config.importance, self.config.rate_weight(batch.step)
        many = q.expand(k)
        z = many.sample(rng.expand(k))
        paths = Paths((z,))
        fixed = DiagonalGaussian(many.mu.detach(), many.logvar.detach())
        fit, rate = self.fit_and_rate(paths.ends[0], fixed, batch, rng)
        weight = (fit - beta * rate).view(k, -1)
        paths.weigh(weight, beta)
        return _terms(weight, fit.view(k, -1), rate.view(k, -1), share)


@dataclass(frozen=True)
class CIWAEConfig(CVAEConfig):
    """Sizes and objective of a `CIWAE`.

    Parameters
    ----------
    importance : int
        Draws of the fields' latents in the bound: 1 = the ELBO.
    gradient : {"doubly", "plain"}
        Gradient of the inference network: doubly reparameterised (Tucker et al.), or that of Burda et al.
    """

    importance: int = field(default=5, metadata={"objective": True, "low": 1})
    gradient: str = field(default="doubly", metadata={"objective": True, "choices": GRADIENTS})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.importance > 1 and self.free_bits:
            raise SpecError(
                f"free_bits needs a rate, and the bound of importance={self.importance} draws has none; "
                "remove one of them"
            )


class CIWAE(CVAE):
    """Importance-weighted CVAE: its error model is trained by a bound of several draws."""

    name: ClassVar[str] = "ciwae"
    Config: ClassVar[type] = CIWAEConfig

    def bound(self, error_model: ErrorModel, errors: ErrorSample, rng: Rng) -> Terms:
        """Return the negative bound of several draws of the fields' latents, with the gradient of the settings.

        The weights are of entire images: p(u, z | y) / q(z | u, y) over all levels of z and all unknown values of u.
        """
        k = self.config.importance
        if k == 1:
            return super().bound(error_model, errors, rng)
        distortion, inferred = error_model.explain(errors, rng.expand(k), k)
        if self.config.gradient == "plain":
            rate = torch.stack(inferred.log_ratios(inferred.latents)).sum(0)
            weight = (-distortion - self.config.beta * rate).view(k, -1)
        else:
            # each level's q depends on the coarser draws: so q is computed again, of the draws, by an inference network
            # with fixed parameters, not only with fixed mean and spread
            paths, net = Paths(inferred.latents), error_model.posterior
            fixed = {name: p.detach() for name, p in net.named_parameters()}
            inputs = (errors.u, errors.scored, errors.finest, inferred.latents, paths.ends)
            rate = torch.stack(functional_call(net, fixed, inputs).log_ratios(paths.ends)).sum(0)
            distortion = error_model.distortion(errors, paths.ends)
            weight = (-distortion - float(self.config.beta) * rate).view(k, -1)
            paths.weigh(weight, float(self.config.beta))
        return _terms(weight, -distortion.view(k, -1), rate.view(k, -1), None)


class Paths:
    """Draws of z, levels (K B, ...), with derivatives that can be weighted after the weights are computed from them.

    Parameters
    ----------
    latents : sequence of Tensor
        Latents, draws outermost.

    Attributes
    ----------
    ends : list of Tensor
        The same latents, from which to compute the weights; gradients flow back through these.
    """

    def __init__(self, latents: Sequence[Tensor]) -> None:
        self.ends = [z.view_as(z) for z in latents]

    def weigh(self, weight: Tensor, beta: float) -> None:
        """Multiply each draw's gradient by its share of the weights on its way to the encoder.

        The gradient of the bound contains that share once, and equation 8 its square. For a rate of weight beta the
        same derivation gives the factor 1 - beta + beta share.

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


def _terms(weight: Tensor, fit: Tensor, rate: Tensor, share: Tensor | None) -> Terms:
    """Return the negative bound of log-weights, (K, B), and its parts by single draws; shares weigh images."""
    loss = math.log(len(weight)) - average(weight.logsumexp(0), share)
    distortion, own = -average(fit.mean(0), share), average(rate.mean(0), share)
    parts = {"nelbo": distortion + own, "distortion": distortion, "rate": own, f"nll (K = {len(weight)})": loss}
    return Terms(loss, {name: value.detach() for name, value in parts.items()})


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the models."""
    return [IWAE, CIWAE]
