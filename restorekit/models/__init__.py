"""Built-in models."""

from __future__ import annotations

from restorekit.contracts import Model
from restorekit.hookspecs import hookimpl
from restorekit.models.cvae import CVAE
from restorekit.models.vae import VAE

__all__ = ["CVAE", "VAE"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the built-in models."""
    return [VAE, CVAE]
