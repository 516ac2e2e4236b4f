"""``restorekit show``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from restorekit.cli.console import as_json, echo
from restorekit.core.config import setting_text
from restorekit.core.errors import UsageError, unknown

if TYPE_CHECKING:
    from restorekit.core.plugins.registry import Entry
    from restorekit.core.records import Json

KINDS = ("models", "corruptions", "samplers", "restorers", "metrics", "detectors")

EXAMPLE = """\b
Example:
  restorekit show default
"""


@click.command("show", epilog=EXAMPLE)
@click.argument("name", metavar="NAME|FILE")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object instead of text.")
def command(name: str, machine: bool) -> None:
    """Show settings and origin of any name from `restorekit list`, or the card of a model file.

    The settings of a model, and those of the training, can be set with `restorekit train --set`. The card of a model
    file records its training data, corruption, command, validation results and licence.
    """
    found = _found(name)
    if machine:
        echo(as_json(found[0] if len(found) == 1 else {values["kind"]: values for values in found}))
        return
    for values in found:
        for key, value in values.items():
            _line(key, _calibration(value) if key == "calibration" and value else value)


def _calibration(values: Json) -> str:
    """Return a short description of the calibration table of a card."""
    from restorekit.core.errors import CheckpointError
    from restorekit.uncertainty.calibration_table import Table
    from restorekit.uncertainty.touch import TouchTable

    if isinstance(values, dict) and "log_odds" in values:
        touch = TouchTable.from_json(values)
        rows = zip(touch.shares, touch.log_odds, touch.measured, strict=True)
        listed = ", ".join(f"{share:g} at log-odds {odds:.2f} (measured {found:.2g})" for share, odds, found in rows)
        return f"shares of clean pixels touched: {listed}; from {touch.source}"
    try:
        table = Table.from_json(values if isinstance(values, dict) else {})
    except CheckpointError as error:
        return str(error)
    levels, source = table.levels, table.source or f"{table.images} images"
    return f"for {len(levels)} levels from {levels[0]} to {levels[-1]}, from {source}"


def _found(name: str) -> list[dict[str, Json]]:
    """Return the entry of a name for each kind that has it."""
    from restorekit.core.plugins import registry
    from restorekit.core.plugins.boundary import attribute_errors
    from restorekit.core.records import encode
    from restorekit.models import checkpoint

    installed = registry.installed()
    listed = {kind: installed.entries(kind) for kind in KINDS}
    found = []
    for kind, entries in listed.items():
        if name in entries:
            with attribute_errors(f"the settings and presets of {name!r}", entries[name].value):
                found.append(_class(kind.removesuffix("s"), entries[name]))
    weights = installed.entries("weights")
    if name in weights:
        values: dict[str, Json] = {"kind": "weights", "from": _origin(weights[name])}
    elif found:
        return found
    elif name in installed.unreadable or name.endswith(".safetensors") or Path(name).is_file():
        values = {"kind": "model file"}
    else:
        known = [one for entries in (*listed.values(), weights) for one in entries]
        raise UsageError(unknown("model file, and nothing that restorekit list shows,", name, known))
    path = checkpoint.resolve(name)
    model, card = checkpoint.load_network(path)
    values |= {"file": str(path), "digest": checkpoint.model_digest(path)}
    return [*found, {**values, "parameters": sum(p.numel() for p in model.parameters()), **encode(card)}]


def _class(kind: str, entry: Entry) -> dict[str, Json]:
    """Return description, origin and settings of a class, and the presets of a model."""
    cls = entry.value
    text = re.split(r"\n[^\n]+\n---", inspect.cleandoc(cls.__doc__ or ""))[0]
    values: dict[str, Json] = {"kind": kind, "what": " ".join(text.split()), "from": _origin(entry)}
    values |= {name: getattr(cls, name) for name in ("unit", "better") if kind == "metric" and getattr(cls, name)}
    config = getattr(cls, "Config", cls)
    own = _settings(config) if dataclasses.is_dataclass(config) else {}
    if own:
        values["settings"] = own
    if kind == "corruption" and all(setting["default"] != "required" for setting in own.values()):
        values["traits"] = cls().traits._asdict()  # of its defaults: a range or a choice may change them
    if hasattr(cls, "Config"):
        from restorekit.training.config import Recipe

        values |= {f"preset={name}": dict(preset) for name, preset in cls.presets.items()}
        values["of any training"] = _settings(Recipe)
    return values


def _origin(entry: Entry) -> str:
    return f"{entry.plugin.package} {entry.plugin.version}, plugin {entry.plugin.name!r}"


def _settings(config: Any) -> dict[str, dict[str, str]]:
    """Return default, accepted values and meaning of each field of a dataclass."""
    from restorekit.core.config import describe_type
    from restorekit.core.types import Ranged

    meanings, hints, found = dict[str, str](), dict[str, object](), dict[str, dict[str, str]]()
    for cls in reversed(config.__mro__):
        meanings |= _meanings(cls.__doc__ or "")
    with suppress(NameError):  # types of a plugin that are imported for type checkers only
        hints = get_type_hints(config)
    for f in dataclasses.fields(config):
        hint, choices = hints.get(f.name, f.type), f.metadata.get("choices")
        kind = " or ".join(choices) if choices else describe_type(hint)
        if f.default_factory is not dataclasses.MISSING:
            default = setting_text(f.default_factory())
        elif f.default is dataclasses.MISSING:
            default = "required"
        else:
            default = setting_text(f.default, ".." if hint == Ranged else ",")
        found[f.name] = {"default": default, "takes": kind, "meaning": meanings.get(f.name, "")}
    return found


def _meanings(text: str) -> dict[str, str]:
    """Return the description of each name in the parameter section of a docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(text).partition("Parameters\n----------\n")[2].splitlines():
        if " : " in line and not line.startswith(" "):
            names = line.partition(" : ")[0].split(", ")
        elif line.startswith(" "):
            found.update({name: f"{found.get(name, '')} {line.strip()}".strip() for name in names})
    return found


def _line(key: str, value: Any) -> None:
    if isinstance(value, dict) and value:
        echo(f"{key}:")
        for name, inner in value.items():
            if isinstance(inner, dict) and "takes" in inner:  # a setting
                shown = f"{inner['default']}   ({inner['takes']})   {inner['meaning']}".rstrip()
            elif isinstance(inner, float):
                shown = f"{inner:.6g}"
            else:
                shown = "-" if inner is None else setting_text(inner)
            echo(f"  {name}: {shown}")
    elif isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(v, str) for v in value):
        echo(f"{key}:")
        for inner in value:
            echo(f"  {inner}")
    else:
        echo(f"{key}: {'none' if value is None else setting_text(value)}")
