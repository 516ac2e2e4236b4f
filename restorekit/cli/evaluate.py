"""``restorekit evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.measuring import metrics_asked, warn_of_range, with_sections
from restorekit.cli.options import compute_options, pictures_option, range_option
from restorekit.cli.progress import ImagesProgress, as_json
from restorekit.cli.table import print_results
from restorekit.cli.typed import typed
from restorekit.errors import UsageError

if TYPE_CHECKING:
    from restorekit.contracts import Corruption
    from restorekit.devices import Compute, Precision
    from restorekit.images.dataset import Labels
    from restorekit.opening import Opened
    from restorekit.trials import Contender, Trial

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
    help="What everyone is told of the noise. [default: blind for models, true for classical methods"
    " and for samplers that need it]",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only these. [default: all]")
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Draws per image, for the metrics of draws.",
)
@click.option(
    "--sampler",
    metavar="NAME[:KEY=VALUE]",
    help="For unconditional models. [default: what suits model and damage]",
)
@click.option("--labels", type=click.Choice(["folders", "arrays"]), help="Tell class-conditional models the class.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many images.")
@range_option
@click.option("--fail-under", metavar="METRIC=X", help="Exit with 1 where the mean of a --model is worse than X.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the damage and of the draws.")
@pictures_option
@click.option("--json", "machine", is_flag=True, help="Print results.json instead of the table.")
@compute_options
def command(
    clean: str, report: Path, specs: tuple[str, ...], models: tuple[str, ...], baselines: tuple[str, ...],
    told: str | None, metrics: tuple[str, ...], samples: int, sampler: str | None, labels: Labels, limit: int | None,
    span: str | None, fail_under: str | None, seed: int, pictures: int, machine: bool, device: str,
    precision: Precision, compiled: bool, threads: int | None,
) -> int:  # fmt: skip
    """Damage the images of CLEAN, restore them, and write how well that went into the folder REPORT.

    Every method sees the same damaged image. Noise is neither clipped nor quantised; results are clamped and
    rounded to 8 bits; a figure is the mean over images. REPORT gets report.html, results.json and results.csv.
    """
    from restorekit import evaluate, plugins
    from restorekit.cli import texts
    from restorekit.devices import Compute, choose, versions
    from restorekit.engines.local import LocalEngine
    from restorekit.images.dataset import load_images
    from restorekit.images.scale import parse_range
    from restorekit.report.album import FOLDER, evenly
    from restorekit.report.duels import against_baselines
    from restorekit.report.evaluated import page_of
    from restorekit.report.render import write_page
    from restorekit.report.results import finite, prepare, write_results
    from restorekit.report.wording import lost
    from restorekit.trials import Protocol

    texts.use_threads(threads)
    limits = texts.limit(fail_under, plugins.metrics(), metrics)
    images = load_images(clean, limit, labels, parse_range(span))
    texts.keep_apart(clean, report)
    compute = Compute(device, precision, compiled)
    trials = [_trial(spec, models, baselines, told, samples, sampler, compute) for spec in _expanded(specs)]
    measured = metrics_asked(metrics)
    measured_with = versions()
    protocol = Protocol(Path(clean).name, seed, len(images), choose(device), measured_with, compute.number)
    subjects = evaluate.subjects(images)
    prepare(report)
    warn_of_range(images)
    with ImagesProgress(len(images), "evaluating", machine) as progress:
        results = evaluate.evaluate(
            subjects,
            trials,
            measured,
            LocalEngine(1),
            protocol,
            lambda key, error: progress.advance(error and f"{key}: {error}"),
            report,
            report / FOLDER,
            evenly(images.keys, pictures),
        )
    duels = against_baselines(results)
    results = replace(results, comparisons=[duel.to_json() for duel in duels], command=typed("evaluate"))
    if machine:
        click.echo(as_json(finite(results.to_json())))
    else:
        print_results(results, lost(duels))
    write_results(results, report)
    write_page(with_sections(page_of(results, duels), results, report), report / "report.html")
    if not machine:
        click.echo(f"-> {report / 'report.html'}, results.json and results.csv beside it")
    missed = texts.below(limits, models, results.runs)
    for text in missed:
        click.echo(text, err=True)
    return 1 if results.failures or missed else 0


def _expanded(specs: Sequence[str]) -> list[str]:
    """Return a spec for each damage in the order given; the same damage is there once, however it is written."""
    from restorekit import plugins
    from restorekit.corruptions.spec import expand, parse

    known, found = plugins.corruptions(), dict[str, str]()
    for one in (one for spec in specs for one in expand(spec)):
        found.setdefault(str(parse(one, known)), one)
    return list(found.values())


def _trial(
    spec: str,
    models: Sequence[str],
    baselines: Sequence[str],
    told: str | None,
    samples: int,
    sampler: str | None,
    compute: Compute,
) -> Trial:
    from restorekit import plugins
    from restorekit.corruptions.spec import parse
    from restorekit.restorers import best_baselines
    from restorekit.trials import Trial

    corruption = parse(spec, plugins.corruptions())
    classical = [b for b in baselines if b not in ("auto", "none")]
    if "auto" in baselines:
        classical += best_baselines(corruption)
    names = dict.fromkeys([*models, *classical])
    return Trial(spec, corruption, [_contender(n, corruption, told, samples, sampler, compute) for n in names])


def _contender(
    name: str, corruption: Corruption, told: str | None, samples: int, sampler: str | None, compute: Compute
) -> Contender:
    from restorekit import plugins
    from restorekit.opening import open_restorer
    from restorekit.trials import Contender

    opened = open_restorer(name, corruption, None if name in plugins.restorers() else sampler, compute)
    learned = opened.card is not None
    shown: Any = told or ("blind" if learned and not needs_sigma(opened, corruption) else "true")
    if shown == "blind" and needs_sigma(opened, corruption):
        raise UsageError(
            f"the sampler {opened.sampler} of {name} must know the level of the noise, got --sigma blind;"
            " give --sigma true or auto"
        )
    n = samples if learned else 0
    return Contender(name, opened.restorer, shown, n, learned, opened.estimate(n), opened.table, opened.digest)


def needs_sigma(opened: Opened, corruption: Corruption) -> bool:
    """Say whether a sampler must be told the level of the noise, which is known anyway where there is none."""
    from restorekit.contracts import parts_of

    return opened.restorer.needs_sigma and any(part.name == "gaussian" for part in parts_of(corruption))
