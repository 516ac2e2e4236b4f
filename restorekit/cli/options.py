"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
PRECISION = click.Choice(["auto", "32-true", "bf16-mixed"])


def device_options(function: F) -> F:
    """Add ``--device`` and ``--threads``."""
    device = click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default="auto",
        show_default=True,
        help="Where to compute.",
    )
    return device(threads_option(function))


def threads_option(function: F) -> F:
    """Add ``--threads``."""
    return click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: all cores]")(function)


def compute_options(function: F) -> F:
    """Add ``--precision`` and ``--compile`` to `device_options`."""
    precision = click.option(
        "--precision",
        type=PRECISION,
        default="auto",
        show_default=True,
        help="bf16-mixed: faster on GPUs and on CPUs with units for it. auto: so on CUDA alone.",
    )
    compiled = click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Compile what makes the estimate first: seconds at the start, less for each image on a GPU.",
    )
    return device_options(precision(compiled(function)))


def range_option(function: F) -> F:
    """Add ``--range``."""
    return click.option(
        "--range",
        "span",
        metavar="auto|LOW..HIGH",
        help="What the files' numbers span. auto: of integers their dtype; of floats 0..1, or where they leave it"
        " their 0.1 and 99.9 percentiles. [default: auto, and a note where percentiles are taken]",
    )(function)


def pictures_option(function: F) -> F:
    """Add ``--pictures``."""
    return click.option(
        "--pictures",
        type=click.IntRange(0),
        default=24,
        show_default=True,
        help="Images that the report shows, evenly over the list.",
    )(function)


def settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts; UsageError in one sentence for anything else."""
    found = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key:
            raise click.UsageError(f"--set takes KEY=VALUE, got {pair!r}")
        found[key] = value
    return found
