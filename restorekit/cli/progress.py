"""Progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from restorekit.errors import RestorekitWarning

if TYPE_CHECKING:
    from restorekit.job import Job

_SHOWN = ("nelbo", "distortion", "rate", "regression", "psnr", "reconstruction_psnr")


class _Bar:
    """A progress bar on standard error, drawn where that is a terminal."""

    def __init__(self, what: str, total: float, columns: Sequence[ProgressColumn], quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=self.console)
        self.task = self.bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()


class TrainingProgress(_Bar):
    """Shows a training's log as it grows."""

    def __init__(self, job: Job) -> None:
        super().__init__("training", 1.0, (TaskProgressColumn(), TimeRemainingColumn()))
        self.job = job

    def show(self, line: dict[str, Any]) -> None:
        """Take one line of the log."""
        done = self.job.progress(line["step"], line["seconds"])
        self.bar.update(self.task, completed=done, description=_summary(line))
        if line["event"] != "step" or (not self.console.is_terminal and line["step"] % 1000 == 0):
            self.console.print(_summary(line), highlight=False, soft_wrap=True)


def _summary(line: dict[str, Any]) -> str:
    """Say a log line in a few words."""
    found = [f"{name} {line[name]:.2f}" for name in _SHOWN if name in line]
    rate = f"{line['images_per_s']:.0f} images/s" if "images_per_s" in line else ""
    skipped = f"{line['skipped']:.0f} updates skipped" if line.get("skipped") else ""
    where = f"epoch {line['epoch']}" if "epoch" in line else f"step {line['step']}"
    return "  ".join(filter(None, [f"{line['event']:<10s} {where}", *found, rate, skipped]))


class Rate(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """Show the rate, once there is one."""
        return Text(f"{task.speed:.2f} images/s" if task.speed else "")


class ImagesProgress(_Bar):
    """Counts images as they are finished, with rate and time left; tells what is worth telling at once."""

    def __init__(self, total: int, what: str, quiet: bool = False) -> None:
        super().__init__(what, total, (MofNCompleteColumn(), Rate(), TimeRemainingColumn()), quiet)

    def advance(self, text: str | None) -> None:
        """Count one image; say `text` where there is something to say."""
        self.bar.advance(self.task)
        if text:
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def kind(note: str) -> str:
    """Leave out of a note the numbers, which differ between images."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", note)


@contextmanager
def notes(say: Callable[[str], None]) -> Iterator[None]:
    """Hand the sentences of restorekit's own warnings to `say`, one of each kind, instead of printing them raw."""
    said = set[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("always", RestorekitWarning)
        other = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if not issubclass(category, RestorekitWarning):
                other(message, category, filename, lineno, file, line)
            elif kind(str(message)) not in said:
                said.add(kind(str(message)))
                say(str(message))

        warnings.showwarning = show
        yield


def as_json(value: Any) -> str:
    """Return the one line of ``--json``."""
    return json.dumps(value, default=str)
