"""``restorekit report``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from restorekit.cli.console import ImagesProgress, as_json, echo
from restorekit.cli.evaluate import create_metrics, exit_code, print_range_note, publish
from restorekit.cli.options import (
    axes_option,
    begin,
    check_output,
    command_line,
    describe_missed,
    parse_limit,
    pictures_option,
    range_option,
    set_up_process,
    single_file_option,
    threads_option,
)
from restorekit.cli.tables import print_compared, print_results

EXAMPLE = """\b
Example:
  restorekit report OUT REPORT --reference photos --observed corrupted --against OTHER_OUT
"""


@click.command("report", epilog=EXAMPLE)
@click.argument("restored")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--reference", "clean", required=True, metavar="CLEAN", help="Clean images, in the same folder tree.")
@click.option(
    "--observed",
    metavar="DIR",
    help="Degraded images before restoration; NAME.missing.png next to NAME.png marks missing pixels.",
)
@click.option(
    "--against",
    metavar="RESULTS|DIR",
    help="Results to compare with: results.json of report or evaluate, or a folder of images restored by another tool.",
)
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Metric to compute; repeatable. [default: all]"
)
@range_option
@axes_option
@click.option("--fail-under", metavar="METRIC=X", help="Exit with code 1 if the mean is worse than X.")
@pictures_option
@single_file_option
@click.option("--json", "machine", is_flag=True, help="Print results.json instead of the tables.")
@threads_option
def command(
    restored: str, report: Path, clean: str, observed: str | None, against: str | None, metrics: tuple[str, ...],
    span: str | None, axes: str | None, fail_under: str | None, pictures: int, single_file: bool, machine: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Measure the images in RESTORED, restored by any tool, and write the results to the folder REPORT.

    Images of RESTORED and CLEAN are paired by folder and name; the suffix may differ. Results are clamped and rounded
    to 8 bits; each value is a mean over images. --range applies to the clean images, and to all others of the same
    number type. REPORT gets report.html, results.json and results.csv.
    Exit code 0: all done, 1: some images could not be paired or a limit was missed, 2: wrong usage.
    """
    begin(machine, restored, clean, observed, against)
    for source in filter(None, (restored, clean, observed, against)):
        check_output(source, report)
    from restorekit.core.execution import LocalEngine
    from restorekit.core.plugins import registry
    from restorekit.evaluation.compare_folders import Sources, measure_sources, open_sources
    from restorekit.evaluation.results_file import finite, prepare
    from restorekit.images.intensity import parse_range
    from restorekit.report.pages.compared import Album, alarms, evenly, page_of, verdicts

    set_up_process(threads)
    limits = parse_limit(fail_under, registry.metrics(), metrics)
    sources = Sources(restored, clean, observed, against, parse_range(span), axes)
    found, selected = open_sources(sources), create_metrics(metrics)
    prepare(report)
    print_range_note(found.ours.clean)
    with ImagesProgress(len(found), "measuring", machine) as progress:

        def watch(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        album = Album(report, evenly([found.ours.clean.keys[j] for _, j in found.ours.pairs.pairs], pictures))
        made = measure_sources(found, sources, selected, LocalEngine(1), watch, report, album.take)
    made = made._replace(results=replace(made.results, command=command_line("report")))
    if machine:
        echo(as_json(finite(made.results.to_json())))
    else:
        print_results(made.results, [*alarms(*made), *verdicts(made.compared, lost=False)])
        for pairs in made.compared:
            print_compared(pairs)
    publish(page_of(*made, album.views), made.results, report, machine, single_file)
    return exit_code(made.results, describe_missed(limits, sources.names[:1], made.results.runs))
