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
    set_up_process,
)

if TYPE_CHECKING:
    from restorekit.core.devices import Precision

EXAMPLE = """\b
Examples:
  restorekit detect scans MASKS
  restorekit restore scans OUT --mask MASKS --sigma 0
  restorekit detect frames MASKS --detector anomaly --clean good_frames
"""


@click.command("detect", epilog=EXAMPLE)
@click.argument("images", type=str)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--detector", "name", default="film", show_default=True, metavar="NAME|FILE,...",
    help="Detectors, with commas between them: film (dust, hairs, scratches, spots), lines (through the image), pixels"
    " (hot, dead), a file, or anomaly alone (what a model does not expect).",
)  # fmt: skip
@click.option(
    "--clean", metavar="IMAGES",
    help="Images of the same kind without defects, at least two, to set the threshold. [default: the detector's own]",
)  # fmt: skip
@click.option(
    "--model", default="default", show_default=True, metavar="NAME|FILE",
    help="With --detector anomaly: model of images without defects.",
)  # fmt: skip
@click.option(
    "--side", type=click.IntRange(2, 64), default=8, show_default=True,
    help="With --detector anomaly: side of the hidden squares, in pixels.",
)  # fmt: skip
@click.option(
    "--touch", type=Number(1e-6, 0.5), default=1e-3, show_default=True,
    help="Share of the pixels of clean images that may be taken for defects, on average.",
)  # fmt: skip
@click.option(
    "--grow",
    type=click.IntRange(0, 32),
    help="Pixels by which masks are widened.  [default: 1, and 0 for a detector that follows the rims of marks itself]",
)
@range_option
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    images: str, out: Path, name: str, clean: str | None, model: str, side: int, touch: float, grow: int | None,
    span: str | None, axes: str | None, seed: int, machine: bool, device: str, precision: Precision, compiled: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Detect defects in IMAGES and write a mask of each to OUT, white = defective, for `restore --mask OUT`.

    Without --clean the threshold is the detector's own, for the share --touch of clean photographs. With --clean it is
    set on these images: of half of them a share --touch of the pixels is taken for defects. The other half measures
    it, and nothing is promised of further images.

    The detector "anomaly" hides each square and restores it by the model. Pixels far from their restoration are
    defects, such as dust, spots and dead pixels. A scratch that continues outside the hidden square is partly
    predicted, so only strong ones are detected.
    """
    begin(machine, images, clean, model=model)
    for read in (images, clean or images):
        check_output(read, out)
    if (model, side) != ("default", 8) and name != "anomaly":
        raise click.UsageError("--model and --side require --detector anomaly; add it or remove them")
    if name == "anomaly" and not clean:
        raise click.UsageError("--detector anomaly has no threshold of its own; pass --clean IMAGES")
    from restorekit.core.devices import Compute
    from restorekit.core.records import encode
    from restorekit.evaluation.results_file import prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.restoration.anomaly import open_anomaly
    from restorekit.restoration.folder.detect import mask_all
    from restorekit.restoration.loading import open_detector, open_repair

    set_up_process(threads)
    compute = Compute(device, precision, compiled)
    good = load_images(clean, None, None, parse_range(span), axes) if clean else None
    checked = load_images(images, None, None, parse_range(span), axes)
    one = open_anomaly(model, side, compute) if name == "anomaly" else open_detector(name, compute) if good else None
    repair = one.repair(None, grow) if one else open_repair(name, touch, grow, compute)[0]
    prepare(out)
    bad: dict[str, str] = {}
    with ImagesProgress((len(good) if good else 0) + len(checked), "detecting", machine) as progress:

        def note(key: str, error: str | None) -> None:
            bad.update({key: error} if error else {})
            progress.advance(error and f"{key}: {error}")

        repair, measured = repair.fitted(good, touch, seed, note) if good else (repair, None)
        unread, found = dict(bad), mask_all(repair, checked, out, seed, note)
    if machine:
        values = {"log_odds": repair.thresholds, "clean_share": measured, "unreadable_clean": unread}
        echo(as_json({**values, **encode(found)}))
    else:
        echo(f"{found.defective:.3%} of the pixels of {found.images} images look defective -> {out}")
        checks = "" if measured is None else f"; {measured:.3%} of held-out clean pixels are taken for defects"
        echo(f"log-odds of {name} must exceed {', '.join(f'{t:.2f}' for t in repair.thresholds)}{checks}")
    return 1 if bad else 0
