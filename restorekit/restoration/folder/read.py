"""First stage: read files into planes, with their assumed degradation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from restorekit.core.errors import ImageError, UsageError, system_error
from restorekit.core.plugins.boundary import error_message
from restorekit.images import formats
from restorekit.images.discovery import Item
from restorekit.images.intensity import MARGIN_SIGMAS, NOISY_MARGIN, IntensityRange, far_outside, resolve_range
from restorekit.images.masks import MaskArray
from restorekit.images.picture import Array, Picture
from restorekit.images.validity import no_data, transparent
from restorekit.restoration.assumptions import NO_NOISE, Degradation, resolve_degradation
from restorekit.restoration.folder.batching import Group
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.options import Options, Setup
from restorekit.restoration.folder.planes import Plane, estimate_level, no_noise, planes
from restorekit.restoration.folder.records import ImageRecord, InputDigests

ALONE = "it was searched for defects by itself: its folder has no two other frames of its size"
MAX_OUTSIDE = 0.6  # share of the values far outside of a range that is no range of theirs


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """One image, decoded.

    Attributes
    ----------
    item : Item
        Which.
    digests : InputDigests
        Of its files, for the journal.
    picture : Picture
        Its content.
    planes : list of Plane
        The same, split into what a restorer takes.
    degradation : Degradation
        Assumed degradation.
    notes : tuple of str
        What its user should know.
    done : bool
        Restored by an earlier run: it takes part in its batch, so that the others get the same bytes, and no more.
    protected, kept_marks : array of bool, (1 or N, H, W, 1 or C), or None
        True where nothing is repaired, and on marks that are not repaired.
    repaired : array of bool, (N, H, W, 1), or None
        True where defects were found, which counts as missing; None where none was searched for.
    neighbours : (array, array) or None
        Pixels of the frames before and after, (H, W, C).
    """

    item: Item
    digests: InputDigests
    picture: Picture
    planes: list[Plane]
    degradation: Degradation
    notes: tuple[str, ...]
    done: bool
    protected: MaskArray | None = None
    kept_marks: MaskArray | None = None
    repaired: MaskArray | None = None
    neighbours: tuple[Array, Array] | None = None


class Reading(NamedTuple):
    """A group after the first stage: images to restore, and the lines of those of which nothing more is to be done."""

    opened: list[OpenedFile]
    lines: list[ImageRecord]


class _State(NamedTuple):
    """State of an image before the run."""

    item: Item
    digests: InputDigests
    done: bool
    error: str | None = None


def open_group(group: Group, setup: Setup, journal: Journal) -> Reading:
    """Read the images of a group unless all are done; a bad one does not keep the others back."""
    states = [_state(item, setup, journal) for item in group.items]
    lines = [replace(journal.lines[s.item.key], status="skipped") for s in states if s.done]
    opened: list[OpenedFile] = []
    for state in () if len(lines) == len(states) else states:
        try:
            if group.refused is not None:
                raise ImageError(group.refused)
            opened.append(_with_neighbours(_opened(state, setup), setup))
        except Exception as error:  # a plugin's code may raise anything
            lines.append(journal.failure(state.item.key, sentence(error, setup.own)))
    return Reading(opened, lines)


def sentence(error: Exception, own: Path | None = None) -> str:
    """Return what to tell of whatever kept an image from being restored; tracebacks go into the run's own folder."""
    if (text := error_message(error, own)) is not None:
        return text
    if (text := system_error(error)) is not None:
        return text
    return f"unexpected {type(error).__name__}: {error}; please report it"


def _state(item: Item, setup: Setup, journal: Journal) -> _State:
    try:
        digests = setup.digests(item)
        return _State(item, digests, journal.done(item.key, digests, setup.target(item), setup.pictures))
    except (ImageError, OSError) as error:
        return _State(item, InputDigests(), False, sentence(error))


def is_done(item: Item, setup: Setup, journal: Journal) -> bool:
    """Return whether an earlier run restored an image from the same input with the same options."""
    return _state(item, setup, journal).done


def _opened(state: _State, setup: Setup) -> OpenedFile:
    if state.error is not None:
        raise ImageError(state.error)
    item, options = state.item, setup.options
    picture = setup.masks.visible(formats.read(item.path, setup.max_pixels, options.axes, setup.max_memory))
    marked = setup.masks.missing(item, picture)
    if options.opaque and picture.alpha is not None:
        full = 1 if picture.alpha.dtype.kind == "f" else np.iinfo(picture.alpha.dtype).max
        picture = replace(picture, alpha=np.full_like(picture.alpha, full))
    try:
        found = setup.degradation(picture.spec)
    except UsageError as error:
        raise ImageError(
            f"{item.path} names the corruption {picture.spec!r} in its metadata, but {error}; or pass --corruption"
        ) from error
    if setup.search.repair is not None and options.corruption is None and setup.refusal(found.corruption) is not None:
        found = setup.degradation(None)  # the defects that the detector searches are not for the model to undo
    if (reason := setup.refusal(found.corruption)) is not None:
        raise ImageError(f"{item.path} has the corruption {str(found.corruption)!r}: {reason}")
    scale, warning = resolve_range(picture, options.range)
    scale = scale.with_margin(_margin(found, scale.margin))
    kept, reasons = _kept(item.key, picture, marked.missing, scale, options)
    if not found.corruption.direct:  # its values stand for others than those at their place
        kept, reasons = None, []
    accepted = setup.restorer.geometry.channels
    own = planes(item.key, _with_nan(picture, kept), marked.missing, scale, accepted, found.corruption, kept)
    levels = list[str]()
    if found.source == "nobody" and found.sigma is None and (reason := no_noise(own)):
        found = resolve_degradation(sigma=0.0)
        levels = [NO_NOISE.format(reason)]
    if found.estimate:
        estimated = [estimate_level(p, found.corruption, setup.restorer.needs_sigma) for p in own]
        own, levels = [p for p, _ in estimated], list(dict.fromkeys(note for _, note in estimated if note))
    else:
        own = [replace(p, sigma=found.sigma, exact=found.exact) for p in own]
    notes = (*marked.warnings, *([warning] if warning else []), *reasons, *levels, *remarks(own, picture, options))
    limits = (setup.search.protected, setup.search.kept_marks)
    protected, kept = (None if source is None else source.missing(item, picture).missing for source in limits)
    return OpenedFile(item, state.digests, picture, own, found, notes, state.done, protected, kept)


