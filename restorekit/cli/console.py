"""Progress and notes on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
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

from restorekit.core.errors import RestorekitWarning
from restorekit.core.progress import watched

if TYPE_CHECKING:
    from restorekit.training.job import Job

EVERY = 30.0  # seconds between lines where there is no terminal
_SHOWN = ("nelbo", "distortion", "rate", "regression", "psnr", "reconstruction_psnr")


class _Bar:
    """A progress bar on standard error, drawn where that is a terminal."""

    def __init__(self, what: str, total: float, columns: Sequence[ProgressColumn], quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=self.console)
        self.task = self.bar.add_task(what, total=total, before=0)
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def due(self) -> bool:
        """Say, where there is no terminal, whether it is time for a line on how far the work is."""
        now = time.monotonic()
        if self.console.is_terminal or now - self._told < EVERY:
            return False
        self._told = now
        return True

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class TrainingProgress(_Bar):
    """Shows a training's log as it grows."""

    def __init__(self, job: Job) -> None:
        super().__init__("training", 1.0, (TaskProgressColumn(), TimeRemainingColumn()))
        self.job = job

    def show(self, line: dict[str, Any]) -> None:
        """Take one line of the log; that a part of the training starts is said elsewhere."""
        if line["event"] == "start":
            return
        done = self.job.progress(line["step"], line["seconds"])
        self.bar.update(self.task, completed=done, description=_summary(line))
        if line["event"] != "step" or self.due():
            self.console.print(_summary(line), highlight=False, soft_wrap=True)


def _summary(line: dict[str, Any]) -> str:
    """Say a log line in a few words."""
    found = [f"{name} {line[name]:.2f}" for name in _SHOWN if name in line]
    rate = f"{line['images_per_s']:.0f} images/s" if "images_per_s" in line else ""
    skipped = f"{line['skipped']:.0f} updates skipped" if line.get("skipped") else ""
    where = f"epoch {line['epoch']}" if "epoch" in line else f"step {line['step']}"
    return "  ".join(filter(None, [f"{line['event']:<10s} {where}", *found, rate, skipped]))


def pace(task: Task) -> float:
    """Return images per second since the start, without those done before; 0 where nothing was done yet.

    Rich's own speed is that between the last steps: images come in batches, whose own are microseconds apart.
    """
    worked = task.completed - task.fields["before"]
    return worked / task.elapsed if task.elapsed else 0.0


class Rate(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """Show the rate, once there is one."""
        return Text(f"{pace(task):.2f} images/s" if pace(task) else "")


class Left(ProgressColumn):
    """Time left at this pace."""

    def render(self, task: Task) -> Text:
        """Show hours, minutes and seconds, once there is a pace."""
        if not pace(task):
            return Text("-:--:--")
        return Text(str(timedelta(seconds=round((task.remaining or 0) / pace(task)))))


class ChecksProgress(_Bar):
    """Counts checks as they are done."""

    def __init__(self, total: int, quiet: bool) -> None:
        super().__init__("checking", total, (MofNCompleteColumn(), TimeRemainingColumn()), quiet)

    def advance(self, what: str) -> None:
        """Count one check, and name what it looked at."""
        self.bar.update(self.task, advance=1, description=f"checking {what}")


class ImagesProgress(_Bar):
    """Counts images as they are finished, with rate and time left; tells what is worth telling at once.

    Beside the count stands how far samplers are with the images at hand.
    """

    def __init__(self, total: int, what: str, quiet: bool = False) -> None:
        super().__init__(what, total, (MofNCompleteColumn(), Rate(), Left()), quiet)
        self.what, self._around = what, ExitStack()

    def __enter__(self) -> Self:
        self._around.enter_context(watched(self.within))
        self._around.enter_context(notes(self.say))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._around.close()

    def advance(self, text: str | None, before: bool = False) -> None:
        """Count one image, perhaps done before; say `text` where there is something to say."""
        task = self.bar.tasks[0]
        self.bar.update(self.task, advance=1, before=task.fields["before"] + before, description=self.what)
        if text:
            self.say(text)
        if self.due():
            self.say(f"{self.what} {task.completed:.0f}/{task.total:.0f}  {pace(task):.2f} images/s")

    def within(self, what: str, done: int, most: int) -> None:
        """Show beside the count how far the work on the images at hand is; takes what `watching.tell` says."""
        self.bar.update(self.task, description=f"{self.what}, {what} {done} of at most {most}")
        if self.due():
            self.say(f"{self.what}, {what} {done} of at most {most}")


def kind(note: str) -> str:
    """Leave out of a note the numbers, which differ between images."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", note)


class Teller:
    """Says what is worth saying of each image; a note that holds for many only once.

    Parameters
    ----------
    say : callable
        Takes what is to be said of one more image, or None, and whether it was done before.

    Attributes
    ----------
    failures : list of dict
        Image and error of each that failed; the run's record, if it was left unfinished, among them.
    noted : int
        Images with notes, whether said or not.
    """

    def __init__(self, say: Callable[[str | None, bool], None]) -> None:
        self.failures: list[dict[str, str]] = []
        self.noted = 0
        self._say = say
        self._said: set[str] = set()

    def line(self, line: dict[str, Any]) -> None:
        """Take the journal's line of one image."""
        if line["status"] == "failed":
            self.failures.append({"image": line["image"], "error": line["error"]})
            self._say(f"failed: {line['error']}", False)
            return
        notes = line["notes"] if line["status"] == "done" else []
        self.noted += bool(notes)
        kinds = {note: kind(note.replace(line["image"], "#")) for note in notes}
        fresh = [note for note in notes if kinds[note] not in self._said]
        self._said.update(kinds.values())
        self._say(f"{line['image']}: {'; '.join(fresh)}" if fresh else None, line["status"] == "skipped")


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
