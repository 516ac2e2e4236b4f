"""Second stage: restore planes, and collect the results of each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Restoration
from restorekit.images.discovery import Item
from restorekit.images.masks import MaskArray
from restorekit.images.picture import Picture, repainted
from restorekit.images.previews import Preview, PreviewCollector, difference, pictured, thinned
from restorekit.restoration.folder import repairing
from restorekit.restoration.folder.batching import MAX_BATCH_IMAGES, PIXELS
from restorekit.restoration.folder.canvas import Canvas
from restorekit.restoration.folder.options import Setup
from restorekit.restoration.folder.planes import Plane, PlaneSource, central_window
from restorekit.restoration.folder.read import OpenedFile
from restorekit.restoration.folder.records import Facts, ImageRecord
from restorekit.restoration.folder.selfcheck import Verdict, share_missing, verdict
from restorekit.restoration.safeguards import is_held
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.conditions import MAX_DISTANCE_PX, Conditions, distances, noise_of
from restorekit.uncertainty.intervals import RESHAPED, Interval, add_ends


@dataclass(frozen=True, eq=False)
class Finished:
    """One image, restored.

    Attributes
    ----------
    item : Item
        Which.
    picture : Picture
        What its file is like, with the restored pixels in it.
    canvas : Canvas
        The same pixels, and the arrays kept in addition.
    untouched : bool
        Whether everything in it was known before, so that the file itself is its restoration.
    facts : Facts
        Facts for the journal.
    preview : Preview or None
        What the report shows of it.
    repaired : array of bool, (N, H, W, 1), or None
        Where defects were found and repaired.
    """

    item: Item
    picture: Picture
    canvas: Canvas
    untouched: bool
    facts: Facts
    preview: Preview | None = None
    repaired: MaskArray | None = None


class Computed(NamedTuple):
    """A group after the second stage: restored images, and the lines of the others."""

    finished: list[Finished]
    lines: list[ImageRecord]


def alike(opened: Sequence[OpenedFile]) -> list[list[OpenedFile]]:
    """Group images whose planes have one shape and corruption: these are restored together."""
    found: dict[tuple[Any, ...], list[OpenedFile]] = {}
    for o in opened:
        found.setdefault((o.planes[0].pixels.shape, str(o.degradation.corruption)), []).append(o)
    return list(found.values())


def restore_planes(images: Sequence[OpenedFile], setup: Setup) -> list[Canvas]:
    """Restore images that are alike, as many planes at a time as fit a batch; return a canvas for each."""
    options, corruption = setup.options, images[0].degradation.corruption
    canvases = [_canvas(image, setup) for image in images]
    pairs = [(plane, canvas) for image, canvas in zip(images, canvases, strict=True) for plane in image.planes]
    by_shape: dict[tuple[int, ...], list[tuple[Plane, Canvas]]] = {}  # pages of a document may have several
    for pair in pairs:
        by_shape.setdefault(pair[0].pixels.shape, []).append(pair)
    count = max(1, min(MAX_BATCH_IMAGES, PIXELS // max(math.prod(plane.shape[1:]) for plane, _ in pairs)))
    for some in (same[i : i + count] for same in by_shape.values() for i in range(0, len(same), count)):
        planes = [plane for plane, _ in some]
        source = PlaneSource(planes, corruption, options.label)
        rng = Rng(options.seed, tuple(plane.key for plane in planes)).fork("restore")
        level, table = options.interval, setup.table
        intervals = [] if level is None else [interval_of(plane, corruption, table, level) for plane in planes]
        for top, strip in setup.restorer.rows(source, corruption, options.samples, rng):
            enclosed = with_ends(strip, top, planes, intervals)
            for i, (plane, canvas) in enumerate(some):
                canvas.put(plane, top, enclosed, i)
        strength = 1.0 if options.repair is None else options.repair.strength
        for plane, canvas in some if strength < 1 else ():
            canvas.weaken(plane, strength)
        for plane, canvas in some:
            if is_held(corruption, plane.shape) and not plane.exact and plane.shape == _own_shape(plane):
                canvas.hold(plane)
        for interval, (_, canvas) in zip(intervals, some, strict=False):
            canvas.refusals += [interval.refusal] if interval.refusal else []
    return canvases


def _own_shape(plane: Plane) -> tuple[int, int, int]:
    """Return the shape of a plane's file, (C, H, W)."""
    height, width, channels = plane.pixels.shape
    return channels, height, width


