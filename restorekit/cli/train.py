"""``restorekit train``."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import echo
from restorekit.cli.options import (
    LIMIT,
    PRECISION,
    SEED,
    Number,
    axes_option,
    begin,
    check_output,
    device_options,
    parse_settings,
    parse_sigma,
    range_option,
    single_file_option,
)

if TYPE_CHECKING:
    from restorekit.core.devices import Precision
    from restorekit.images.dataset import Labels
    from restorekit.training.log import LogEntry

LEARNED = ("learned", "learned-gain")
EXAMPLE = """\b
Example:
  restorekit train photos RUN --model cvae --corruption missing --minutes 30
"""


@click.command("train", epilog=EXAMPLE)
@click.argument("images")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--model", "model_name", required=True, metavar="NAME", help="Model to train; see `restorekit list models`."
)
@click.option(
    "--corruption",
    "specs",
    multiple=True,
    metavar="SPEC[@WEIGHT]",
    help="Corruption to train on; repeatable, one is drawn by weight for each portion of a batch.",
)
@click.option(
    "--validation",
    metavar="SOURCE|COUNT",
    help="Validation images, or the number of images to hold out. [default: test set of the stack, else 1 in 20,"
    " at most 20]",
)
@click.option("--steps", type=LIMIT, help="Length of the training in updates.")
@click.option("--epochs", type=LIMIT, help="Length of the training in passes over the images.")
@click.option(
    "--minutes",
    type=Number(0, 10**7, min_open=True),
    help="Length of the training in minutes; the learning rate schedule follows the time.",
)
@click.option(
    "--end-in",
    type=Number(0, 10**7, min_open=True),
    metavar="MINUTES",
    help="With --resume, in place of a length: let the learning rate fall to 0 over so many minutes, and end. Not for"
    " schedule=cosine.",
)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of the model or the training, or preset=NAME; repeatable; see `restorekit show NAME`.",
)
@click.option(
    "--init",
    default="auto",
    show_default=True,
    metavar="auto|none|NAME|FILE",
    help="Initial weights; auto: installed weights of the same model and settings, else random; none: random.",
)
@click.option(
    "--labels",
    type=click.Choice(["folders", "arrays"]),
    help="Condition on classes: names of sub-folders, or labels of a stack. The class is unknown for images in a "
    "sub-folder 'unlabelled', or with label -1 (255 in unsigned bytes).",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Resume from RUN; with --steps or --epochs on a CPU the result is bit-identical to an uninterrupted training."
    " Repeat all options of the first command; only the length may change.",
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
    "self_supervised",
    is_flag=True,
    help="Train on degraded IMAGES without clean targets. NaN and NAME.missing.png mark missing values; with"
    " --corruption, clean images are corrupted once, as a test.",
)
@click.option(
    "--sigma",
    metavar="auto|learned|learned-gain|X",
    help="With --self-supervised: noise level of IMAGES on the [0, 1] scale, such as 25/255; auto: estimate it;"
    " learned: learn it with the model; learned-gain: learn its growth with brightness too.",
)
@single_file_option
@click.option("--tensorboard", is_flag=True, help="Also write the log and preview images to RUN/tensorboard.")
@click.option("--devices", type=click.IntRange(1, 64), default=1, show_default=True, help="Devices per node.")
@click.option("--nodes", type=click.IntRange(1, 10**4), default=1, show_default=True, help="Number of machines.")
@range_option
@axes_option
@click.option("--licence", default="", help="Licence of the weights, stored in the model file.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random numbers.")
@device_options
def command(
    images: str, run: Path, model_name: str, specs: tuple[str, ...], validation: str | None, steps: int | None,
    epochs: int | None, minutes: float | None, end_in: float | None, pairs: tuple[str, ...], init: str, labels: Labels,
    resume: bool, precision: Precision, devices: int, nodes: int, span: str | None, axes: str | None, licence: str,
    seed: int, self_supervised: bool, sigma: str | None, tensorboard: bool, single_file: bool, device: str,
    threads: int | None,
) -> int:  # fmt: skip
    """Train a model on IMAGES (a folder, a file, or a stack) and write it to the folder RUN.

    RUN gets model.safetensors (for `--model`), state.safetensors (for `--resume`), log.jsonl, previews, samples and
    report.html, which is updated from the first validation on.
    Exit code 0: done, 130 or 143: stopped by Ctrl-C or SIGTERM, with the state saved if training had begun,
    2: wrong usage.
    """
    begin(False, images, validation if validation and not validation.isdigit() else None)
    if sum(limit is not None for limit in (steps, epochs, minutes, end_in)) != 1:
        raise click.UsageError("expected exactly one of --steps, --epochs and --minutes; give for example --minutes 30")
    if sigma and not self_supervised:
        raise click.UsageError("--sigma requires --self-supervised; add it or remove --sigma")
    for read in (images, *([validation] if validation and not validation.isdigit() else [])):
        check_output(read, run)
    from restorekit.cli.console import TrainingProgress
    from restorekit.report.live import TrainingPage
    from restorekit.training import build, loop
    from restorekit.training.tensorboard import TensorBoardLog

    board = TensorBoardLog(run) if tensorboard else None
    hardware = build.Hardware(device, devices, nodes, precision, threads)
    source = build.DataSource(images, validation, labels, span, axes)
    plan = build.Plan(
        model_name, specs, parse_settings(pairs), init, seed, licence, shlex.join(["restorekit", *sys.argv[1:]]),
        self_supervised, parse_sigma(sigma, LEARNED),
    )  # fmt: skip
    job, model, fabric = build.prepare(run, source, plan, hardware, resume, steps, epochs, minutes, end_in)
    start = f"resuming {run}" if resume else f"starting from {job.card.start or 'random weights'}"
    first = fabric.is_global_zero  # one of several processes prints for all
    for note in (*job.notes, start) if first else ():
        echo(note, err=True)
    with TrainingProgress(job) as bar, TrainingPage(job, bar.say, single_file) as page, board or nullcontext():
        shows = [bar.show, page.show, *([board.show] if board else [])]

        def watch(line: LogEntry) -> None:
            for show in shows:
                show(line)

        outcome = loop.train(job, model, fabric, watch, resume)
    if first:
        _print(run, outcome.found, page.contents)
    if outcome.signal is None:
        return 0
    if first:
        echo(f"stopped at step {outcome.steps}; continue with --resume", err=True)
    return 128 + outcome.signal  # the exit code of a shell: 130 for SIGINT, 143 for SIGTERM


def _print(run: Path, found: dict[str, float], contents: str) -> None:
    for name, value in found.items():
        echo(f"  {name:<40s} {value:10.3f}")
    written = {"model": "model.safetensors", "report": "report.html", "pictures": "previews", "log": "log.jsonl"}
    echo("   ".join(f"{what}: {run / name}" for what, name in written.items() if (run / name).exists()))
    if contents:
        echo(f"report.html: {contents}")
