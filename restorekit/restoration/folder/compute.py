"""Second stage: planes -> restored pictures.

Calibrated ends of intervals for planes that are restored band by band.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Restoration
from restorekit.images.discovery import Item
from restorekit.images.picture import Array, Picture, repainted
from restorekit.images.previews import Preview, PreviewCollector, difference, pictured
from restorekit.restoration.assumptions import middle
from restorekit.restoration.folder.batching import MOST, PIXELS
from restorekit.restoration.folder.canvas import Canvas
from restorekit.restoration.folder.journal import Journal, Line
from restorekit.restoration.folder.options import Setup
from restorekit.restoration.folder.planes import Plane, PlaneSource
from restorekit.restoration.folder.read import Opened, Reading, sentence
from restorekit.restoration.folder.selfcheck import Verdict, share_missing, verdict
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.conditions import FAR, Conditions, distances, noises
from restorekit.uncertainty.intervals import RESHAPED, half_width


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
        The same pixels, and what is kept beside them.
    untouched : bool
        Whether everything in it was known before, so that the file itself is its restoration.
    facts : mapping
        What the journal says of it.
    glance : Glance or None
        What the report shows of it.
    """

    item: Item
    picture: Picture
    canvas: Canvas
    untouched: bool
    facts: Mapping[str, Any]
    glance: Preview | None = None


class Computed(NamedTuple):
    """A group after the second stage: restored images, and the lines of the others."""

    finished: list[Finished]
    lines: list[Line]


def compute_group(reading: Reading, setup: Setup, journal: Journal) -> Computed:
    """Restore the images of a group together, as far as they have one shape and corruption."""
    computed = Computed([], list(reading.lines))
    for alike in _alike(reading.opened):
        _together(alike, setup, journal, computed)
    return computed


def _alike(opened: list[Opened]) -> Iterator[list[Opened]]:
    """Group opened images whose planes have one shape and corruption."""
    found: dict[tuple[Any, ...], list[Opened]] = {}
    for o in opened:
        found.setdefault((o.planes[0].pixels.shape, str(o.corruption)), []).append(o)
    yield from found.values()


def _together(alike: list[Opened], setup: Setup, journal: Journal, computed: Computed) -> None:
    """Restore alike images as one batch; where that fails, one by one, so that only the bad ones are lost."""
    started = time.perf_counter()
    try:
        canvases = _restored(alike, setup)
    except Exception as error:  # a plugin's code may raise anything
        if len(alike) > 1:
            for one in alike:
                _together([one], setup, journal, computed)
        elif not alike[0].done:
            item = alike[0].item
            computed.lines.append(journal.failure(item.key, f"{item.path}: {sentence(error, setup.own)}"))
        return
    seconds = (time.perf_counter() - started) / len(alike)
    pairs = zip(alike, canvases, strict=True)
    computed.finished.extend(_finished(o, canvas, seconds, setup) for o, canvas in pairs if not o.done)


