"""``restorekit report``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.console import ImagesProgress, as_json
from restorekit.cli.evaluate import metrics_asked, warn_of_range, with_sections
from restorekit.cli.options import (
    check_output,
    command_line,
    describe_missed,
    parse_limit,
    pictures_option,
    range_option,
    set_threads,
    threads_option,
)
from restorekit.cli.tables import print_compared, print_results

if TYPE_CHECKING:
    from restorekit.evaluation.compare_folders import Report

EXAMPLE = """\b
Example:
  restorekit report OUT REPORT --reference photos --observed damaged --against OTHER_OUT
"""


@click.command("report", epilog=EXAMPLE)
@click.argument("restored")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--reference", "clean", required=True, metavar="CLEAN", help="The clean images, of the same tree.")
@click.option(
    "--observed",
    metavar="DIR",
    help="What was restored; NAME.missing.png beside NAME.png marks what was missing in it.",
)
@click.option(
    "--against",
    metavar="RESULTS|DIR",
    help="What to compare with: results.json of report or evaluate, or the images that another tool has restored.",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only these. [default: all]")
@range_option
@click.option("--fail-under", metavar="METRIC=X", help="Exit with 1 where the mean is worse than X.")
@pictures_option
@click.option("--json", "machine", is_flag=True, help="Print results.json instead of the tables.")
@threads_option
def command(
    restored: str, report: Path, clean: str, observed: str | None, against: str | None, metrics: tuple[str, ...],
    span: str | None, fail_under: str | None, pictures: int, machine: bool, threads: int | None,
) -> int:  # fmt: skip
    """Measure the images in RESTORED, by whatever tool they were restored, and write figures into the folder REPORT.

    Images belong together that have the same folder and name in RESTORED and in CLEAN; the suffix may differ.
    Results are clamped and rounded to 8 bits; a figure is the mean over images. --range is of the clean images, and
    of all others whose numbers are of the same kind. REPORT gets report.html, results.json and results.csv.
    Exit code 0: all done, 1: some images do not fit or a limit is not held, 2: wrong usage.
    """
    from restorekit.core.execution import LocalEngine
    from restorekit.core.plugins import registry
    from restorekit.evaluation.compare_folders import Sources, opened, reported
    from restorekit.evaluation.results_file import prepare, write_results
    from restorekit.images.intensity import parse_range
    from restorekit.report.pages.compared import Album, evenly, page_of
    from restorekit.report.render import write_page

    set_threads(threads)
    limits = parse_limit(fail_under, registry.metrics(), metrics)
    for source in filter(None, (restored, clean, observed, against)):
        check_output(source, report)
    sources = Sources(restored, clean, observed, against, parse_range(span))
    found, asked = opened(sources), metrics_asked(metrics)
    prepare(report)
    warn_of_range(found.ours.clean)
    with ImagesProgress(len(found), "measuring", machine) as progress:

        def watch(key: str, error: str | None) -> None:
            progress.advance(error and f"{key}: {error}")

        album = Album(report, evenly([found.ours.clean.keys[j] for _, j in found.ours.pairs.pairs], pictures))
        made = reported(found, sources, asked, LocalEngine(1), watch, report, album.take)
    made = made._replace(results=replace(made.results, command=command_line("report")))
    _tell(made, machine)
    write_results(made.results, report)
    write_page(with_sections(page_of(*made, album.views), made.results, report), report / "report.html")
    if not machine:
        click.echo(f"-> {report / 'report.html'}, results.json and results.csv beside it")
    missed = describe_missed(limits, sources.names[:1], made.results.runs)
    for text in missed:
        click.echo(text, err=True)
    return 1 if made.results.failures or missed else 0


def _tell(made: Report, machine: bool) -> None:
    from restorekit.evaluation.results_file import finite
    from restorekit.report.pages.compared import alarms, verdicts

    if machine:
        click.echo(as_json(finite(made.results.to_json())))
        return
    print_results(made.results, [*alarms(*made), *verdicts(made.compared, lost=False)])
    for duels in made.compared:
        print_compared(duels)
