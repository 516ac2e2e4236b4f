"""Trained models that ship with the package, and what tells a model file from another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from restorekit.hookspecs import hookimpl

CARD = "restorekit"  # where in a file's metadata `restorekit.checkpoint` keeps the card


@hookimpl
def restorekit_register_weights() -> Mapping[str, Path]:
    """Register every model file that lies in this folder, by its stem."""
    return {path.stem: path for path in Path(__file__).parent.glob("*.safetensors")}


def fault_of(path: Path) -> str | None:
    """Say why a file holds no weights with a card, by its header alone; None where it does."""
    try:
        with path.open("rb"), safe_open(path, framework="np") as file:
            carded = CARD in (file.metadata() or {})
    except (OSError, SafetensorError) as error:
        return f"{path} is not a whole safetensors file ({error})"
    return None if carded else f"{path} has no restorekit card"
