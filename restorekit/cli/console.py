"""Progress bars on a terminal, plain lines elsewhere.

The tables that ``restorekit evaluate``, ``report`` and ``calibrate`` print.
"""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    from rich.table import Table

    from restorekit.evaluation.bootstrap import Comparison
    from restorekit.evaluation.head_to_head import PairedComparison
    from restorekit.evaluation.protocol import Results
    from restorekit.evaluation.rows import RunCoverage, RunRow
    from restorekit.training.job import Job
    from restorekit.training.log import LogEntry

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

    def show(self, line: LogEntry) -> None:
        """Take one line of the log; that a part of the training starts is said elsewhere."""
        if line.event == "start":
            return
        done = self.job.progress(line.step, line.seconds)
        self.bar.update(self.task, completed=done, description=_summary(line))
        if line.event != "step" or self.due():
            self.console.print(_summary(line), highlight=False, soft_wrap=True)


def _summary(line: LogEntry) -> str:
    """Say a log line in a few words."""
    values = line.values
    found = [f"{name} {values[name]:.2f}" for name in _SHOWN if name in values]
    rate = f"{values['images_per_s']:.0f} images/s" if "images_per_s" in values else ""
    skipped = f"{values['skipped']:.0f} updates skipped" if values.get("skipped") else ""
    where = f"epoch {values['epoch']:.0f}" if "epoch" in values else f"step {line.step}"
    return "  ".join(filter(None, [f"{line.event:<10s} {where}", *found, rate, skipped]))


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


MOST = 8  # columns of figures that a terminal of 80 characters takes
_QUIET = ("winkler90", "ause", "nrmse", "seconds", "nelbo")  # in results.json and results.csv, and where there is room
_HEADS = {
    "psnr": "psnr",
    "psnr_missing": "missing",
    "draw_psnr": "draws",
    "ssim": "ssim",
    "nrmse": "nrmse",
    "coverage90": "cover",
    "width90": "width",
    "winkler90": "winkler",
    "spearman": "rank",
    "seconds_per_megapixel": "s/MP",
    "seconds": "s/image",
    "nelbo": "nelbo",
    "psnr_before": "before",
    "psnr_gain": "gained",
}


def print_results(results: Results, alarms: Sequence[str] = ()) -> None:
    """Print what must be seen first, a table for each corruption, best PSNR first, and how the figures came about."""
    from rich.console import Console

    from restorekit.evaluation.protocol import failed
    from restorekit.report.wording import absent, count, method_names

    console, names = Console(), method_names(run.restorer for run in results.runs)
    for text in alarms:
        console.print(text, markup=False, highlight=False, soft_wrap=True, style="bold")
    for spec in dict.fromkeys(run.corruption for run in results.runs):
        runs = [run for run in results.runs if run.corruption == spec]
        console.print(
            f"{spec or 'files as they are'}   ({count(runs[0].images, 'image')})",
            style="italic",
            markup=False,
            highlight=False,
        )
        console.print(_one_table(runs, names))
        for run in runs:
            if run.coverage is not None and run.coverage.coverage_by_width:
                console.print(_coverage(run, run.coverage, names), highlight=False, markup=False)
    for text in (*absent(results), _protocol(results, names)):
        console.print(text, style="dim", markup=False, highlight=False)
    for text in failed(results.failures):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _coverage(run: RunRow, coverage: RunCoverage, names: Mapping[str, str]) -> str:
    """Say how the coverage is distributed over images, and over values by the width of their interval."""
    from restorekit.report.wording import count

    low, median, high = (f"{value:.0%}" for value in coverage.coverage90_images or ())
    tenths = " ".join(f"{value:.0%}" for value in coverage.coverage_by_width or ())
    by_image = f"median image {median} (5 to 95 % of them: {low} to {high})"
    by_width = f"by width, narrowest tenth first: {tenths}"
    beyond = run.images - coverage.calibrated if coverage.calibrated is not None else 0
    note = f"; {count(beyond, 'image')} beyond the calibration, their intervals as if Gaussian" if beyond else ""
    return f"{names[run.restorer]}, within the 90 % interval: {by_image}; {by_width}{note}\n"


