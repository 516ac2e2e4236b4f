"""beta-VAE: a variational autoencoder with limited information in its latents, for disentangled latents.

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
    """Sizes and objective of a `BetaVAE`, in addition to those of a vae.

    Parameters
    ----------
    beta : float
        Weight of the rate, or of its distance from the capacity (gamma in Burgess et al.).
    capacity : float
        Final target of the rate, nats per image; 0 = the rate is only weighted, as in Higgins et al.
    capacity_steps : int
        Updates over which the capacity grows from 0; 0 = full capacity from the start.
    """

    beta: float = field(default=4.0, metadata={"objective": True, "low": 0})
    capacity: float = field(default=0.0, metadata={"objective": True, "low": 0})
    capacity_steps: int = field(default=0, metadata={"objective": True, "low": 0})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.capacity and self.importance > 1:
            raise SpecError(
                f"capacity needs a rate, and the bound of importance={self.importance} draws has none; "
                "remove one of them"
            )


class BetaVAE(VAE):
    """beta-VAE: a vae with a larger weight of the rate, or a growing capacity, for disentangled latents."""

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
        cost: Tensor = self.config.rate_weight(step) * (rate - self.capacity_at(step)).abs()
        return cost

    def capacity_at(self, step: int | None) -> float:
        """Return the capacity after `step` updates, nats per image; None: the final one."""
        grown = 1.0 if step is None or not self.config.capacity_steps else min(1.0, step / self.config.capacity_steps)
        return float(self.config.capacity * grown)
