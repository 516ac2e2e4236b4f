"""Discovery and loading of plugins, and the registries of the classes that they provide.

Built-ins are plugins like any other. A plugin that cannot be loaded, misspells a hook or claims a name
that is taken is left out entirely and kept in `problems`; it never stops the program.

What a plugin offers: its hooks are asked, and what they return is looked at.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
from safetensors import SafetensorError, safe_open

from restorekit import __version__
from restorekit.core.errors import PluginError, UsageError, brief, one_line, unknown
from restorekit.core.plugins import hookspecs

if TYPE_CHECKING:
    from restorekit.core.contracts import Corruption, Detector, Metric, Model, Network, Restorer, Sampler

BUILT_IN = {
    "models": "models",
    "corruptions": "corruptions",
    "samplers": "samplers",
    "restorers": "restoration.classical",
    "detectors": "restoration.anomaly",
    "metrics": "evaluation.metrics.fidelity",
    "certainty": "evaluation.metrics.uncertainty",
    "weights": "models.weights",
}  # modules by the name of the plugin
CONTRACTS: dict[
    str, type
] = {}  # base class of each kind; `restorekit.core.contracts`, which imports this module, sets them
_NAMESAKES = {  # a user names both with --model
    "restorers": "weights", "weights": "restorers", "models": "detectors", "detectors": "models",
}  # fmt: skip


class Plugins:
    """Plugins loaded in order, and the classes that they registered, by kind and name.

    Attributes
    ----------
    loaded : list of Plugin
        What is in use, built-ins first.
    problems : dict of str to str
        What was left out, by plugin name, and why: one sentence each.
    left_out : dict of str to Plugin
        Who that is, by plugin name, of those that are installed.
    unreadable : dict of str to Entry
        Sentences about weights whose file cannot be read, by their name; the rest of their plugin is in use.
    """

    def __init__(self) -> None:
        self.loaded: list[Plugin] = []
        self.problems: dict[str, str] = {}
        self.left_out: dict[str, Plugin] = {}
        self.unreadable: dict[str, Entry] = {}
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._modules: dict[str, Plugin] = {}

    def add(self, module: ModuleType, plugin: Plugin) -> None:
        """Register everything that one module provides.

        Raises
        ------
        PluginError
            For a misspelt hook, a hook that raises or returns the wrong thing, or a name that is
            taken (both plugins are named); the registries are then as they were. Weights that cannot be
            read do not raise: they are noted in `unreadable`.
        """
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(module, plugin.name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{plugin} has a hook that does not exist: {one_line(error)}; {REINSTALL}") from error
        found = {kind: collect(kind, manager, plugin) for kind in KINDS}
        for kind, entries in found.items():
            for name in entries:
                self._refuse_taken(kind, name, plugin, found)
        for kind, entries in found.items():
            self._entries[kind].update(entries)
        for name, entry in found["weights"].items():
            fault = fault_of(entry.value)
            if fault is not None:
                del self._entries["weights"][name]
                self.unreadable[name] = Entry(f"its weights {name!r} cannot be used: {fault}", entry.plugin)
        self._modules[module.__name__] = plugin
        self.loaded.append(plugin)

    def _refuse_taken(self, kind: str, name: str, plugin: Plugin, found: Mapping[str, Mapping[str, Entry]]) -> None:
        other = _NAMESAKES.get(kind)
        taken = self._entries[kind].get(name) or (other and self._entries[other].get(name))
        if taken:
            raise PluginError(
                f"{plugin} registers {name!r} among the {kind}, a name that {taken.plugin} has already; "
                "rename it, or uninstall one of them"
            )
        if other and name in found[other]:
            raise PluginError(f"{plugin} registers {name!r} both among the {kind} and the {other}; rename one")

    def owner(self, cls: type) -> Plugin | None:
        """Return the plugin that registers a class, else the one whose package defines it."""
        for entries in self._entries.values():
            for entry in entries.values():
                if entry.value is cls:
                    return entry.plugin
        return self.author(cls.__module__)

    def author(self, module: str) -> Plugin | None:
        """Return the plugin that a module belongs to, by its dotted name; None if there is none."""
        for name, plugin in self._modules.items():
            root = name if plugin.built_in else name.partition(".")[0]
            if module == root or module.startswith(f"{root}."):
                return plugin
        return None

    def entries(self, kind: str) -> Mapping[str, Entry]:
        """Return the entries of one kind by name, sorted."""
        return dict(sorted(self._entries[kind].items()))


def load() -> Plugins:
    """Load the built-ins, then the installed plugins that RESTOREKIT_PLUGINS allows (all if unset)."""
    plugins = Plugins()
    for name, home in BUILT_IN.items():
        try:
            module = import_module(f"restorekit.{home}")
        except ModuleNotFoundError as error:  # a bare PyTorch machine trains without OpenCV, SciPy and scikit-image
            if (error.name or "").startswith("restorekit"):
                raise  # an error of our own
            plugins.problems[name] = f"the built-in {name} need the package {error.name!r}, which is not installed"
            continue
        plugins.add(module, Plugin(name, "restorekit", __version__))
    chosen = os.environ.get("RESTOREKIT_PLUGINS")
    wanted = None if chosen is None else [name.strip() for name in chosen.split(",") if name.strip()]
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        if wanted is None or point.name in wanted:
            _try(plugins, point)
    for name in set(wanted or []) - {p.name for p in plugins.loaded} - set(plugins.problems):
        plugins.problems[name] = f"RESTOREKIT_PLUGINS names {name!r}, which is not installed"
    return plugins


def _try(plugins: Plugins, point: EntryPoint) -> None:
    """Load a third-party plugin; record its failure instead of raising it."""
    package, version = (point.dist.name, point.dist.version) if point.dist else (point.value, "of unknown version")
    plugin = Plugin(point.name, package, version)
    try:
        module = point.load()
        if not isinstance(module, ModuleType):
            raise PluginError(f"{plugin} must name a module in its entry point, got {point.value!r}; {REINSTALL}")
        plugins.add(module, plugin)
        return
    except PluginError as error:
        plugins.problems[point.name] = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing a third-party package may raise anything
        plugins.problems[point.name] = (
            f"{plugin} could not be imported: {brief(error)}; `python -c 'import {point.module}'` shows where, "
            f"{REINSTALL}"
        )
    plugins.left_out[point.name] = plugin


@cache
def installed() -> Plugins:
    """Return the plugins of this process, loaded on first use."""
    return load()


def owner(cls: type) -> Plugin | None:
    """Return the plugin that a class belongs to; None if there is none."""
    return installed().owner(cls)


def lookup(kind: str, name: str) -> Any:
    """Return the entry registered as `name`; raise UsageError with the nearest known names if there is none."""
    entries = installed().entries(kind)
    if name not in entries:
        raise UsageError(unknown(kind.removesuffix("s"), name, entries))
    return entries[name].value


def classes(kind: str) -> dict[str, Any]:
    """Return everything registered of one kind, by name."""
    return {name: entry.value for name, entry in installed().entries(kind).items()}


def models() -> dict[str, type[Model]]:
    """Return the model classes by name."""
    return classes("models")


def networks() -> dict[str, type[Network]]:
    """Return the classes that `restorekit train` trains by name: models, and detectors that learn."""
    return {**classes("models"), **{name: cls for name, cls in classes("detectors").items() if hasattr(cls, "terms")}}


def corruptions() -> dict[str, type[Corruption]]:
    """Return the corruption classes by name."""
    return classes("corruptions")


def samplers() -> dict[str, type[Sampler]]:
    """Return the sampler classes by name."""
    return classes("samplers")


def restorers() -> dict[str, type[Restorer]]:
    """Return the restorer classes by name."""
    return classes("restorers")


def detectors() -> dict[str, type[Detector]]:
    """Return the detector classes by name."""
    return classes("detectors")


def metrics() -> dict[str, type[Metric]]:
    """Return the metric classes by name."""
    return classes("metrics")


def weights() -> dict[str, Path]:
    """Return the readable trained model files by name."""
    return classes("weights")


GROUP = OWN = "restorekit"
_NAMED = ("models", "corruptions", "samplers", "restorers", "metrics", "detectors")
KINDS = (*_NAMED, "weights", "sections")
REINSTALL = "install another version of it, or uninstall it"


@dataclass(frozen=True)
class Plugin:
    """A plugin: its entry point's name, the package it came from, and that package's version."""

    name: str
    package: str
    version: str

    def __str__(self) -> str:
        """Return the name used in sentences."""
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
    """Return the entries of one kind that a plugin registers, by name.

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
    except BaseException as error:  # any error in third-party code must name the plugin
        raise PluginError(f"{plugin} failed in {hook}: {brief(error)}; {REINSTALL}") from error
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"{plugin} registers {name!r} twice among the {kind}; give each its own name")
    return {name: Entry(value, plugin) for name, value in pairs}


