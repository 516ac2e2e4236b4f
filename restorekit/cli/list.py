"""``restorekit list``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
            package = "" if row["package"] == "restorekit" else f"  [{row['package']}]"
            echo(f"  {name:<{width}}  {row['about']}{package}")
            for corruption, value in row.get("psnr", {}).items():
                echo(f"  {'':<{width}}    {value:.2f} dB PSNR, {corruption}")


def _rows(kind: str) -> dict[str, dict[str, Any]]:
    """Return a description and the package of each part of a kind."""
    from restorekit.core.plugins import registry

    installed, found = registry.installed(), dict[str, dict[str, Any]]()
    if kind == "plugins":
        for plugin in installed.loaded:
            unreadable = [entry.value for entry in installed.unreadable.values() if entry.plugin == plugin]
            about = "; ".join([f"{plugin.package} {plugin.version}", *unreadable])
            found[plugin.name] = {"about": about, "package": plugin.package}
        broken = {name: {"about": f"not used: {why}", "package": name} for name, why in installed.problems.items()}
        return {**found, **broken}
    for name, entry in installed.entries(kind).items():
        value = entry.value  # a class, or the path of weights
        text = (value.__doc__ or "").strip().partition("\n")[0] if isinstance(value, type) else None
        row: dict[str, Any] = _weights(Path(value)) if text is None else {"about": text}
        found[name] = row | {"package": entry.plugin.package}
    return found


def _weights(path: Path) -> dict[str, Any]:
    """Return what a file of weights costs, and what it gains where `calibrate` has measured it."""
    from restorekit.core.contracts import Detector
    from restorekit.core.errors import RestorekitError
    from restorekit.core.plugins import registry
    from restorekit.corruptions.spec import parse, weighted
    from restorekit.models import checkpoint
    from restorekit.models.cost import multiply_accumulates

    try:
        network, card = checkpoint.load_network(path)
        spec = "clean" if isinstance(network, Detector) else next(iter(card.corruptions), "clean")
        work = multiply_accumulates(network, parse(weighted(spec)[0], registry.corruptions()))
    except RestorekitError as error:
        return {"about": str(error), "file": str(path)}
    count = sum(p.numel() for p in network.parameters())
    costs = [f"{count / 1e6:.2f} M parameters", f"{path.stat().st_size / 1e6:.1f} MB"]
    if work is not None:
        costs.insert(0, f"{work / 1e3:.0f} k multiply-accumulates per pixel")
    gains = {name: value for name, value in card.metrics.items() if name.startswith("psnr ")}
    return {
        "about": f"{card.model}: {', '.join(costs)}",
        "parameters": count,
        "multiply_accumulates": work,
        "psnr": {name.removeprefix("psnr "): value for name, value in gains.items()},
        "file": str(path),
    }
