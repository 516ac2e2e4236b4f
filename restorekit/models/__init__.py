"""Built-in models."""

from __future__ import annotations

from restorekit.core.contracts import Model
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.models.cvae.model import CVAE
from restorekit.models.vae.model import VAE

__all__ = ["CVAE", "VAE"]


@hookimpl
def restorekit_register_models() -> list[type[Model]]:
    """Register the built-in models."""
    return [VAE, CVAE]
