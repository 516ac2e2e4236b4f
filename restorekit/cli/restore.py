"""``restorekit restore``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from restorekit.cli.options import compute_options, range_option
from restorekit.cli.progress import ImagesProgress, Teller, as_json
from restorekit.cli.restored import Checks, Following, say, tell
from restorekit.cli.typed import typed

if TYPE_CHECKING:
    from restorekit.contracts import Corruption
    from restorekit.devices import Compute, Precision
    from restorekit.folder import Group, Setup
    from restorekit.images.find import Item
    from restorekit.images.masks import MaskSource
    from restorekit.opening import Opened

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
@click.option(
    "--self-check",
    is_flag=True,
    help="Estimate each image's PSNR without the truth, and say where restoring harms; takes 4 to 8 times as long.",
)
@click.option("--report/--no-report", default=True, show_default=True, help="Write OUT/_restorekit/report.html.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    source: str, out: Path, name: str, corruption: str | None, sigma: str | None, mask: str | None, mask_invert: bool,
    label: int | None, samples: int, sampler: str | None, keep: str, interval: float, span: str | None, kind: str,
    listed: Path | None, max_memory: str, max_pixels: int, workers: int, shard: str | None, seed: int, overwrite: bool,
    self_check: bool, report: bool, dry_run: bool, machine: bool, device: str, precision: Precision, compiled: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Restore every image of IN (a folder, with its sub-folders, or a file) into OUT.

    OUT mirrors the tree, names, formats and depths of IN; OUT/_restorekit holds the record. A second run
    does only what is not done. Exit code 0: all done, 1: some images failed, 2: wrong usage.
    """
    from restorekit import folder
    from restorekit.cli import texts
    from restorekit.devices import Compute
    from restorekit.images.masks import parse_mask
    from restorekit.images.scale import parse_range

    texts.use_threads(threads)
    masks, parts = parse_mask(mask, mask_invert), _parts(keep, samples)
    items = _items(source, out, listed, masks)
    opened = _opened(name, corruption, sigma, sampler, Compute(device, precision, compiled), max_memory)
    opened.check(label, samples, parts)
    options = folder.Options(
        model=name, digest=opened.digest, corruption=corruption, sigma=texts.sigma(sigma), mask=mask,
        mask_invert=mask_invert, label=label, samples=samples, sampler=opened.sampler, range=parse_range(span),
        format=texts.format(kind), keep=parts, interval=interval if {"low", "high"} & {*parts} else None, seed=seed,
        precision=opened.precision, noise=opened.noise, self_check=self_check,
    )  # fmt: skip
    setup = folder.Setup(
        source, out, opened.restorer, options, _corruption, masks, opened.estimate(samples), opened.device, max_pixels,
        overwrite, texts.shard(shard), opened.table if options.interval or self_check else None, report,
        typed("restore"),
    )  # fmt: skip
    tasks = folder.tasks(items, setup)
    if not machine:
        say(tasks, setup, bool(listed))
    return _plan(tasks, setup, machine) if dry_run else _run(tasks, setup, workers, machine)


def _corruption(spec: str) -> Corruption:
    from restorekit import plugins
    from restorekit.corruptions.spec import parse

    return parse(spec, plugins.corruptions())


def _parts(keep: str, samples: int) -> tuple[str, ...]:
    """Return what is kept beside the images: the ends of the interval too where one was typed."""
    from restorekit.cli import texts

    parts = texts.keep(keep, samples)
    typed = click.get_current_context().get_parameter_source("interval") is ParameterSource.COMMANDLINE
    return (*parts, "low", "high") if typed and not {"low", "high"} & {*parts} else parts


def _items(source: str, out: Path, listed: Path | None, masks: MaskSource) -> list[Item]:
    """Return the images that are to be restored, masks among them left out."""
    from restorekit.cli import texts
    from restorekit.images.find import find_images

    items = find_images(source, listed)
    texts.keep_apart(source, out)
    items = masks.pictures(items)
    masks.check(items)
    return items


def _opened(
    name: str, corruption: str | None, sigma: str | None, sampler: str | None, compute: Compute, memory: str
) -> Opened:
    """Open what restores, for what is known of the damage."""
    from restorekit.cli import texts
    from restorekit.opening import open_restorer
    from restorekit.sigma import IMAGE
    from restorekit.sweep import Limits

    given = None if corruption is None else _corruption(corruption)
    limits = Limits.within(texts.memory(memory))
    opened = open_restorer(name, given or (IMAGE if sigma else None), sampler, compute, limits)
    texts.settled(opened.sampler, given)
    return opened


def _run(tasks: Sequence[Group], setup: Setup, workers: int, machine: bool) -> int:
    from restorekit.engines.local import LocalEngine
    from restorekit.folder import restore_folder

    engine = LocalEngine(workers, weigh=lambda group: 2 * group.bytes)
    with ImagesProgress(sum(len(group.items) for group in tasks), "restoring", machine) as progress:
        told, checks, page = Teller(progress.advance), Checks(), Following(setup)

        def watch(line: dict[str, Any]) -> None:
            checks.line(line)
            told.line(line)
            page.line()

        try:
            counts = restore_folder(tasks, setup, engine, watch)
        except KeyboardInterrupt as stop:  # the record says what is done
            stop.add_note("run the same command again to go on")
            raise
        finally:
            page.write()
    return tell(counts, setup, told, checks, machine)


def _plan(tasks: Sequence[Group], setup: Setup, machine: bool) -> int:
    from restorekit.folder import planned

    rows = planned(tasks, setup)
    if machine:
        click.echo(as_json({"planned": rows}))
    for row in () if machine else rows:
        click.echo(f"{row['status']:<8s} {row['image']} -> {row['target']}")
    return 0
