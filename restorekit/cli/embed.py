"""``restorekit embed``."""

from __future__ import annotations

from pathlib import Path

import click

from restorekit.cli.console import ImagesProgress, echo
from restorekit.cli.options import (
    LIMIT,
    axes_option,
    begin,
    check_output_file,
    device_options,
    range_option,
    set_up_process,
)
from restorekit.core.errors import UsageError

EXAMPLE = """\b
Example:
  restorekit embed RUN/model.safetensors digits.npz codes.npz
"""


@click.command("embed", epilog=EXAMPLE)
@click.argument("model", metavar="MODEL")
@click.argument("images", type=str)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--limit", type=LIMIT, help="Use at most this many images. [default: all]")
@range_option
@axes_option
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@device_options
def command(
    model: str, images: str, out: Path, limit: int | None, span: str | None, axes: str | None, overwrite: bool,
    device: str, threads: int | None,
) -> int:  # fmt: skip
    """Write the means of q(z | x) for IMAGES under the unconditional MODEL to OUT, an NPZ file.

    Arrays: z (images x latents; z0, z1, ... of a hierarchical model), names, and labels if the images have them.
    """
    begin(False, images, model=model)
    check_output_file(out, ".npz", overwrite, model, images)
    from restorekit.core.contracts import LatentModel
    from restorekit.core.devices import choose
    from restorekit.evaluation.likelihood import embed
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.models import checkpoint

    set_up_process(threads)
    loaded, card = checkpoint.load(checkpoint.resolve(model))
    if not isinstance(loaded, LatentModel):
        raise UsageError(
            f"{model} holds a {card.model!r}, which is conditional and has no q(z | x); use an unconditional model"
        )
    opened = load_images(images, limit, None, parse_range(span), axes)
    with ImagesProgress(len(opened), "embedding") as progress:

        def note(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        found, failed = embed(loaded.to(choose(device)), opened, out, note)
    echo(f"{found} images -> {out}")
    return 1 if failed else 0
