"""``restorekit evaluate``.

What the commands that measure share: which metrics, what is said of the images first, what plugins add.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.console import ImagesProgress, as_json
from restorekit.cli.options import (
    check_output,
    command_line,
    compute_options,
    describe_missed,
    parse_limit,
    pictures_option,
    range_option,
    set_threads,
)
from restorekit.cli.tables import print_results
from restorekit.core.errors import ImageError, PluginError, UsageError

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, Metric
    from restorekit.core.devices import Compute, Precision
    from restorekit.evaluation.protocol import Method, Results, Scenario
    from restorekit.images.dataset import LabelledImages, Labels
    from restorekit.report.page import Page
    from restorekit.restoration.loading import Opened

EXAMPLE = """\b
Example:
  restorekit evaluate photos REPORT --corruption gaussian:sigma=15/255,25/255
"""


@click.command("evaluate", epilog=EXAMPLE)
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
    from restorekit.core.devices import Compute, choose, versions
    from restorekit.core.execution import LocalEngine
    from restorekit.core.plugins import registry
    from restorekit.evaluation import evaluate
    from restorekit.evaluation.head_to_head import against_baselines
    from restorekit.evaluation.protocol import Protocol
    from restorekit.evaluation.results_file import finite, prepare, write_results
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.report.pages.compared import FOLDER, evenly
    from restorekit.report.pages.evaluated import page_of
    from restorekit.report.render import write_page
    from restorekit.report.wording import lost

    set_threads(threads)
    limits = parse_limit(fail_under, registry.metrics(), metrics)
    images = load_images(clean, limit, labels, parse_range(span))
    check_output(clean, report)
    compute = Compute(device, precision, compiled)
    trials = [_trial(spec, models, baselines, told, samples, sampler, compute) for spec in _expanded(specs)]
    measured = metrics_asked(metrics)
    measured_with = versions()
    protocol = Protocol(Path(clean).name, seed, len(images), choose(device), measured_with, compute.number)
    subjects = evaluate.test_images(images)
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
    results = replace(results, comparisons=[duel.to_json() for duel in duels], command=command_line("evaluate"))
    if machine:
        click.echo(as_json(finite(results.to_json())))
    else:
        print_results(results, lost(duels))
    write_results(results, report)
    write_page(with_sections(page_of(results, duels), results, report), report / "report.html")
    if not machine:
        click.echo(f"-> {report / 'report.html'}, results.json and results.csv beside it")
    missed = describe_missed(limits, models, results.runs)
    for text in missed:
        click.echo(text, err=True)
    return 1 if results.failures or missed else 0


def _expanded(specs: Sequence[str]) -> list[str]:
    """Return a spec for each damage in the order given; the same damage is there once, however it is written."""
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import expand, parse

    known, found = registry.corruptions(), dict[str, str]()
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
) -> Scenario:
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import parse
    from restorekit.evaluation.protocol import Scenario
    from restorekit.restoration.classical import best_baselines

    corruption = parse(spec, registry.corruptions())
    classical = [b for b in baselines if b not in ("auto", "none")]
    if "auto" in baselines:
        classical += best_baselines(corruption)
    names = dict.fromkeys([*models, *classical])
    return Scenario(spec, corruption, [_contender(n, corruption, told, samples, sampler, compute) for n in names])


def _contender(
    name: str, corruption: Corruption, told: str | None, samples: int, sampler: str | None, compute: Compute
) -> Method:
    from restorekit.core.plugins import registry
    from restorekit.evaluation.protocol import Method
    from restorekit.restoration.loading import open_restorer

    opened = open_restorer(name, corruption, None if name in registry.restorers() else sampler, compute)
    learned = opened.card is not None
    shown: Any = told or ("blind" if learned and not needs_sigma(opened, corruption) else "true")
    if shown == "blind" and needs_sigma(opened, corruption):
        raise UsageError(
            f"the sampler {opened.sampler} of {name} must know the level of the noise, got --sigma blind;"
            " give --sigma true or auto"
        )
    n = samples if learned else 0
    return Method(name, opened.restorer, shown, n, learned, opened.estimate(n), opened.table, opened.digest)


def needs_sigma(opened: Opened, corruption: Corruption) -> bool:
    """Say whether a sampler must be told the level of the noise, which is known anyway where there is none."""
    from restorekit.core.contracts import parts_of

    return opened.restorer.needs_sigma and any(part.name == "gaussian" for part in parts_of(corruption))


def metrics_asked(names: Sequence[str]) -> list[Metric]:
    """Return the metrics that are asked for; of all of them, where none is, those that can be made."""
    from restorekit.core.plugins import registry
    from restorekit.core.plugins.boundary import attribute_errors, error_message

    found = []
    for name in names or registry.metrics():
        cls = registry.lookup("metrics", name)
        try:
            with attribute_errors(f"making the metric {name!r}", cls):
                found.append(cls())
        except PluginError as error:
            if names:
                raise
            click.echo(f"{name} is not measured: {error_message(error)}", err=True)
    return found


def with_sections(page: Page, results: Results, report: Path) -> Page:
    """Return a page with what plugins add to it; what of them breaks is said, and kept in the folder of the report."""
    from restorekit.core.plugins.boundary import error_message
    from restorekit.report.plugin_sections import added

    found = added(results, lambda error: click.echo(f"a section is left out: {error_message(error, report)}", err=True))
    return replace(page, sections=found)


def warn_of_range(images: LabelledImages) -> None:
    """Say on standard error where the range of the numbers had to be guessed."""
    with suppress(ImageError):  # an image that cannot be read is told when its turn comes
        if images.warning:
            click.echo(f"{images.keys[0]}: {images.warning}", err=True)
