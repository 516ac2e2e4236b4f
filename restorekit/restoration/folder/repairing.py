"""Search for defects in images, between their reading and their restoration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from restorekit.core.errors import ImageError
from restorekit.core.rng import Rng
from restorekit.images.defects import Bytes, count_marks, without_marks
from restorekit.images.discovery import Item
from restorekit.images.intensity import to_unit
from restorekit.images.masks import MaskArray
from restorekit.restoration.folder.journal import image_digest
from restorekit.restoration.folder.options import Options, Setup
from restorekit.restoration.folder.planes import Plane, PlaneSource, no_noise
from restorekit.restoration.folder.read import OpenedFile, remarks
from restorekit.restoration.folder.records import RepairRecord
from restorekit.restoration.repair import Repair
from restorekit.uncertainty.touch import CAP

INFRARED = "if the fourth is the infrared plane of a scan, --mask ir reads dust from it and leaves it as it is"
LOOK = "look at the marks in the report, and take wrong ones back with --keep-marks"


def search(opened: OpenedFile, repair: Repair, options: Options) -> OpenedFile:
    """Return an image whose defects count as missing.

    Raises
    ------
    ImageError
        The image is smaller or gray by its corruption, so that defects have no place in the result.
    """
    if any(plane.resized or plane.shape[0] != plane.pixels.shape[2] for plane in opened.planes):
        raise ImageError(
            f"{opened.item.key} is restored to another size or other channels, where defects cannot be searched; remove"
            " --repair"
        )
    corruption, found = opened.degradation.corruption, np.zeros((*opened.picture.pixels.shape[:3], 1), np.bool_)
    for plane in opened.planes:
        source = PlaneSource([plane], corruption)
        frames = _neighbours(opened, plane) if options.repair is not None and options.repair.sequence else None
        marks = repair.marks(source, Rng(options.seed, (plane.key,)).fork("repair"), frames)
        if plane.missing is not None:
            marks &= ~plane.missing.all(2)
        height, width = marks.shape
        found[plane.frame, :height, :width, 0] |= marks
    if opened.kept_marks is not None:
        for frame, kept in zip(
            found, np.broadcast_to(opened.kept_marks, (len(found), *opened.kept_marks.shape[1:])), strict=True
        ):
            frame[..., 0] = without_marks(frame[..., 0], kept.any(2))
    if opened.protected is not None:
        found &= ~opened.protected.any(3, keepdims=True)
    planes = []
    for plane in opened.planes:
        marks = found[plane.frame, : plane.pixels.shape[0], : plane.pixels.shape[1]]
        missing = marks if plane.missing is None else plane.missing | marks
        planes.append(replace(plane, missing=missing, repaired=marks) if marks.any() else plane)
    notes, share = [*opened.notes], float(found.mean())
    if share and (reason := no_noise(opened.planes)):
        notes.append(f"no share of clean pixels is promised, because it is unlike photographs: {reason}; {LOOK}")
    elif share > CAP:
        notes.append(f"{share:.1%} of it look defective, more than {CAP:.0%}; {LOOK}")
    if share and opened.picture.pixels.shape[3] == 4:
        notes.append(f"defects are searched in each of its 4 channels; {INFRARED}")
    notes += [note for note in remarks(planes, opened.picture, options) if note not in notes]
    return replace(opened, planes=planes, repaired=found, notes=tuple(notes))


def _neighbours(opened: OpenedFile, plane: Plane) -> tuple[Bytes, Bytes] | None:
    """Return the frames before and after a plane, (H, W, C): of its own file if that has several."""
    own = opened.picture.pixels
    count, i = len(own), plane.frame
    others = opened.neighbours
    if count > 2:
        others = own[i - 1 if i else 2], own[i + 1 if i + 1 < count else i - 2]
    if others is None:
        return None
    first, second = (to_unit(frame[..., plane.channels], plane.range).clip(0, 1) for frame in others)
    return (255 * first).round().astype(np.uint8), (255 * second).round().astype(np.uint8)


def refuse_edited(masks: Mapping[Path, str], setup: Setup) -> None:
    """Raise an ImageError if a mask of an earlier run, with its digest then, was edited or serves as a mask now."""
    for path, known in masks.items():
        if path.is_file() and image_digest(path) != known and not setup.overwrite:
            raise ImageError(
                f"{path} was edited since it was written, and would be lost; move it elsewhere (--mask reads it from"
                " there), or pass --overwrite"
            )


def stale_masks(masks: Mapping[Path, str], written: Iterable[Path], item: Item, setup: Setup) -> list[Path]:
    """Return masks of an earlier run that are of another picture now: not written, read or edited since."""
    used = {*written, setup.masks.file(item)}
    return [p for p, known in masks.items() if p not in used and p.is_file() and image_digest(p) == known]


def record(repaired: MaskArray) -> RepairRecord:
    """Return the marks, (N, H, W, 1), that were repaired of an image for the journal."""
    frames = repaired[..., 0]
    return RepairRecord(sum(map(count_marks, frames)), float(f"{frames.mean():.4g}"))