def _protocol(results: Results, names: Mapping[str, str]) -> str:
    """Say how the figures came about: what holds for all, and what the estimate of each model is."""
    p, learned = results.protocol, [run for run in results.runs if run.learned]
    estimates = dict.fromkeys(f"{names[run.restorer]}: {run.estimate}" for run in learned)
    general = f"noise {p.noise}; result {p.result}; psnr in dB, {p.psnr}; ssim: {p.ssim}; interval {p.interval}"
    sigma = ["sigma: noise level passed to a method"] if any(run.sigma for run in results.runs) else []
    return "; ".join([*_directions(results), general, *sigma, f"seed {p.seed}", *estimates])


def _directions(results: Results) -> list[str]:
    """Say of the figures in the tables which values are good ones."""
    from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX, in_order

    figures = [f for f in results.metrics if not f.name.endswith(DIFFERENCE_SUFFIX)]  # of which `print_compared` tells
    there = [f for f in in_order(figures) if any(run.metrics.get(f.name) is not None for run in results.runs)]
    ways = {way: [_HEADS.get(f.name, f.name) for f in there if f.better == way] for way in ("higher", "lower")}
    goals = [f"{_HEADS.get(f.name, f.name)} is best at {f.goal:g}" for f in there if f.goal is not None]
    return [*(f"{way} is better: {', '.join(heads)}" for way, heads in ways.items() if heads), *goals]


def _one_table(runs: Sequence[RunRow], names: Mapping[str, str]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX

    columns = [*_HEADS, *(k for k in runs[0].metrics if k not in _HEADS and not k.endswith(DIFFERENCE_SUFFIX))]
    shown = [k for k in columns if any(run.metrics.get(k) is not None for run in runs)]
    shown = [k for k in shown if k not in _QUIET] if len(shown) > MOST else shown
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    has_sigma = any(run.sigma for run in runs)
    for key in ("restorer", *(("sigma",) if has_sigma else ())):
        table.add_column(key, no_wrap=True)
    for key in shown:
        table.add_column(_HEADS.get(key, key), justify="right", no_wrap=True)
    for run in sorted(runs, key=lambda r: r.metrics.get("psnr") or 0.0, reverse=True):
        table.add_row(
            escape(names[run.restorer]),
            *((run.sigma or "",) if has_sigma else ()),
            *(_cell(run.metrics.get(k)) for k in shown),
            style="bold" if run.learned else "",
        )
    return table


def print_compared(comparisons: Sequence[PairedComparison]) -> None:
    """Print how one run compares with another, a line for each figure, and which images got worse by the first."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from restorekit.evaluation.bootstrap import LEVEL
    from restorekit.report.wording import named

    first = comparisons[0]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    heads = (escape(first.restorer), escape(first.against), "apart", f"{100 * LEVEL:g} % interval")
    table.add_column("", no_wrap=True)
    for head in (*heads, "better", "worse", "equal"):
        table.add_column(head, justify="right", overflow="fold")
    for pair in comparisons:
        table.add_row(pair.metric.name, *_compared_cells(pair.result))
    Console().print(table)
    if first.result.worse:
        differences = dict(first.result.differences)
        names = [f"{key} {_signed(differences.get(key))}" for key in first.result.worse]
        text = f"worse than {first.against} by {first.metric.name}: {named(names, 5)}"
        Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _compared_cells(found: Comparison) -> list[str]:
    ends = "-" if found.low is None else f"{_signed(found.low)} to {_signed(found.high)}"
    counts = map(str, (found.wins, found.losses, found.ties))
    return [_cell(found.mean), _cell(found.mean_against), _signed(found.difference), ends, *counts]


def _signed(value: float | None) -> str:
    from restorekit.report.wording import signed

    return "-" if value is None else signed(value)


CHANNELS = {1: "gray", 3: "colour"}


def print_calibration(rows: list[dict[str, Any]]) -> None:
    """Print how the calibrated interval of 90 % did on images that did not fill its table, beside a plain one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from restorekit.report.wording import count

    kinds = {"calibrated": "", "one scale": "global_"}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("90 % interval", overflow="fold")
    for head in ("cover", "width", "winkler"):
        table.add_column(head, justify="right", no_wrap=True, min_width=7)
    for row in rows:
        colours = CHANNELS.get(row["channels"], f"{row['channels']} channels")
        why = f", {count(row['refused'], 'image')} not covered: too few are like them, or holes too deep"
        table.add_row(f"{row['corruption']}, {colours}{why if row['refused'] else ''}")
        for name, kind in kinds.items():
            table.add_row(f"  {name}", *(f"{row[f'{kind}{key}90']:.4f}" for key in ("coverage", "width", "winkler")))
    Console().print(table)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"
