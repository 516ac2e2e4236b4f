"""Third stage: restored pictures -> files, and the journal's lines of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restorekit.core.errors import ImageError
from restorekit.core.files import atomic, digest, refuse_links, remove
from restorekit.images import formats
from restorekit.images.discovery import split_array
from restorekit.images.marks import SOFTWARE
from restorekit.images.masks import MaskArray
from restorekit.restoration.folder.compute import Computed, Finished
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.options import Setup
from restorekit.restoration.folder.read import sentence
from restorekit.restoration.folder.records import REPAIRED, Facts, ImageRecord
from restorekit.restoration.folder.repairing import refuse_edited, stale_masks

VIEWS = "views"  # pictures for the report, in the run's own folder
FOLDERS = {"std": "std", "low": "low", "high": "high", "draws": "samples"}  # of what is kept, in the run's own folder


def store_group(computed: Computed, setup: Setup, journal: Journal) -> list[ImageRecord]:
    """Write the images of a group and their lines; return the lines, those of images passed over included."""
    for line in computed.lines:
        if line.status != "skipped":
            journal.add(line)
    return [*computed.lines, *(_stored(finished, setup, journal) for finished in computed.finished)]


def _stored(finished: Finished, setup: Setup, journal: Journal) -> ImageRecord:
    key, target = finished.item.key, setup.target(finished.item)
    masks = {
        path: known for path, known in journal.kept(key).items() if path.parent.is_relative_to(setup.own / REPAIRED)
    }
    try:
        _refuse_foreign_files(finished, target, setup, journal)
        if masks and finished.repaired is not None:
            refuse_edited(masks, setup)
        notes = _write(finished, target, setup, journal)
        # What an earlier run kept is of another picture than the one that is now in place.
        for path in _extra_paths(key, FOLDERS.keys() - finished.canvas.extras.keys(), setup):
            remove(path)
        facts = _with_views(finished, setup)
        facts = replace(facts, notes=[*facts.notes, *notes])
        marks = (
            [] if finished.repaired is None else [write_mask(finished.repaired, setup.own / REPAIRED / f"{key}.png")]
        )
        line = journal.success(key, [*_extra_paths(key, finished.canvas.extras, setup), *marks], facts)
        for path in [*journal.superseded(line), *(stale_masks(masks, marks, finished.item, setup) if masks else ())]:
            remove(path)
    except Exception as error:  # whatever one image meets must not keep the others back
        line = journal.failure(key, sentence(error, setup.own))
    journal.add(line)
    return line


def _with_views(finished: Finished, setup: Setup) -> Facts:
    """Write the pictures of an image for the report; an error there costs the pictures, and not the image."""
    facts = finished.facts
    if finished.preview is None:
        return facts
    name = digest(finished.item.key.encode())[:16]
    try:
        return replace(facts, views=finished.preview.write(setup.own / VIEWS, name))
    except (ImageError, OSError) as error:
        notes = [*facts.notes, f"no pictures for the report, the next run makes them: {error}"]
        return replace(facts, notes=notes, unpictured=True)


def _refuse_foreign_files(finished: Finished, target: Path, setup: Setup, journal: Journal) -> None:
    """Raise an ImageError where a file would be replaced that restorekit did not write."""
    refuse_links(target)
    if not target.exists():
        return
    inputs = (Path(split_array(finished.item.path)[0]), setup.masks.file(finished.item))
    if any(path is not None and target.samefile(path) for path in inputs):
        raise ImageError(f"{target} is itself an input, which is never written to; choose another folder")
    if not (setup.overwrite or journal.owns(finished.item.key, target)):
        raise ImageError(f"{target} exists and is not restorekit's own; choose another folder or give --overwrite")


def _write(finished: Finished, target: Path, setup: Setup, journal: Journal) -> tuple[str, ...]:
    """Write the image, in place last of all; one of which all was known is copied, so that no coding harms it.

    Returns notes of the encoder.
    """

    def ready(temporary: Path) -> None:
        journal.start(finished.item.key, target, temporary)
        extras = finished.canvas.extras
        for path, values in zip(_extra_paths(finished.item.key, extras, setup), extras.values(), strict=True):
            formats.write_float(path, values.reshape(-1, *values.shape[-3:]))

    if finished.untouched:
        with atomic(target) as temporary:
            shutil.copyfile(split_array(finished.item.path)[0], temporary)
            ready(temporary)
        return ()
    options, pixels = setup.options, finished.canvas.pixels
    return formats.write(target, finished.picture, pixels, options.format, None, ready, options.jpeg_quality)


def write_mask(marks: MaskArray, path: Path) -> Path:
    """Write a mask, (N, H, W, 1), as a PNG of one bit a pixel, or a TIFF for several frames; return its file.

    `--mask` finds it by its name.
    """
    frames = [Image.fromarray(frame[..., 0]) for frame in marks]
    path = path if len(frames) == 1 else path.with_suffix(".tif")
    with atomic(path) as temporary:
        if len(frames) == 1:
            info = PngInfo()
            info.add_text(*SOFTWARE)
            frames[0].save(temporary, "PNG", pnginfo=info)
        else:
            frames[0].save(temporary, "TIFF", save_all=True, append_images=frames[1:], compression="group4")
    return path


def _extra_paths(key: str, names: Iterable[str], setup: Setup) -> list[Path]:
    """Return where an image's spread, draws ... go."""
    return [setup.own / FOLDERS[name] / f"{key}.tif" for name in names]
