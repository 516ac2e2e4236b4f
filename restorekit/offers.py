"""What a plugin offers: its hooks are asked, and what they return is looked at."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pluggy
from safetensors import SafetensorError, safe_open

from restorekit.errors import PluginError, brief

GROUP = OWN = "restorekit"
_NAMED = ("models", "corruptions", "samplers", "restorers", "metrics")
KINDS = (*_NAMED, "weights", "sections")
MEND = "install another version of it, or uninstall it"


@dataclass(frozen=True)
class Plugin:
    """A plugin: its entry point's name, the package it came from, and that package's version."""

    name: str
    package: str
    version: str

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"the plugin {self.name!r} ({self.package} {self.version})"

    @property
    def built_in(self) -> bool:
        """Whether it is a part of restorekit."""
        return self.package == OWN


@dataclass(frozen=True)
class Entry:
    """One registered thing and the plugin that provides it."""

    value: Any
    plugin: Plugin


def collect(kind: str, manager: pluggy.PluginManager, plugin: Plugin) -> dict[str, Entry]:
    """Return what a plugin registers of one kind, by name.

    Raises
    ------
    PluginError
        The hook raises, returns the wrong thing, or the same name twice.
    """
    hook = "restorekit_report_sections" if kind == "sections" else f"restorekit_register_{kind}"
    try:
        caller = getattr(manager.hook, hook)
        results = caller()
        if len(results) < len(caller.get_hookimpls()):  # pluggy leaves None out
            raise TypeError("expected a list (of weights: names and paths), got None")
        pairs = [pair for result in results for pair in _named(kind, result)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a stranger's code raises must name the stranger, and end there
        raise PluginError(f"{plugin} failed in {hook}: {brief(error)}; {MEND}") from error
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"{plugin} registers {name!r} twice among the {kind}; give each its own name")
    return {name: Entry(value, plugin) for name, value in pairs}


def _named(kind: str, result: Any) -> Iterable[tuple[str, Any]]:
    """Return (name, value) pairs of one hook's result, checked to be what the hook asks for."""
    if kind == "weights":
        return [(name, Path(path)) for name, path in result.items()]
    if kind == "sections":
        return [(cls.title, cls) for cls in result]
    contracts = import_module("restorekit.contracts")
    base = getattr(contracts, kind[:-1].capitalize())
    for cls in result:
        if not (isinstance(cls, type) and issubclass(cls, base) and isinstance(getattr(cls, "name", None), str)):
            raise TypeError(f"expected subclasses of {base.__name__} with a `name`, got {cls!r}")
        if kind == "corruptions" and not getattr(getattr(cls, "__dataclass_params__", None), "frozen", False):
            raise TypeError(f"expected frozen dataclasses, got {cls!r}; put @dataclass(frozen=True) before it")
        if inspect.isabstract(cls):
            lacking = " and ".join(sorted(getattr(cls, "__abstractmethods__", ())))
            raise TypeError(f"expected whole classes, but {cls!r} does not define {lacking}")
    return [(cls.name, cls) for cls in result]


CARD = "restorekit"  # where in a file's metadata `restorekit.checkpoint` keeps the card


def fault_of(path: Path) -> str | None:
    """Say why a file holds no weights with a card, by its header alone; None where it does."""
    try:
        with path.open("rb"), safe_open(path, framework="np") as file:
            carded = CARD in (file.metadata() or {})
    except (OSError, SafetensorError) as error:
        return f"{path} is not a whole safetensors file ({error})"
    return None if carded else f"{path} has no restorekit card"