def _restored(alike: list[Opened], setup: Setup) -> list[Canvas]:
    """Restore planes of equal shape, as many at a time as fit a batch."""
    options = setup.options
    keep = (*options.keep, "draws") if options.samples else options.keep
    canvases = [_canvas(o, keep, setup) for o in alike]
    pairs = [(plane, canvas) for o, canvas in zip(alike, canvases, strict=True) for plane in o.planes]
    portion = max(1, min(MOST, PIXELS // math.prod(pairs[0][0].shape[1:])))
    for first in range(0, len(pairs), portion):
        _portion(pairs[first : first + portion], alike[0].corruption, setup)
    return canvases


def _canvas(opened: Opened, keep: Sequence[str], setup: Setup) -> Canvas:
    pixels = _blank(opened)
    return Canvas(pixels, keep, setup.own, peek=PreviewCollector(*pixels.shape[1:]) if setup.pictures else None)


def _blank(opened: Opened) -> Array:
    """Return room for a restored picture: its planes may have another size and other channels than its file."""
    (channels, height, width), pixels = opened.planes[0].shape, opened.picture.pixels
    if opened.planes[0].band is not None:
        channels = pixels.shape[3]
    return np.empty((len(pixels), height, width, channels), pixels.dtype)


def _portion(pairs: list[tuple[Plane, Canvas]], corruption: Corruption, setup: Setup) -> None:
    options = setup.options
    source = PlaneSource([plane for plane, _ in pairs], corruption, options.label)
    rng = Rng(options.seed, tuple(plane.key for plane, _ in pairs)).fork("restore")
    intervals = _intervals([plane for plane, _ in pairs], corruption, setup)
    for top, band in setup.restorer.rows(source, corruption, options.samples, rng):
        whole = with_ends(band, top, intervals)
        for i, (plane, canvas) in enumerate(pairs):
            canvas.put(plane, top, whole, i)
    for image, (_, canvas) in zip(intervals, pairs, strict=False):
        canvas.refusals += [image.refusal] if image.refusal else []


def _intervals(planes: list[Plane], corruption: Corruption, setup: Setup) -> list[Enclosed]:
    """Return what encloses the truth of each plane; none where no interval is asked for."""
    level = setup.options.interval
    if level is None:
        return []
    return [enclosed(plane, corruption, setup.table, level) for plane in planes]


def _finished(opened: Opened, canvas: Canvas, seconds: float, setup: Setup) -> Finished:
    picture, lost = opened.picture, share_missing(opened.planes)
    known = not lost and all(p.exact for p in opened.planes)
    untouched = known and setup.options.format in ("keep", picture.format)
    check = Verdict({}, []) if known else verdict(opened, setup)
    glance = None if canvas.peek is None else _glance(opened, canvas, canvas.peek)
    changed = repainted(picture, canvas.pixels)  # lets go of what was read
    facts = {
        "sigma": opened.planes[0].sigma,
        "missing": lost,
        "mean_std": canvas.mean_std,
        "seconds": round(seconds, 4),
        **({"sampler": {k: round(v, 4) for k, v in canvas.diagnostics.items()}} if canvas.diagnostics else {}),
        "notes": [*(() if untouched else changed.notes), *opened.notes, *_told(canvas), *check.notes],
        **check.facts,
    }
    if setup.options.interval is not None:
        facts["calibrated"] = setup.table is not None and not canvas.refusals
    return Finished(opened.item, changed, canvas, untouched, {**opened.digests, **facts}, glance)


def _glance(opened: Opened, canvas: Canvas, peek: PreviewCollector) -> Preview:
    """Return what a person sees of the first frame."""
    plane, pixels = opened.planes[0], canvas.pixels[0]
    missing = _missing([p for p in opened.planes if p.frame == 0])
    before, after = pictured(opened.picture.pixels[0], plane.range, missing), pictured(pixels, plane.range)
    layers = dict(peek.layers)
    if before.shape[:2] == after.shape[:2] and not plane.exact:
        layers["residual"] = difference(before, after)
    lost = None if missing is None else np.asarray(missing.any(2))[:: peek.step, :: peek.step]
    return Preview(pixels.shape[:2], before, after, None, lost, layers, peek.pictures())


def _missing(planes: Sequence[Plane]) -> npt.NDArray[np.bool_] | None:
    """Return where values are missing of a frame that its planes make up, (H, W, C); None where none is."""
    if not any(plane.missing is not None and plane.missing.any() for plane in planes):
        return None
    lost = [np.bool_(False) if plane.missing is None else plane.missing for plane in planes]
    return np.concatenate([np.broadcast_to(m, p.pixels.shape) for m, p in zip(lost, planes, strict=True)], 2)


def _told(canvas: Canvas) -> list[str]:
    """Say what is not there of what was to be kept, and why intervals are not calibrated."""
    names = [name for name in canvas.keep if name not in canvas.extras]
    absent = [f"{' and '.join(names)} not written, as the model gives none"] if names else []
    return absent + [f"low and high are uncalibrated: {reason}" for reason in dict.fromkeys(canvas.refusals)]


ROWS = 1024  # of a mask whose distances are made at once


@dataclass(frozen=True, eq=False)
class Enclosed:
    """What encloses the truth of one plane.

    Attributes
    ----------
    plane : Plane
        Which.
    level : float
        Share to enclose.
    table : Table or None
        The calibration; None where there is none, or where it does not reach.
    seen : Seen or None
        What is seen of the plane, where there is a calibration.
    refusal : str or None
        Why that does not reach.
    """

    plane: Plane
    level: float
    table: Table | None = None
    seen: Conditions | None = None
    refusal: str | None = None

    def half(self, top: int, std: Tensor) -> Tensor:
        """Return half the width about each value of some rows, (C, h, W): as if Gaussian where not calibrated."""
        if self.table is None or self.seen is None:
            return NormalDist().inv_cdf(0.5 + self.level / 2) * std
        distance = rows_of_distances(self.plane, top, top + std.shape[1])
        return half_width(self.table, self.seen, distance, std, self.level)


def enclosed(plane: Plane, corruption: Corruption, table: Table | None, level: float) -> Enclosed:
    """Look at a plane, and decide whether the table covers it."""
    if table is None:
        return Enclosed(plane, level)
    if plane.resized or plane.shape[0] != plane.pixels.shape[2]:
        return Enclosed(plane, level, refusal=RESHAPED)
    noise = noises(middle(plane, corruption), corruption)[0]
    missing = 0.0 if plane.missing is None else float(plane.missing.mean())
    seen = Conditions(plane.pixels.shape[2], *noise, missing, _farthest(plane))
    refusal = table.refusal(seen, level)
    return Enclosed(plane, level, None if refusal else table, seen, refusal)


def with_ends(band: Restoration, top: int, images: Sequence[Enclosed]) -> Restoration:
    """Add the ends of every image's interval to a restored band, unless it has them or has no spread."""
    if band.std is None or band.low is not None or not images:
        return band
    half = torch.stack([image.half(top, std) for image, std in zip(images, band.std, strict=True)])
    return replace(band, low=band.mmse - half, high=band.mmse + half)


def rows_of_distances(plane: Plane, top: int, bottom: int) -> Tensor:
    """Return the distance of every value of some rows to the nearest that was seen, (1 or C, h, W), at most FAR."""
    if plane.missing is None:
        return torch.zeros(1, 1, 1)
    first = max(0, top - FAR)
    seen = torch.from_numpy(~plane.missing[first : bottom + FAR]).movedim(-1, 0)
    return distances(seen[None])[0][:, top - first : bottom - first]


def _farthest(plane: Plane) -> float:
    height = plane.pixels.shape[0]
    if plane.missing is None or not plane.missing.any():
        return 0.0
    return max(float(rows_of_distances(plane, top, min(height, top + ROWS)).max()) for top in range(0, height, ROWS))