def _canvas(opened: OpenedFile, setup: Setup) -> Canvas:
    """Return an empty canvas: its planes may have another size and other channels than the file."""
    (channels, height, width), pixels, options = opened.planes[0].shape, opened.picture.pixels, setup.options
    if opened.picture.shapes is not None:
        height, width = pixels.shape[1:3]
    if opened.picture.shapes is not None or opened.planes[0].channel is not None:
        channels = pixels.shape[3]
    keep = (*options.keep, "draws") if options.samples else options.keep
    blank = np.zeros((len(pixels), height, width, channels), pixels.dtype)
    first = opened.picture.cropped(blank[0], 0).shape
    return Canvas(blank, keep, setup.own, peek=PreviewCollector(*first) if setup.pictures else None)


def collect_results(opened: OpenedFile, canvas: Canvas, seconds: float, setup: Setup) -> Finished:
    """Collect what is written of a restored image, and check it if checks are asked for."""
    picture, lost = opened.picture, share_missing(opened.planes)
    known = not lost and all(p.exact for p in opened.planes)
    untouched = known and setup.options.format in ("keep", picture.format)
    check = Verdict() if known else verdict(opened, setup)
    preview = None if canvas.peek is None else _preview(opened, canvas, canvas.peek)
    change = rms_change(opened, canvas.pixels)
    changed = repainted(picture, canvas.pixels)  # lets go of what was read
    intervals = setup.options.interval is not None
    lacking = [name for name in canvas.keep if name not in canvas.extras]
    absent = [f"{' and '.join(lacking)} not written, as the model gives none"] if lacking else []
    absent += [f"low and high are uncalibrated: {reason}" for reason in dict.fromkeys(canvas.refusals)]
    facts = Facts(
        digests=opened.digests,
        sigma=opened.planes[0].sigma,
        missing=lost,
        changed=change,
        mean_std=canvas.mean_std,
        seconds=round(seconds, 4),
        sampler={k: round(v, 4) for k, v in canvas.diagnostics.items()} or None,
        notes=[*(() if untouched else changed.notes), *opened.notes, *absent, *canvas.concerns, *check.notes],
        check=check.check,
        calibrated=(setup.table is not None and not (canvas.refusals or canvas.concerns)) if intervals else None,
        concerns=tuple(canvas.concerns),
        repaired=None if opened.repaired is None else repairing.record(opened.repaired),
    )
    return Finished(opened.item, changed, canvas, untouched, facts, preview, opened.repaired)


def rms_change(opened: OpenedFile, pixels: npt.NDArray[Any]) -> float | None:
    """Return the root mean square change of the observed values on [0, 1]; None for another shape or none observed."""
    before, span = opened.picture.pixels, opened.planes[0].range.high - opened.planes[0].range.low
    if before.shape != pixels.shape or not span:
        return None
    exact = np.float32 if before.dtype.itemsize <= 2 and before.dtype.kind in "ui" else np.float64
    total, count = 0.0, 0
    for frame in range(len(before)):
        lost = _missing([plane for plane in opened.planes if plane.frame == frame])
        for top in range(0, before.shape[1], ROWS):
            rows = slice(top, top + ROWS)
            difference = np.subtract(pixels[frame, rows], before[frame, rows], dtype=exact)
            if lost is not None:
                difference = difference[~np.broadcast_to(lost[rows], difference.shape)]
            if before.dtype.kind not in "uib":
                difference = difference[np.isfinite(difference)]
            total, count = total + float(np.square(difference).sum()), count + difference.size
    return float(f"{math.sqrt(total / count) / span:.4g}") if count else None


