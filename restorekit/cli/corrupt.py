"""``restorekit corrupt``."""

from __future__ import annotations

from pathlib import Path

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.options import (
    SEED,
    axes_option,
    begin,
    check_output,
    range_option,
)

EXAMPLE = """\b
Example:
  restorekit corrupt photos OUT --corruption gaussian:sigma=9/255+missing
"""


@click.command("corrupt", epilog=EXAMPLE)
@click.argument("clean")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--corruption",
    "spec",
    required=True,
    metavar="SPEC",
    help="Corruption to apply; see `restorekit list corruptions`.",
)
@click.option(
    "--depth",
    type=click.Choice(["8", "16", "32f"]),
    default="8",
    show_default=True,
    help="Bits per value: 8 and 16 write PNG, clipped and rounded; 32f writes TIFF with unclipped values.",
)
@click.option(
    "--list", "listed", type=click.Path(path_type=Path), help="Text file with the names to process, one per line."
)
@range_option
@axes_option
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of the corruption; each image draws by its name."
)
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
def command(
    clean: str,
    out: Path,
    spec: str,
    depth: str,
    listed: Path | None,
    span: str | None,
    axes: str | None,
    seed: int,
    machine: bool,
) -> int:
    """Corrupt the images of CLEAN and write them to OUT, with a mask of missing pixels if there are any.

    The files record the corruption, so `restorekit restore OUT` needs no option.
    """
    begin(machine, clean)
    check_output(clean, out)
    from restorekit.core.files import sweep
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import parse
    from restorekit.images.discovery import find_images, left_out
    from restorekit.images.intensity import parse_range
    from restorekit.restoration.folder import corrupt

    items = find_images(clean, listed)
    corruption = parse(spec, registry.corruptions())
    plan = corrupt.CorruptionPlan(out, corruption, depth, parse_range(span), seed, axes)
    corrupt.check(items, plan)
    sweep(out)
    if not (machine or listed) and (note := left_out(clean)):
        echo(note, err=True)
    failures: list[str] = []
    with ImagesProgress(len(items), "corrupting", machine) as progress:
        for item in items:
            error = corrupt.corrupt_file(item, plan)
            failures.extend([error] if error else [])
            progress.advance(error and f"failed: {error}")
    done, failed = len(items) - len(failures), len(failures)
    if machine:
        echo(as_json({"out": str(out), "done": done, "failed": failed, "failures": failures}))
    else:
        echo(f"{done} corrupted, {failed} failed -> {out}")
    return 1 if failures else 0
