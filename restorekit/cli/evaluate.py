"""``restorekit evaluate``, and what it shares with ``report``: metrics, notes and plugin sections."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.options import (
    LIMIT,
    SEED,
    axes_option,
    begin,
    check_output,
    command_line,
    compute_options,
    describe_missed,
    parse_limit,
    pictures_option,
    quality_option,
    range_option,
    set_up_process,
    single_file_option,
)
from restorekit.cli.tables import print_results
from restorekit.core.errors import ImageError, PluginError

if TYPE_CHECKING:
    from restorekit.core.contracts import Metric
    from restorekit.core.devices import Precision, Quality
    from restorekit.evaluation.protocol import Results
    from restorekit.images.dataset import LabelledImages, Labels
    from restorekit.report.page import Page

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
    help="Corruption to apply; repeatable; KEY=A,B makes one run for each value.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("default",),
    show_default=True,
    metavar="NAME|FILE",
    help="Installed weights, a model file or a classical method; repeatable.",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    default=("auto",),
    show_default=True,
    metavar="auto|none|NAME",
    help="Classical method to compare with; repeatable; auto: the best ones for the corruption.",
)
@click.option(
    "--sigma",
    "noise_policy",
    type=click.Choice(["true", "blind", "auto"]),
    help="Noise level that every method gets: the true one, none, or an estimate. [default: blind for models, true for"
    " classical methods and for samplers that need it]",
)
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Metric to compute; repeatable. [default: all]"
)
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Draws per image, for metrics of draws.",
)
@click.option(
    "--sampler",
    metavar="NAME[:KEY=VALUE]",
    help="Sampler for unconditional models. [default: chosen for the model and corruption]",
)
@click.option(
    "--labels",
    type=click.Choice(["folders", "arrays"]),
    help="Pass the class of each image to class-conditional models: name of its sub-folder, or label in the array"
    " file.",
)
@click.option("--limit", type=LIMIT, help="Use at most this many images. [default: all]")
@range_option
@axes_option
@click.option("--fail-under", metavar="METRIC=X", help="Exit with code 1 if the mean of a --model is worse than X.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the corruption and of the draws.")
@pictures_option
@single_file_option
@click.option("--json", "machine", is_flag=True, help="Print results.json instead of the table.")
@quality_option
@compute_options
def command(
    clean: str, report: Path, specs: tuple[str, ...], models: tuple[str, ...], baselines: tuple[str, ...],
    noise_policy: str | None, metrics: tuple[str, ...], samples: int, sampler: str | None, labels: Labels,
    limit: int | None, span: str | None, axes: str | None, fail_under: str | None, seed: int, pictures: int,
    single_file: bool, machine: bool, quality: Quality, device: str, precision: Precision, compiled: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Corrupt the images of CLEAN, restore them with every method, and write the results to the folder REPORT.

    Every method gets the same corrupted images. Noise is neither clipped nor quantised; results are clamped and
    rounded to 8 bits; each value is a mean over images. REPORT gets report.html, results.json and results.csv.
    """
    begin(machine, clean)
    check_output(clean, report)
    from restorekit.core.devices import Compute, choose, versions
    from restorekit.core.execution import LocalEngine
    from restorekit.core.plugins import registry
    from restorekit.evaluation import evaluate, scenarios
    from restorekit.evaluation.head_to_head import against_baselines
    from restorekit.evaluation.protocol import Protocol
    from restorekit.evaluation.results_file import finite, prepare
    from restorekit.images.dataset import load_images
    from restorekit.images.intensity import parse_range
    from restorekit.report.pages.compared import FOLDER, evenly
    from restorekit.report.pages.evaluated import page_of
    from restorekit.report.wording import lost

    set_up_process(threads)
    limits, selected = parse_limit(fail_under, registry.metrics(), metrics), create_metrics(metrics)
    images = load_images(clean, limit, labels, parse_range(span), axes)
    methods = models, baselines, noise_policy, samples, sampler, Compute(device, precision, compiled, quality)
    selected_scenarios = [scenarios.make_scenario(spec, *methods) for spec in scenarios.expand_specs(specs)]
    protocol = Protocol(Path(clean).name, seed, len(images), choose(device), versions(), methods[-1].number, quality)
    prepare(report)
    print_range_note(images)
    with ImagesProgress(len(images), "evaluating", machine) as progress:

        def watch(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        results = evaluate.evaluate(
            evaluate.test_images(images), selected_scenarios, selected, LocalEngine(1), protocol, watch, report,
            report / FOLDER, evenly(images.keys, pictures),
        )  # fmt: skip
    comparisons = against_baselines(results)
    results = replace(results, comparisons=[pair.row() for pair in comparisons], command=command_line("evaluate"))
    if machine:
        echo(as_json(finite(results.to_json())))
    else:
        print_results(results, lost(comparisons))
    publish(page_of(results, comparisons), results, report, machine, single_file)
    return exit_code(results, describe_missed(limits, models, results.runs))


def publish(page: Page, results: Results, report: Path, machine: bool, single_file: bool) -> None:
    """Write results and report page, with the sections of plugins, and print their place unless for a machine."""
    from restorekit.evaluation.results_file import write_results
    from restorekit.report.single_file import write_report

    write_results(results, report)
    contents = write_report(with_sections(page, results, report), report / "report.html", single_file)
    if not machine:
        echo(f"-> {report / 'report.html'}, with results.json and results.csv{contents and '; '}{contents}")


def exit_code(results: Results, missed: Sequence[str]) -> int:
    """Print the missed limits on standard error; return 1 if there are any, or if images failed, else 0."""
    for text in missed:
        echo(text, err=True)
    return 1 if results.failures or missed else 0


def create_metrics(names: Sequence[str]) -> list[Metric]:
    """Return the named metrics; without names, all that can be created."""
    from restorekit.core.plugins import registry
    from restorekit.core.plugins.boundary import attribute_errors, error_message

    found = []
    for name in names or registry.metrics():
        cls = registry.lookup("metrics", name)
        try:
            with attribute_errors(f"creating the metric {name!r}", cls):
                found.append(cls())
        except PluginError as error:
            if names:
                raise
            echo(f"{name} is not computed: {error_message(error)}", err=True)
    return found


def with_sections(page: Page, results: Results, report: Path) -> Page:
    """Return a page with the sections of plugins; a section that fails is left out, with a note and a log entry."""
    from restorekit.core.plugins.boundary import error_message
    from restorekit.report.plugin_sections import added

    found = added(results, lambda error: echo(f"a section is left out: {error_message(error, report)}", err=True))
    return replace(page, sections=found)


def print_range_note(images: LabelledImages) -> None:
    """Print a note on standard error if the range of values was estimated."""
    with suppress(ImageError):  # an unreadable image is reported when it is processed
        if images.warning:
            echo(f"{images.keys[0]}: {images.warning}", err=True)
