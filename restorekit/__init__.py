"""Restore images with generative models, with draws and a spread for every pixel."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, LatentModel, Metric, Model, Restorer, Sampler
    from restorekit.core.plugins.hookspecs import hookimpl
    from restorekit.core.rng import Rng
    from restorekit.core.types import Batch, Draws, Estimate, Geometry, Observation, Ranged, Restoration, Terms
    from restorekit.restoration.api import load

__version__ = "0.1.0"

# Public names are imported when they are first used, so that `import restorekit` stays free of torch.
_HOMES = {
    "hookimpl": "restorekit.core.plugins.hookspecs",
    "Rng": "restorekit.core.rng",
    "load": "restorekit.restoration.api",
    **dict.fromkeys(
        ("Batch", "Draws", "Estimate", "Geometry", "Observation", "Ranged", "Restoration", "Terms"),
        "restorekit.core.types",
    ),
    **dict.fromkeys(
        ("Corruption", "LatentModel", "Metric", "Model", "Restorer", "Sampler"), "restorekit.core.contracts"
    ),
}
__all__ = [
    "Batch", "Corruption", "Draws", "Estimate", "Geometry", "LatentModel", "Metric", "Model", "Observation",
    "Ranged", "Restoration", "Restorer", "Rng", "Sampler", "Terms", "__version__", "hookimpl", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'restorekit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
