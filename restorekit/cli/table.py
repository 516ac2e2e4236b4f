"""The tables that ``restorekit evaluate`` and ``restorekit calibrate`` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from restorekit.trials import Results

MOST = 8  # columns of figures that a terminal of 80 characters takes
_QUIET = ("winkler90", "ause", "nrmse", "seconds", "nelbo")  # in results.json and results.csv, and where there is room
_LISTS = ("coverage90_images", "coverage_by_width", "calibrated")
_APART = ("corruption", "restorer", "images", "sigma", "draws", "learned", "estimate", *_LISTS)
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
}


def print_results(results: Results) -> None:
    """Print a table for each corruption, best PSNR first, and how the figures came about."""
    from rich.console import Console

    console = Console()
    for spec in dict.fromkeys(run["corruption"] for run in results.runs):
        runs = [run for run in results.runs if run["corruption"] == spec]
        console.print(_one_table(spec, runs))
        for run in runs:
            if run.get("coverage_by_width"):
                console.print(_coverage(run), highlight=False, markup=False)
    console.print(_protocol(results), style="dim", markup=False, highlight=False)
    for text in _failed(results.failures):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _failed(failures: list[dict[str, str]]) -> list[str]:
    """Say what failed: an image for one reason a line; what failed of many for the same reason once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for failure in failures:
        what = " on ".join(failure[key] for key in ("restorer", "corruption") if key in failure)
        found.setdefault((what, failure["error"]), []).append(failure["image"])
    return [
        f"failed: {' '.join(filter(None, (what, 'of' * bool(what), images[0])))}"
        f"{f' and {len(images) - 1} more' if len(images) > 1 else ''}: {error}"
        for (what, error), images in found.items()
    ]


def _coverage(run: dict[str, Any]) -> str:
    """Say how the coverage is distributed over images, and over values by the width of their interval."""
    low, median, high = (f"{value:.0%}" for value in run["coverage90_images"])
    tenths = " ".join(f"{value:.0%}" for value in run["coverage_by_width"])
    by_image = f"median image {median} (5 to 95 % of them: {low} to {high})"
    by_width = f"by width, narrowest tenth first: {tenths}"
    beyond = run["images"] - run["calibrated"] if run.get("calibrated") is not None else 0
    note = f"; {beyond} image(s) beyond the calibration, their intervals as if Gaussian" if beyond else ""
    return f"{_named(run['restorer'])}, within the 90 % interval: {by_image}; {by_width}{note}\n"


def _protocol(results: Results) -> str:
    """Say how the figures came about: what holds for all, and what the estimate of each model is."""
    p, learned = results.protocol, [run for run in results.runs if run["learned"]]
    estimates = dict.fromkeys(f"{_named(run['restorer'])}: {run['estimate']}" for run in learned)
    general = f"noise {p.noise}; result {p.result}; psnr in dB, {p.psnr}; ssim: {p.ssim}; interval {p.interval}"
    return "; ".join([general, "sigma: what a method is told", f"seed {p.seed}", *estimates])


def _one_table(spec: str, runs: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    columns = [*_HEADS, *(k for k in runs[0] if k not in (*_HEADS, *_APART))]
    shown = [k for k in columns if any(run.get(k) is not None for run in runs)]
    shown = [k for k in shown if k not in _QUIET] if len(shown) > MOST else shown
    count = runs[0]["images"]
    table = Table(
        title=f"{spec}   ({count} image{'' if count == 1 else 's'})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for key in ("restorer", "sigma"):
        table.add_column(key, no_wrap=True)
    for key in shown:
        table.add_column(_HEADS.get(key, key), justify="right", no_wrap=True)
    for run in sorted(runs, key=lambda r: r.get("psnr") or 0.0, reverse=True):
        table.add_row(
            escape(_named(run["restorer"])),
            run["sigma"],
            *(_cell(run[k]) for k in shown),
            style="bold" if run["learned"] else "",
        )
    return table


CHANNELS = {1: "gray", 3: "colour"}


def print_calibration(rows: list[dict[str, Any]]) -> None:
    """Print how the calibrated interval of 90 % did on images that did not fill its table, beside a plain one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    kinds = {"calibrated": "", "one scale": "global_"}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("90 % interval", overflow="fold")
    for head in ("cover", "width", "winkler"):
        table.add_column(head, justify="right", no_wrap=True, min_width=7)
    for row in rows:
        colours = CHANNELS.get(row["channels"], f"{row['channels']} channels")
        why = f", {row['refused']} image(s) not covered: too few are like them, or holes too deep"
        table.add_row(f"{row['corruption']}, {colours}{why if row['refused'] else ''}")
        for name, kind in kinds.items():
            table.add_row(f"  {name}", *(f"{row[f'{kind}{key}90']:.4f}" for key in ("coverage", "width", "winkler")))
    Console().print(table)


def _named(restorer: str) -> str:
    """Return a short name: a model file's own, or its folder's where it is just ``model.safetensors``."""
    path = Path(restorer)
    if path.suffix != ".safetensors":
        return restorer
    return path.stem if path.stem != "model" or not path.parent.name else path.parent.name


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"
