"""Variational recurrent autoencoder over the lines of an image, and a sampler in one pass, for restorekit."""

from __future__ import annotations

from restorekit import Model, Sampler, hookimpl
from restorekit_vrae.model import VRAE
from restorekit_vrae.sampler import Amortised
from restorekit_vrae.settings import VRAEConfig

__all__ = ["VRAE", "Amortised", "VRAEConfig"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the model."""
    return [VRAE]


@hookimpl
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Register the sampler."""
    return [Amortised]
