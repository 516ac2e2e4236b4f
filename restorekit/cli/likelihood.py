"""``restorekit likelihood``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.options import (
    LIMIT,
    SEED,
    axes_option,
    begin,
    check_output,
    device_options,
    range_option,
    set_up_process,
)
from restorekit.core.errors import UsageError

if TYPE_CHECKING:
    from restorekit.evaluation.likelihood import Summary

EXAMPLE = """\b
Example:
  restorekit likelihood RUN/model.safetensors digits.npz:test OUT --k 5000
"""


@click.command("likelihood", epilog=EXAMPLE)
@click.argument("model", metavar="MODEL")
@click.argument("images", type=str)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--k", type=click.IntRange(1, 10**6), default=100, show_default=True, help="Draws of z per image.")
@click.option("--limit", type=LIMIT, help="Use at most this many images. [default: all]")
@range_option
@axes_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
@device_options
def command(
    model: str, images: str, out: Path, k: int, limit: int | None, span: str | None, axes: str | None, seed: int,
    machine: bool, device: str, threads: int | None,
) -> int:  # fmt: skip
    """Compute the likelihood of IMAGES under the unconditional MODEL; write OUT/scores.jsonl, one line per image.

    Each line has the negative ELBO (nelbo) and the importance-weighted estimate of -log p(x) from K draws (nll), both
    in nats per image, and bits per value; for a hierarchical model also the rate of each group of latents (rate_0, ...,
    the group nearest the pixels last). Images with many bits are least like the training data.
    """
    begin(machine, images, model=model)
    check_output(images, out)
    from restorekit.core.contracts import LatentModel
    from restorekit.core.devices import choose
    from restorekit.evaluation.likelihood import score_all
    from restorekit.evaluation.results_file import prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.models import checkpoint

    set_up_process(threads)
    loaded, card = checkpoint.load(checkpoint.resolve(model))
    if not isinstance(loaded, LatentModel):
        raise UsageError(
            f"{model} holds a {card.model!r}, which is conditional and has no p(x); use an unconditional model"
        )
    if getattr(loaded.config, "grain", "known") != "known":
        raise UsageError(
            f"{model} learnt its noise separately, so the density of its decoder is too narrow; train a model with "
            "--sigma auto, or on clean images"
        )
    opened = load_images(images, limit, None, parse_range(span), axes)
    prepare(out)
    with ImagesProgress(len(opened), "scoring", machine) as progress:

        def note(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        found = score_all(loaded.to(choose(device)), opened, k, seed, out / "scores.jsonl", note)
    _print(found, k, out, machine)
    return 1 if found.failures else 0


def _print(found: Summary, k: int, out: Path, machine: bool) -> None:
    means = found.means()
    latents = [{"active": active, "of": count} for active, count in found.use.active()]
    if machine:
        values = {name: mean for name, (mean, _) in means.items()}
        echo(as_json({"k": k, "images": len(found.rows), **values, "latents": latents, "bits": found.basis,
                            "failures": found.failures}))  # fmt: skip
        return
    if not found.rows:
        echo("no image was scored")
        return
    for name, (mean, error) in means.items():
        label = f"nll (K = {k})" if name == "nll" else name.replace("_", " ")
        if not name.startswith("rate_"):
            echo(f"{label:<18s} {mean:10.3f}  +- {error:.3f}")
    for group, use in enumerate(latents):
        name = f"rate_{group}"
        rate = ", rate {:.3f} +- {:.3f}".format(*means[name]) if name in means else ""
        echo(f"latents, group {group}   {use['active']:6d} of {use['of']} in use{rate}")
    echo(f"nats per image, mean over {len(found.rows)} images and its standard error; bits {found.basis}")
    echo("least likely: " + ", ".join(row.image for row in found.least_likely()))
    echo(f"-> {out / 'scores.jsonl'}")
