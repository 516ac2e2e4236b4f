"""Tables that ``evaluate``, ``report`` and ``calibrate`` print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from restorekit.core.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from restorekit.evaluation.calibration import CalibrationRow
    from restorekit.evaluation.head_to_head import PairedComparison
    from restorekit.evaluation.protocol import Results
    from restorekit.evaluation.rows import RunCoverage, RunRow

MAX_WIDTH = 1000  # characters of a table in a file
MAX_COLUMNS = 8  # columns of values that fit into a terminal of 80 characters
_OPTIONAL = ("winkler90", "ause", "nrmse", "seconds", "nelbo")  # shown if there is room; always in results.json
_HEADS = {
    "psnr": "psnr",
    "psnr_missing": "missing",
    "draw_psnr": "draws",
    "ssim": "ssim",
    "nrmse": "nrmse",
    "coverage90": "cover",
    "width90": "width",
    "winkler90": "winkler",
    "spearman": "rank",
    "seconds_per_megapixel": "s/MP",
    "seconds": "s/image",
    "nelbo": "nelbo",
    "psnr_before": "before",
    "psnr_gain": "gained",
}


def _console() -> Console:
    """Return the standard output, as wide as the terminal; a pipe or a file takes tables of any width."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=MAX_WIDTH)


def print_results(results: Results, alarms: Sequence[str] = ()) -> None:
    """Print alarms, a table for each corruption with the best PSNR first, and the protocol."""
    from restorekit.evaluation.protocol import failed
    from restorekit.report.wording import absent, count, method_names

    console, names = _console(), method_names(run.restorer for run in results.runs)
    for text in alarms:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True, style="bold")
    for spec in dict.fromkeys(run.corruption for run in results.runs):
        runs = [run for run in results.runs if run.corruption == spec]
        console.print(
            f"{printable(spec or 'files as they are')}   ({count(runs[0].images, 'image')})",
            style="italic",
            markup=False,
            highlight=False,
        )
        for table in _tables(runs, names, console):
            console.print(table)
        for run in runs:
            if run.coverage is not None and run.coverage.coverage_by_width:
                console.print(_coverage(run, run.coverage, names), highlight=False, markup=False)
    for text in (*absent(results), _protocol(results, names)):
        console.print(printable(text), style="dim", markup=False, highlight=False)
    for text in failed(results.failures):
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _coverage(run: RunRow, coverage: RunCoverage, names: Mapping[str, str]) -> str:
    """Return the distribution of coverage over images, and over values by interval width."""
    from restorekit.report.wording import count

    low, median, high = (f"{value:.0%}" for value in coverage.coverage90_images or ())
    tenths = " ".join(f"{value:.0%}" for value in coverage.coverage_by_width or ())
    by_image = f"median image {median} (5 to 95 % of images: {low} to {high})"
    by_width = f"by width, narrowest tenth first: {tenths}"
    beyond = run.images - coverage.calibrated if coverage.calibrated is not None else 0
    note = f"; {count(beyond, 'image')} outside of the calibration, with Gaussian intervals" if beyond else ""
    return f"{printable(names[run.restorer])}, within the 90 % interval: {by_image}; {by_width}{note}\n"


def _protocol(results: Results, names: Mapping[str, str]) -> str:
    """Return the direction of each metric, the protocol of all methods, and the estimate of each model."""
    from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX, in_order

    metrics = [f for f in results.metrics if not f.name.endswith(DIFFERENCE_SUFFIX)]  # `print_compared` shows those
    there = [f for f in in_order(metrics) if any(run.metrics.get(f.name) is not None for run in results.runs)]
    ways = {way: [_HEADS.get(f.name, f.name) for f in there if f.better == way] for way in ("higher", "lower")}
    goals = [f"{_HEADS.get(f.name, f.name)} is best at {f.goal:g}" for f in there if f.goal is not None]
    directions = [f"{way} is better: {', '.join(heads)}" for way, heads in ways.items() if heads]
    p = results.protocol
    general = f"noise {p.noise}; result {p.result}; psnr in dB, {p.psnr}; ssim: {p.ssim}; interval {p.interval}"
    sigma = ["sigma: noise level passed to a method"] if any(run.sigma for run in results.runs) else []
    estimates = dict.fromkeys(f"{names[run.restorer]}: {run.estimate}" for run in results.runs if run.learned)
    return "; ".join([*directions, *goals, general, *sigma, f"seed {p.seed}", *estimates])


