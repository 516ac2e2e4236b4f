"""``restorekit list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.console import as_json
from restorekit.core.errors import unknown

if TYPE_CHECKING:
    from restorekit.core.plugins.registry import Plugin, Plugins

KINDS = ("models", "corruptions", "samplers", "restorers", "metrics", "weights", "plugins")
EXAMPLE = """\b
Example:
  restorekit list corruptions
"""


@click.command("list", epilog=EXAMPLE)
@click.argument("kind", required=False, metavar=f"[{'|'.join(KINDS)}]")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
def command(kind: str | None, machine: bool) -> None:
    """List installed parts and the package that provides each; all kinds by default."""
    if kind not in (None, *KINDS):
        raise click.UsageError(unknown("kind", str(kind), KINDS))
    found = {one: _rows(one) for one in ([kind] if kind else KINDS)}
    if machine:
        click.echo(as_json(found))
        return
    for one, rows in found.items():
        if kind is None:
            click.secho(one, bold=True)
        width = max((len(name) for name in rows), default=0)
        for name, row in rows.items():
            click.echo(
                f"  {name:<{width}}  {row['about']}"
                + ("" if row["package"] == "restorekit" else f"  [{row['package']}]")
            )


def _rows(kind: str) -> dict[str, dict[str, str]]:
    from restorekit.core.plugins import registry

    installed = registry.installed()
    if kind == "plugins":
        rows = {p.name: {"about": _versions(p, installed), "package": p.package} for p in installed.loaded}
        broken = {name: {"about": f"not used: {why}", "package": name} for name, why in installed.problems.items()}
        return {**rows, **broken}
    return {
        name: {"about": _about(entry.value), "package": entry.plugin.package}
        for name, entry in installed.entries(kind).items()
    }


def _versions(plugin: Plugin, installed: Plugins) -> str:
    """Return package and version of a plugin, and the errors of its unreadable weights."""
    faults = [entry.value for entry in installed.unreadable.values() if entry.plugin == plugin]
    return "; ".join([f"{plugin.package} {plugin.version}", *faults])


def _about(value: Any) -> str:
    """Return the first line of a class's docstring; the path of a file."""
    return (value.__doc__ or "").strip().partition("\n")[0] if isinstance(value, type) else str(value)
