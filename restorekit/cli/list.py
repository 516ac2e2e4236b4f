"""``restorekit list``."""

from __future__ import annotations

import click

from restorekit.cli.console import as_json, echo
from restorekit.core.errors import unknown

KINDS = ("models", "corruptions", "samplers", "restorers", "metrics", "detectors", "weights", "plugins")
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
        echo(as_json(found))
        return
    for one, rows in found.items():
        if kind is None:
            click.secho(one, bold=True)
        width = max((len(name) for name in rows), default=0)
        for name, row in rows.items():
            echo(
                f"  {name:<{width}}  {row['about']}"
                + ("" if row["package"] == "restorekit" else f"  [{row['package']}]")
            )


def _rows(kind: str) -> dict[str, dict[str, str]]:
    """Return a description and the package of each part of a kind."""
    from restorekit.core.plugins import registry

    installed, found = registry.installed(), dict[str, dict[str, str]]()
    if kind == "plugins":
        for plugin in installed.loaded:
            unreadable = [entry.value for entry in installed.unreadable.values() if entry.plugin == plugin]
            about = "; ".join([f"{plugin.package} {plugin.version}", *unreadable])
            found[plugin.name] = {"about": about, "package": plugin.package}
        broken = {name: {"about": f"not used: {why}", "package": name} for name, why in installed.problems.items()}
        return {**found, **broken}
    for name, entry in installed.entries(kind).items():
        value = entry.value  # a class, or the path of weights
        about = (value.__doc__ or "").strip().partition("\n")[0] if isinstance(value, type) else str(value)
        found[name] = {"about": about, "package": entry.plugin.package}
    return found
