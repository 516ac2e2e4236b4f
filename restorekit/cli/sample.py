"""``restorekit sample``."""

from __future__ import annotations

import math
from pathlib import Path

import click

from restorekit.cli.options import device_options, set_threads

ORDERED_BY = 1000  # images at most that latents are ordered by
EXAMPLE = """\b
Example:
  restorekit sample digits.png --model RUN/model.safetensors --count 64
  restorekit sample latents.png --model RUN/model.safetensors --traverse 11 --images digits.npz
"""


def _temperatures(context: click.Context, option: click.Parameter, text: str) -> float | tuple[float, ...]:
    """Return one number, or several that commas part."""
    try:
        found = tuple(float(piece) for piece in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 <= value < math.inf for value in found):
        raise click.BadParameter(f"takes a number from 0 up, or several with commas, such as 1,0.9,0.8, got {text!r}")
    return found if len(found) > 1 else found[0]


@click.command("sample", epilog=EXAMPLE)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", "name", required=True, metavar="NAME|FILE", help="Model file or installed weights.")
@click.option("--count", type=click.IntRange(1, 10000), default=64, show_default=True, help="Images to draw.")
@click.option("--label", type=click.IntRange(0), help="Class to draw, for models that know classes.")
@click.option(
    "--size",
    type=click.IntRange(8),
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
    help="Scale of the latents' standard deviation; for latents of several levels also one for each, finest last.",
)
@click.option("--interpolate", type=click.IntRange(2), help="So many steps from each draw to another, a row each.")
@click.option(
    "--traverse",
    type=click.IntRange(2),
    help="So many steps of each latent, from -3 to 3 standard deviations of the prior, the others being 0: a row each,"
    " with its number, of at most --count.",
)
@click.option(
    "--images",
    metavar="IMAGES",
    help="With --traverse: latents that tell most of these images come first, and each row says how many nats.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed.")
@click.option("--overwrite", is_flag=True, help="Replace OUT where it exists.")
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
    seed: int,
    overwrite: bool,
    device: str,
    threads: int | None,
) -> None:
    """Draw images from a model's prior and write them as one PNG grid, OUT."""
    from restorekit.core.errors import UsageError
    from restorekit.core.files import atomic
    from restorekit.evaluation.traversal import draw, titled
    from restorekit.training.validation import write_grid

    if out.suffix.lower() != ".png":
        raise UsageError(f"OUT is a PNG, got {out}; give a name that ends in .png")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; choose another name or give --overwrite")
    set_threads(threads)
    if interpolate and traverse:
        raise UsageError("--interpolate and --traverse are two ways; give one of them")
    if temperature != 1 and (interpolate or traverse):
        raise UsageError("--temperature is of draws, not of --interpolate or --traverse; leave one of them out")
    if images and not traverse:
        raise UsageError("--images orders the rows of --traverse; give both, or leave --images out")
    steps = interpolate or traverse or 0
    turned, rows = _latents(name, images, count, device) if traverse else (None, [])
    cells = draw(name, count, label, size, temperature, seed, device, steps, turned)
    with atomic(out) as temporary:
        if turned is None:
            write_grid(cells, steps or max(1, round(count**0.5)), temporary)
        else:
            titled(rows[: len(cells) // steps], cells, steps, temporary)
    click.echo(f"{len(cells)} images -> {out}")


def _latents(name: str, images: str | None, count: int, device: str) -> tuple[list[int], list[str]]:
    """Return the numbers of the latents to turn, and what stands beside each row."""
    if images is None:
        return list(range(count)), [f"z{i}" for i in range(count)]
    from restorekit.evaluation.traversal import ranked
    from restorekit.images.dataset import load_images

    found = ranked(name, load_images(images, ORDERED_BY), device)[:count]
    return [i for i, _ in found], [f"z{i}  {nats:.2f}" for i, nats in found]