def _tables(runs: Sequence[RunRow], names: Mapping[str, str], console: Console) -> list[Table]:
    """Return one table, or as many as it takes for their columns to fit a terminal; a pipe takes any width."""
    from rich.measure import Measurement

    from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX

    columns = [*_HEADS, *(k for k in runs[0].metrics if k not in _HEADS and not k.endswith(DIFFERENCE_SUFFIX))]
    shown = [k for k in columns if any(run.metrics.get(k) is not None for run in runs)]
    shown = [k for k in shown if k not in _OPTIONAL] if len(shown) > MAX_COLUMNS else shown
    parts = [shown]
    wide = console.options.update(width=MAX_WIDTH)
    while console.is_terminal:
        widths = [Measurement.get(console, wide, _one_table(runs, names, part)).maximum for part in parts]
        if max(widths) <= console.width or len(parts) >= len(shown):
            break
        size = -(-len(shown) // (len(parts) + 1))
        parts = [shown[first : first + size] for first in range(0, len(shown), size)]
        if len(parts) * size >= len(shown) and size == 1:
            break
    return [_one_table(runs, names, part) for part in parts]


def _one_table(runs: Sequence[RunRow], names: Mapping[str, str], shown: Sequence[str]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    has_sigma = any(run.sigma for run in runs)
    for key in ("restorer", *(("sigma",) if has_sigma else ())):
        table.add_column(key, no_wrap=True)
    for key in shown:
        table.add_column(_HEADS.get(key, key), justify="right", no_wrap=True)
    for run in sorted(runs, key=lambda r: r.metrics.get("psnr") or 0.0, reverse=True):
        table.add_row(
            escape(printable(names[run.restorer])),
            *((run.sigma or "",) if has_sigma else ()),
            *(_cell(run.metrics.get(k)) for k in shown),
            style="bold" if run.learned else "",
        )
    return table


def print_compared(comparisons: Sequence[PairedComparison]) -> None:
    """Print the comparison of two runs, a line for each metric, and the images that are worse in the first."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from restorekit.evaluation.bootstrap import LEVEL
    from restorekit.report.wording import list_names

    first = comparisons[0]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    heads = (
        escape(printable(first.restorer)),
        escape(printable(first.against)),
        "difference",
        f"{100 * LEVEL:g} % interval",
    )
    table.add_column("", no_wrap=True)
    for head in (*heads, "better", "worse", "equal"):
        table.add_column(head, justify="right", overflow="fold")
    for pair in comparisons:
        found = pair.result
        means, difference = (_cell(found.mean), _cell(found.mean_against)), _signed(found.difference)
        ends = "-" if found.low is None else f"{_signed(found.low)} to {_signed(found.high)}"
        counts = map(str, (found.wins, found.losses, found.ties))
        table.add_row(pair.metric.name, *means, difference, ends, *counts)
    _console().print(table)
    if first.result.worse:
        differences = dict(first.result.differences)
        names = [f"{key} {_signed(differences.get(key))}" for key in first.result.worse]
        text = f"worse than {first.against} by {first.metric.name}: {list_names(names, 5)}"
        _console().print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _signed(value: float | None) -> str:
    from restorekit.report.wording import signed

    return "-" if value is None else signed(value)


CHANNELS = {1: "gray", 3: "colour"}


def print_calibration(rows: Sequence[CalibrationRow]) -> None:
    """Print PSNR, and coverage and width of 90 % intervals on held-out images: calibrated, and with a single scale."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from restorekit.report.wording import count

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("90 % interval", overflow="fold")
    for head in ("cover", "width", "winkler"):
        table.add_column(head, justify="right", no_wrap=True, min_width=7)
    for row in rows:
        colours = CHANNELS.get(row.channels, f"{row.channels} channels")
        why = f", {count(row.refused, 'image')} without an interval: too few similar images, or holes too deep"
        gain = f", {row.psnr:.2f} dB" if row.images else ""
        table.add_row(f"{escape(printable(row.corruption))}, {colours}{gain}{why if row.refused else ''}")
        single = (row.global_coverage90, row.global_width90, row.global_winkler90)
        for name, values in (("calibrated", (row.coverage90, row.width90, row.winkler90)), ("one scale", single)):
            table.add_row(f"  {name}", *(f"{value:.4f}" for value in values))
    _console().print(table)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"
