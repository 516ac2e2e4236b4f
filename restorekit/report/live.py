"""Pages that are updated during a run: those of a restored folder and of a training."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from restorekit.core.errors import ImageError, brief

if TYPE_CHECKING:
    from restorekit.restoration.folder.options import Setup
    from restorekit.training.job import TrainingJob
    from restorekit.training.log import LogEntry

REPORT = "report.html"

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


class RestorationPage:
    """Page of a restored folder, written while images are restored, so that an interrupted run leaves one too.

    Parameters
    ----------
    setup : Setup
        The run.
    single_file : bool
        Whether the last page holds its pictures.

    Attributes
    ----------
    contents : str
        Sentence on the pictures in the last page; empty if they lie next to it.
    """

    def __init__(self, setup: Setup, single_file: bool = False) -> None:
        self._setup, self._single_file, self._pace = setup, single_file, Pace()
        self.contents = ""

    def update(self) -> None:
        """Write the page of the images finished so far, if little time is lost by it."""
        self._pace.write(lambda: self._write(False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write the last page, whatever ended the run."""
        self._write(self._single_file)

    def _write(self, single_file: bool) -> None:
        """Write the page; a full disk is no error, as it was reported for an image already."""
        if not self._setup.pictures:
            return
        from restorekit.report.pages.restored import page_of
        from restorekit.report.single_file import write_report

        with suppress(ImageError):
            self.contents = write_report(page_of(self._setup.out), self._setup.own / REPORT, single_file)


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
    single_file : bool
        Whether the last page holds its pictures.

    Attributes
    ----------
    contents : str
        Sentence on the pictures in the last page; empty if they lie next to it.
    """

    contents = ""

    def __init__(self, job: TrainingJob, say: Callable[[str], None], single_file: bool = False) -> None:
        self._job, self._say, self._single_file = job, say, single_file
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
            from restorekit.report.single_file import write_report

            page, last = page_of(self._job.run, card, running), self._single_file and not running
            self.contents = write_report(page, self._job.run / REPORT, last)
            return
        except ImportError as error:
            reason = f"{error.name} is not installed here; pip install {error.name}"
        except Exception as error:
            reason = brief(error)
        if not self._has_warned:
            self._has_warned = True
            self._say(f"no report.html: {reason}")
