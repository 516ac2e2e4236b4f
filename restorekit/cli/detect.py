"""``restorekit detect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json
from restorekit.cli.options import check_output, compute_options, range_option, set_threads
from restorekit.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.core.devices import Precision

EXAMPLE = """\b
Example:
  restorekit detect scans MASKS --clean good_scans
  restorekit restore scans OUT --mask MASKS --sigma 0
"""


@click.command("detect", epilog=EXAMPLE)
@click.argument("images", type=str)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--clean", required=True, metavar="IMAGES", help="Undamaged images of the same kind, two or more.")
@click.option("--model", default="default", show_default=True, metavar="NAME|FILE", help="What is expected.")
@click.option(
    "--rate", type=click.FloatRange(1e-6, 0.5), default=1e-3, show_default=True,
    help="Share of clean pixels taken for damage.",
)  # fmt: skip
@click.option("--side", type=click.IntRange(2, 64), default=8, show_default=True, help="Of hidden squares, pixels.")
@click.option("--grow", type=click.IntRange(0, 32), default=1, show_default=True, help="Widen masks, pixels.")
@range_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    images: str, out: Path, clean: str, model: str, rate: float, side: int, grow: int, span: str | None, seed: int,
    machine: bool, device: str, precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Look for damage in IMAGES and write a mask of each into OUT, white where it is: what `restore --mask OUT` takes.

    A pixel is damaged where it is further from what the model restores there, its neighbourhood hidden, than all but
    a share `--rate` of the pixels of clean images. Dust, spots and dead pixels are found; a scratch that goes on beyond
    the hidden square is partly expected, and only found where it is strong.
    """
    from restorekit.core.devices import Compute
    from restorekit.evaluation.results_file import prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.restoration.folder.detect import mask_all
    from restorekit.restoration.loading import open_restorer
    from restorekit.uncertainty.anomaly import Detector, calibrated

    set_threads(threads)
    check_output(images, out)
    opened = open_restorer(model, compute=Compute(device, precision, compiled))
    if opened.card is None:
        raise UsageError(f"{model} is a classical method without a spread; detect with a model")
    detector, good = Detector(opened.restorer, side), load_images(clean, None, None, parse_range(span))
    looked_at = load_images(images, None, None, parse_range(span))
    prepare(out)
    with ImagesProgress(len(good) + len(looked_at), "detecting", machine) as progress:

        def note(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        def told(i: int) -> tuple[str, Tensor]:
            note(good.keys[i], None)
            return good.keys[i], good[i][None]

        threshold, measured = calibrated(detector, map(told, range(len(good))), rate, seed)
        found = mask_all(detector, looked_at, threshold, grow, out, seed, note)
    if machine:
        click.echo(as_json({"threshold": threshold, "clean_rate": measured, **found}))
    else:
        click.echo(f"{found['damaged']:.3%} of the pixels of {found['images']} images look damaged -> {out}")
        click.echo(f"more than {threshold:.1f} standard deviations off; so were {measured:.3%} of other clean pixels")
    return 1 if found["failures"] else 0
