"""Options that several commands share, and the parsing of their texts."""

from __future__ import annotations

import ctypes
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from restorekit.cli.console import echo
from restorekit.core.errors import UsageError, unknown
from restorekit.core.files import claim, identity, refuse_links, sweep

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, Metric
    from restorekit.evaluation.rows import RunRow

F = TypeVar("F", bound=Callable[..., Any])
MAX_THREADS = 512
MAX_IMAGES = 10**9
MAX_SHARDS = 10**6
MAX_MEMORY = 2**50  # bytes
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)
_LARGEST_BLOCK = 2**30  # bytes; larger blocks go back to the system as ever
SEED = click.IntRange(-(2**63), 2**63 - 1)
LIMIT = click.IntRange(1, MAX_IMAGES)
LABEL = click.IntRange(0, 10**6)
PRECISION = click.Choice(["auto", "32-true", "bf16-mixed"])


class Number(click.FloatRange):
    """Number within limits that is neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; BadParameter for other text and numbers outside of the limits."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"expected a finite number, got {value}", param, ctx)
        return found


def repair_options(function: F) -> F:
    """Add ``--repair``, ``--touch``, ``--strength``, ``--protect``, ``--keep-marks`` and ``--sequence``."""
    add = [
        click.option(
            "--repair", metavar="film|lines|pixels|FILE,...", is_flag=False, flag_value="film",
            help="Find defects that nobody has marked, and fill them: film (dust, hairs, scratches, spots), lines"
            " (through the image), pixels (hot, dead), a file, or several with commas; --repair as the last word: film."
            " Without --sigma and --corruption all other values stay as they are.",
        ),
        click.option(
            "--touch", type=Number(1e-5, 0.1),
            help="With --repair: share of the pixels of clean images that it may touch, on average. [default: 0.001]",
        ),
        click.option(
            "--strength", type=Number(0, 1, min_open=True),
            help="With --repair: share of the way from what was there to the repair. [default: 1]",
        ),
        click.option(
            "--protect", metavar="FILE|DIR|...",
            help="With --repair: mask of pixels that it never touches, as for --mask. Images without one are not"
            " protected.",
        ),
        click.option(
            "--keep-marks", metavar="FILE|DIR|...",
            help="With --repair: mask whose strokes take back repairs; a mark that it touches stays as it is.",
        ),
        click.option(
            "--sequence", is_flag=True,
            help="With --repair: the images of each folder are frames of a film, in the order of their names and"
            " numbers; what the frames before and after have too is no defect.",
        ),
    ]  # fmt: skip
    for option in reversed(add):
        function = option(function)
    return function


def device_options(function: F) -> F:
    """Add ``--device`` and ``--threads``."""
    device = click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default="auto",
        show_default=True,
        help="Device to compute on; auto: the fastest available.",
    )
    return device(threads_option(function))


def threads_option(function: F) -> F:
    """Add ``--threads``."""
    return click.option("--threads", type=click.IntRange(1, MAX_THREADS), help="CPU threads. [default: all cores]")(
        function
    )


def compute_options(function: F) -> F:
    """Add ``--precision`` and ``--compile`` to `device_options`."""
    precision = click.option(
        "--precision",
        type=PRECISION,
        default="auto",
        show_default=True,
        help="Arithmetic; bf16-mixed is faster on GPUs and on CPUs with bfloat16 units; auto: bf16-mixed on CUDA only.",
    )
    compiled = click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Compile the network first: takes seconds at the start, saves time per image on a GPU.",
    )
    return device_options(precision(compiled(function)))


def quality_option(function: F) -> F:
    """Add ``--quality``."""
    return click.option(
        "--quality",
        type=click.Choice(["standard", "best"]),
        default="standard",
        show_default=True,
        help="best: the mean over the image flipped and transposed in eight ways, at eight times the work.",
    )(function)


def range_option(function: F) -> F:
    """Add ``--range``."""
    return click.option(
        "--range",
        "span",
        metavar="auto|LOW..HIGH",
        help="Values that map to 0 and 1. auto: the range of an integer type, or the 8 to 14 bits that 16-bit values"
        " fit; for floats 0..1, or their 0.1 and 99.9 percentiles if values are outside of it. [default: auto, with a"
        " note unless it is that of the type]",
    )(function)


def axes_option(function: F) -> F:
    """Add ``--axes``."""

    def parsed(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
        from restorekit.images.axes import parse_axes

        return parse_axes(text)

    return click.option(
        "--axes",
        metavar="LETTERS",
        callback=parsed,
        help="Axes of NPY, NPZ and IDX arrays, such as NCHW, YXC or TZYX: N, T, Z images, H or Y rows, W or X columns,"
        " C channels, P flattened squares; a comma separates the axes of arrays with other numbers of axes: NCHW,HW."
        " [default: by the shape, HW; HWC with C <= 4; NHW; NHWC or NCHW with C <= 4; NP for rows of 784; unclear"
        " shapes, such as (3, H, W), are refused]",
    )(function)


def pictures_option(function: F) -> F:
    """Add ``--pictures``."""
    return click.option(
        "--pictures",
        type=click.IntRange(0, 10**4),
        default=24,
        show_default=True,
        help="Images that the report shows, at even steps through the list.",
    )(function)


def single_file_option(function: F) -> F:
    """Add ``--single-file``."""
    return click.option(
        "--single-file",
        is_flag=True,
        help="Put the pictures into report.html, so that it can be mailed. If it would exceed 10 MB, they are made"
        " smaller; then only the first ones of the page keep theirs.",
    )(function)


def check_single_file(wanted: bool, source: str, out: Path, report: bool) -> bool:
    """Return `is_single_file`; raise a UsageError for ``--single-file`` if there is no report."""
    single = is_single_file(source, out)
    if wanted and (single or not report):
        reason = "OUT is one file, which has none; give a folder" if single else "--no-report writes none; remove it"
        raise UsageError(f"--single-file needs a report and {reason}, or remove --single-file")
    return single


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Parse ``KEY=VALUE`` texts; UsageError for anything else."""
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
    size = float(found[1]) * _UNITS[found[2]]
    if size > MAX_MEMORY:
        raise UsageError(f"a memory size is at most {MAX_MEMORY // 2**40}TB, got {text!r}; give for example 4GB")
    return int(size)


