"""Options that several commands share.

Reading the small texts that options take.

The command line as it was typed, to be typed again.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from restorekit.core.errors import UsageError, unknown

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, Metric

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


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts; UsageError in one sentence for anything else."""
    found = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key:
            raise click.UsageError(f"--set takes KEY=VALUE, got {pair!r}")
        found[key] = value
    return found


KEEP = ("std", "draws", "low", "high")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse_size(text: str) -> int:
    """Return the bytes of ``500MB``, ``4GB`` or ``2g``."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if found is None:
        raise UsageError(f"a memory size is a number with MB or GB, such as 4GB, got {text!r}")
    return int(float(found[1]) * _UNITS[found[2]])


def parse_memory(text: str) -> int:
    """Return the bytes of ``--max-memory``; UsageError where tiles cannot be made small enough for them."""
    from restorekit.restoration.tiling import BYTES_PER_PIXEL, Limits

    found, least = parse_size(text), Limits.within(0).pixels * BYTES_PER_PIXEL
    if found < least:
        raise UsageError(f"--max-memory takes {least / 2**20:g}MB or more, got {text}; give for example 1GB")
    return found


def parse_sigma(text: str | None, words: Sequence[str] = ()) -> str | None:
    """Check a ``--sigma`` text; return "auto" or another of the words, a number as text, or None.

    Raises
    ------
    UsageError
        Not a number on [0, 1]; a bare 25 is answered with 25/255.
    """
    if text is None or text in ("auto", *words):
        return text
    from restorekit.core.config import checked_sigma, parse_number

    try:
        value = parse_number(text)
    except ValueError:
        known = ", ".join(("auto", *words))
        raise UsageError(f"--sigma takes {known}, 0, or a number such as 25/255, got {text!r}") from None
    return repr(checked_sigma(value, text))


def parse_shard(text: str | None) -> tuple[int, int]:
    """Return I and N of ``I/N``."""
    found = re.fullmatch(r"(\d+)/(\d+)", text or "1/1")
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard takes I/N with I from 1 to N, such as 2/8, got {text!r}")
    return int(found[1]), int(found[2])


def parse_keep(text: str, samples: int) -> tuple[str, ...]:
    """Return the parts of a ``--keep`` list, without the draws, of which there are `samples` anyway."""
    parts = tuple(dict.fromkeys(p.strip() for p in text.split(",") if p.strip()))
    for part in parts:
        if part not in KEEP:
            raise UsageError(unknown("thing to --keep", part, KEEP))
    if "draws" in parts and samples == 0:
        raise UsageError("--keep draws needs draws, got --samples 0; give --samples N, such as 8")
    return tuple(part for part in parts if part != "draws")


def parse_format(text: str) -> str:
    """Check a ``--format`` text."""
    from restorekit.images.picture import SUFFIXES

    names = {"tif": "tiff", "jpg": "jpeg"}
    kind = names.get(text.lower(), text.lower())
    if kind not in ("keep", *SUFFIXES):
        raise UsageError(unknown("image format", kind, ("keep", *SUFFIXES)))
    return kind


def check_output(source: str | Path, out: Path) -> None:
    """Refuse an output folder that is the input, lies in it, or holds it: inputs are never written to."""
    inner = Path(str(source).partition(".npz:")[0]).resolve()
    folder = inner if inner.is_dir() else inner.parent
    target = out.resolve()
    if inner.is_dir() and target.is_relative_to(inner):
        wrong = f"the output {out} must lie outside the input {source}, whose files are"
    elif target == folder or (inner.is_dir() and inner.is_relative_to(target)):
        wrong = f"the output {out} must not be a folder that holds the input {source}, which is"
    else:
        wrong = ""
    if wrong:
        raise UsageError(f"{wrong} never written to; choose another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"the output {out} is a file; expected a folder, which may be new")


def set_threads(count: int | None) -> None:
    """Set the number of CPU threads of torch, and of OpenCV and the numerical libraries, which load later."""
    if count is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
            os.environ[name] = str(count)
        import torch

        torch.set_num_threads(count)


def parse_limit(
    text: str | None, metrics: Mapping[str, type[Metric]], asked: Sequence[str] = ()
) -> tuple[str, float] | None:
    """Return metric and value of a ``--fail-under`` text; it must be among those asked for, where some are."""
    if text is None:
        return None
    name, _, value = text.partition("=")
    if name not in metrics:
        raise UsageError(unknown("metric", name, metrics))
    try:
        least = float(value)
    except ValueError:
        least = math.nan
    if math.isnan(least):
        raise UsageError(f"--fail-under takes METRIC=NUMBER, such as psnr=28, got {text!r}")
    if asked and name not in asked:
        raise UsageError(f"--fail-under needs {name} measured; add --metric {name}")
    return name, least


def describe_missed(
    limit: tuple[str, float] | None, models: Sequence[str], runs: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Say which means of the models, or methods named as such, are worse than the limit: a sentence for each run."""
    if limit is None:
        return []
    from restorekit.core.plugins import registry

    name, least = limit
    sign = 1 if registry.metrics()[name].better == "higher" else -1
    judged = [run for run in runs if run["restorer"] in models]
    missed = [run for run in judged if run[name] is None or sign * run[name] < sign * least]
    return [f"--fail-under {name}={least:g} is not held by {_mean_of(run, name)}" for run in missed]


def _mean_of(run: Mapping[str, Any], name: str) -> str:
    where = f" on {run['corruption']}" if run.get("corruption") else ""
    value = "no figure" if run[name] is None else f"{run[name]:.4g}"
    return f"{run['restorer']}{where}: {value}"


def check_sampler_corruption(sampler: str | None, corruption: Corruption | None) -> None:
    """Raise a UsageError where a sampler would not know the values of what altered a file.

    The level of Gaussian noise is told by sigma, and what hides values by the mask.
    """
    from restorekit.core.contracts import parts_of

    for part in parts_of(corruption) if sampler and corruption else ():
        values = {} if part.hides or part.name == "gaussian" else vars(part)
        if any(isinstance(value, tuple) for value in values.values()):
            raise UsageError(f"a sampler needs the damage's own values, got a range for {part}; give one number")


def command_line(name: str) -> str:
    """Return the line that runs the current command again: its arguments, and the options that were given.

    Parameters
    ----------
    name : str
        What follows ``restorekit``.
    """
    context = click.get_current_context()
    given = [p for p in context.command.params if p.name and _is_given(context, p.name)]
    arguments = [str(context.params[p.name or ""]) for p in given if isinstance(p, click.Argument)]
    options = [word for p in given if isinstance(p, click.Option) for word in _words(p, context.params[p.name or ""])]
    return shlex.join(["restorekit", *name.split(), *arguments, *options])


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _words(option: click.Option, value: object) -> Iterator[str]:
    """Yield an option as it is typed: its longest name, once for each value."""
    name = max(option.opts, key=len)
    if option.is_flag:
        yield name
        return
    for one in value if option.multiple and isinstance(value, tuple) else (value,):
        yield from (name, *map(str, one if option.nargs != 1 and isinstance(one, tuple) else (one,)))
