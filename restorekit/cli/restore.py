"""``restorekit restore``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.options import device_options
from restorekit.cli.progress import ImagesProgress, as_json

if TYPE_CHECKING:
    from restorekit.folder import Setup
    from restorekit.images.find import Item

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
    help="Noise level on the [0, 1] scale, such as 25/255; 0: there is none; auto: estimated. [default: unknown, the model is blind]",
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
@click.option("--sampler", metavar="NAME", help="For unconditional models. [default: the first that fits]")
@click.option(
    "--keep",
    default="",
    metavar="std",
    help="Also write the standard deviation of every pixel, float32 TIFF on [0, 1].",
)
@click.option(
    "--range",
    "span",
    metavar="auto|LOW..HIGH",
    help="What the files' numbers span. [default: the dtype's full range; floats as they are]",
)
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
@device_options
def command(
    source: str, out: Path, name: str, corruption: str | None, sigma: str | None, mask: str | None, mask_invert: bool,
    label: int | None, samples: int, sampler: str | None, keep: str, span: str | None, kind: str, listed: Path | None,
    max_memory: str, max_pixels: int, workers: int, shard: str | None, seed: int, overwrite: bool, dry_run: bool,
    machine: bool, device: str, threads: int | None,
) -> int:  # fmt: skip
    """Restore every image of IN (a folder, with its sub-folders, or a file) into OUT.

    OUT mirrors the tree, names, formats and depths of IN; OUT/_restorekit holds the record. A second run
    does only what is not done. Exit code 0: all done, 1: some images failed, 2: wrong usage.
    """
    from restorekit import folder, plugins
    from restorekit.api import IMAGE, open_restorer
    from restorekit.cli import texts
    from restorekit.corruptions.spec import parse
    from restorekit.engines.local import LocalEngine
    from restorekit.images.find import find_images
    from restorekit.images.masks import parse_mask
    from restorekit.images.scale import parse_range
    from restorekit.restore import Limits

    texts.use_threads(threads)
    items = find_images(source, listed)
    texts.keep_apart(source, out)
    known = plugins.corruptions()
    told = None if corruption is None else parse(corruption, known)
    opened = open_restorer(name, told or IMAGE, sampler, device, Limits.within(texts.size(max_memory)))
    masks = parse_mask(mask, mask_invert)
    masks.check(items)
    options = folder.Options(
        model=f"{name} {opened.digest}".strip(), corruption=corruption, sigma=texts.sigma(sigma), mask=mask, mask_invert=mask_invert,
        label=label, samples=samples, sampler=opened.sampler, range=parse_range(span), format=texts.format(kind),
        keep=texts.keep(keep), seed=seed, max_pixels=max_pixels,
    )  # fmt: skip
    setup = folder.Setup(
        out, opened.restorer, options, lambda spec: parse(spec, known), masks, overwrite, texts.shard(shard)
    )
    if dry_run:
        return _plan(items, setup, machine)
    with ImagesProgress(len(items), "restoring", machine) as progress:
        counts = folder.restore_folder(items, setup, LocalEngine(workers), lambda line: progress.advance(_said(line)))
    return _tell(counts, setup, opened.device, machine)


def _said(line: dict[str, Any]) -> str | None:
    """Return what is worth saying of an image: its failure, or its notes."""
    if line["status"] == "failed":
        return f"failed: {line['error']}"
    notes = "; ".join(line.get("notes", []))
    return f"{line['image']}: {notes}" if notes and line["status"] == "done" else None


def _plan(items: Sequence[Item], setup: Setup, machine: bool) -> int:
    from restorekit.folder import planned

    rows = planned(items, setup)
    if machine:
        click.echo(as_json({"planned": rows}))
    for row in () if machine else rows:
        click.echo(f"{row['status']:<8s} {row['image']} -> {row['target']}")
    return 0


def _tell(counts: dict[str, int], setup: Setup, device: str, machine: bool) -> int:
    if machine:
        click.echo(as_json({"out": str(setup.out), "device": device, **counts}))
    else:
        draws = f", {setup.options.samples} draws each" if setup.options.samples else ""
        how = (
            f"{setup.options.model} on {device}, one-pass estimate{draws}"
            if setup.restorer.batches
            else setup.options.model
        )
        click.echo(
            f"{counts['done']} restored, {counts['skipped']} done before, {counts['failed']} failed ({how}) -> {setup.out}"
        )
    return 1 if counts["failed"] else 0
