"""From the folders that a user names to figures, comparisons and what is to be said of them: what `report` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from restorekit.contracts import Metric
from restorekit.devices import versions
from restorekit.engines import Engine
from restorekit.images.dataset import load_images
from restorekit.images.scale import RangeOption
from restorekit.measured import Folders, Images, folders, measured, unmatched
from restorekit.report import against as rivals
from restorekit.report.duels import Duel
from restorekit.trials import Protocol, Results, failed

AS_THEY_ARE = "as the files have it: none was added"
NO_SPREAD = "none: files tell no spread"

Watch = Callable[[str, str | None], None]


@dataclass(frozen=True)
class Sources:
    """Where the images are.

    Attributes
    ----------
    restored, clean : str
        A folder, a file or a stack each.
    observed : str or None
        What was restored, with masks beside.
    against : str or None
        Another results.json, or images restored by another tool.
    range : "auto", (low, high) or None
        Of the clean images, as in `restorekit.images.scale.resolve_range`.
    """

    restored: str
    clean: str
    observed: str | None = None
    against: str | None = None
    range: RangeOption = None

    @property
    def names(self) -> tuple[str, str]:
        """What the two tools are called: by their folders, whole where these are of the same name."""
        ours, theirs = self.restored, self.against or ""
        short = tuple(Path(path).resolve().name for path in (ours, theirs))
        return (ours, theirs) if short[0] == short[1] else (short[0], short[1])


@dataclass(frozen=True, eq=False)
class Opened:
    """Sources that were found to fit.

    Attributes
    ----------
    ours : Folders
        The images to be measured.
    theirs : Folders or None
        Those of another tool, measured in the same way.
    other : mapping or None
        What another results.json holds.
    """

    ours: Folders
    theirs: Folders | None = None
    other: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.ours.pairs.pairs) + (len(self.theirs.pairs.pairs) if self.theirs else 0)


class Report(NamedTuple):
    """What came of it.

    Attributes
    ----------
    results : Results
        Figures of the one run, in whose rows are differences to the strongest other run.
    compared : sequence of sequences of Duel
        For each other run, by every figure, the deciding one first.
    notes : list of str
        Images without a counterpart, and where the other run differs in how it was measured.
    """

    results: Results
    compared: Sequence[Sequence[Duel]]
    notes: list[str]


def opened(sources: Sources) -> Opened:
    """Open all sources; UsageError, before the work, where one of them has nothing to do with the others."""
    clean = load_images(sources.clean, range=sources.range)
    observed = load_images(sources.observed) if sources.observed else None

    def with_clean(restored: str) -> Folders:
        one_each = not (Path(restored).is_dir() or Path(sources.clean).is_dir())
        return folders(load_images(restored), clean, observed, one_each)

    ours, path = with_clean(sources.restored), sources.against and rivals.results_file(Path(sources.against))
    if path:
        other = rivals.load(path)
        rivals.shares(other, clean.keys, path)
        return Opened(ours, other=other)
    return Opened(ours, with_clean(sources.against) if sources.against else None)


def reported(
    found: Opened,
    sources: Sources,
    metrics: Sequence[Metric],
    engine: Engine,
    watch: Watch,
    log: Path | None = None,
    show: Callable[[str, Images], None] = lambda key, images: None,
) -> Report:
    """Measure what was opened, and compare.

    Parameters
    ----------
    found : Opened
        The images.
    sources : Sources
        Where they came from.
    metrics : sequence of Metric
        What is measured.
    engine : Engine
        Who runs it.
    watch : callable
        Called after each image with its name and what went wrong, if anything.
    log : Path or None
        Folder that gets the tracebacks of metrics that broke.
    show : callable
        Takes each image of the one run that was measured, by its name, for whoever makes pictures of it.
    """
    name, other_name = sources.names
    clean = Path(sources.clean).resolve().name
    protocol = Protocol(clean, 0, len(found.ours.clean), "cpu", versions(), noise=AS_THEY_ARE, interval=NO_SPREAD)
    results = measured(found.ours, name, metrics, engine, protocol, watch, log, show)
    notes, other = unmatched(found.ours), found.other
    if found.theirs is not None:
        theirs = measured(found.theirs, other_name, metrics, engine, protocol, watch, log)
        told = [*failed(theirs.failures), *(text for text in unmatched(found.theirs) if text not in notes)]
        other, notes = theirs.to_json(), [*notes, *(f"{other_name}: {text}" for text in told)]
    elif other is not None:
        notes = [*notes, *rivals.differs(other, results)]
    return _compared(results, rivals.others(other) if other else [], notes)


def _compared(results: Results, others: Sequence[rivals.Other], notes: list[str]) -> Report:
    compared = [duels for other in others if (duels := rivals.duels(results, other))]
    if not compared:
        return Report(results, [], notes)
    results = rivals.with_differences(results, rivals.strongest(compared))
    return Report(
        replace(results, comparisons=[duel.to_json() for duels in compared for duel in duels]), compared, notes
    )
