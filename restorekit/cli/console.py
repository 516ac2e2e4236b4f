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

import click
from rich.console import Console
from rich.markup import escape
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

from restorekit.core.errors import RestorekitWarning, printable
from restorekit.core.progress import watched

if TYPE_CHECKING:
    from restorekit.restoration.folder.records import ImageRecord, RepairRecord
    from restorekit.training.job import TrainingJob
    from restorekit.training.log import LogEntry

LINE_INTERVAL = 30.0  # seconds between progress lines without a terminal
_SUMMARY_TERMS = ("nelbo", "distortion", "rate", "regression", "psnr", "reconstruction_psnr")


def echo(text: str, err: bool = False) -> None:
    """Print one line on standard output or standard error, with control characters as escapes."""
    click.echo(printable(text), err=err)


class _Bar:
    """Progress bar on standard error; hidden if that is not a terminal."""

    def __init__(self, what: str, total: float, columns: Sequence[ProgressColumn], quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=self.console)
        self.task = self.bar.add_task(what, total=total, before=0)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def due(self) -> bool:
        """Return whether a progress line is due, which replaces the bar without a terminal."""
        now = time.monotonic()
        if self.console.is_terminal or now - self._last_line < LINE_INTERVAL:
            return False
        self._last_line = now
        return True

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


class TrainingProgress(_Bar):
    """Progress of a training, from the lines of its log."""

    def __init__(self, job: TrainingJob) -> None:
        super().__init__("training", 1.0, (TaskProgressColumn(), TimeRemainingColumn()))
        self.job = job

    def show(self, line: LogEntry) -> None:
        """Show one line of the log; start lines are not shown."""
        if line.event == "start":
            return
        values = line.values
        where = f"epoch {values['epoch']:.0f}" if "epoch" in values else f"step {line.step}"
        terms = [f"{name} {values[name]:.2f}" for name in _SUMMARY_TERMS if name in values]
        rate = f"{values['images_per_s']:.0f} images/s" if "images_per_s" in values else ""
        skipped = f"{values['skipped']:.0f} updates skipped" if values.get("skipped") else ""
        summary = "  ".join(filter(None, [f"{line.event:<10s} {where}", *terms, rate, skipped]))
        self.bar.update(self.task, completed=self.job.progress(line.step, line.seconds), description=summary)
        if line.event != "step" or self.due():
            self.say(summary)


def pace(task: Task) -> float:
    """Return images per second since the start, without skipped ones; 0 before the first image.

    Rich's own speed covers the last steps only: images finish in batches, within microseconds of one another.
    """
    worked = task.completed - task.fields["before"]
    return worked / task.elapsed if task.elapsed else 0.0


class Rate(ProgressColumn):
    """Column with images per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, empty before the first image."""
        return Text(f"{pace(task):.2f} images/s" if pace(task) else "")


class RemainingTimeColumn(ProgressColumn):
    """Column with the remaining time."""

    def render(self, task: Task) -> Text:
        """Return hours, minutes and seconds, or dashes before the first image."""
        if not pace(task):
            return Text("-:--:--")
        return Text(str(timedelta(seconds=round((task.remaining or 0) / pace(task)))))


class ChecksProgress(_Bar):
    """Progress of conformance checks."""

    def __init__(self, total: int, quiet: bool) -> None:
        super().__init__("checking", total, (MofNCompleteColumn(), TimeRemainingColumn()), quiet)

    def advance(self, what: str) -> None:
        """Count one check and show its subject."""
        self.bar.update(self.task, advance=1, description=f"checking {escape(printable(what))}")


class ImagesProgress(_Bar):
    """Progress of images, with rate and remaining time; prints notes and warnings above the bar.

    The description shows the progress of samplers within the current images.
    """

    def __init__(self, total: int, what: str, quiet: bool = False) -> None:
        super().__init__(what, total, (MofNCompleteColumn(), Rate(), RemainingTimeColumn()), quiet)
        self.what, self._contexts = what, ExitStack()

    def __enter__(self) -> Self:
        self._contexts.enter_context(watched(self.show_steps))
        self._contexts.enter_context(notes(self.say))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._contexts.close()

    def advance(self, text: str | None, before: bool = False) -> None:
        """Count one image; `before` marks one of an earlier run, `text` is a note to print."""
        task = self.bar.tasks[0]
        self.bar.update(self.task, advance=1, before=task.fields["before"] + before, description=self.what)
        if text:
            self.say(text)
        if self.due():
            self.say(f"{self.what} {task.completed:.0f}/{task.total:.0f}  {pace(task):.2f} images/s")

    def show_steps(self, what: str, done: int, most: int) -> None:
        """Show the progress within the current images: `done` of at most `most` steps."""
        self.bar.update(self.task, description=escape(printable(f"{self.what}, {what} {done} of at most {most}")))
        if self.due():
            self.say(f"{self.what}, {what} {done} of at most {most}")


def note_kind(note: str) -> str:
    """Return a note with its numbers replaced, so that notes of one kind are equal."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", note)


class Reporter:
    """Reporter of failures and notes of images; a note of the same kind is printed once.

    Parameters
    ----------
    say : callable
        Called for each image with its text, or None, and whether an earlier run finished it.

    Attributes
    ----------
    failures : list of dict
        Image and error of each failed image, or of the journal if it could not be completed.
    noted : int
        Images with notes, printed or not.
    doubtful : list of str
        Images whose structure the model may have taken for noise.
    repairs : list of RepairRecord
        Defects of each image that was searched for them.
    """

    def __init__(self, say: Callable[[str | None, bool], None]) -> None:
        self.failures: list[dict[str, str]] = []
        self.noted = 0
        self.doubtful: list[str] = []
        self.repairs: list[RepairRecord] = []
        self._say = say
        self._said: set[str] = set()

    def line(self, line: ImageRecord) -> None:
        """Report the journal line of one image."""
        if line.status == "failed":
            self.failures.append({"image": line.image, "error": line.error or ""})
            self._say(f"failed: {line.error}", False)
            return
        notes = line.facts.notes if line.status == "done" and line.facts is not None else ()
        self.noted += bool(notes)
        if line.status == "done" and line.facts is not None:
            self.doubtful.extend([line.image] if line.facts.concerns else [])
            self.repairs.extend([] if line.facts.repaired is None else [line.facts.repaired])
        kinds = {note: note_kind(note.replace(line.image, "#")) for note in notes}
        fresh = [note for note in notes if kinds[note] not in self._said]
        self._said.update(kinds.values())
        self._say(f"{line.image}: {'; '.join(fresh)}" if fresh else None, line.status == "skipped")


@contextmanager
def notes(say: Callable[[str], None]) -> Iterator[None]:
    """Pass restorekit's own warnings to `say`, one of each kind; other warnings are shown as usual."""
    said = set[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("always", RestorekitWarning)
        other = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if not issubclass(category, RestorekitWarning):
                other(category(printable(message)), category, filename, lineno, file, line)
            elif note_kind(str(message)) not in said:
                said.add(note_kind(str(message)))
                say(str(message))

        warnings.showwarning = show
        yield


def as_json(value: Any) -> str:
    """Return the line that ``--json`` prints."""
    return json.dumps(value, default=str)
