"""Image files, formats, metadata, masks, intensity ranges, data sets and previews.

The only room that handles uint8 and BGR.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from restorekit.core.files import atomic, sweep
from restorekit.images.discovery import Item, find_images, missing_path
from restorekit.images.intensity import IntensityRange, from_unit, parse_range, resolve_range, to_unit
from restorekit.images.picture import SPEC_KEY, SUFFIXES, Header, Metadata, Picture

if TYPE_CHECKING:
    from restorekit.images.dataset import LabelledImages, load_images, official_test
    from restorekit.images.formats import is_lossy, probe, read, target_format, write, write_float
    from restorekit.images.masks import MaskSource, parse_mask
    from restorekit.images.stacks import Stack, is_stack, load_stack, pack

# Imported when first used, so that training from stacks needs neither cv2 nor Pillow.
_HOMES = {
    "LabelledImages": "dataset",
    **dict.fromkeys(("load_images", "official_test"), "dataset"),
    **dict.fromkeys(("is_lossy", "probe", "read", "target_format", "write", "write_float"), "formats"),
    **dict.fromkeys(("MaskSource", "parse_mask"), "masks"),
    **dict.fromkeys(("Stack", "is_stack", "load_stack", "pack"), "stacks"),
}
__all__ = [
    "SPEC_KEY",
    "SUFFIXES",
    "Header",
    "IntensityRange",
    "Item",
    "LabelledImages",
    "MaskSource",
    "Metadata",
    "Picture",
    "Stack",
    "atomic",
    "find_images",
    "from_unit",
    "is_lossy",
    "is_stack",
    "load_images",
    "load_stack",
    "missing_path",
    "official_test",
    "pack",
    "parse_mask",
    "parse_range",
    "probe",
    "read",
    "resolve_range",
    "sweep",
    "target_format",
    "to_unit",
    "write",
    "write_float",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'restorekit.images' has no attribute {name!r}")
    return getattr(import_module(f"restorekit.images.{_HOMES[name]}"), name)
