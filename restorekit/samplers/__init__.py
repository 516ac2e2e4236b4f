"""Built-in samplers, their base classes, and Gaussian noise in closed form."""

from __future__ import annotations

from restorekit.core.contracts import Sampler
from restorekit.core.gaussian import evidence, other_than_gaussian, posterior, redraw
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.samplers.base import CheckedSampler, Conjugate
from restorekit.samplers.gibbs import Gibbs
from restorekit.samplers.importance import Importance
from restorekit.samplers.langevin import Langevin
from restorekit.samplers.map import Mode
from restorekit.samplers.metropolis_gibbs import MetropolisWithinGibbs
from restorekit.samplers.plug_and_play import PlugAndPlay

__all__ = [
    "CheckedSampler", "Conjugate", "Gibbs", "Importance", "Langevin", "MetropolisWithinGibbs", "Mode", "PlugAndPlay",
    "evidence", "other_than_gaussian", "posterior", "redraw",
]  # fmt: skip


@hookimpl
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Register the built-in samplers."""
    return [Gibbs, MetropolisWithinGibbs, Importance, Langevin, Mode, PlugAndPlay]
