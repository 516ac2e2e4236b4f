"""``restorekit restore``: options, notes, summary and report of a run."""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, Reporter, as_json, echo
from restorekit.cli.options import (
    LABEL,
    SEED,
    Number,
    axes_option,
    check_destination,
    check_sampler_corruption,
    check_single_file,
    command_line,
    compute_options,
    parse_format,
    parse_keep,
    parse_memory,
    parse_quality,
    parse_shard,
    parse_sigma,
    quality_option,
    range_option,
    repair_options,
    set_up_process,
    single_file_option,
)
from restorekit.core.errors import UsageError

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption
    from restorekit.core.devices import Compute, Precision, Quality
    from restorekit.restoration.assumptions import Sigma
    from restorekit.restoration.folder import Group, Setup
    from restorekit.restoration.folder.records import ImageRecord
    from restorekit.restoration.loading import Opened

EXAMPLE = """\b
Examples:
  restorekit restore scans OUT
  restorekit restore photo.png OUT --mask photo_mask.png --sigma 0
"""


@click.command("restore", epilog=EXAMPLE)
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "name",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="Installed weights, a model file, or a classical method.",
)
@click.option(
    "--corruption",
    metavar="SPEC",
    help="Corruption of the images. [default: recorded in the file, else noise of unknown level and missing pixels]",
)
@click.option(
    "--sigma",
    metavar="auto|0|S",
    help="Noise level on the [0, 1] scale, such as 25/255; 0: no noise; auto: estimate it."
    " [default: unknown, the model is blind]",
)
@click.option(
    "--mask",
    metavar="alpha|ir|color:#RRGGBB[:TOLERANCE]|FILE|DIR",
    help="Mask of missing pixels, non-zero = missing; up to 32 of 255 count as zero in JPEG and lossy WebP. TOLERANCE:"
    " distance to the colour, of 255. ir: dust in the infrared plane of a scan, a fourth channel or second page of a"
    " TIFF or NAME.ir.tif next to the image. [default: NAME.missing.png next to the image]",
)
@click.option(
    "--ir-threshold",
    type=Number(0, 1, min_open=True, max_open=True),
    help="With --mask ir: share of the infrared light that dust blocks at least, such as 0.1; smaller marks more."
    " [default: five times the grain of the plane, 0.025 to 0.3]",
)
@click.option("--mask-invert", is_flag=True, help="Invert the mask: zero = missing.")
@click.option(
    "--mask-confirmed", is_flag=True, help="Accept masks that mark over 60 % or under 0.01 % of an image as missing."
)
@click.option(
    "--opaque", is_flag=True, help="With --mask alpha: write the filled image opaque. [default: alpha stays as it is]"
)
@repair_options
@click.option("--label", type=LABEL, help="Class index of the images, for class-conditional models.")
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Draws per image to write in addition to the estimate.",
)
@click.option(
    "--sampler",
    metavar="NAME[:KEY=VALUE]",
    help="Sampler for unconditional models. [default: chosen for the model and corruption]",
)
@click.option(
    "--keep",
    default="",
    metavar="std,draws,low,high",
    help="Also write, as float32 TIFF on [0, 1]: standard deviation of every pixel, draws, ends of the interval."
    " [default: none]",
)
@click.option(
    "--interval",
    type=Number(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Share of the unknown values between low and high; setting it also writes both.",
)
@range_option
@axes_option
@click.option(
    "--format", "kind", default="keep", show_default=True, metavar="keep|png|tiff|...", help="Format of the outputs."
)
@click.option(
    "--jpeg-quality",
    default="auto",
    show_default=True,
    metavar="auto|keep|Q",
    help="Quality of JPEG and lossy WebP outputs, 1 to 100. auto: so high that the file holds the restoration, in RGB"
    " without chroma subsampling, WebP without loss; keep: that of the input.",
)
@click.option(
    "--list", "listed", type=click.Path(path_type=Path), help="Text file with the names to process, one per line."
)
@click.option(
    "--max-memory",
    default="4GB",
    show_default=True,
    metavar="SIZE",
    help="Memory for the tiles being processed. Images that need more for themselves (five times their decoded size)"
    " are refused by their header.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1, 10**12),
    default=10**9,
    show_default=True,
    help="Refuse images with more pixels.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Number of reader threads and of writer threads.",
)
@click.option("--shard", metavar="I/N", help="Process part I of N of the list (1-based). [default: 1/1]")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@click.option("--overwrite", is_flag=True, help="Overwrite files in OUT that restorekit did not write.")
@click.option(
    "--self-check",
    is_flag=True,
    help="Estimate the PSNR of each image without the truth and flag harmful restorations; takes 4 to 8 times as long.",
)
@click.option("--report/--no-report", default=True, show_default=True, help="Write OUT/_restorekit/report.html.")
@single_file_option
@click.option("--dry-run", is_flag=True, help="Show what would be done and exit.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@quality_option
@compute_options
def command(
    source: str, out: Path, name: str, corruption: str | None, sigma: str | None, mask: str | None,
    ir_threshold: float | None, mask_invert: bool, mask_confirmed: bool, opaque: bool, repair: str | None,
    touch: float | None, strength: float | None, protect: str | None, keep_marks: str | None, sequence: bool,
    label: int | None, samples: int, sampler: str | None, keep: str, interval: float, span: str | None,
    axes: str | None, kind: str, jpeg_quality: str, listed: Path | None, max_memory: str, max_pixels: int, workers: int,
    shard: str | None, seed: int, overwrite: bool, self_check: bool, report: bool, single_file: bool, dry_run: bool,
    machine: bool, quality: Quality, device: str, precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Restore every image of IN (a file, or a folder with its sub-folders) to OUT.

    OUT mirrors the folder tree, names, formats and bit depths of IN; OUT/_restorekit has the journal and the report.
    If IN is one image and OUT ends like one, such as OUT.png, that file is written and nothing else.
    A second run continues with the unfinished images. Exit code 0: all done, 1: some images failed, 2: wrong usage.
    """
    from restorekit.images.discovery import find_images
    from restorekit.images.intensity import parse_range
    from restorekit.images.masks import parse_mask

    # all checks that need no torch come first: a wrong path is an error within half a second
    masks, parts = parse_mask(mask, mask_invert, mask_confirmed, ir_threshold), parse_keep(keep, samples)
    if opaque and mask != "alpha":
        raise click.UsageError("--opaque requires --mask alpha; add it or remove --opaque")
    sigma = "0" if repair and sigma is None and corruption is None else sigma  # all else stays as it is
    share, jpeg_quality = parse_shard(shard), parse_quality(jpeg_quality)
    items, single = masks.pictures(find_images(source, listed)), check_single_file(single_file, source, out, report)
    kind = check_destination(source, out, parse_format(kind), overwrite, bool(parts or samples))
    masks.check(items)
    announce(len(items), source, name, machine)

    from restorekit.core.devices import Compute
    from restorekit.restoration import folder

    set_up_process(threads)
    compute, memory = Compute(device, precision, compiled, quality), parse_memory(max_memory)
    opened = _opened(name, corruption, sigma, sampler, compute, memory)
    opened.check(label, samples, parts)
    search = folder.open_search(repair, touch, strength, protect, keep_marks, compute, memory, items, sequence)
    options = folder.Options(
        model=name, digest=opened.digest, corruption=corruption, sigma=parse_sigma(sigma), mask=mask,
        mask_invert=mask_invert, opaque=opaque, label=label, samples=samples, sampler=opened.sampler,
        range=parse_range(span), axes=axes, format=kind, keep=parts, ir_threshold=ir_threshold,
        interval=interval if {"low", "high"} & {*parts} else None, seed=seed, repair=search.options,
        precision=opened.precision, noise=opened.noise, self_check=self_check, jpeg_quality=jpeg_quality,
        quality=quality,
    )  # fmt: skip
    with _destination(out, single and not dry_run) as place:
        setup = folder.Setup(
            source, place, opened.restorer, options, _corruption, masks, opened.estimate(samples), opened.device,
            max_pixels, memory, overwrite, share, opened.table if options.interval or self_check else None,
            report and not single, command_line("restore"), opened.refusal, out if single else None, search,
        )  # fmt: skip
        tasks = folder.tasks(items, setup)
        print_notes(tasks, setup, bool(listed), machine)
        return _plan(tasks, setup, machine) if dry_run else _run(tasks, setup, workers, machine, single_file)


@contextmanager
def _destination(out: Path, single: bool) -> Iterator[Path]:
    """Yield the folder of a run: OUT, or a temporary one whose only image is then copied to the file OUT."""
    if not single:
        yield out
        return
    from restorekit.core.files import atomic, sweep
    from restorekit.images.discovery import OWN_FOLDER

    sweep(out.parent, recursive=False)
    with tempfile.TemporaryDirectory(prefix="restorekit-") as name:
        yield Path(name)
        found = [path for path in Path(name).iterdir() if path.name != OWN_FOLDER]
        if found:  # nothing, if the image failed
            with atomic(out) as temporary:
                shutil.copyfile(found[0], temporary)


def announce(count: int, source: str, name: str, machine: bool) -> None:
    """Print on standard error what is about to be done, unless for a machine."""
    if not machine:
        echo(f"{count} image{'s' * (count > 1)} in {source}; loading {name}", err=True)


def _corruption(spec: str) -> Corruption:
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import parse

    return parse(spec, registry.corruptions())


def _opened(
    name: str, corruption: str | None, sigma: str | None, sampler: str | None, compute: Compute, memory: int
) -> Opened:
    """Open the model or method for the corruption and noise level of the command line."""
    from restorekit.restoration.loading import open_restorer
    from restorekit.restoration.tiling import Limits

    known = None if corruption is None else _corruption(corruption)
    limits = Limits.for_memory(memory)
    level = parse_sigma(sigma)
    stated: Sigma = None if level is None else "auto" if level == "auto" else float(level)
    opened = open_restorer(name, known, sampler, compute, limits, stated)
    check_sampler_corruption(opened.sampler, known)
    if known is not None and (reason := opened.refusal(known)) is not None:
        raise UsageError(f"--corruption {corruption}: {reason}")
    return opened


def _run(tasks: Sequence[Group], setup: Setup, workers: int, machine: bool, single_file: bool) -> int:
    from restorekit.core.execution import LocalEngine
    from restorekit.report.live import RestorationPage
    from restorekit.restoration.folder import restore_folder

    engine = LocalEngine(workers, weigh=lambda group: 2 * group.bytes)
    count = sum(len(group.items) for group in tasks)
    with ImagesProgress(count, "restoring", machine) as progress, RestorationPage(setup, single_file) as page:
        reporter, checks = Reporter(progress.advance), Checks()

        def watch(line: ImageRecord) -> None:
            checks.line(line)
            reporter.line(line)
            page.update()

        try:
            counts = restore_folder(tasks, setup, engine, watch)
        except KeyboardInterrupt as stop:  # the journal has the finished images
            stop.add_note("run the same command again to resume")
            raise
    return print_summary(counts, setup, reporter, checks, machine, page.contents)


def _plan(tasks: Sequence[Group], setup: Setup, machine: bool) -> int:
    from restorekit.restoration.folder import planned

    rows = planned(tasks, setup)
    if machine:
        echo(as_json({"planned": rows}))
    for row in () if machine else rows:
        echo(f"{row['status']:<8s} {row['image']} -> {row['target']}")
    return 0


class Checks:
    """Counts of self-check results.

    Attributes
    ----------
    psnrs : list of float
        Estimated PSNR of each image, dB.
    reasons : Counter of str
        Reasons of images without an estimate, without their details, and how many images have each.
    flagged : int
        Images whose restoration is flagged as harmful.
    failed : int
        Checks that failed with an error.
    """

    def __init__(self) -> None:
        self.psnrs: list[float] = []
        self.reasons = Counter[str]()
        self.flagged = self.failed = 0

    def line(self, line: ImageRecord) -> None:
        """Count the journal line of one image."""
        if line.facts is None or line.facts.check is None:
            return
        if line.facts.check.self_check is None:
            self.failed += 1
            return
        found = line.facts.check.self_check.found
        self.flagged += found.harms
        if found.psnr is None:
            self.reasons[re.split(r"[,:;]", found.reason)[0]] += 1
        else:
            self.psnrs.append(found.psnr)

    @property
    def silent(self) -> int:
        """Images without an estimate."""
        return self.reasons.total()

    @property
    def median(self) -> float | None:
        """Median of the estimated PSNR, dB; None without estimates."""
        return statistics.median(self.psnrs) if self.psnrs else None

    def to_json(self) -> dict[str, int | float | None]:
        """Return the counts and the median for --json."""
        checked = len(self.psnrs) + self.silent
        counts = {"checked": checked, "no_estimate": self.silent, "flagged": self.flagged, "failed": self.failed}
        return {**counts, "psnr": self.median}

    def __str__(self) -> str:
        """Return a sentence with the counts and the median."""
        median = "" if self.median is None else f", estimated PSNR {self.median:.2f} dB (median)"
        reasons = "; ".join(f"{reason} ({number})" for reason, number in self.reasons.most_common())
        silent = f", {self.silent} without an estimate: {reasons}" if self.silent else ""
        checked, failed = len(self.psnrs) + self.silent, f", {self.failed} failed" if self.failed else ""
        return f"self-check: {checked} checked{median}{silent}, {self.flagged} flagged as harmed{failed}"


def print_summary(
    counts: dict[str, int], setup: Setup, reporter: Reporter, checks: Checks, machine: bool, contents: str = ""
) -> int:
    """Print the summary of a run; return its exit code. `contents`: of the page, if it is a single file."""
    if machine:
        checked = {"self_check": checks.to_json()} if setup.options.self_check else {}
        found = {"out": str(setup.shown), "device": setup.device, **counts, "failures": reporter.failures, **checked}
        repaired = {"marks": sum(repair.marks for repair in reporter.repairs)} if setup.options.repair else {}
        echo(as_json({**found, **repaired}))
    else:
        echo(f"{counts['done']} restored, {counts['skipped']} done before, {counts['failed']} failed -> {setup.shown}")
        for text in _describe_run(setup) if counts["done"] else ():
            echo(text)
        if setup.options.self_check:
            echo(str(checks))
        if reporter.repairs:
            from restorekit.restoration.folder.records import REPAIRED

            touched = [repair.touched for repair in reporter.repairs]
            share = f"{statistics.fmean(touched):.3%} of the pixels, {max(touched):.3%} at most"
            masks = "" if setup.file else f" -> {setup.own / REPAIRED}"
            echo(f"{sum(repair.marks for repair in reporter.repairs)} marks repaired, {share}{masks}")
        if reporter.doubtful:
            names = ", ".join(reporter.doubtful[:3]) + ", ..." * (len(reporter.doubtful) > 3)
            echo(f"check {len(reporter.doubtful)} of them, which may have lost structure: {names}")
        if reporter.noted and setup.file is None:
            echo(f"notes on {reporter.noted} of them -> {setup.own / 'images.jsonl'}")
        if setup.pictures:
            from restorekit.report.live import REPORT

            echo(f"-> {setup.own / REPORT}{contents and ': '}{contents}")
    return 1 if reporter.failures else 0


def _describe_run(setup: Setup) -> list[str]:
    """Return lines on the method of the estimates and the basis of the intervals, for the summary."""
    options = setup.options
    half = ", bfloat16" if options.precision == "bfloat16" else ""
    how = f"{options.model} on {setup.device}{half}: {setup.estimate}"
    if options.interval is None:
        return [how]
    which = "" if options.quality == "standard" else f" for the quality {options.quality}"
    refusal = setup.table.level_refusal(options.interval) if setup.table else f"the model has no calibration{which}"
    if setup.table and not refusal:
        share, source = f"{options.interval:.3g} of the unknown values", setup.table.source
        return [how, f"low and high enclose {share}, on average over images like those of the calibration: {source}"]
    gaussian = f"mean +- {options.deviations:.3g} standard deviations, as if Gaussian"
    return [how, f"low and high are uncalibrated, {gaussian}: {refusal}"]


def print_notes(tasks: Sequence[Group], setup: Setup, listed: bool, machine: bool) -> None:
    """Print on standard error what a user may not expect, unless for a machine."""
    if machine:
        return
    from restorekit.images.discovery import left_out
    from restorekit.restoration.folder import Journal, made_otherwise

    options, journal = setup.options, Journal(setup.out, setup.options.fingerprint)
    count = made_otherwise(tasks, setup, journal)
    noise = (
        f"the noise level is that of the training data of {options.model}, {options.noise}, unless a file records one"
    )
    level = "the noise level of each file without a recorded one is estimated; set it with --sigma"
    again = f"{count} image(s) in {setup.out} were restored with other settings; their restorations are replaced"
    better = "on a GPU --model large restores more, at six times the work (restorekit list weights)"
    found = (
        None if listed else left_out(setup.source),
        better if options.model == "default" and setup.device == "cuda" else None,
        noise if options.noise and not (options.corruption or options.sigma) else None,
        level if setup.estimates and not (options.corruption or options.noise) else None,
        again if count else None,
        journal.warning,
    )
    for text in filter(None, found):
        echo(text, err=True)
