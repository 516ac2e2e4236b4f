"""Restore a folder from Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute, Precision
from restorekit.core.errors import UsageError, unknown
from restorekit.core.execution import LocalEngine
from restorekit.core.plugins import registry
from restorekit.corruptions.spec import parse
from restorekit.images.axes import parse_axes
from restorekit.images.discovery import find_images, split_array
from restorekit.images.intensity import RangeOption
from restorekit.images.masks import parse_mask
from restorekit.images.picture import SUFFIXES
from restorekit.restoration.assumptions import Sigma
from restorekit.restoration.folder import batching, run
from restorekit.restoration.folder.options import Options, Setup
from restorekit.restoration.folder.records import ImageRecord
from restorekit.restoration.loading import open_restorer

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class FolderResult:
    """Result of a run over a folder.

    Attributes
    ----------
    out : Path
        Folder of the restored images; the journal lies in its `_restorekit`.
    done, skipped, failed : int
        Images restored now, restored by an earlier run, and not restored.
    failures : dict of str to str
        Image and reason.
    notes : dict of str to list of str
        Image and what its user may not expect.
    """

    out: Path
    done: int
    skipped: int
    failed: int
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<FolderResult {self.done} restored, {self.skipped} done before, {self.failed} failed -> {self.out}>"


def restore_folder(
    source: str | Path,
    out: str | Path,
    model: str = "default",
    *,
    corruption: str | None = None,
    sigma: Sigma = None,
    mask: str | Path | None = None,
    mask_invert: bool = False,
    mask_confirmed: bool = False,
    opaque: bool = False,
    label: int | None = None,
    samples: int = 0,
    sampler: str | None = None,
    range: RangeOption = None,
    axes: str | None = None,
    format: str = "keep",
    jpeg_quality: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    workers: int = 2,
    device: str = "auto",
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> FolderResult:
    """Restore every image of a folder or a file, as ``restorekit restore`` does, but without a report page.

    A second call continues with the unfinished images.

    Parameters
    ----------
    source : path
        A folder with its sub-folders, an image file or a stack.
    out : path
        Output folder; it mirrors tree, names, formats and bit depths of `source`.
    model : str
        Installed weights, a model file, or a classical method.
    corruption : str, optional
        Corruption spec of the images.
    sigma : float, "auto" or None
        Noise level on [0, 1].
    mask, mask_invert, mask_confirmed, opaque, label, samples, sampler
        As the options of the command.
    range, axes, format, jpeg_quality, seed, overwrite
        As the options of the command; `range` is "auto" or (low, high).
    workers : int
        Reader threads and writer threads.
    device, precision : str
        As in `restorekit.load`.
    progress : callable, optional
        Called in the calling thread with the number of finished images, of all images, and the name of the last one.

    Returns
    -------
    FolderResult

    Raises
    ------
    UsageError
        An argument does not fit; nothing was done. Images that fail are in the result.
    """
    if format not in ("keep", *SUFFIXES):
        raise UsageError(unknown("image format", format, ("keep", *SUFFIXES)))
    if opaque and mask != "alpha":
        raise UsageError("opaque requires mask='alpha'; pass it or remove opaque")
    target, first = Path(os.path.realpath(out)), Path(os.path.realpath(split_array(Path(source))[0]))
    if target == first or target.is_relative_to(first) or (target == first.parent and not first.is_dir()):
        raise UsageError(f"the output {out} must lie outside the input {source}; choose another folder")
    masks = parse_mask(None if mask is None else str(mask), mask_invert, mask_confirmed)
    items = masks.pictures(find_images(str(source)))
    masks.check(items)
    known = None if corruption is None else _corruption(corruption)
    opened = open_restorer(model, known, sampler, Compute(device, precision), sigma=sigma)
    opened.check(label, samples)
    options = Options(
        model=model, digest=opened.digest, corruption=corruption, sigma=None if sigma is None else str(sigma),
        mask=None if mask is None else str(mask),
        mask_invert=mask_invert, label=label, samples=samples,
        sampler=opened.sampler, range=range, format=format, seed=seed, precision=opened.precision, noise=opened.noise,
        axes=parse_axes(axes), opaque=opaque, jpeg_quality=jpeg_quality,
    )  # fmt: skip
    setup = Setup(
        str(source), Path(out), opened.restorer, options, _corruption, masks, opened.estimate(samples), opened.device,
        overwrite=overwrite,
    )  # fmt: skip
    failures, notes, finished = dict[str, str](), dict[str, list[str]](), list[str]()

    def watch(line: ImageRecord) -> None:
        finished.append(line.image)
        if line.error:
            failures[line.image] = line.error
        if line.facts is not None and line.facts.notes:
            notes[line.image] = list(line.facts.notes)
        if progress is not None:
            progress(len(finished), len(items), line.image)

    engine = LocalEngine(workers, weigh=lambda group: 2 * group.bytes)
    counts = run.restore_folder(batching.tasks(items, setup), setup, engine, watch)
    return FolderResult(Path(out), counts["done"], counts["skipped"], counts["failed"], failures, notes)


def _corruption(spec: str) -> Corruption:
    return parse(spec, registry.corruptions())
