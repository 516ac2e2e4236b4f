"""``restorekit show``."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from restorekit.cli.progress import as_json

EXAMPLE = """\b
Example:
  restorekit show default
"""


@click.command(epilog=EXAMPLE)
@click.argument("name", metavar="NAME|FILE")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
def command(name: str, machine: bool) -> None:
    """Show the card of a model file or installed weights, or the settings of a model or corruption class.

    The card says what a file was trained on and for, with which command, how well it does, and its licence.
    """
    from restorekit import plugins

    kinds = [kind for kind in ("models", "corruptions") if name in plugins.classes(kind)]
    if kinds:
        cls = plugins.classes(kinds[0])[name]
        values = _settings(cls.Config if kinds == ["models"] else cls, cls)
    else:
        values = _card(name)
    if machine:
        click.echo(as_json(values))
        return
    for key, value in values.items():
        _line(key, value)


def _card(name: str) -> dict[str, Any]:
    from restorekit import checkpoint

    path = checkpoint.resolve(name)
    model, card = checkpoint.load(path)
    parameters = sum(p.numel() for p in model.parameters())
    return {"file": str(path), "digest": checkpoint.digest(path), "parameters": parameters, **dataclasses.asdict(card)}


def _settings(config: type, cls: type) -> dict[str, Any]:
    """Return what can be set, with defaults, and the presets of a model."""
    fields = {f.name: f"{_default(f)}   ({f.type})" for f in dataclasses.fields(config)}
    presets = {f"preset={name}": dict(values) for name, values in getattr(cls, "presets", {}).items()}
    return {"what": (cls.__doc__ or "").strip().splitlines()[0], **fields, **presets}


def _default(field: dataclasses.Field[Any]) -> str:
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


def _line(key: str, value: Any) -> None:
    if isinstance(value, dict) and value:
        click.echo(f"{key}:")
        for name, inner in value.items():
            click.echo(f"  {name}: {inner}")
    elif isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(v, str) for v in value):
        click.echo(f"{key}:")
        for inner in value:
            click.echo(f"  {inner}")
    else:
        click.echo(f"{key}: {value}")
