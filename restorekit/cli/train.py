"""``restorekit train``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.options import PRECISION, check_output, device_options, parse_settings, parse_sigma, range_option

if TYPE_CHECKING:
    from restorekit.core.devices import Precision
    from restorekit.images.dataset import Labels
    from restorekit.training.loop import Watch

LEARNED = ("learned", "learned-gain")
EXAMPLE = """\b
Example:
  restorekit train photos RUN --model cvae --corruption missing --minutes 30
"""


@click.command("train", epilog=EXAMPLE)
@click.argument("images")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, metavar="NAME", help="Which model; see `restorekit list models`.")
@click.option(
    "--corruption",
    "specs",
    multiple=True,
    metavar="SPEC[@WEIGHT]",
    help="Damage to learn to undo; repeats, one is drawn per batch.",
)
@click.option(
    "--validation",
    metavar="SOURCE|COUNT",
    help="Images to judge by, or how many to hold out. [default: the stack's own test set, else one in 20, at most 20]",
)
@click.option("--steps", type=click.IntRange(1), help="Updates.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the images.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Time; the learning rate follows it.")
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the model or of the training, or preset=NAME; see `restorekit show NAME`.",
)
@click.option(
    "--init",
    default="auto",
    show_default=True,
    metavar="auto|none|NAME|FILE",
    help="Weights to start from; auto: installed ones of this very model, none: at random.",
)
@click.option(
    "--labels",
    type=click.Choice(["folders", "arrays"]),
    help="Condition on classes: sub-folder names, or the labels of a stack. Images in a sub-folder "
    "'unlabelled', or of label -1 (255 in unsigned bytes), have none that is known.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from RUN, bit for bit on a CPU as if never stopped (for --steps and --epochs). Repeat all options of"
    " the first command; only the length may change.",
)
@click.option(
    "--precision",
    type=PRECISION,
    default="auto",
    show_default=True,
    help="auto: bf16-mixed on CUDA.",
)
@click.option(
    "--self-supervised",
    "unseen",
    is_flag=True,
    help="IMAGES are damaged: learn from them alone. NaN and NAME.missing.png are missing; with --corruption, clean"
    " images are damaged once, to try it.",
)
@click.option(
    "--sigma",
    metavar="auto|learned|learned-gain|X",
    help="With --self-supervised: the noise of IMAGES on [0, 1], such as 25/255; auto: estimated; learned: with the"
    " images; learned-gain: and how it grows with brightness.",
)
@click.option("--tensorboard", is_flag=True, help="Write the log and pictures to RUN/tensorboard, too.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="Devices per node.")
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@range_option
@click.option("--licence", default="", help="Terms of the weights, kept in the model's card.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@device_options
def command(
    images: str, run: Path, model_name: str, specs: tuple[str, ...], validation: str | None, steps: int | None,
    epochs: int | None, minutes: float | None, pairs: tuple[str, ...], init: str, labels: Labels,
    resume: bool, precision: Precision, devices: int, nodes: int, span: str | None, licence: str, seed: int,
    unseen: bool, sigma: str | None, tensorboard: bool, device: str, threads: int | None,
) -> int:  # fmt: skip
    """Train a model on IMAGES (a folder, a file, or a stack) and keep everything in the folder RUN.

    RUN gets model.safetensors (for `--model`), state.safetensors (for `--resume`), log.jsonl, previews, samples and
    report.html, which shows how the training goes from its first validation on.
    Exit code 0: done, 130 or 143: stopped by Ctrl-C or SIGTERM, and saved if training had begun, 2: wrong usage.
    """
    from restorekit.cli.console import TrainingProgress
    from restorekit.report.live import Following
    from restorekit.training import build, loop
    from restorekit.training.tensorboard import Board

    if sum(limit is not None for limit in (steps, epochs, minutes)) != 1:
        raise click.UsageError("give exactly one of --steps, --epochs and --minutes, for example --minutes 30")
    if sigma and not unseen:
        raise click.UsageError("--sigma tells the noise of damaged images; give --self-supervised too, or leave it out")
    for read in (images, *([validation] if validation and not validation.isdigit() else [])):
        check_output(read, run)
    board = Board(run) if tensorboard else None
    hardware = build.Hardware(device, devices, nodes, precision, threads)
    source = build.Images(images, validation, labels, span)
    plan = build.Plan(
        model_name,
        specs,
        parse_settings(pairs),
        init,
        seed,
        licence,
        shlex.join(["restorekit", *sys.argv[1:]]),
        unseen,
        parse_sigma(sigma, LEARNED),
    )
    job, model, fabric = build.prepare(run, source, plan, hardware, resume, steps, epochs, minutes)
    begins = f"going on in {run}" if resume else f"starting from {job.card.start or 'random weights'}"
    first = fabric.is_global_zero  # one of several processes speaks for all
    for note in (*job.notes, begins) if first else ():
        click.echo(note, err=True)
    with TrainingProgress(job) as progress, Following(job, progress.say) as page, board or nullcontext():
        shows = [progress.show, page.show, *([board.show] if board else [])]
        outcome = loop.train(job, model, fabric, _each(shows), resume)
    if first:
        _tell(run, outcome.found)
    if outcome.signal is None:
        return 0
    if first:
        click.echo(f"stopped at step {outcome.steps}; go on with --resume", err=True)
    return 128 + outcome.signal  # as a shell has it: 130 for SIGINT, 143 for SIGTERM


def _each(shows: Sequence[Watch]) -> Watch:
    """Return one that hands a line of the log to all."""

    def watch(line: dict[str, Any]) -> None:
        for show in shows:
            show(line)

    return watch


def _tell(run: Path, found: dict[str, Any]) -> None:
    for name, value in found.items():
        click.echo(f"  {name:<40s} {value:10.3f}")
    written = {"model": "model.safetensors", "report": "report.html", "pictures": "previews", "log": "log.jsonl"}
    click.echo("   ".join(f"{what}: {run / name}" for what, name in written.items() if (run / name).exists()))
