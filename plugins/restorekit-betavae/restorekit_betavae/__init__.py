"""beta-VAE for restorekit, images of known factors, and a measure of disentangled latents."""

from __future__ import annotations

from restorekit import Model, hookimpl
from restorekit_betavae.model import BetaVAE, BetaVAEConfig

__all__ = ["BetaVAE", "BetaVAEConfig"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the beta-VAE."""
    return [BetaVAE]
