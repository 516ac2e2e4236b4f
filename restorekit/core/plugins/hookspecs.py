"""The hooks through which built-ins and plugins register what they provide."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, Detector, Metric, Model, Restorer, Sampler

hookspec = pluggy.HookspecMarker("restorekit")
hookimpl = pluggy.HookimplMarker("restorekit")


@hookspec
def restorekit_register_models() -> list[type[Model]]:
    """Return the model classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_corruptions() -> list[type[Corruption]]:
    """Return the corruption classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_samplers() -> list[type[Sampler]]:
    """Return the sampler classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_restorers() -> list[type[Restorer]]:
    """Return the restorer classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_metrics() -> list[type[Metric]]:
    """Return the metric classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_detectors() -> list[type[Detector]]:
    """Return the detector classes that this plugin provides."""
    return []


@hookspec
def restorekit_register_weights() -> Mapping[str, Path]:
    """Return the trained model files that this plugin provides, by name."""
    return {}


@hookspec
def restorekit_report_sections() -> list[type]:
    """Return report section classes, each with a `title` and a `render(results)` that returns HTML."""
    return []
