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
    range_option,
    set_threads,
)
from restorekit.cli.tables import print_calibration
from restorekit.core.errors import UsageError

if TYPE_CHECKING:
    from restorekit.core.devices import Precision
    from restorekit.evaluation.calibration import Fit
    from restorekit.evaluation.rows import NoisePolicy

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
    required=True,
    metavar="SPEC",
    help="Corruption to calibrate for; repeatable.",
)
@click.option("--limit", type=LIMIT, help="Use at most this many images. [default: all]")
@range_option
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the corruption.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@compute_options
def command(
    model: str, clean: str, out: Path, specs: tuple[str, ...], limit: int | None, span: str | None, axes: str | None,
    seed: int, overwrite: bool, machine: bool, device: str, precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Calibrate the intervals of MODEL on the images of CLEAN, and write the model with its calibration to OUT.

    Use images that the model was not trained on. The first half fills a table: the number of predicted standard
    deviations that enclose the truth. The second half scales the table so that the expected share of values outside
    an interval is at most the nominal one (conformal risk control). The printed values are of the second half.
    """
    begin(machine, clean, model=model)
    check_output_file(out, ".safetensors", overwrite, model, clean)
    from restorekit.core.devices import Compute
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import parse
    from restorekit.evaluation import evaluate
    from restorekit.evaluation.calibration import fit
    from restorekit.evaluation.results_file import prepare
    from restorekit.evaluation.scenarios import needs_sigma
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.models import checkpoint
    from restorekit.restoration.loading import open_restorer

    set_threads(threads)
    corruptions = [(spec, parse(spec, registry.corruptions())) for spec in specs]
    opened = open_restorer(model, corruptions[0][1], None, Compute(device, precision, compiled))
    if opened.card is None:
        raise UsageError(f"{model} is a classical method without a standard deviation; calibrate a model")
    images = load_images(clean, limit, None, parse_range(span), axes)
    unread = images.drop_unreadable()
    prepare(out.parent)
    noise_policy: NoisePolicy = (
        "auto" if any(needs_sigma(opened, corruption) for _, corruption in corruptions) else "blind"
    )
    source = f"{len(images)} images of {Path(clean).name}, fingerprint {images.fingerprint[:16]}"
    failed: list[str] = []
    with ImagesProgress(len(unread) + len(images), "calibrating", machine) as progress:

        def note(key: str, error: str | None) -> None:
            failed.extend([key] if error else [])
            progress.advance(error and f"{key}: {error}")

        for key, error in unread.items():
            note(key, f"left out: {error}")
        found = fit(opened.restorer, evaluate.test_images(images), corruptions, seed, note, source, noise_policy)
    card = dataclasses.replace(opened.card, calibration=found.table.to_json())
    checkpoint.save(out, checkpoint.read_weights(checkpoint.resolve(model)), card)
    _print(found, out, machine)
    return 1 if failed else 0


def _print(found: Fit, out: Path, machine: bool) -> None:
    from restorekit.core.records import encode
    from restorekit.evaluation.results_file import finite

    if machine:
        echo(as_json({"out": str(out), "rows": finite([encode(row) for row in found.rows])}))
        return
    print_calibration(found.rows)
    echo(f"-> {out}")
