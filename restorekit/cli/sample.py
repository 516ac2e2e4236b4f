"""``restorekit sample``."""

from __future__ import annotations

from pathlib import Path

import click

from restorekit.cli.options import device_options

EXAMPLE = """\b
Example:
  restorekit sample digits.png --model RUN/model.safetensors --count 64
"""


@click.command(epilog=EXAMPLE)
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
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Scale of the latents' standard deviation.",
)
@click.option("--interpolate", type=click.IntRange(2), help="So many steps from each draw to another, a row each.")
@click.option(
    "--traverse", type=click.IntRange(2), help="So many steps of each of the first --count latents, a row each."
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
    temperature: float,
    interpolate: int | None,
    traverse: int | None,
    seed: int,
    overwrite: bool,
    device: str,
    threads: int | None,
) -> None:
    """Draw images from a model's prior and write them as one PNG grid, OUT."""
    from restorekit.cli import texts
    from restorekit.drawing import draw
    from restorekit.errors import UsageError
    from restorekit.images.atomic import atomic
    from restorekit.validate import write_grid

    if out.suffix.lower() != ".png":
        raise UsageError(f"OUT is a PNG, got {out}; give a name that ends in .png")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; choose another name or give --overwrite")
    texts.use_threads(threads)
    if interpolate and traverse:
        raise UsageError("--interpolate and --traverse are two ways; give one of them")
    steps = interpolate or traverse or 0
    images = draw(name, count, label, size, temperature, seed, device, steps, bool(traverse))
    with atomic(out) as temporary:
        write_grid(images, steps or max(1, round(count**0.5)), temporary)
    click.echo(f"{len(images)} images -> {out}")
