"""``restorekit detect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.options import (
    SEED,
    Number,
    axes_option,
    begin,
    check_output,
    compute_options,
    range_option,
    set_threads,
)
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
@click.option("--clean", required=True, metavar="IMAGES", help="Images of the same kind without defects; at least two.")
@click.option(
    "--model", default="default", show_default=True, metavar="NAME|FILE", help="Model of images without defects."
)
@click.option(
    "--rate", type=Number(1e-6, 0.5), default=1e-3, show_default=True,
    help="Share of pixels of clean images that are flagged as defects.",
)  # fmt: skip
@click.option(
    "--side", type=click.IntRange(2, 64), default=8, show_default=True, help="Side of the hidden squares, in pixels."
)
@click.option(
    "--grow", type=click.IntRange(0, 32), default=1, show_default=True, help="Pixels by which masks are widened."
)
@range_option
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    images: str, out: Path, clean: str, model: str, rate: float, side: int, grow: int, span: str | None,
    axes: str | None, seed: int, machine: bool, device: str, precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Detect defects in IMAGES and write a mask of each to OUT, white = defect, for `restore --mask OUT`.

    Each square is hidden and restored by the model. A pixel is a defect if it is further from its restoration than all
    but a share `--rate` of the pixels of the clean images. Dust, spots and dead pixels are detected. A scratch that
    continues outside the hidden square is partly predicted, so only strong ones are detected.
    """
    begin(machine, images, clean, model=model)
    for read in (images, clean):
        check_output(read, out)
    from restorekit.core.devices import Compute
    from restorekit.core.records import encode
    from restorekit.evaluation.results_file import prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.restoration.folder.detect import mask_all
    from restorekit.restoration.loading import open_restorer
    from restorekit.uncertainty.anomaly import Detector, calibrated

    set_threads(threads)
    opened = open_restorer(model, compute=Compute(device, precision, compiled))
    if opened.card is None:
        raise UsageError(f"{model} is a classical method without a standard deviation; use a model")
    detector, good = Detector(opened.restorer, side), load_images(clean, None, None, parse_range(span), axes)
    checked = load_images(images, None, None, parse_range(span), axes)
    unread = good.drop_unreadable()
    prepare(out)
    with ImagesProgress(len(unread) + len(good) + len(checked), "detecting", machine) as progress:

        def note(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        for key, error in unread.items():
            note(key, f"left out of the clean images: {error}")

        def image(i: int) -> tuple[str, Tensor]:
            note(good.keys[i], None)
            return good.keys[i], good[i][None]

        threshold, measured = calibrated(detector, map(image, range(len(good))), rate, seed)
        found = mask_all(detector, checked, threshold, grow, out, seed, note)
    if machine:
        echo(as_json({"threshold": threshold, "clean_rate": measured, **encode(found), "unreadable_clean": unread}))
    else:
        echo(f"{found.defective:.3%} of the pixels of {found.images} images look defective -> {out}")
        echo(f"flagged above {threshold:.1f} standard deviations; {measured:.3%} of held-out clean pixels are above it")
    return 1 if found.failures or unread else 0
