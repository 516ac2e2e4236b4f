"""``restorekit show``."""

from __future__ import annotations

import dataclasses
import inspect
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
    """Show the card of a model file or installed weights, or what can be set of a model or corruption class.

    Of a model, `restorekit train` takes with --set what this shows: settings of its own, and of the training. The card
    says what a file was trained on and for, with which command, how well it does, and its licence.
    """
    from restorekit import plugins

    kinds = [kind for kind in ("models", "corruptions") if name in plugins.classes(kind)]
    if kinds:
        cls = plugins.classes(kinds[0])[name]
        values = _class(cls.Config if kinds == ["models"] else cls, cls)
        if kinds == ["models"]:
            from restorekit.recipe import Recipe

            values["of any training"] = _settings(Recipe)
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


def _class(config: type, cls: type) -> dict[str, Any]:
    """Return what can be set, with defaults, and the presets of a model."""
    presets = {f"preset={name}": dict(values) for name, values in getattr(cls, "presets", {}).items()}
    return {"what": (cls.__doc__ or "").strip().splitlines()[0], **_settings(config), **presets}


def _settings(config: type) -> dict[str, str]:
    """Return default, type and meaning of each field of a dataclass."""
    meanings = _meanings(config.__doc__ or "")
    return {
        f.name: f"{_default(f)}   ({f.type})   {meanings.get(f.name, '')}".rstrip() for f in dataclasses.fields(config)
    }


def _meanings(text: str) -> dict[str, str]:
    """Return what a docstring's section of parameters says of each name."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(text).partition("Parameters\n----------\n")[2].splitlines():
        if " : " in line and not line.startswith(" "):
            names = line.partition(" : ")[0].split(", ")
        elif line.startswith(" "):
            found.update({name: f"{found.get(name, '')} {line.strip()}".strip() for name in names})
    return found


def _default(field: dataclasses.Field[Any]) -> str:
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


def _line(key: str, value: Any) -> None:
    if isinstance(value, dict) and value:
        click.echo(f"{key}:")
        for name, inner in value.items():
            click.echo(f"  {name}: {inner:.6g}" if isinstance(inner, float) else f"  {name}: {inner}")
    elif isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(v, str) for v in value):
        click.echo(f"{key}:")
        for inner in value:
            click.echo(f"  {inner}")
    else:
        click.echo(f"{key}: {value}")