def _named(kind: str, result: Any) -> Iterable[tuple[str, Any]]:
    """Return (name, value) pairs of one hook's result after checking its types."""
    if kind == "weights":
        return [(name, Path(path)) for name, path in result.items()]
    if kind == "sections":
        return [(cls.title, cls) for cls in result]
    base = CONTRACTS[kind]
    for cls in result:
        if not (isinstance(cls, type) and issubclass(cls, base) and isinstance(getattr(cls, "name", None), str)):
            raise TypeError(f"expected subclasses of {base.__name__} with a `name`, got {cls!r}")
        if kind == "corruptions" and not getattr(getattr(cls, "__dataclass_params__", None), "frozen", False):
            raise TypeError(f"expected frozen dataclasses, got {cls!r}; put @dataclass(frozen=True) before it")
        if inspect.isabstract(cls):
            lacking = " and ".join(sorted(getattr(cls, "__abstractmethods__", ())))
            raise TypeError(f"expected concrete classes, but {cls!r} does not define {lacking}")
    return [(cls.name, cls) for cls in result]


CARD = "restorekit"  # key of the card in the metadata of a model file


def fault_of(path: Path) -> str | None:
    """Return why a file holds no weights with a card, from its header alone; None if it does."""
    try:
        with path.open("rb"), safe_open(path, framework="np") as file:
            carded = CARD in (file.metadata() or {})
    except (OSError, SafetensorError) as error:
        return f"{path} is no complete safetensors file ({error})"
    return None if carded else f"{path} has no restorekit card"
