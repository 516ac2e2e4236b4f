"""A run over a folder: three stages for every image, the journal and the record of the run."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from restorekit.core.errors import ImageError, RestorekitError
from restorekit.core.execution import Engine
from restorekit.core.files import atomic, claim, locked, sweep
from restorekit.core.records import encode
from restorekit.restoration.folder.batching import Group
from restorekit.restoration.folder.compute import Computed, alike, collect_results, restore_planes
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.options import Setup
from restorekit.restoration.folder.read import OpenedFile, Reading, is_done, open_group, sentence
from restorekit.restoration.folder.records import ImageRecord, IntervalRecord, RunRecord, RunStatus
from restorekit.restoration.folder.repairing import search
from restorekit.restoration.folder.write import store_group


def restore_folder(
    tasks: Sequence[Group], setup: Setup, engine: Engine, watch: Callable[[ImageRecord], None]
) -> dict[str, int]:
    """Restore every image that is not done; return how many are done, skipped and failed.

    Groups are cut from the full list and restored completely even if some of their images are finished. An
    interrupted and resumed run therefore computes in the same batches, and writes the same bytes, as an
    uninterrupted one.

    Parameters
    ----------
    tasks : sequence of Group
        What `restorekit.restoration.folder.tasks` gave: images finished earlier included.
    setup : Setup
        What to do with them.
    engine : Engine
        Who does it.
    watch : callable
        Called with the journal's line of every image, skipped ones included; and with a failed line, that is
        not counted, for the record where it cannot be written at the end.

    Raises
    ------
    UsageError
        Another run is at work in the output folder, or it is a symbolic link.
    ImageError
        The run's own record or journal cannot be written; the images restored before are complete.
    """
    counts = {"done": 0, "skipped": 0, "failed": 0}
    claim(setup.out)
    with locked(setup.own, setup.shard_name), _recorded(setup, counts, tasks, watch):
        sweep(setup.out)
        journal = Journal(setup.out, setup.options.fingerprint)
        for outcome in engine.run(tasks, RestorationJob(setup, journal)):
            lines = outcome.result
            if lines is None:  # the entire group failed
                lines = [journal.failure(item.key, outcome.error or "") for item in outcome.task.items]
                for line in lines:
                    journal.add(line)
            for line in lines:
                counts[line.status] += 1
                watch(line)
    return counts


@dataclass(frozen=True, eq=False)
class RestorationJob:
    """Job of the engine: read, restore and write the images of one group.

    Attributes
    ----------
    setup : Setup
        Setup of the run.
    journal : Journal
        Journal of the run.
    """

    setup: Setup
    journal: Journal

    def read(self, group: Group) -> Reading:
        """Read the images of a group."""
        return open_group(group, self.setup, self.journal)

    def compute(self, group: Group, reading: Reading) -> Computed:
        """Restore images that are alike as one batch; if that fails, one by one, so that only the bad ones are lost."""
        computed, searched = Computed([], list(reading.lines)), list[OpenedFile]()
        for opened in reading.opened:
            try:
                repair = self.setup.search.repair
                searched.append(opened if repair is None else search(opened, repair, self.setup.options))
            except Exception as error:  # a plugin's code may raise anything
                if not opened.done:
                    computed.lines.append(self._failure(opened, error))
        batches = deque(alike(searched))
        while batches:
            images, started = batches.popleft(), time.perf_counter()
            try:
                canvases = restore_planes(images, self.setup)
            except Exception as error:  # a plugin's code may raise anything
                if len(images) > 1:
                    batches.extendleft([image] for image in reversed(images))
                elif not images[0].done:
                    computed.lines.append(self._failure(images[0], error))
                continue
            seconds = (time.perf_counter() - started) / len(images)
            pairs = zip(images, canvases, strict=True)
            computed.finished.extend(
                collect_results(o, canvas, seconds, self.setup) for o, canvas in pairs if not o.done
            )
        return computed

    def _failure(self, opened: OpenedFile, error: Exception) -> ImageRecord:
        item = opened.item
        return self.journal.failure(item.key, f"{item.path}: {sentence(error, self.setup.own)}")

    def write(self, group: Group, computed: Computed) -> list[ImageRecord]:
        """Write the restored images of a group and their lines in the journal."""
        return store_group(computed, self.setup, self.journal)


def planned(tasks: Sequence[Group], setup: Setup) -> list[dict[str, str]]:
    """Return what a run would do with every image, without doing it."""
    journal = Journal(setup.out, setup.options.fingerprint)
    found = list[dict[str, str]]()
    for group in tasks:
        for item in group.items:
            status = "skip" if is_done(item, setup, journal) else "refuse" if group.refused else "restore"
            found.append({"image": item.key, "target": str(setup.file or setup.target(item)), "status": status})
    return found


def made_otherwise(tasks: Sequence[Group], setup: Setup, journal: Journal) -> int:
    """Return how many images stand in the output folder as other settings, or another model, restored them."""
    items = [item for group in tasks for item in group.items]
    lines = [journal.lines.get(item.key) for item in items if setup.target(item).is_file()]
    return sum(line is not None and line.status == "done" and line.options != journal.options for line in lines)


@contextmanager
def _recorded(
    setup: Setup, counts: dict[str, int], tasks: Sequence[Group], watch: Callable[[ImageRecord], None]
) -> Iterator[None]:
    """Keep the run's record: running, then done, interrupted, or stopped with a reason."""
    images = sum(len(group.items) for group in tasks)
    write = partial(_write_record, setup, counts, images)
    write("running")
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        with suppress(RestorekitError):  # the disk may be the very reason
            write("interrupted" if interrupted else "stopped", str(error) or None)
        raise
    try:
        write("done")
    except ImageError as error:  # the images are done all the same
        watch(ImageRecord(_record_path(setup).name, "failed", error=str(error)))


def _record_path(setup: Setup) -> Path:
    return setup.own / f"run{setup.shard_name}.json"


def _write_record(
    setup: Setup, counts: dict[str, int], images: int, status: RunStatus, error: str | None = None
) -> None:
    from restorekit.core.devices import versions

    o = setup.options
    record = RunRecord(
        status=status,
        error=error,
        command=setup.command,
        source=setup.source,
        images=images,
        model=o.model,
        digest=o.digest,
        corruption=o.corruption,
        sigma=o.sigma,
        mask=o.mask,
        mask_invert=o.mask_invert,
        label=o.label,
        samples=o.samples,
        sampler=o.sampler,
        range=o.range,
        format=o.format,
        keep=o.keep,
        seed=o.seed,
        precision=o.precision,
        noise=o.noise,
        self_check=o.self_check,
        axes=o.axes,
        repair=o.repair,
        ir_threshold=o.ir_threshold,
        quality=o.quality,
        interval=None if o.interval is None else IntervalRecord(o.interval, setup.table is not None),
        options=o.fingerprint,
        shard=setup.shard,
        estimate=setup.estimate,
        device=setup.device,
        totals=counts,
        versions=versions(),
    )
    with atomic(_record_path(setup)) as path:
        path.write_text(json.dumps(encode(record), indent=2) + "\n", encoding="utf-8")
