"""What ``restorekit restore`` says before its work and after it, and the page that it leaves."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.progress import Teller, as_json

if TYPE_CHECKING:
    from restorekit.folder import Group, Setup

REPORT = "report.html"


class Checks:
    """Counts what self-checks found.

    Attributes
    ----------
    psnrs : list of float
        Estimates, dB.
    silent : int
        Images of which the error could not be estimated.
    flagged : int
        Images that the restoration harms.
    failed : int
        Checks that broke.
    """

    def __init__(self) -> None:
        self.psnrs: list[float] = []
        self.silent = self.flagged = self.failed = 0

    def line(self, line: dict[str, Any]) -> None:
        """Take the journal's line of one image, which may not have been checked."""
        found = line.get("self_check")
        if found is None:
            self.failed += "self_check" in line
            return
        self.flagged += found["harms"]
        if found["psnr"] is None:
            self.silent += 1
        else:
            self.psnrs.append(found["psnr"])

    @property
    def median(self) -> float | None:
        """Median of the estimates."""
        return statistics.median(self.psnrs) if self.psnrs else None

    def to_json(self) -> dict[str, Any]:
        """Return what --json tells."""
        checked = len(self.psnrs) + self.silent
        counts = {"checked": checked, "no_estimate": self.silent, "flagged": self.flagged, "failed": self.failed}
        return {**counts, "psnr": self.median}

    def __str__(self) -> str:
        """Say it in a sentence."""
        median = "" if self.median is None else f", estimated PSNR {self.median:.2f} dB (median)"
        silent = f", {self.silent} without an estimate" if self.silent else ""
        checked, failed = len(self.psnrs) + self.silent, f", {self.failed} failed" if self.failed else ""
        return f"self-check: {checked} checked{median}{silent}, {self.flagged} flagged as harmed{failed}"


def tell(counts: dict[str, int], setup: Setup, told: Teller, checks: Checks, machine: bool) -> int:
    """Print the summary of a run; return its exit code."""
    if machine:
        checked = {"self_check": checks.to_json()} if setup.options.self_check else {}
        found = {"out": str(setup.out), "device": setup.device, **counts, "failures": told.failures, **checked}
        click.echo(as_json(found))
    else:
        click.echo(
            f"{counts['done']} restored, {counts['skipped']} done before, {counts['failed']} failed -> {setup.out}"
        )
        click.echo(_how(setup))
        if setup.options.self_check:
            click.echo(str(checks))
        if told.noted:
            click.echo(f"notes on {told.noted} of them -> {setup.own / 'images.jsonl'}")
        if setup.pictures:
            click.echo(f"-> {setup.own / REPORT}")
    return 1 if told.failures else 0


def _how(setup: Setup) -> str:
    """Say what made the estimates, and what stands behind the intervals."""
    options = setup.options
    half = ", bfloat16" if options.precision == "bfloat16" else ""
    how = f"{options.model} on {setup.device}{half}: {setup.estimate}"
    if options.interval is None:
        return how
    beyond = setup.table.beyond(options.interval) if setup.table else "the model has no calibration"
    if setup.table and not beyond:
        share, source = f"{options.interval:.3g} of the unknown values", setup.table.source
        return f"{how}\nlow and high enclose {share}, on average over images like those of the calibration: {source}"
    gaussian = f"mean +- {options.deviations:.3g} standard deviations, as if Gaussian"
    return f"{how}\nlow and high are uncalibrated, {gaussian}: {beyond}"


class Following:
    """Keeps the page of a run up to date, from its first image on, so that one that is killed leaves one too.

    Parameters
    ----------
    setup : Setup
        The run.
    """

    def __init__(self, setup: Setup) -> None:
        from restorekit.report.following import Pace

        self._setup, self._pace = setup, Pace()

    def line(self) -> None:
        """Write the page again, as far as that costs next to nothing."""
        self._pace.write(self.write)

    def write(self) -> None:
        """Write the page of what is done so far; a disk that is full has been told of already."""
        if not self._setup.pictures:
            return
        from restorekit.errors import ImageError
        from restorekit.report.render import write_page
        from restorekit.report.restored import page_of

        with suppress(ImageError):
            write_page(page_of(self._setup.out), self._setup.own / REPORT)


def say(tasks: Sequence[Group], setup: Setup, listed: bool) -> None:
    """Say on standard error what a user may not expect."""
    from restorekit.folder import made_otherwise
    from restorekit.images.find import left_out

    options, count = setup.options, made_otherwise(tasks, setup)
    noise = f"noise as in the images that {options.model} has learnt from, {options.noise}, unless a file says"
    level = "the level of the noise is estimated for each file that does not tell it; --sigma tells it"
    again = f"{count} image(s) in {setup.out} were restored with other settings; their restorations are replaced"
    found = (
        None if listed else left_out(setup.source),
        noise if options.noise and not (options.corruption or options.sigma) else None,
        level if setup.estimates and not (options.corruption or options.noise) else None,
        again if count else None,
    )
    for text in filter(None, found):
        click.echo(text, err=True)