def _preview(opened: OpenedFile, canvas: Canvas, peek: PreviewCollector) -> Preview:
    """Return what a person sees of the first frame: repaired pixels as they were, missing ones transparent."""
    plane, pixels = opened.planes[0], opened.picture.cropped(canvas.pixels[0], 0)
    missing = _missing([p for p in opened.planes if p.frame == 0])
    marks = None if opened.repaired is None else opened.picture.cropped(opened.repaired[0], 0)
    if marks is not None and missing is not None:
        missing = missing & ~marks
    frame = opened.picture.cropped(opened.picture.pixels[0], 0)
    before, after = pictured(frame, plane.range, missing), pictured(pixels, plane.range)
    layers = dict(peek.layers)
    if before.shape[:2] == after.shape[:2] and not plane.exact:
        layers["residual"] = difference(before, after)
    lost = None if missing is None or not missing.any() else np.asarray(missing.any(2))[:: peek.step, :: peek.step]
    repaired = None if marks is None or not marks.any() else thinned(marks[:, :, 0], peek.step)
    return Preview(pixels.shape[:2], before, after, None, lost, layers, peek.pictures(), repaired)


def _missing(planes: Sequence[Plane]) -> npt.NDArray[np.bool_] | None:
    """Return where values are missing of a frame that its planes make up, (H, W, C); None where none is."""
    if all(plane.lost is None for plane in planes):
        return None
    lost = [np.bool_(False) if plane.lost is None else plane.lost for plane in planes]
    return np.concatenate([np.broadcast_to(m, p.pixels.shape) for m, p in zip(lost, planes, strict=True)], 2)


ROWS = 1024  # of an image or mask that are computed with at once


def interval_of(plane: Plane, corruption: Corruption, table: Table | None, level: float) -> Interval:
    """Return the interval around the values of a plane, calibrated if the table covers it."""
    if table is None:
        return Interval(level)
    if plane.resized or plane.shape[0] != plane.pixels.shape[2]:
        return Interval(level, refusal=RESHAPED)
    white, sigma = noise_of(central_window(plane, corruption))[0]
    missing = 0.0 if plane.missing is None else float(plane.missing.mean())
    height, farthest = plane.pixels.shape[0], 0.0
    if missing:
        tops = range(0, height, ROWS)
        farthest = max(float(rows_of_distances(plane, top, min(height, top + ROWS)).max()) for top in tops)
    return Interval.read(table, Conditions(plane.pixels.shape[2], white, sigma, missing, farthest), level)


def with_ends(strip: Restoration, top: int, planes: Sequence[Plane], intervals: Sequence[Interval]) -> Restoration:
    """Add the ends of every plane's interval to a restored strip, unless it has them or has no spread."""
    if strip.std is None or strip.low is not None or not intervals:
        return strip
    nowhere, halves = torch.zeros(1, 1, 1), list[Tensor]()
    for plane, interval, std in zip(planes, intervals, strip.std, strict=True):
        distance = rows_of_distances(plane, top, top + std.shape[1]) if interval.calibrated else nowhere
        halves.append(interval.half_width(distance, std))
    return add_ends(strip, torch.stack(halves))


def rows_of_distances(plane: Plane, top: int, bottom: int) -> Tensor:
    """Return the distances of rows to the nearest observed value, (1 or C, h, W), at most MAX_DISTANCE_PX."""
    if plane.missing is None:
        return torch.zeros(1, 1, 1)
    first = max(0, top - MAX_DISTANCE_PX)
    observed = torch.from_numpy(~plane.missing[first : bottom + MAX_DISTANCE_PX]).movedim(-1, 0)
    return distances(observed[None])[0][:, top - first : bottom - first]