def _with_neighbours(opened: OpenedFile, setup: Setup) -> OpenedFile:
    """Add the frames before and after, or say that there are none of its size; a file of several frames has its own."""
    own = opened.picture.pixels
    if setup.options.repair is None or not setup.options.repair.sequence or len(own) > 2:
        return opened
    others = setup.search.neighbours.get(opened.item.key, ())
    read = (formats.read(o.path, setup.max_pixels, setup.options.axes, setup.max_memory).pixels for o in others)
    found = [pixels[0] for pixels in read if pixels.shape == own.shape]
    if len(found) < 2:
        return replace(opened, notes=(*opened.notes, ALONE))
    return replace(opened, neighbours=(found[0], found[1]))


def _margin(found: Degradation, margin: float) -> float:
    """Return the share of the range by which values may lie outside of it, with room for noise that is stated."""
    if found.sigma is not None:
        return max(margin, MARGIN_SIGMAS * found.sigma)
    return NOISY_MARGIN if found.source in ("user", "file") else margin


def _kept(
    key: str, picture: Picture, missing: MaskArray | None, scale: IntensityRange, options: Options
) -> tuple[MaskArray | None, list[str]]:
    """Find the values that stay as they are and count as missing, unless a mask marks them, with notes.

    Raises
    ------
    ImageError
        Most values are far outside of the range.
    """
    known = None if missing is None else ~missing
    empty, clear = no_data(picture), None if options.mask == "alpha" else transparent(picture)
    outside = far_outside(picture.pixels, scale)
    if outside is not None and empty is not None:
        outside &= ~empty
    if outside is not None and float(outside.mean()) > MAX_OUTSIDE:
        raise ImageError(
            f"{outside.mean():.0%} of the values of {key} lie far outside of the range {scale}; set another --range"
        )
    kept, notes = None, list[str]()
    found = {
        "no data": empty,
        "colours of fully transparent pixels": clear,
        f"far outside of the range {scale} (hot pixels, saturation)": outside,
    }
    for reason, where in found.items():
        if where is not None and known is not None:
            nan = picture.missing if where is empty else None  # a file may declare NaN itself to mean no data
            where = where & (known if nan is None else known | nan)
        if where is not None and where.any():
            kept = where if kept is None else kept | where
            count = int(np.count_nonzero(np.broadcast_to(where, picture.pixels.shape)))
            notes.append(f"{count} value(s) stay as they are and count as missing: {reason}")
    return kept, notes


def _with_nan(picture: Picture, kept: MaskArray | None) -> Picture:
    """Return a picture with its NaN, which decoding replaces by 0, where they stay."""
    declared = picture.nodata is not None  # which are written back by the number that the file declares
    if kept is None or picture.missing is None or declared or not (stay := kept & picture.missing).any():
        return picture
    return replace(picture, pixels=np.where(stay, picture.pixels.dtype.type(np.nan), picture.pixels))


def remarks(own: list[Plane], picture: Picture, options: Options) -> list[str]:
    """Return sentences on what the result does not keep or contain."""
    kind = formats.target_format(picture, options.format)
    lossy = kind == "jpeg" or (kind == "webp" and picture.lossy and options.jpeg_quality != "auto")
    unobserved = all(p.lost is not None and bool(p.lost.all()) for p in own)
    touched = kind != picture.format or any(p.lost is not None for p in own)
    hidden = options.mask == "alpha" and not options.opaque
    channels, nodata = picture.pixels.shape[3], picture.nodata
    lost = picture.missing if nodata is None or picture.missing is None else picture.missing & ~nodata.where
    infinite = 0 if lost is None or picture.spec is not None else int(np.count_nonzero(lost))
    found = {
        f"{infinite} value(s) are NaN or infinite; they count as missing and are filled": infinite > 0,
        f"the {channels} channels of the array are restored one by one; if one is alpha, save the image as PNG or TIFF"
        " first": channels in (2, 4) and picture.metadata.array is not None,
        "no pixel was observed; what is there now is invented": unobserved,
        "alpha is carried over, so what was restored under it stays transparent; --opaque writes it opaque": hidden,
        f"{kind} is written with loss: observed pixels are bit-exact only before the encoding, with --format png"
        " or tiff after it too": lossy and touched and any(p.exact for p in own),
    }
    return [remark for remark, holds in found.items() if holds]
