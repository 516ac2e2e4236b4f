"""``restorekit evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.options import device_options
from restorekit.cli.progress import ImagesProgress, as_json

if TYPE_CHECKING:
    from rich.table import Table

    from restorekit.contracts import Corruption
    from restorekit.evaluate import Contender, Results, Trial
    from restorekit.images.dataset import Labels

EXAMPLE = """\b
Example:
  restorekit evaluate photos REPORT --corruption gaussian:sigma=15/255,25/255
"""


@click.command(epilog=EXAMPLE)
@click.argument("clean")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--corruption",
    "specs",
    multiple=True,
    required=True,
    metavar="SPEC",
    help="Damage; repeats; KEY=A,B is one run for each value.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("default",),
    show_default=True,
    metavar="NAME|FILE",
    help="Weights, model files or classical methods; repeats.",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    default=("auto",),
    show_default=True,
    metavar="auto|none|NAME",
    help="Classical methods beside them; auto: the best for the corruption.",
)
@click.option(
    "--sigma",
    "told",
    type=click.Choice(["true", "blind", "auto"]),
    help="What everyone is told of the noise. [default: blind for models, true for classical methods]",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only these. [default: all]")
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Draws per image, for the metrics of draws.",
)
@click.option("--sampler", metavar="NAME", help="For unconditional models.")
@click.option("--labels", type=click.Choice(["folders", "arrays"]), help="Tell class-conditional models the class.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many images.")
@click.option("--range", "span", metavar="auto|LOW..HIGH", help="What the files' numbers span.")
@click.option("--fail-under", metavar="METRIC=X", help="Exit with 1 where a model's mean is worse than X.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the damage and of the draws.")
@click.option("--json", "machine", is_flag=True, help="Print results.json instead of the table.")
@device_options
def command(
    clean: str, report: Path, specs: tuple[str, ...], models: tuple[str, ...], baselines: tuple[str, ...],
    told: str | None, metrics: tuple[str, ...], samples: int, sampler: str | None, labels: Labels, limit: int | None,
    span: str | None, fail_under: str | None, seed: int, machine: bool, device: str, threads: int | None,
) -> int:  # fmt: skip
    """Damage the images of CLEAN, restore them, and write how well that went into the folder REPORT.

    Every method sees the same damaged image. Noise is neither clipped nor quantised; results are clamped and
    rounded to 8 bits; a figure is the mean over images. REPORT gets results.json and results.csv.
    """
    from restorekit import evaluate, plugins
    from restorekit.cli import texts
    from restorekit.devices import choose
    from restorekit.engines.local import LocalEngine
    from restorekit.images.dataset import load_images
    from restorekit.images.scale import parse_range
    from restorekit.report.results import write_results

    texts.use_threads(threads)
    limits = texts.limit(fail_under, plugins.metrics())
    images = load_images(clean, limit, labels, parse_range(span))
    trials = [_trial(spec, models, baselines, told, samples, sampler, device) for spec in _expanded(specs)]
    measured = [plugins.lookup("metrics", name)() for name in metrics or plugins.metrics()]
    versions = evaluate.versions()
    protocol = evaluate.Protocol(Path(clean).name, seed, len(images), choose(device), versions)
    subjects = evaluate.subjects(images)
    with ImagesProgress(len(images), "evaluating", machine) as progress:
        results = evaluate.evaluate(
            subjects,
            trials,
            measured,
            LocalEngine(1),
            protocol,
            lambda key, error: progress.advance(error and f"{key}: {error}"),
        )
    write_results(results, report)
    if machine:
        click.echo(as_json(results.to_json()))
    else:
        _table(results, report)
    return 1 if results.failures or texts.below(limits, results.runs) else 0


def _expanded(specs: Sequence[str]) -> list[str]:
    from restorekit.corruptions.spec import expand

    return [one for spec in specs for one in expand(spec)]


def _trial(
    spec: str,
    models: Sequence[str],
    baselines: Sequence[str],
    told: str | None,
    samples: int,
    sampler: str | None,
    device: str,
) -> Trial:
    from restorekit import plugins
    from restorekit.corruptions.spec import parse
    from restorekit.evaluate import Trial
    from restorekit.restorers import best_baselines

    corruption = parse(spec, plugins.corruptions())
    classical = [b for b in baselines if b not in ("auto", "none")]
    if "auto" in baselines:
        classical += best_baselines(corruption)
    names = dict.fromkeys([*models, *classical])
    return Trial(spec, corruption, [_contender(n, corruption, told, samples, sampler, device) for n in names])


def _contender(
    name: str, corruption: Corruption, told: str | None, samples: int, sampler: str | None, device: str
) -> Contender:
    from restorekit.api import open_restorer
    from restorekit.evaluate import Contender

    opened = open_restorer(name, corruption, sampler, device)
    learned = opened.card is not None
    shown: Any = told or ("blind" if learned else "true")
    return Contender(name, opened.restorer, shown, samples if learned else 0, learned)


def _table(results: Results, report: Path) -> None:
    """Print a table for each corruption, best PSNR first, and how the figures came about."""
    from rich.console import Console

    console = Console(soft_wrap=False)
    for spec in dict.fromkeys(run["corruption"] for run in results.runs):
        console.print(_one_table(spec, [run for run in results.runs if run["corruption"] == spec]))
    p = results.protocol
    told = f"noise {p.noise}; result {p.result}; psnr in dB, {p.psnr}; sigma: what a method is told; seed {p.seed}"
    console.print(told, style="dim", highlight=False)
    for failure in results.failures:
        console.print(f"failed: {failure['image']}: {failure['error']}", markup=False, highlight=False)
    console.print(f"-> {report / 'results.json'}, {report / 'results.csv'}", highlight=False)


def _one_table(spec: str, runs: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    columns = [*_HEADS, *(k for k in runs[0] if k not in (*_HEADS, *_APART))]
    shown = [k for k in columns if any(run.get(k) is not None for run in runs)]
    table = Table(
        title=f"{spec}   ({runs[0]['images']} images)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for key in ("restorer", "sigma"):
        table.add_column(key, no_wrap=True)
    for key in shown:
        table.add_column(_HEADS.get(key, key), justify="right", no_wrap=True)
    for run in sorted(runs, key=lambda r: r["psnr"] or 0.0, reverse=True):
        table.add_row(
            _named(run["restorer"]),
            run["sigma"],
            *(_cell(run[k]) for k in shown),
            style="bold" if run["learned"] else "",
        )
    return table


_APART = ("corruption", "restorer", "images", "sigma", "draws", "learned")
_HEADS = {
    "psnr": "psnr",
    "psnr_missing": "missing",
    "draw_psnr": "draws",
    "ssim": "ssim",
    "nrmse": "nrmse",
    "coverage90": "cover",
    "width90": "width",
    "seconds_per_megapixel": "s/MP",
}


def _named(restorer: str) -> str:
    """Return a short name: a model file's own, or its folder's where it is just ``model.safetensors``."""
    path = Path(restorer)
    if path.suffix != ".safetensors":
        return restorer
    return path.stem if path.stem != "model" or not path.parent.name else path.parent.name


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"
