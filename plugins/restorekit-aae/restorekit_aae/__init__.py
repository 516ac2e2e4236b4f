"""Adversarial autoencoders for restorekit, unconditional and conditional on the observation."""

from __future__ import annotations

from restorekit import Model, hookimpl
from restorekit_aae.models import AAE, CAAE, AAEConfig

__all__ = ["AAE", "CAAE", "AAEConfig"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register both models."""
    return [AAE, CAAE]
