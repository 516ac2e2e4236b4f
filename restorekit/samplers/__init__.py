"""Built-in samplers."""

from __future__ import annotations

from restorekit.core.contracts import Sampler
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.samplers.gibbs import Gibbs
from restorekit.samplers.importance import Importance
from restorekit.samplers.langevin import Langevin
from restorekit.samplers.map import Mode
from restorekit.samplers.metropolis_gibbs import MetropolisWithinGibbs
from restorekit.samplers.plug_and_play import PlugAndPlay

__all__ = ["Gibbs", "Importance", "Langevin", "MetropolisWithinGibbs", "Mode", "PlugAndPlay"]


@hookimpl
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Register the built-in samplers."""
    return [Gibbs, MetropolisWithinGibbs, Importance, Langevin, Mode, PlugAndPlay]
