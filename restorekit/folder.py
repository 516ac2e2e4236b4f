"""A folder of damaged images -> a folder of restored ones: nothing lost, nothing half-written, nothing done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from restorekit import journal as journals
from restorekit.contracts import Corruption, Restorer
from restorekit.engines import Engine
from restorekit.errors import ImageError, RestorekitError, UsageError
from restorekit.images import files
from restorekit.images.atomic import atomic, sweep
from restorekit.images.find import OWN_FOLDER, Item
from restorekit.images.masks import MaskSource
from restorekit.images.picture import SUFFIXES, Header, Picture
from restorekit.images.scale import IntensityRange, RangeOption, resolve_range
from restorekit.journal import Journal
from restorekit.noise import Noise
from restorekit.sigma import estimate_sigma
from restorekit.planes import Canvas, Plane, PlaneSource, joined, planes

GROUP = 64  # images of one size restored as one batch, at most
GROUP_PIXELS = 2**20  # and their pixels


@dataclass(frozen=True)
class Options:
    """Everything that changes what the outputs hold; its digest says whether an output is still good.

    Attributes
    ----------
    model, corruption, sigma, mask, sampler : str or None
        As given by the user; `model` with the digest of its file.
    """

    model: str
    corruption: str | None = None
    sigma: str | None = None
    mask: str | None = None
    mask_invert: bool = False
    label: int | None = None
    samples: int = 0
    sampler: str | None = None
    range: RangeOption = None
    format: str = "keep"
    keep: tuple[str, ...] = ()
    seed: int = 0
    max_pixels: int = 10**9


@dataclass(frozen=True, eq=False)
class Setup:
    """What a run works with.

    Attributes
    ----------
    out : Path
        Output folder.
    restorer : Restorer
        What restores.
    options : Options
        Recorded.
    read_corruption : callable
        Maps a spec to a corruption.
    masks : MaskSource
        Gives the missing pixels of an image.
    overwrite : bool
        Replace files that this run did not write.
    shard : (int, int)
        Which part of how many is done, from 1.
    """

    out: Path
    restorer: Restorer
    options: Options
    read_corruption: Callable[[str], Corruption]
    masks: MaskSource
    overwrite: bool = False
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class Opened:
    """One image of a group, decoded, or why it could not be."""

    item: Item
    source: str = ""
    picture: Picture | None = None
    planes: list[Plane] = field(default_factory=list)
    corruption: Corruption | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """One image of a group, restored."""

    opened: Opened
    canvases: list[Canvas]
    seconds: float
    error: str | None = None


def restore_folder(
    items: Sequence[Item], setup: Setup, engine: Engine, watch: Callable[[dict[str, Any]], None]
) -> dict[str, int]:
    """Restore every item that is not done; return how many are done, skipped and failed.

    Batches are cut from the full list before finished images are passed over, so that an interrupted
    and resumed run computes in the same batches, and gives the same bytes, as one that was not.

    Parameters
    ----------
    items : sequence of Item
        All images, those finished earlier included.
    setup : Setup
        What to do with them.
    engine : Engine
        Who does it.
    watch : callable
        Called with the journal's line of every image, skipped ones included.
    """
    sweep(setup.out)
    journal = Journal(setup.out, journals.digest_of(asdict(setup.options)))
    counts = {"done": 0, "skipped": 0, "failed": 0}
    _write_run(setup, journal, counts, "running")
    work = _Work(setup, journal)
    todo = []
    part, parts = setup.shard
    for group in list(groups(items, setup.restorer.batches))[part - 1 :: parts]:
        states = {item.key: work.finished(item) for item in group}
        for item in group:
            if states[item.key]:
                counts["skipped"] += 1
                watch({**journal.lines[item.key], "status": "skipped"})
        if not all(states.values()):
            todo.append(group)
    for outcome in engine.run(todo, work.open, work.compute, work.store):
        lines = outcome.result
        if lines is None:
            lines = [work.failure(item, outcome.error or "") for item in outcome.task if not work.finished(item)]
        for line in lines:
            journal.add(line)
            counts[line["status"]] += 1
            watch(line)
    _write_run(setup, journal, counts, "done")
    return counts


def planned(items: Sequence[Item], setup: Setup) -> list[dict[str, str]]:
    """Return what a run would do with every item, without doing it."""
    work = _Work(setup, Journal(setup.out, journals.digest_of(asdict(setup.options))))
    return [
        {"image": i.key, "target": str(work.target(i)), "status": "skip" if work.finished(i) else "restore"}
        for i in items
    ]


def groups(items: Iterable[Item], batched: bool) -> Iterator[tuple[Item, ...]]:
    """Cut the list into runs of images of one size that fit one batch; an unreadable one stands alone."""
    group: list[Item] = []
    before: Header | None = None
    for item in items:
        header = _probed(item)
        fits = header is not None and header == before and header.frames == 1
        if group and not (batched and fits and _room(group, header)):
            yield tuple(group)
            group = []
        group.append(item)
        before = header
    if group:
        yield tuple(group)


def _probed(item: Item) -> Header | None:
    try:
        return files.probe(item.path)
    except ImageError:
        return None  # its error is told when it is read


def _room(group: list[Item], header: Header | None) -> bool:
    assert header is not None
    return len(group) < GROUP and (len(group) + 1) * header.height * header.width <= GROUP_PIXELS


@dataclass(frozen=True, eq=False)
class _Work:
    """The three stages of one group."""

    setup: Setup
    journal: Journal

    def target(self, item: Item) -> Path:
        """Return where an image's restoration goes."""
        kind = self.setup.options.format
        name = Path(item.key.partition(".npz:")[0] + (".npz" if ".npz:" in item.key else ""))
        return self.setup.out / (name if kind == "keep" else name.with_suffix(SUFFIXES[kind][0]))

    def finished(self, item: Item) -> bool:
        """Say whether the journal has it, unchanged."""
        if item.key not in self.journal.lines:
            return False
        try:
            return self.journal.done(item.key, journals.digest(item.path), self.target(item))
        except ImageError:
            return False

    def open(self, group: tuple[Item, ...]) -> list[Opened]:
        """Read the images of a group; a bad one does not keep the others back."""
        return [self._opened(item) for item in group]

    def _opened(self, item: Item) -> Opened:
        options = self.setup.options
        try:
            source = journals.digest(item.path)
            picture = files.read(item.path, options.max_pixels)
            marked = self.setup.masks.missing(item, picture)
            scale, warning = resolve_range(picture, options.range)
            corruption, sigma = self._noise(picture)
            own = planes(item.key, picture, marked.missing, scale, sigma)
            notes = (*picture.notes, *marked.warnings, *([warning] if warning else []))
            return Opened(item, source, picture, own, corruption, notes)
        except (UsageError, MemoryError):
            raise
        except RestorekitError as error:
            return Opened(item, error=str(error))

    def _noise(self, picture: Picture) -> tuple[Corruption, float | None]:
        """Return the corruption taken for granted and its sigma: the user's word, else the file's, else unknown."""
        options = self.setup.options
        spec = options.corruption or picture.spec
        corruption = self.setup.read_corruption(spec or "gaussian+missing")
        if options.sigma is not None and options.sigma != "auto":
            return corruption, float(options.sigma)
        return corruption, known_sigma(corruption) if spec else None

    def compute(self, group: tuple[Item, ...], opened: list[Opened]) -> list[Finished]:
        """Restore the images of a group together, as far as they have one shape and corruption."""
        results = [Finished(o, [], 0.0, o.error) for o in opened if o.error is not None]
        sound = [o for o in opened if o.error is None]
        for alike in _alike(sound):
            started = time.perf_counter()
            try:
                canvases = self._restored([p for o in alike for p in o.planes], alike[0].corruption)
            except (UsageError, MemoryError):
                raise
            except RestorekitError as error:
                results.extend(Finished(o, [], 0.0, f"{o.item.path}: {error}") for o in alike)
                continue
            seconds = (time.perf_counter() - started) / len(alike)
            for o in alike:
                results.append(Finished(o, canvases[: len(o.planes)], seconds))
                canvases = canvases[len(o.planes) :]
        return results

    def _restored(self, own: list[Plane], corruption: Corruption | None) -> list[Canvas]:
        """Restore planes of equal shape, as many at a time as fit a batch."""
        assert corruption is not None
        options, canvases = self.setup.options, []
        portion = max(1, min(GROUP, GROUP_PIXELS // own[0].pixels[..., 0].size))
        for some in (own[i : i + portion] for i in range(0, len(own), portion)):
            estimated = [self._with_sigma(p, corruption) for p in some]
            room = [Canvas.empty(p, True, options.samples) for p in estimated]
            source = PlaneSource(estimated, corruption, options.label)
            noise = Noise(options.seed, tuple(p.key for p in some)).fork("restore")
            for top, band in self.setup.restorer.rows(source, corruption, options.samples, noise):
                for i, canvas in enumerate(room):
                    canvas.put(top, band, i)
            canvases.extend(room)
        return canvases

    def _with_sigma(self, plane: Plane, corruption: Corruption) -> Plane:
        if self.setup.options.sigma != "auto":
            return plane
        observation = PlaneSource([plane], corruption).rows(0, plane.pixels.shape[0])
        return replace(plane, sigma=float(estimate_sigma(observation, corruption)))

    def store(self, group: tuple[Item, ...], results: list[Finished]) -> list[dict[str, Any]]:
        """Write the images of a group that are not done already; return their lines for the journal."""
        return [self._stored(r) for r in results if not self.finished(r.opened.item)]

    def _stored(self, result: Finished) -> dict[str, Any]:
        opened = result.opened
        if result.error is not None or opened.picture is None:
            return self.failure(opened.item, result.error or "")
        target = self.target(opened.item)
        try:
            if target.exists() and not (self.setup.overwrite or self.journal.wrote(opened.item.key, target)):
                raise ImageError(
                    f"{target} exists and is not restorekit's own; choose another folder or give --overwrite"
                )
            pixels = joined([c.pixels for c in result.canvases], opened.picture)
            files.write(target, opened.picture, pixels, self.setup.options.format)
            self._write_extras(opened, result.canvases)
        except RestorekitError as error:
            return self.failure(opened.item, str(error))
        return self._line(result, target)

    def _write_extras(self, opened: Opened, canvases: list[Canvas]) -> None:
        """Write std and draws as float32 TIFF where they were asked for."""
        assert opened.picture is not None
        folder = self.setup.out / OWN_FOLDER
        name = Path(opened.item.key.replace(":", "_")).with_suffix("")
        if "std" in self.setup.options.keep and canvases[0].std is not None:
            std = joined([c.std for c in canvases if c.std is not None], opened.picture)
            files.write_float(folder / "std" / f"{name}.tif", std)
        if canvases[0].draws is not None:
            count = len(canvases[0].draws)
            pages = [
                joined([c.draws[s] for c in canvases if c.draws is not None], opened.picture) for s in range(count)
            ]
            files.write_float(folder / "samples" / f"{name}.tif", np.concatenate(pages))

    def _line(self, result: Finished, target: Path) -> dict[str, Any]:
        opened, own = result.opened, result.opened.planes
        lost = [0.0 if p.missing is None else float(p.missing.mean()) for p in own]
        spread = [float(c.std.mean()) for c in result.canvases if c.std is not None]
        return {
            "image": opened.item.key,
            "status": "done",
            "input": opened.source,
            "output": journals.digest(target),
            "options": self.journal.options,
            "sigma": result.canvases[0].plane.sigma,
            "missing": float(np.mean(lost)),
            "mean_std": float(np.mean(spread)) if spread else None,
            "seconds": round(result.seconds, 4),
            "notes": list(opened.notes),
        }

    def failure(self, item: Item, error: str) -> dict[str, Any]:
        """Return the line of an image that failed."""
        return {"image": item.key, "status": "failed", "options": self.journal.options, "error": error}


def _alike(opened: list[Opened]) -> Iterator[list[Opened]]:
    """Group opened images whose planes have one shape, range, and corruption."""
    found: dict[tuple[Any, ...], list[Opened]] = {}
    for o in opened:
        found.setdefault((o.planes[0].pixels.shape, str(o.corruption)), []).append(o)
    yield from found.values()


def known_sigma(corruption: Corruption) -> float | None:
    """Return the noise level that a corruption always has: 0 for none, None where it varies or is not Gaussian.

    It is asked by trying: two images are damaged, and the observations say their sigma.
    """
    import torch

    observation = corruption(torch.full((2, 1, 8, 8), 0.5), Noise(0, ("a", "b")))
    if observation.sigma is None or bool(observation.sigma.isnan().any()):
        return None
    first, second = observation.sigma.flatten().tolist()
    return first if first == second else None


def _write_run(setup: Setup, journal: Journal, counts: dict[str, int], status: str) -> None:
    from restorekit.evaluate import versions

    record = {"schema": 1, "status": status, **asdict(setup.options), "options": journal.options, "totals": counts}
    record["versions"] = versions()
    with atomic(setup.out / OWN_FOLDER / "run.json") as path:
        path.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
