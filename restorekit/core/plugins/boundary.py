"""Attribute errors in third-party code to the plugin that raised them."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from restorekit.core.errors import ImageError, PluginError, RestorekitError, brief, printable
from restorekit.core.files import make_folder, open_to_append
from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Plugin

LOG = "errors.log"  # in the folder that a run writes to: the tracebacks of plugins' errors
MAX_LOG_BYTES = 2**24  # of the log that are searched for a traceback, which is written once
PASSED_ON = (RestorekitError, KeyboardInterrupt, GeneratorExit)  # a sentence for a user already, or no error at all


class BrokenError(Exception):
    """A value that breaks a contract; the message says what was expected and what was returned."""


@contextmanager
def attribute_errors(doing: str, *things: object) -> Iterator[None]:
    """Raise a PluginError that names the plugin for any error in third-party code.

    Parameters
    ----------
    doing : str
        The operation, such as "sample of the model 'vae'".
    things : objects or classes
        The objects in use, for errors whose traceback does not lead to a plugin: a model, a corruption, a sampler ...

    Raises
    ------
    PluginError
        A plugin's code failed. Errors of restorekit itself, sentences for a user, interrupts and a lack of memory
        pass unchanged.
    """
    try:
        yield
    except PASSED_ON:
        raise
    except BaseException as error:  # SystemExit and what extensions derive from BaseException count too
        names = [] if ran_out_of_memory(error) else culprits(error, *things)
        if not names:
            raise
        why = str(error) if isinstance(error, BrokenError) else brief(error)
        raise PluginError(sentence(names, doing, why)) from error


def sentence(names: list[Plugin], doing: str, why: str) -> str:
    """Return the message of a PluginError: who failed in what and why, and the command that finds out more."""
    checks = " and ".join(f"`restorekit plugin check {plugin.name}`" for plugin in names)
    return f"{' or '.join(map(str, names))} failed in {doing}: {why}; {checks} tells more, for its author to fix it"


def culprits(error: BaseException, *things: object) -> list[Plugin]:
    """Return the third-party plugin in whose code an error arose, else those that own the objects in use."""
    installed = registry.installed()
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    for module in reversed(frames):
        plugin = installed.author(module)
        if plugin is not None and not plugin.built_in:
            return [plugin]
    owners = [installed.owner(cls) for thing in things for cls in _classes(thing)]
    return list(dict.fromkeys(plugin for plugin in owners if plugin is not None and not plugin.built_in))


def _classes(thing: object) -> list[type]:
    """Return the class of an object and of its parts: those of a chain of corruptions, the sampler of a model."""
    if isinstance(thing, type):
        return [thing]
    parts = getattr(thing, "parts", None)
    if isinstance(parts, tuple) and parts:
        return [type(part) for part in parts]
    sampler = getattr(thing, "sampler", None)
    return [type(thing)] if sampler is None else [type(thing), type(sampler)]


def owner_suffix(thing: object) -> str:
    """Return " of the plugin ..." for an object of a third-party plugin, else an empty text."""
    plugin = registry.owner(type(thing))
    return "" if plugin is None or plugin.built_in else f" of {plugin}"


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out; PyTorch has no class for that on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def error_message(error: BaseException, folder: Path | None = None) -> str | None:
    """Return one sentence for a user, with the path of the traceback; None for an error that is no plugin's.

    Parameters
    ----------
    error : exception
        The error that ended an operation.
    folder : Path or None
        Folder of `LOG`; None: a temporary file.
    """
    if isinstance(error, RestorekitError):
        return f"{error}{_kept(error, folder)}" if isinstance(error, PluginError) and error.__cause__ else str(error)
    names = culprits(error)
    return f"{sentence(names, 'its own code', brief(error))}{_kept(error, folder)}" if names else None


def _kept(error: BaseException, folder: Path | None) -> str:
    """Append an error's traceback to the log, once; return its path in parentheses."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    text = "".join(f"{printable(line)}\n" for line in [*lines, ""])
    path = (Path(tempfile.gettempdir()) / f"restorekit-{LOG}") if folder is None else folder / LOG
    try:
        make_folder(path.parent)
        with open_to_append(path) as file:
            file.seek(0)
            if text.encode() not in file.read(MAX_LOG_BYTES):
                file.write(text.encode())
    except (OSError, ImageError):  # a full disk, or a link or another file in the way
        return ""
    return f" (traceback: {path})"
