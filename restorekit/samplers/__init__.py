"""Built-in samplers."""

from __future__ import annotations

from restorekit.contracts import Sampler
from restorekit.hookspecs import hookimpl
from restorekit.samplers.gibbs import Gibbs

__all__ = ["Gibbs"]


@hookimpl
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Register the built-in samplers."""
    return [Gibbs]
