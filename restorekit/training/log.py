"""Log of a training, RUN/log.jsonl: its lines as records, and their values as curves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from restorekit.core.files import open_to_append
from restorekit.core.records import About, encode, parse_lines

if TYPE_CHECKING:
    from restorekit.training.job import TrainingJob
    from restorekit.training.resume import State

LOG_FILE = "log.jsonl"  # in the folder of a run
HEALTH = ("lr", "gradient", "skipped", "images_per_s")  # values of a step that are no part of the objective
MAX_POINTS = 500  # of a curve
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class RunEnvironment:
    """Hardware and versions of one part of a training, in its line "start".

    Attributes
    ----------
    device : str
        Name of the device.
    processes, threads : int or None
        Number of processes, and of CPU threads in each; None if not known.
    precision : str
        Number format, as Lightning Fabric names it.
    versions : mapping of str to str
        Versions of packages.
    """

    device: str = ""
    processes: int | None = None
    precision: str = ""
    threads: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LogEntry:
    """One line of the log.

    Attributes
    ----------
    event : str
        "start", "step", "epoch" or "validation".
    step : int
        Updates done.
    seconds : float
        Time spent, without earlier pauses.
    progress : float or None
        Fraction of the training that is done, in [0, 1]; None in logs of older versions.
    environment : RunEnvironment or None
        Of a line "start".
    values : dict of str to float
        Parts of the objective, metrics and diagnostics by name; NaN and infinity occur.
    """

    event: str
    step: int
    seconds: float = 0.0
    progress: Annotated[float | None, About(omitted=True)] = None
    environment: Annotated[RunEnvironment | None, About(flat=True)] = None
    values: Annotated[dict[str, float], About(flat=True)] = field(default_factory=dict)


Watch = Callable[[LogEntry], None]


class LogWriter:
    """Appends lines to RUN/log.jsonl and shows them.

    Parameters
    ----------
    job : Job
        The training.
    watch : callable or None
        Called with every line; None: write nothing, because another process does.
    """

    def __init__(self, job: TrainingJob, watch: Watch | None) -> None:
        self._job, self._watch = job, watch

    def write(
        self, event: str, state: State, values: dict[str, float], environment: RunEnvironment | None = None
    ) -> None:
        """Write an event with step, seconds and progress of a state."""
        if self._watch is None:
            return
        progress = self._job.progress(state.step, state.seconds)
        line = LogEntry(event, state.step, round(state.seconds, 2), progress, environment, values)
        with open_to_append(self._job.run / LOG_FILE) as file:
            file.write(json.dumps(encode(line)).encode() + b"\n")
        self._watch(line)


@dataclass(frozen=True)
class Log:
    """Lines of a log.

    Attributes
    ----------
    lines : list of LogEntry
        In their order, without those that a resumed training has repeated.
    unread : int
        Number of lines that were cut short or are no entries.
    """

    lines: list[LogEntry] = field(default_factory=list)
    unread: int = 0

    @property
    def step(self) -> int:
        """Updates done by the last line; 0 without one."""
        return self.lines[-1].step if self.lines else 0

    @property
    def seconds(self) -> float:
        """Time spent by the last line."""
        return self.lines[-1].seconds if self.lines else 0.0

    @cached_property
    def _curves(self) -> dict[str, dict[str, dict[int, float]]]:
        """Value by event, name and step; of a step that is there twice, the later."""
        found: dict[str, dict[str, dict[int, float]]] = {}
        for line in self.lines:
            event = found.setdefault(line.event, {})
            for name, value in line.values.items():
                event.setdefault(name, {})[line.step] = float(value)
        return found

    def of(self, event: str) -> list[LogEntry]:
        """Return the lines of one event."""
        return [line for line in self.lines if line.event == event]

    def has(self, step: int, event: str = "validation") -> bool:
        """Return whether there is a line of an event at a step."""
        return any(line.step == step for line in self.of(event))

    def names(self, event: str) -> list[str]:
        """Return the names of the values of an event, in the order in which they first appear."""
        return list(self._curves.get(event, {}))

    def points(self, event: str, name: str) -> list[tuple[float, float]]:
        """Return (step, value) of a value at the steps where it is finite."""
        curve = self._curves.get(event, {}).get(name, {})
        return [(step, value) for step, value in curve.items() if math.isfinite(value)]


def read_log(path: Path) -> Log:
    """Read a log, which may be missing, empty, or cut short in the middle of a line.

    If steps go back, the training was resumed from before the last line, and has repeated some updates: the later
    lines replace the earlier ones.
    """
    if not path.is_file():
        return Log()
    kept, (lines, errors) = list[LogEntry](), parse_lines(LogEntry, path)
    for line in lines:
        while kept and (kept[-1].step > line.step or (kept[-1].step, kept[-1].event) == (line.step, line.event)):
            kept.pop()
        kept.append(line)
    return Log(kept, len(errors))


def thin(points: Points, count: int = MAX_POINTS) -> Points:
    """Return at most `count` points of a curve: the first, the last, and both extremes of each stretch between.

    Parameters
    ----------
    points : sequence of (float, float)
        Step and value.
    count : int
        At least 4.
    """
    if len(points) <= count:
        return points
    size = math.ceil(len(points) / ((count - 2) // 2))
    values, kept = [value for _, value in points], {0, len(points) - 1}
    for begin in range(0, len(points), size):
        stretch = range(begin, min(begin + size, len(points)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return [points[i] for i in sorted(kept)]
