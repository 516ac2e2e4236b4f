"""beta-VAE: a variational autoencoder whose latents may tell only so much, and therefore share the work by meaning.

References
----------
Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework", ICLR 2017,
equation 4 (beta).
Burgess et al., "Understanding Disentangling in beta-VAE", 2018, equation 8 (the capacity that grows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from restorekit import SpecError
from restorekit.models import VAE, VAEConfig

_TRAINING: Mapping[str, object] = {"optimiser": "adam", "lr": 1e-3, "batch": 128, "crop": 0, "augment": False}


@dataclass(frozen=True)
class BetaVAEConfig(VAEConfig):
    """Sizes and objective of a `BetaVAE`: those of a vae, and below.

    Parameters
    ----------
    beta : float
        Weight of the rate, or of how far it is from the capacity (gamma in Burgess et al.).
    capacity : float
        Nats per image that the rate is drawn to in the end; 0 = it is only weighed, as in Higgins et al.
    capacity_steps : int
        Updates over which the capacity grows from 0; 0 = it is there from the start.
    """

    beta: float = field(default=4.0, metadata={"objective": True, "low": 0})
    capacity: float = field(default=0.0, metadata={"objective": True, "low": 0})
    capacity_steps: int = field(default=0, metadata={"objective": True, "low": 0})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.capacity and self.importance > 1:
            raise SpecError(
                f"capacity is of the rate, which a bound by importance={self.importance} draws has not; leave one out"
            )


class BetaVAE(VAE):
    """beta-VAE: a vae whose rate weighs more, or is held to a capacity that grows, for latents with a meaning each."""

    name: ClassVar[str] = "betavae"
    Config: ClassVar[type] = BetaVAEConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "fashion": {
            "network": "mlp", "hidden": (400, 400), "latent": 40, "likelihood": "gaussian-pixel", "floor": 0.02,
            **_TRAINING,
        },
        "factors": {
            "network": "mlp", "hidden": (256, 256), "latent": 6, "likelihood": "bernoulli",
            "beta": 30.0, "capacity": 10.0, "capacity_steps": 2000, **_TRAINING,
        },
    }  # fmt: skip

    def rate_cost(self, rates: Tensor, step: int | None) -> Tensor:
        """Return beta |rate - capacity|, scalar: Burgess et al., equation 8; with capacity 0 the beta-VAE."""
        rate = rates.clamp_min(self.config.free_bits).sum()
        cost: Tensor = self.config.rate_weight(step) * (rate - self.allowed(step)).abs()
        return cost

    def allowed(self, step: int | None) -> float:
        """Return the capacity after so many updates, nats per image; None: when it has grown."""
        grown = 1.0 if step is None or not self.config.capacity_steps else min(1.0, step / self.config.capacity_steps)
        return float(self.config.capacity * grown)
