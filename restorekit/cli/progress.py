"""Progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from restorekit.train import Job

_SHOWN = ("nelbo", "distortion", "rate", "regression", "psnr")


class TrainingProgress:
    """Shows a training's log as it grows."""

    def __init__(self, job: Job) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.task = self.bar.add_task("training", total=1.0)
        self.job = job

    def __enter__(self) -> TrainingProgress:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def show(self, line: dict[str, Any]) -> None:
        """Take one line of the log."""
        self.bar.update(
            self.task, completed=self.job.progress(line["step"], line["seconds"]), description=_summary(line)
        )
        if line["event"] != "step" or (not self.console.is_terminal and line["step"] % 1000 == 0):
            self.console.print(_summary(line), highlight=False)


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


class ImagesProgress:
    """Counts images as they are finished, with rate and time left; tells what is worth telling at once."""

    def __init__(self, total: int, what: str, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=self.console)
        self.task = self.bar.add_task(what, total=total)

    def __enter__(self) -> ImagesProgress:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def advance(self, text: str | None) -> None:
        """Count one image; say `text` where there is something to say."""
        self.bar.advance(self.task)
        if text:
            self.console.print(text, highlight=False, markup=False)


def as_json(value: Any) -> str:
    """Return the one line of ``--json``."""
    return json.dumps(value, default=str)
