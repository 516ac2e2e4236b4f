"""Restore images with generative models, with draws and a spread for every pixel."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorekit.core.contracts import (
        Corruption,
        Detector,
        LatentModel,
        Metric,
        Model,
        Network,
        Restorer,
        Sampler,
        parts_of,
    )
    from restorekit.core.errors import (
        CheckpointError,
        ImageError,
        InputTypeError,
        PluginError,
        RestorekitError,
        RestorekitWarning,
        SpecError,
        UndefinedMetricError,
        UsageError,
    )
    from restorekit.core.plugins.hookspecs import hookimpl
    from restorekit.core.rng import Rng
    from restorekit.core.types import (
        Batch,
        Draws,
        Estimate,
        Geometry,
        Linear,
        NoiseLaw,
        Observation,
        Ranged,
        Restoration,
        Source,
        Terms,
        Traits,
        shape_of,
    )
    from restorekit.report.runs.evaluated import evaluate
    from restorekit.report.runs.restored import FolderResult, restore_folder
    from restorekit.report.runs.trained import train
    from restorekit.restoration.api import RestoredImage, load

__version__ = "0.1.0"

# Public names by the module that defines them; each is imported on first use, so `import restorekit` loads no torch.
_NAMES = {
    "restorekit.core.contracts": (
        "Corruption", "Detector", "LatentModel", "Metric", "Model", "Network", "Restorer", "Sampler", "parts_of",
    ),
    "restorekit.core.errors": (
        "CheckpointError", "ImageError", "InputTypeError", "PluginError",
        "RestorekitError", "RestorekitWarning", "SpecError",
        "UndefinedMetricError", "UsageError",
    ),
    "restorekit.core.plugins.hookspecs": ("hookimpl",),
    "restorekit.core.rng": ("Rng",),
    "restorekit.core.types": (
        "Batch", "Draws", "Estimate", "Geometry", "Linear", "NoiseLaw", "Observation", "Ranged", "Restoration",
        "Source", "Terms", "Traits", "shape_of",
    ),
    "restorekit.report.runs.evaluated": ("evaluate",),
    "restorekit.report.runs.restored": ("FolderResult", "restore_folder"),
    "restorekit.report.runs.trained": ("train",),
    "restorekit.restoration.api": ("RestoredImage", "load"),
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [
    "Batch", "CheckpointError", "Corruption", "Detector", "Draws", "Estimate", "FolderResult", "Geometry", "ImageError",
    "InputTypeError", "LatentModel", "Linear", "Metric", "Model", "Network", "NoiseLaw", "Observation", "PluginError",
    "Ranged", "Restoration", "RestoredImage", "RestorekitError",
    "RestorekitWarning", "Restorer", "Rng", "Sampler", "Source", "SpecError", "Terms",
    "Traits", "UndefinedMetricError", "UsageError", "__version__", "evaluate", "hookimpl", "load", "parts_of",
    "restore_folder", "shape_of", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'restorekit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
