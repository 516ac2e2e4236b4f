"""Restore a folder from Python, with its page."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.core.config import check_integer
from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute, Precision, Quality
from restorekit.core.errors import UsageError, unknown
from restorekit.core.execution import LocalEngine
from restorekit.core.plugins import registry
from restorekit.corruptions.spec import parse
from restorekit.images.axes import parse_axes
from restorekit.images.discovery import find_images, split_array
from restorekit.images.intensity import RangeOption, parse_range
from restorekit.images.masks import parse_mask
from restorekit.images.picture import QUALITIES, SUFFIXES
from restorekit.report.live import RestorationPage
from restorekit.restoration.assumptions import Sigma, sigma_of
from restorekit.restoration.folder import batching, run
from restorekit.restoration.folder.options import Options, Setup, open_search
from restorekit.restoration.folder.records import ImageRecord
from restorekit.restoration.loading import open_restorer

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class FolderResult:
    """Result of a run over a folder.

    Attributes
    ----------
    out : Path
        Folder of the restored images; the journal and the page lie in its `_restorekit`.
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
    ir_threshold: float | None = None,
    mask_invert: bool = False,
    mask_confirmed: bool = False,
    opaque: bool = False,
    repair: str | Path | None = None,
    touch: float | None = None,
    strength: float | None = None,
    protect: str | Path | None = None,
    keep_marks: str | Path | None = None,
    label: int | None = None,
    samples: int = 0,
    sampler: str | None = None,
    range: RangeOption = None,
    axes: str | None = None,
    format: str = "keep",
    jpeg_quality: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    report: bool = True,
    single_file: bool = False,
    workers: int = 2,
    device: str = "auto",
    precision: Precision = "auto",
    quality: Quality = "standard",
    progress: Progress | None = None,
) -> FolderResult:
    """Restore every image of a folder or a file, as ``restorekit restore`` does, and write the page of the run.

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
    mask, ir_threshold, mask_invert, mask_confirmed, opaque, label, samples, sampler
        As the options of the command.
    repair : str or path, optional
        Detector of defects that nobody has marked, such as "film"; what it finds is filled. Without `sigma` and
        `corruption` all other values stay as they are.
    touch, strength, protect, keep_marks
        As the options of the command.
    range, axes, format, jpeg_quality, seed, overwrite
        As the options of the command; `range` is "auto" or (low, high).
    report, single_file : bool
        Whether ``_restorekit/report.html`` is written, and whether it holds its pictures, so that it can be mailed.
    workers : int
        Reader threads and writer threads.
    device, precision, quality : str
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
    check_options(format, jpeg_quality, mask, opaque, label=label, samples=samples, seed=seed, workers=workers)
    if single_file and not report:
        raise UsageError("single_file requires report=True; pass it or remove single_file")
    level = 0.0 if repair and sigma is None and corruption is None else sigma_of(sigma)  # all else stays as it is
    check_outside(out, source)
    masks = parse_mask(None if mask is None else str(mask), mask_invert, mask_confirmed, ir_threshold)
    items = masks.pictures(find_images(str(source)))
    masks.check(items)
    known = None if corruption is None else _corruption(corruption)
    opened = open_restorer(model, known, sampler, Compute(device, precision, quality=quality), sigma=level)
    opened.check(label, samples)
    search = open_search(repair, touch, strength, protect, keep_marks, Compute(device, precision), items=items)
    options = Options(
        model=model, digest=opened.digest, corruption=corruption, sigma=None if level is None else str(level),
        mask=None if mask is None else str(mask), mask_invert=mask_invert,
        label=None if label is None else int(label), samples=int(samples),
        sampler=opened.sampler, range=parse_range(range), format=format, seed=int(seed), precision=opened.precision,
        noise=opened.noise, axes=parse_axes(axes), opaque=opaque, jpeg_quality=str(jpeg_quality),
        ir_threshold=ir_threshold, repair=search.options, quality=quality,
    )  # fmt: skip
    setup = Setup(
        str(source), Path(out), opened.restorer, options, _corruption, masks, opened.estimate(samples), opened.device,
        overwrite=overwrite, pictures=report, search=search,
    )  # fmt: skip
    failures, notes, finished = dict[str, str](), dict[str, list[str]](), list[str]()

    def watch(line: ImageRecord) -> None:
        finished.append(line.image)
        if line.error:
            failures[line.image] = line.error
        if line.facts is not None and line.facts.notes:
            notes[line.image] = list(line.facts.notes)
        page.update()
        if progress is not None:
            progress(len(finished), len(items), line.image)

    engine = LocalEngine(workers, weigh=lambda group: 2 * group.bytes)
    with RestorationPage(setup, single_file) as page:
        counts = run.restore_folder(batching.tasks(items, setup), setup, engine, watch)
    return FolderResult(Path(out), counts["done"], counts["skipped"], counts["failed"], failures, notes)


def check_options(
    format: object, jpeg_quality: object, mask: object, opaque: bool, *, label: object, samples: object, seed: object,
    workers: object,
) -> None:  # fmt: skip
    """Raise a UsageError for options of Python that the command line would not accept either."""
    for name, value, least in (
        ("label", label, 0),
        ("samples", samples, 0),
        ("seed", seed, None),
        ("workers", workers, 1),
    ):
        check_integer(name, value, least)
    if format not in ("keep", *SUFFIXES):
        raise UsageError(unknown("image format", str(format), ("keep", *SUFFIXES)))
    if str(jpeg_quality) not in QUALITIES:
        raise UsageError(f"jpeg_quality is auto, keep, or a number from 1 to 100, got {jpeg_quality!r}")
    if not isinstance(mask, str | Path | None):
        raise UsageError(
            "mask is 'alpha', 'ir', 'color:#RRGGBB', a file or a folder; pass arrays to a restorer of `load`"
        )
    if opaque and mask != "alpha":
        raise UsageError("opaque requires mask='alpha'; pass it or remove opaque")


def check_outside(out: str | Path, source: str | Path) -> None:
    """Raise a UsageError for an output folder that is the input, lies in it, or is the folder of the input file."""
    target, first = Path(os.path.realpath(out)), Path(os.path.realpath(split_array(Path(source))[0]))
    if target == first or target.is_relative_to(first) or (target == first.parent and not first.is_dir()):
        raise UsageError(f"the output {out} must lie outside the input {source}; choose another folder")


def _corruption(spec: str) -> Corruption:
    return parse(spec, registry.corruptions())