def parse_memory(text: str) -> int:
    """Return the bytes of ``--max-memory``; UsageError if it is too little for the smallest tiles."""
    from restorekit.restoration.tiling import BYTES_PER_PIXEL, Limits

    found, least = parse_size(text), Limits.for_memory(0).pixels * BYTES_PER_PIXEL
    if found < least:
        raise UsageError(f"--max-memory takes {least / 2**20:g}MB or more, got {text}; give for example 1GB")
    return found


def parse_sigma(text: str | None, words: Sequence[str] = ()) -> str | None:
    """Check a ``--sigma`` text; return "auto" or one of `words` unchanged, a number as text, or None.

    Raises
    ------
    UsageError
        For any other text, or a number outside of [0, 1]; the message for 25 suggests 25/255.
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
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text or "1/1")
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= MAX_SHARDS:
        raise UsageError(f"--shard takes I/N with I from 1 to N and N up to {MAX_SHARDS}, such as 2/8, got {text!r}")
    return int(found[1]), int(found[2])


def parse_keep(text: str, samples: int) -> tuple[str, ...]:
    """Return the parts of a ``--keep`` list without "draws", which are written whenever `samples` is above 0.

    The ends of an interval are added if ``--interval`` was typed.
    """
    parts = tuple(dict.fromkeys(p.strip() for p in text.split(",") if p.strip()))
    for part in parts:
        if part not in KEEP:
            raise UsageError(unknown("thing to --keep", part, KEEP))
    if "draws" in parts and samples == 0:
        raise UsageError("--keep draws needs draws, got --samples 0; add --samples N, such as 8")
    context = click.get_current_context(silent=True)
    typed = context is not None and context.get_parameter_source("interval") is ParameterSource.COMMANDLINE
    ends = ("low", "high") if typed and not {"low", "high"} & {*parts} else ()
    return (*(part for part in parts if part != "draws"), *ends)


def parse_format(text: str) -> str:
    """Return the image format of a ``--format`` text; UsageError for an unknown one."""
    from restorekit.images.picture import SUFFIXES

    names = {"tif": "tiff", "jpg": "jpeg"}
    kind = names.get(text.lower(), text.lower())
    if kind not in ("keep", *SUFFIXES):
        raise UsageError(unknown("image format", kind, ("keep", *SUFFIXES)))
    return kind


def begin(quiet: bool, *sources: str | Path | None, model: str | None = None) -> None:
    """Refuse paths that do not exist and say what is being read, before anything that takes time is imported.

    Parameters
    ----------
    quiet : bool
        Print nothing, for --json.
    sources : path or None
        Images to read: files, folders, or ``FILE.npz:ARRAY``.
    model : str or None
        Name or file of a model.

    Raises
    ------
    UsageError
        A path leads nowhere.
    """
    for source in [source for source in sources if source]:
        if not os.path.lexists(source) and not Path(str(source).rpartition(":")[0] or source).exists():
            raise UsageError(f"there is no file or folder {source}; check the path")
    if model is not None and model.endswith(".safetensors") and not Path(model).exists():
        raise UsageError(
            f"there is no model file {model}; pass a file written by restorekit train, or the name of installed weights"
        )
    if not quiet:
        named = " and ".join(str(source) for source in sources if source)
        echo(f"reading {named}" if named else f"loading {model}", err=True)


def parse_quality(text: str) -> str:
    """Check a ``--jpeg-quality`` text: auto, keep, or a number from 1 to 100."""
    from restorekit.images.picture import QUALITIES

    if (found := text.lstrip("0")) in QUALITIES:
        return found
    raise UsageError(f"--jpeg-quality takes auto, keep, or a number from 1 to 100, got {text!r}")


def check_output(source: str | Path, out: Path) -> None:
    """Raise a UsageError for an output folder that is the input, is inside it, contains it, or cannot be a folder."""
    from restorekit.images.discovery import IMAGE_SUFFIXES, OTHER_PICTURES, OWN_FOLDER

    inner = Path(os.path.realpath(str(source).partition(".npz:")[0]))  # Path.resolve raises for a circle of links
    folder = inner if inner.is_dir() else inner.parent
    target = Path(os.path.realpath(out))
    if inner.is_dir() and target.is_relative_to(inner):
        wrong = f"the output {out} must lie outside the input {source}, whose files are"
    elif target == folder or (inner.is_dir() and inner.is_relative_to(target)):
        wrong = f"the output {out} must not be a folder that holds the input {source}, which is"
    else:
        wrong = ""
    if wrong:
        raise UsageError(f"{wrong} never written to; choose another folder")
    for part in (out / OWN_FOLDER, out, *out.parents):
        if part.exists() and not part.is_dir():
            what = f"the output {out}" if part == out else f"{part}, which is to be a folder for the output,"
            raise UsageError(f"{what} is a file; expected a folder, which may be new")
    if out.suffix.lower() in IMAGE_SUFFIXES | OTHER_PICTURES and not out.is_dir():
        raise UsageError(f"the output {out} is named like an image; expected the name of a folder, which may be new")
    claim(out)


def is_single_file(source: str | Path, out: Path) -> bool:
    """Return whether one image is to be written to a file: IN is no folder, and OUT is named like an image."""
    from restorekit.images.discovery import IMAGE_SUFFIXES

    return not Path(source).is_dir() and out.suffix.lower() in IMAGE_SUFFIXES and not out.is_dir()


def check_destination(source: str | Path, out: Path, kind: str, overwrite: bool, more: bool) -> str:
    """Check the folder or single file OUT; return the format of the outputs.

    Parameters
    ----------
    source, out : path
        The images, and the folder or file to write.
    kind : str
        Format that the user states; "keep" = none.
    overwrite : bool
        Replace OUT if it exists.
    more : bool
        Whether draws or other files are to be written as well.

    Raises
    ------
    UsageError
        OUT exists or is an input, its suffix contradicts the format, or there is no place for the other files.
    """
    if not is_single_file(source, out):
        check_output(source, out)
        return kind
    from restorekit.images.picture import SUFFIXES

    check_output_file(out, out.suffix.lower(), overwrite, source)
    formats = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes}
    wanted = formats[out.suffix.lower()]
    if kind not in ("keep", wanted):
        raise UsageError(f"OUT ends in {out.suffix} and --format says {kind}; remove --format or rename OUT")
    if more:
        raise UsageError(f"--keep and --samples write several files and OUT is the file {out}; give a folder instead")
    same = formats.get(Path(str(source).partition(".npz:")[0]).suffix.lower()) == wanted
    return "keep" if same else wanted


def check_output_file(out: Path, suffix: str, overwrite: bool, *inputs: str | Path | None) -> None:
    """Raise a UsageError for an output file of another suffix, one that exists, and one that is an input.

    Temporaries that killed runs left next to it are removed.
    """
    if out.suffix.lower() != suffix:
        raise UsageError(f"expected OUT to end in {suffix}, got {out}; rename it")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; choose another name or add --overwrite")
    files = {identity(Path(str(name).partition(".npz:")[0])) for name in inputs if name}
    folders = [Path(name).resolve() for name in inputs if name and Path(name).is_dir()]
    within = out.exists() and any(out.resolve().is_relative_to(folder) for folder in folders)
    if within or identity(out) in files - {None}:
        raise UsageError(f"{out} is itself an input, which is never written to; choose another name")
    refuse_links(out)
    sweep(out.parent, recursive=False)


def set_up_process(threads: int | None) -> None:
    """Set the number of CPU threads of torch, OpenCV and the numerical libraries, and keep freed memory for reuse.

    None leaves the number of threads. Freed blocks of tens of megabytes, such as the features of a tile, go back to the
    system by default, which maps and clears each page again at the next tile: a quarter of the time on CPUs.
    """
    if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
        library = ctypes.CDLL(None)
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD) if hasattr(library, "mallopt") else ():  # glibc has it
            library.mallopt(parameter, _LARGEST_BLOCK)
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
            os.environ[name] = str(threads)
        import torch

        torch.set_num_threads(threads)


def parse_limit(
    text: str | None, metrics: Mapping[str, type[Metric]], selected: Sequence[str] = ()
) -> tuple[str, float] | None:
    """Return metric and value of a ``--fail-under`` text; the metric must be among the selected ones, if any."""
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
    if selected and name not in selected:
        raise UsageError(f"--fail-under needs {name} measured; add --metric {name}")
    return name, least


def describe_missed(limit: tuple[str, float] | None, models: Sequence[str], runs: Sequence[RunRow]) -> list[str]:
    """Return a sentence for each run of one of the models whose mean is worse than the limit."""
    if limit is None:
        return []
    from restorekit.core.plugins import registry

    name, least = limit
    sign = 1 if registry.metrics()[name].better == "higher" else -1
    found = []
    for run in (run for run in runs if run.restorer in models):
        value = run.metrics.get(name)
        if value is None or sign * value < sign * least:
            where = f" on {run.corruption}" if run.corruption else ""
            mean = "no value" if value is None else f"{value:.4g}"
            found.append(f"--fail-under {name}={least:g} is missed by {run.restorer}{where}: {mean}")
    return found


def check_sampler_corruption(sampler: str | None, corruption: Corruption | None) -> None:
    """Raise a UsageError for a sampler and a corruption with ranges, whose values for a file are unknown.

    Ranges are allowed for Gaussian noise, as sigma sets it, and for parts that hide values, as the mask shows them.
    """
    from restorekit.core.contracts import parts_of

    for part in parts_of(corruption) if sampler and corruption else ():
        values = {} if part.hides or part.noise_law == "gaussian" else vars(part)
        if any(isinstance(value, tuple) for value in values.values()):
            raise UsageError(f"a sampler needs exact values of the corruption, got a range in {part}; give one number")


def command_line(name: str) -> str:
    """Return the command line that repeats the current command, with its arguments and non-default options.

    Parameters
    ----------
    name : str
        Name of the command, such as ``restore``.
    """
    context = click.get_current_context()
    arguments, options = list[str](), list[str]()
    for p in context.command.params:
        if not p.name or context.get_parameter_source(p.name) is not ParameterSource.COMMANDLINE:
            continue
        value, longest = context.params[p.name], max(p.opts, key=len)
        if isinstance(p, click.Argument):
            arguments.append(str(value))
        elif isinstance(p, click.Option) and p.is_flag:  # a pair such as --report/--no-report has two spellings
            options.append(longest if value or not p.secondary_opts else max(p.secondary_opts, key=len))
        elif isinstance(p, click.Option):
            for one in value if p.multiple else (value,):
                options += [longest, *map(str, (one,) if p.nargs == 1 else one)]
    return shlex.join(["restorekit", *name.split(), *arguments, *options])
