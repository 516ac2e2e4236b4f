"""Pages that are updated during a run: RUN/report.html of a training."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from restorekit.core.errors import brief
from restorekit.training.job import TrainingJob
from restorekit.training.log import LogEntry

EARLIEST = 15.0  # seconds into a training: who waits less needs no page before its end
SHARE = 50.0  # times as long as a page took to be written passes before it is written again: 2 % of the time


class Pace:
    """Lets a page be written again and again, as often as that costs next to nothing.

    Parameters
    ----------
    first : float
        Seconds until it may be written for the first time.
    """

    def __init__(self, first: float = 0.0) -> None:
        self._next = time.monotonic() + first

    def write(self, page: Callable[[], None]) -> None:
        """Call what writes the page, if it is time."""
        begun = time.monotonic()
        if begun < self._next:
            return
        page()
        ended = time.monotonic()
        self._next = ended + SHARE * (ended - begun)


class TrainingPage:
    """Writes the page of a training at its validations, as far as that costs next to nothing, and when it ends.

    A page that cannot be written is reported once, and never stops a training: machines for training may
    have no libraries for drawing.

    Parameters
    ----------
    job : Job
        The training.
    say : callable
        Takes the sentence.
    """

    def __init__(self, job: TrainingJob, say: Callable[[str], None]) -> None:
        self._job, self._say = job, say
        self._begun = self._has_warned = False
        self._pace = Pace(EARLIEST)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._begun and (error is None or isinstance(error, Exception)):
            self._write(running=False)

    def show(self, line: LogEntry) -> None:
        """Take a line of the log. Of several processes, one alone gets them, and writes the page."""
        self._begun = True
        if line.event == "validation":
            self._pace.write(lambda: self._write(running=True, step=line.step, seconds=line.seconds))

    def _write(self, running: bool, step: int | None = None, seconds: float = 0.0) -> None:
        card = None if step is None else dataclasses.replace(self._job.card, steps=step, seconds=seconds)
        try:
            from restorekit.report.pages.trained import page_of
            from restorekit.report.render import write_page

            write_page(page_of(self._job.run, card, running), self._job.run / "report.html")
            return
        except ImportError as error:
            reason = f"{error.name} is not installed here; pip install {error.name}"
        except Exception as error:
            reason = brief(error)
        if not self._has_warned:
            self._has_warned = True
            self._say(f"no report.html: {reason}")
