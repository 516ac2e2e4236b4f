"""Log of a training: RUN/log.jsonl, written line by line and read as curves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorekit.training.job import Job
    from restorekit.training.resume import State

MAX_CURVE_POINTS = 500
HEALTH = ("lr", "gradient", "skipped", "images_per_s")  # values of a step that describe the training, not the objective
Points = Sequence[tuple[float, float]]
Line = dict[str, Any]
Watch = Callable[[Line], None]
_MOMENT = ("step", "seconds", "progress")


class LogWriter:
    """Appends lines to RUN/log.jsonl and shows them.

    Parameters
    ----------
    job : Job
        The training.
    watch : callable or None
        Called with every line; None: write nothing, because another process does.
    """

    def __init__(self, job: Job, watch: Watch | None) -> None:
        self._job, self._watch = job, watch

    def write(self, event: str, state: State, values: Line) -> None:
        """Write an event with step, seconds and progress of a state."""
        if self._watch is None:
            return
        moment = {"step": state.step, "seconds": round(state.seconds, 2)}
        line = {"event": event, **moment, "progress": self._job.progress(state.step, state.seconds), **values}
        with (self._job.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._watch(line)


@dataclass(frozen=True)
class Log:
    """Contents of a training's log.

    Attributes
    ----------
    lines : list of dict
        Lines in their order, without those that a resumed training wrote again.
    unread : int
        Lines that are truncated or not of this format.
    """

    lines: list[Line] = field(default_factory=list)
    unread: int = 0

    @property
    def step(self) -> int:
        """Updates done by the last line; 0 for an empty log."""
        return int(self.lines[-1]["step"]) if self.lines else 0

    @property
    def seconds(self) -> float:
        """Time spent by the last line, seconds; 0 for an empty log."""
        return float(self.lines[-1].get("seconds", 0.0)) if self.lines else 0.0

    @cached_property
    def _curves(self) -> dict[str, dict[str, dict[int, float]]]:
        """Values by event, name and step; the later one if a step occurs twice."""
        found: dict[str, dict[str, dict[int, float]]] = {}
        for line in self.lines:
            event, step = found.setdefault(line["event"], {}), line["step"]
            for name, value in line.items():
                if name not in _MOMENT and is_metric_value(value):
                    event.setdefault(name, {})[step] = float(value)
        return found

    def of(self, event: str) -> list[Line]:
        """Return the lines of one event."""
        return [line for line in self.lines if line["event"] == event]

    def names(self, event: str) -> list[str]:
        """Return the names of an event's values, in the order of their first appearance."""
        return list(self._curves.get(event, {}))

    def points(self, event: str, name: str) -> list[tuple[float, float]]:
        """Return (step, value) of the finite values of a name."""
        curve = self._curves.get(event, {}).get(name, {})
        return [(step, value) for step, value in curve.items() if math.isfinite(value)]


def is_metric_value(value: object) -> bool:
    """Return whether a value of a line is a number, NaN and infinity included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_log(path: Path) -> Log:
    """Read a log; a missing file is an empty log.

    If steps go back, a training was resumed from an earlier step and wrote the later lines again: the last ones count.
    """
    if not path.is_file():
        return Log()
    kept: list[Line] = []
    unread = 0
    for text in path.read_text("utf-8", errors="replace").split("\n"):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not (isinstance(line, dict) and isinstance(line.get("event"), str) and type(line.get("step")) is int):
            unread += 1
            continue
        step, event = line["step"], line["event"]
        while kept and (kept[-1]["step"] > step or (kept[-1]["step"] == step and kept[-1]["event"] == event)):
            kept.pop()
        kept.append(line)
    return Log(kept, unread)


def thin(points: Points, count: int = MAX_CURVE_POINTS) -> Points:
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
