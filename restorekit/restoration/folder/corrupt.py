"""Corrupt clean image files and record the corruption in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restorekit.core.contracts import Corruption
from restorekit.core.errors import ImageError, RestorekitError, UsageError, system_error
from restorekit.core.files import remove
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.images import formats
from restorekit.images.discovery import Item, missing_path
from restorekit.images.intensity import IntensityRange, RangeOption, from_unit, resolve_range, to_unit
from restorekit.images.masks import MaskIndex, read_mask
from restorekit.images.picture import Metadata, Picture, repainted

_STORED: dict[str, tuple[IntensityRange, np.dtype[Any]]] = {
    "8": (IntensityRange(0.0, 255.0), np.dtype(np.uint8)),
    "16": (IntensityRange(0.0, 65535.0), np.dtype(np.uint16)),
    "32f": (IntensityRange(0.0, 1.0), np.dtype(np.float32)),
}


@dataclass(frozen=True)
class CorruptionPlan:
    """Settings that apply to every image of a run.

    Attributes
    ----------
    out : Path
        Output folder.
    corruption : Corruption
        Corruption to apply.
    depth : {"8", "16", "32f"}
        Bits of the outputs; integers are clipped and rounded, floats keep every value.
    range : "auto", (low, high) or None
        Range of the input values.
    seed : int
        Seed; each image uses a random stream of its name.
    axes : str or None
        Axes of arrays, as in `restorekit.images.axes.parse_axes`; None: derived from their shapes.
    masks : MaskIndex
        Masks next to the inputs, and those of an earlier run in `out`.
    """

    out: Path
    corruption: Corruption
    depth: str = "8"
    range: RangeOption = None
    seed: int = 0
    axes: str | None = None
    masks: MaskIndex = field(default_factory=MaskIndex, init=False, repr=False, compare=False)


def check(items: Sequence[Item], plan: CorruptionPlan) -> None:
    """Raise a UsageError, before any work, if two images would be written to the same file."""
    taken: dict[str, Item] = {}
    for item in items:
        first = taken.setdefault(str(Path(item.key).with_suffix("")), item)
        if first is not item:
            raise UsageError(
                f"{first.key} and {item.key} would both be written to {plan.out / Path(item.key).stem}.png or .tif;"
                " rename one, or corrupt them into two folders"
            )


def corrupt_file(item: Item, plan: CorruptionPlan) -> str | None:
    """Corrupt one file; return the error as one sentence, or None."""
    try:
        _corrupt(item, plan)
    except UsageError:
        raise
    except RestorekitError as error:
        return str(error)
    except OSError as error:
        return system_error(error)
    return None


def _corrupt(item: Item, plan: CorruptionPlan) -> None:
    picture = formats.read(item.path, axes=plan.axes)
    channels = picture.pixels.shape[3]
    if picture.shapes is not None:
        raise ImageError(f"{item.path} has pages of several sizes or kinds; split it into one file per kind first")
    if channels not in (1, 3):
        raise ImageError(f"{item.path} has {channels} channels; corrupt takes gray and RGB images, so split it first")
    _refuse_marked(item, picture, plan.masks)
    settled = plan.corruption.settled(Rng(plan.seed, (item.key,)))
    scale, _ = resolve_range(picture, plan.range)
    x = torch.from_numpy(to_unit(picture.pixels, scale)).movedim(-1, 1)
    keys = tuple(item.key if len(x) == 1 else f"{item.key}#{i}" for i in range(len(x)))
    observation = settled(x, Rng(plan.seed, keys))
    if picture.missing is not None:  # what was missing before stays missing
        known = torch.from_numpy(~picture.missing).movedim(-1, 1)
        if observation.y.shape != known.shape:
            raise ImageError(f"{item.path} has missing values, which this corruption would smear; fill them in first")
        observation = replace(observation, y=observation.y * known, observed=observation.observed & known)
    suffix = ".tif" if plan.depth == "32f" or len(x) > 1 else ".png"
    target = plan.out / Path(item.key).with_suffix(suffix)
    mask, earlier = missing_path(target, len(x)), plan.masks.of(target)
    for path in (target, mask, *earlier):
        _refuse_foreign(path)
    _mark(mask, observation, earlier, str(settled))
    values = from_unit(observation.y.movedim(1, -1).numpy(), *_STORED[plan.depth])
    carried = repainted(picture, values).metadata  # without that of the file's coding
    metadata = Metadata(exif=carried.exif, icc=carried.icc, dpi=carried.dpi)
    corrupted = Picture(values, picture.alpha, format="tiff" if suffix == ".tif" else "png", metadata=metadata)
    formats.write(target, corrupted, values, spec=str(settled), jpeg_quality="auto")


def _refuse_marked(item: Item, picture: Picture, masks: MaskIndex) -> None:
    """Raise an ImageError if a mask next to a picture marks missing pixels."""
    path = masks.one(item)
    missing = None if path is None else read_mask(path, item, picture).missing
    if missing is not None and missing.any():
        raise ImageError(
            f"{missing.mean():.2%} of the pixels of {item.path} are marked as missing in {path},"
            " so there is no complete clean image to corrupt; fill them in or remove the image from the folder"
        )


def _refuse_foreign(target: Path) -> None:
    """Raise an ImageError if a file exists that does not record a corruption."""
    try:
        ours = not target.exists() or formats.read(target).spec is not None
    except ImageError:
        ours = False
    if not ours:
        raise ImageError(f"{target} exists and was not written by restorekit corrupt; choose another folder")


def _mark(path: Path, observation: Observation, earlier: Sequence[Path], spec: str) -> None:
    """Write a mask of missing pixels with the spec, which marks it as ours; remove masks of an earlier run."""
    complete = bool(observation.observed.all())
    if not complete:
        mask = np.where(observation.observed.movedim(1, -1).numpy(), 0, 255).astype(np.uint8)
        kind = "png" if path.suffix == ".png" else "tiff"
        formats.write(path, Picture(mask, format=kind, metadata=Metadata()), mask, spec=spec)
    for other in earlier:
        if complete or not other.samefile(path):
            remove(other)
