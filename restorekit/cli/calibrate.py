"""``restorekit calibrate``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.options import (
    LIMIT,
    SEED,
    axes_option,
    begin,
    check_output_file,
    compute_options,
    quality_option,
    range_option,
    set_up_process,
)
from restorekit.cli.tables import print_calibration
from restorekit.core.errors import UsageError

if TYPE_CHECKING:
    from restorekit.core.devices import Precision, Quality
    from restorekit.evaluation.calibration import Fit
    from restorekit.models.checkpoint import Card
    from restorekit.uncertainty.touch import TouchTable

EXAMPLE = """\b
Example:
  restorekit calibrate RUN/model.safetensors photos sure.safetensors --corruption gaussian:sigma=0..50/255
"""


@click.command("calibrate", epilog=EXAMPLE)
@click.argument("model")
@click.argument("clean")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--corruption",
    "specs",
    multiple=True,
    metavar="SPEC",
    help="Corruption to calibrate for; repeatable. Detectors of defects take none.",
)
@click.option("--limit", type=LIMIT, help="Use at most this many images. [default: all]")
@range_option
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the corruption.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@quality_option
@compute_options
def command(
    model: str, clean: str, out: Path, specs: tuple[str, ...], limit: int | None, span: str | None, axes: str | None,
    seed: int, overwrite: bool, machine: bool, quality: Quality, device: str, precision: Precision, compiled: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Calibrate the intervals of MODEL on the images of CLEAN, and write the model with its calibration to OUT.

    Of a detector of defects, the shares of clean pixels are calibrated that `restore --repair` may touch.

    Use images that the model was not trained on. The first half fills a table: the number of predicted standard
    deviations that enclose the truth. The second half scales the table so that the expected share of values outside
    an interval is at most the nominal one (conformal risk control). The printed values are of the second half.
    With --quality best, the calibration of that quality is added to the one that MODEL has.
    """
    begin(machine, clean, model=model)
    check_output_file(out, ".safetensors", overwrite, model, clean)
    from restorekit.core.devices import Compute
    from restorekit.core.plugins import registry
    from restorekit.evaluation.calibration import fit_model
    from restorekit.evaluation.results_file import prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.models import checkpoint
    from restorekit.restoration.loading import open_detector

    set_up_process(threads)
    compute, failed = Compute(device, precision, compiled, quality), list[str]()
    card = None if model in registry.restorers() else checkpoint.read_card(checkpoint.resolve(model))
    if card is None:
        raise UsageError(f"{model} is a classical method without a standard deviation; calibrate a model")
    detects = card.model in registry.detectors()
    if bool(specs) == detects:
        raise UsageError("a detector has no corruption; remove --corruption" if detects else "pass --corruption SPEC")
    if quality == "best" and (detects or card.calibration is None):
        raise UsageError("--quality best adds to the calibration of a model; calibrate it without --quality first")
    images = load_images(clean, limit, None, parse_range(span), axes)
    with ImagesProgress(len(images), "calibrating", machine) as progress:

        def note(key: str, error: str | None) -> None:
            failed.extend([key] if error else [])
            progress.advance(error and f"{key}: {error}")

        found: Fit | TouchTable
        if detects:
            found = open_detector(model, compute).repair().calibrated(images, Path(clean).name, note)
        else:
            found = fit_model(model, specs, images, compute, Path(clean).name, seed, note)
    prepare(out.parent)
    _save(found, out, model, card, machine, quality)
    return 1 if failed else 0


def _save(found: Fit | TouchTable, out: Path, model: str, card: Card, machine: bool, quality: Quality) -> None:
    """Write the model with its calibration, and print how well that holds."""
    from restorekit.core.records import encode
    from restorekit.evaluation.calibration import Fit
    from restorekit.evaluation.results_file import finite
    from restorekit.models import checkpoint
    from restorekit.uncertainty.calibration_table import Table

    table = found.table.to_json() if isinstance(found, Fit) else found.to_json()
    rows, which = found.rows if isinstance(found, Fit) else [], "" if quality == "standard" else f", {quality}"
    if which and card.calibration is not None:
        table = {**Table.from_json(card.calibration).to_json(), quality: table}
    psnrs = {f"psnr {row.corruption}, {row.channels} channels{which}": row.psnr for row in rows if row.images}
    metrics = {name: round(value, 2) for name, value in psnrs.items()}
    weights = checkpoint.read_weights(checkpoint.resolve(model))
    checkpoint.save(out, weights, dataclasses.replace(card, calibration=table, metrics={**card.metrics, **metrics}))
    if machine:
        values = {"rows": finite([encode(row) for row in found.rows])} if isinstance(found, Fit) else table
        echo(as_json({"out": str(out), **values}))
        return
    if isinstance(found, Fit):
        print_calibration(found.rows)
    else:
        for where, one in (("", found), (" of frames of a film", found.sequence)):
            for share, threshold, measured in zip(one.shares, one.log_odds, one.measured, strict=True) if one else ():
                says = f"log-odds of {threshold:.2f}, {measured:.4%} touched"
                echo(f"{share:.4%} of clean pixels{where} promised: {says}")
    echo(f"-> {out}")
