"""``restorekit sample``."""

from __future__ import annotations

from pathlib import Path

import click

from restorekit.cli.console import echo
from restorekit.cli.options import (
    LABEL,
    SEED,
    axes_option,
    begin,
    check_output_file,
    device_options,
    set_up_process,
)

MAX_TEMPERATURE = 100
MAX_ORDERING_IMAGES = 1000  # images at most by which latents are ordered
EXAMPLE = """\b
Example:
  restorekit sample digits.png --model RUN/model.safetensors --count 64
  restorekit sample latents.png --model RUN/model.safetensors --traverse 11 --images digits.npz
"""


def _temperatures(context: click.Context, option: click.Parameter, text: str) -> float | tuple[float, ...]:
    """Return one temperature, or a tuple of comma-separated ones."""
    try:
        found = tuple(float(piece) for piece in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 <= value <= MAX_TEMPERATURE for value in found):
        raise click.BadParameter(
            f"expected a number from 0 to {MAX_TEMPERATURE}, or several with commas, such as 1,0.9,0.8, got {text!r}"
        )
    return found if len(found) > 1 else found[0]


@click.command("sample", epilog=EXAMPLE)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", "name", required=True, metavar="NAME|FILE", help="Model file or installed weights.")
@click.option("--count", type=click.IntRange(1, 10000), default=64, show_default=True, help="Images to draw.")
@click.option("--label", type=LABEL, help="Class to draw, for models that know classes.")
@click.option(
    "--size",
    type=click.IntRange(8, 4096),
    default=64,
    show_default=True,
    help="Side in pixels, for models that take any size.",
)
@click.option(
    "--temperature",
    default="1",
    show_default=True,
    callback=_temperatures,
    metavar="T[,T...]",
    help="Factor on the standard deviation of the latents; one number, or one for each level, finest last.",
)
@click.option(
    "--interpolate", type=click.IntRange(2, 1000), help="Steps of an interpolation between two draws; one row per pair."
)
@click.option(
    "--traverse",
    type=click.IntRange(2, 1000),
    help="Steps of each latent from -3 to 3 standard deviations of the prior, the others being 0; one numbered row per"
    " latent, at most --count rows.",
)
@click.option(
    "--images",
    metavar="IMAGES",
    help="With --traverse: order latents by their information about these images, shown in nats.",
)
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@device_options
def command(
    out: Path,
    name: str,
    count: int,
    label: int | None,
    size: int,
    temperature: float | tuple[float, ...],
    interpolate: int | None,
    traverse: int | None,
    images: str | None,
    axes: str | None,
    seed: int,
    overwrite: bool,
    device: str,
    threads: int | None,
) -> None:
    """Draw images from the prior of a model and write them to OUT, a PNG grid."""
    begin(False, images, model=name)
    check_output_file(out, ".png", overwrite, name, images)
    from restorekit.core.errors import UsageError
    from restorekit.core.files import atomic
    from restorekit.evaluation.traversal import draw, titled
    from restorekit.training.validation import write_grid

    set_up_process(threads)
    if interpolate and traverse:
        raise UsageError("--interpolate and --traverse exclude one another; remove one of them")
    if temperature != 1 and (interpolate or traverse):
        raise UsageError("--temperature applies to draws, not to --interpolate or --traverse; remove one of them")
    if images and not traverse:
        raise UsageError("--images orders the rows of --traverse; add --traverse or remove --images")
    steps = interpolate or traverse or 0
    turned, rows = _latents(name, images, axes, count, device) if traverse else (None, [])
    cells = draw(name, count, label, size, temperature, seed, device, steps, turned)
    with atomic(out) as temporary:
        if turned is None:
            write_grid(cells, steps or max(1, round(count**0.5)), temporary)
        else:
            titled(rows[: len(cells) // steps], cells, steps, temporary)
    echo(f"{len(cells)} images -> {out}")


def _latents(name: str, images: str | None, axes: str | None, count: int, device: str) -> tuple[list[int], list[str]]:
    """Return the indices of the latents to traverse, and the label of each row."""
    if images is None:
        return list(range(count)), [f"z{i}" for i in range(count)]
    from restorekit.evaluation.traversal import ranked
    from restorekit.images.dataset import load_images

    found = ranked(name, load_images(images, MAX_ORDERING_IMAGES, axes=axes), device)[:count]
    return [i for i, _ in found], [f"z{i}  {nats:.2f}" for i, nats in found]
