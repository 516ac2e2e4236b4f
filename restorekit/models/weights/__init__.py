"""Trained models that ship with the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from restorekit.core.plugins.hookspecs import hookimpl


@hookimpl
def restorekit_register_weights() -> Mapping[str, Path]:
    """Register every model file in this folder by its stem."""
    return {path.stem: path for path in Path(__file__).parent.glob("*.safetensors")}
