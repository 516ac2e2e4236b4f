"""RUN/log.jsonl as curves. It may be empty, cut in the middle of a line, or hold steps twice."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

MOST = 500  # points of a curve
Points = Sequence[tuple[float, float]]
Line = dict[str, Any]
_MOMENT = ("step", "seconds", "progress")


@dataclass(frozen=True)
class Log:
    """What a training has told of itself.

    Attributes
    ----------
    lines : list of dict
        Lines in their order, without those that a resumed training has done again.
    unread : int
        Lines that were cut short, or are none of ours.
    """

    lines: list[Line] = field(default_factory=list)
    unread: int = 0

    @property
    def step(self) -> int:
        """Updates done by the last line; 0 where there is none."""
        return int(self.lines[-1]["step"]) if self.lines else 0

    @property
    def seconds(self) -> float:
        """Time spent by the last line."""
        return float(self.lines[-1].get("seconds", 0.0)) if self.lines else 0.0

    @cached_property
    def _curves(self) -> dict[str, dict[str, dict[int, float]]]:
        """Value by event, figure and step; of a step that is there twice, the later."""
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
        """Return the figures that an event tells, in the order in which they first appear."""
        return list(self._curves.get(event, {}))

    def points(self, event: str, name: str) -> list[tuple[float, float]]:
        """Return (step, value) of a figure wherever it is finite."""
        told = self._curves.get(event, {}).get(name, {})
        return [(step, value) for step, value in told.items() if math.isfinite(value)]


def is_metric_value(value: object) -> bool:
    """Say whether a value of a line is a number, NaN and infinity among them."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_log(path: Path) -> Log:
    """Read a log; one that is missing is empty.

    Where steps go back, the training was resumed from before what the log told last, and does it again: the later
    lines stand, the earlier ones are left out.
    """
    if not path.is_file():
        return Log()
    kept: list[Line] = []
    texts = [text for text in path.read_text("utf-8", errors="replace").split("\n") if text.strip()]
    read = list(_lines(texts))
    for line in read:
        while kept and _done_again(kept[-1], line):
            kept.pop()
        kept.append(line)
    return Log(kept, len(texts) - len(read))


def _lines(texts: Iterable[str]) -> Iterator[Line]:
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("event"), str) and type(line.get("step")) is int:
            yield line


def _done_again(before: Line, line: Line) -> bool:
    then, now = int(before["step"]), int(line["step"])
    return then > now or (then == now and before["event"] == line["event"])


def thin(points: Points, most: int = MOST) -> Points:
    """Return at most so many points of a curve: the first, the last, and both extremes of each stretch between.

    Parameters
    ----------
    points : sequence of (float, float)
        Step and value.
    most : int
        At least 4.
    """
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / ((most - 2) // 2))
    values, kept = [value for _, value in points], {0, len(points) - 1}
    for begin in range(0, len(points), size):
        stretch = range(begin, min(begin + size, len(points)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return [points[i] for i in sorted(kept)]


HEALTH = ("lr", "gradient", "skipped", "images_per_s")
