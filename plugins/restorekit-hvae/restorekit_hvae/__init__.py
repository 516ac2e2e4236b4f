"""Hierarchical variational autoencoders: `hvae`, a prior for samplers, and `chvae`, conditional on observations."""

from __future__ import annotations

from restorekit import Model, hookimpl
from restorekit_hvae.chvae import CHVAE
from restorekit_hvae.hvae import HVAE

__all__ = ["CHVAE", "HVAE", "restorekit_register_models"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Return the model classes that this plugin provides."""
    return [HVAE, CHVAE]
