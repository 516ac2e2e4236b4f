"""``restorekit plugin``: create and check plugins."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from restorekit.cli.console import ChecksProgress, as_json, echo
from restorekit.cli.options import MAX_THREADS, set_up_process
from restorekit.cli.scaffold import KINDS, write
from restorekit.core.errors import RestorekitWarning, printable

if TYPE_CHECKING:
    from restorekit.testing.registry import Finding

EXAMPLE = """\b
Example:
  restorekit plugin new sun-glare --kind corruption
  pip install -e restorekit-sun-glare
  restorekit plugin check sun-glare
"""
TRY = {
    "model": "restorekit train IMAGES RUN --model {} --corruption gaussian:sigma=25/255 --minutes 10",
    "corruption": "restorekit corrupt IMAGES OUT --corruption {}",
    "sampler": "restorekit restore IMAGES OUT --model RUN/model.safetensors --sampler {}",
}


@click.group("plugin", epilog=EXAMPLE)
def command() -> None:
    """Create a plugin package, or check an installed plugin.

    The plugin guide is plugins/README.md in the source.
    """


@command.command("new", epilog="\b\nExample:\n  restorekit plugin new sun-glare --kind corruption\n")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="Part that the plugin provides.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    metavar="DIR",
    help="Parent folder of the new package.",
)
def new(name: str, kind: str, into: Path) -> None:
    """Write the package restorekit-NAME, a working plugin to start from.

    Users will type NAME: lower-case letters, digits and hyphens. The package has a pyproject.toml with the entry
    point, one module, one test and a README.md. An existing folder is not overwritten.
    """
    folder, *written = write(name, kind, into)
    echo(f"{folder}: {', '.join(file.name for file in written)}")
    for line in (
        f"pip install -e {shlex.quote(str(folder))}",
        f"restorekit plugin check {name}",
        TRY[kind].format(name),
    ):
        echo(f"  {line}")


@command.command("check", epilog="\b\nExample:\n  restorekit plugin check sun-glare\n")
@click.argument("name")
@click.option("--threads", type=click.IntRange(1, MAX_THREADS), help="CPU threads. [default: all cores]")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
def check(name: str, threads: int | None, machine: bool) -> int:
    """Check an installed plugin against the contracts. NAME is a plugin, its package, or one part of it.

    Models are checked with default settings, for gray and colour images; corruptions with defaults and with ranges;
    samplers, restorers and metrics with defaults. Exit code 0: all passed, 1: some failed, 2: wrong usage.
    """
    from restorekit.testing import registry

    set_up_process(threads)
    cases, console = registry.cases(name), Console()
    found, width = [], max(len(case.thing) for case in cases)
    with ChecksProgress(len(cases), machine) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", RestorekitWarning)
        for case in cases:
            progress.advance(case.thing)
            one = registry.made(case)
            found.append(one)
            if not (machine or console.is_terminal):
                verdict, rest = ("passed", "") if one.fault is None else ("FAILED", f": {' '.join(one.fault.split())}")
                echo(f"{verdict}  {one.thing:<{width}}  {one.check}{rest}")
    failed = sum(one.fault is not None for one in found)
    counts = {"name": name, "passed": len(found) - failed, "failed": failed}
    if machine:
        echo(as_json({**counts, "checks": [one._asdict() for one in found]}))
        return int(failed > 0)
    if console.is_terminal:
        console.print(_table(found))
    echo(f"{counts['passed']} of {len(found)} checks passed" + (f", {failed} failed" if failed else ""))
    return int(failed > 0)


def _table(found: list[Finding]) -> Table:
    """Return the findings as a table; consecutive checks of one class name it once."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for head in ("thing", "check", "result"):
        table.add_column(head, overflow="fold")
    for i, one in enumerate(found):
        thing = "" if i and found[i - 1].thing == one.thing else one.thing
        result = Text("passed", "green") if one.fault is None else Text(printable(f"failed: {one.fault}"), "bold red")
        table.add_row(escape(printable(thing)), one.check, result)
    return table
