"""``restorekit restore``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from restorekit.cli.options import compute_options, range_option
from restorekit.cli.progress import ImagesProgress, Teller, as_json

if TYPE_CHECKING:
    from restorekit.devices import Precision
    from restorekit.folder import Group, Setup

EXAMPLE = """\b
Examples:
  restorekit restore scans OUT
  restorekit restore photo.png OUT --mask photo_mask.png --sigma 0
"""


@click.command(epilog=EXAMPLE)
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "name",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="Weights, a model file, or a classical method.",
)
@click.option(
    "--corruption",
    metavar="SPEC",
    help="What damaged the images. [default: what the file says, else noise of unknown level and the missing pixels]",
)
@click.option(
    "--sigma",
    metavar="auto|0|S",
    help="Noise level on the [0, 1] scale, such as 25/255; 0: there is none; auto: estimated."
    " [default: unknown, the model is blind]",
)
@click.option(
    "--mask",
    metavar="alpha|color:#RRGGBB|FILE|DIR",
    help="What is missing; non-zero = missing. [default: NAME.missing.png beside the image]",
)
@click.option("--mask-invert", is_flag=True, help="In the mask, zero = missing.")
@click.option("--label", type=click.IntRange(0), help="Class of the images, for models that know classes.")
@click.option(
    "--samples", type=click.IntRange(0, 1000), default=0, show_default=True, help="Draws to write beside the estimate."
)
@click.option(
    "--sampler",
    metavar="NAME[:KEY=VALUE]",
    help="For unconditional models. [default: what suits model and damage]",
)
@click.option(
    "--keep",
    default="",
    metavar="std,draws,low,high",
    help="Also write, as float32 TIFF on [0, 1]: the standard deviation of every pixel, the draws, the ends of"
    " the interval.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Share of the unknown values that low and high enclose; given, they are kept.",
)
@range_option
@click.option(
    "--format", "kind", default="keep", show_default=True, metavar="keep|png|tiff|...", help="Format of the outputs."
)
@click.option(
    "--list", "listed", type=click.Path(path_type=Path), help="Text file with the names to restore, one per line."
)
@click.option(
    "--max-memory",
    default="4GB",
    show_default=True,
    metavar="SIZE",
    help="Memory for tiles in work; images come on top.",
)
@click.option(
    "--max-pixels", type=click.IntRange(1), default=10**9, show_default=True, help="Larger images are refused."
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Threads that read, and that write."
)
@click.option("--shard", metavar="I/N", help="Do the I-th of N parts of the list, I from 1.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@click.option("--overwrite", is_flag=True, help="Replace files in OUT that restorekit did not write.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    source: str, out: Path, name: str, corruption: str | None, sigma: str | None, mask: str | None, mask_invert: bool,
    label: int | None, samples: int, sampler: str | None, keep: str, interval: float, span: str | None, kind: str,
    listed: Path | None, max_memory: str, max_pixels: int, workers: int, shard: str | None, seed: int, overwrite: bool,
    dry_run: bool, machine: bool, device: str, precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Restore every image of IN (a folder, with its sub-folders, or a file) into OUT.

    OUT mirrors the tree, names, formats and depths of IN; OUT/_restorekit holds the record. A second run
    does only what is not done. Exit code 0: all done, 1: some images failed, 2: wrong usage.
    """
    from restorekit import folder, plugins
    from restorekit.cli import texts
    from restorekit.corruptions.spec import parse
    from restorekit.devices import Compute
    from restorekit.images.find import find_images, left_out
    from restorekit.images.masks import parse_mask
    from restorekit.images.scale import parse_range
    from restorekit.opening import open_restorer
    from restorekit.sigma import IMAGE
    from restorekit.sweep import Limits

    texts.use_threads(threads)
    items = find_images(source, listed)
    texts.keep_apart(source, out)
    known = plugins.corruptions()
    given = None if corruption is None else parse(corruption, known)
    parts = texts.keep(keep, samples)
    if not {"low", "high"} & {*parts} and _typed("interval"):
        parts = (*parts, "low", "high")
    compute = Compute(device, precision, compiled)
    limits = Limits.within(texts.memory(max_memory))
    opened = open_restorer(name, given or (IMAGE if sigma else None), sampler, compute, limits)
    opened.check(label, samples, parts)
    texts.settled(opened.sampler, given)
    masks = parse_mask(mask, mask_invert)
    items = masks.pictures(items)
    masks.check(items)
    options = folder.Options(
        model=name, digest=opened.digest, corruption=corruption, sigma=texts.sigma(sigma), mask=mask,
        mask_invert=mask_invert, label=label, samples=samples, sampler=opened.sampler, range=parse_range(span),
        format=texts.format(kind), keep=parts, interval=interval if {"low", "high"} & {*parts} else None, seed=seed,
        precision=opened.precision, noise=opened.noise,
    )  # fmt: skip
    setup = folder.Setup(
        source, out, opened.restorer, options, lambda spec: parse(spec, known), masks,
        opened.estimate(samples), opened.device, max_pixels, overwrite, texts.shard(shard),
        opened.table if options.interval else None,
    )  # fmt: skip
    tasks = folder.tasks(items, setup)
    if not (machine or listed) and (note := left_out(source)):
        click.echo(note, err=True)
    if not machine and opened.noise and not (corruption or sigma):
        click.echo(f"noise as in the images that {name} has learnt from, {opened.noise}, unless a file says", err=True)
    if not machine and setup.estimates and not (corruption or opened.noise):
        click.echo(
            "the level of the noise is estimated for each file that does not tell it; --sigma tells it", err=True
        )
    if not machine and (count := folder.made_otherwise(tasks, setup)):
        click.echo(
            f"{count} image(s) in {out} were restored with other settings; their restorations are replaced", err=True
        )
    if dry_run:
        return _plan(tasks, setup, machine)
    return _run(tasks, setup, workers, machine)


def _typed(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _run(tasks: Sequence[Group], setup: Setup, workers: int, machine: bool) -> int:
    from restorekit.engines.local import LocalEngine
    from restorekit.folder import restore_folder

    engine = LocalEngine(workers, weigh=lambda group: 2 * group.bytes)
    with ImagesProgress(sum(len(group.items) for group in tasks), "restoring", machine) as progress:
        told = Teller(progress.advance)
        try:
            counts = restore_folder(tasks, setup, engine, told.line)
        except KeyboardInterrupt as stop:  # the record says what is done
            stop.add_note("run the same command again to go on")
            raise
    return _tell(counts, setup, told, machine)


def _plan(tasks: Sequence[Group], setup: Setup, machine: bool) -> int:
    from restorekit.folder import planned

    rows = planned(tasks, setup)
    if machine:
        click.echo(as_json({"planned": rows}))
    for row in () if machine else rows:
        click.echo(f"{row['status']:<8s} {row['image']} -> {row['target']}")
    return 0


def _tell(counts: dict[str, int], setup: Setup, told: Teller, machine: bool) -> int:
    if machine:
        click.echo(as_json({"out": str(setup.out), "device": setup.device, **counts, "failures": told.failures}))
    else:
        click.echo(
            f"{counts['done']} restored, {counts['skipped']} done before, {counts['failed']} failed -> {setup.out}"
        )
        click.echo(_how(setup))
        if told.noted:
            click.echo(f"notes on {told.noted} of them -> {setup.own / 'images.jsonl'}")
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
    gaussian = f"mean -+ {options.deviations:.3g} standard deviations, as if Gaussian"
    return f"{how}\nlow and high are uncalibrated, {gaussian}: {beyond}"
