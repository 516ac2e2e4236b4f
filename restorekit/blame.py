"""Whose fault it is where a stranger's code breaks: a sentence that names the plugin, and where the traceback lies."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from restorekit import plugins
from restorekit.contracts import Corruption, LatentModel, parts_of
from restorekit.errors import PluginError, RestorekitError, brief
from restorekit.offers import Plugin

LOG = "errors.log"  # beside what a run writes: the tracebacks of what broke in it
PASSED_ON = (RestorekitError, KeyboardInterrupt, GeneratorExit)  # said in a sentence already, or no fault at all


class BrokenError(Exception):
    """What a plugin returned is not what its contract says; the text tells what was expected and what was got."""


@contextmanager
def blamed(doing: str, *things: object) -> Iterator[None]:
    """Turn whatever a stranger's code raises within into a PluginError that names the stranger.

    Parameters
    ----------
    doing : str
        What is asked for, such as "sample of the model 'vae'".
    things : objects or classes
        What is asked, for where the traceback does not tell whose code broke: a model, a corruption, a sampler ...

    Raises
    ------
    PluginError
        What broke is a plugin's. Faults of restorekit itself, sentences for a user, interrupts and a lack of memory
        pass as they are.
    """
    try:
        yield
    except PASSED_ON:
        raise
    except BaseException as error:  # SystemExit, and what extensions derive from BaseException, are faults here
        names = [] if ran_out_of_memory(error) else culprits(error, *things)
        if not names:
            raise
        why = str(error) if isinstance(error, BrokenError) else brief(error)
        raise PluginError(sentence(names, doing, why)) from error


def sentence(names: list[Plugin], doing: str, why: str) -> str:
    """Say who did what, and what to do about it."""
    checks = " and ".join(f"`restorekit plugin check {plugin.name}`" for plugin in names)
    return f"{' or '.join(map(str, names))} failed in {doing}: {why}; {checks} tells more, for its author to mend it"


def culprits(error: BaseException, *things: object) -> list[Plugin]:
    """Return the plugin in whose code an error arose; else those among the things that were asked; none of our own."""
    installed = plugins.installed()
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    for module in reversed(frames):
        plugin = installed.author(module)
        if plugin is not None and not plugin.built_in:
            return [plugin]
    owners = [installed.owner(cls) for thing in things for cls in _classes(thing)]
    return list(dict.fromkeys(plugin for plugin in owners if plugin is not None and not plugin.built_in))


def _classes(thing: object) -> list[type]:
    """Return a thing's class, and those of what it works with."""
    if isinstance(thing, type):
        return [thing]
    if isinstance(thing, Corruption):
        return [type(part) for part in parts_of(thing)]
    own = [type(thing)]
    return [*own, type(thing.sampler)] if isinstance(thing, LatentModel) and thing.sampler is not None else own


def whose(thing: object) -> str:
    """Return " of the plugin ..." where a thing is a stranger's, else nothing: to be put behind its name."""
    plugin = plugins.owner(type(thing))
    return "" if plugin is None or plugin.built_in else f" of {plugin}"


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out; PyTorch has no class of its own for that on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def told(error: BaseException, folder: Path | None = None) -> str | None:
    """Return one sentence for a user, with where the traceback lies; None for what no plugin is to blame for.

    Parameters
    ----------
    error : exception
        What a run met.
    folder : Path or None
        Gets `LOG`; None: a file among the temporary ones.
    """
    if isinstance(error, RestorekitError):
        return f"{error}{_kept(error, folder)}" if isinstance(error, PluginError) and error.__cause__ else str(error)
    names = culprits(error)
    return f"{sentence(names, 'its own code', brief(error))}{_kept(error, folder)}" if names else None


def _kept(error: BaseException, folder: Path | None) -> str:
    """Append an error's traceback to the log, once; return words that say where it is."""
    text = "".join(traceback.format_exception(error)) + "\n"
    path = (Path(tempfile.gettempdir()) / f"restorekit-{LOG}") if folder is None else folder / LOG
    with suppress(OSError):  # a full disk, or a stranger's file in the way
        if not path.is_file() or text not in path.read_text(encoding="utf-8", errors="replace"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        return f" (traceback: {path})"
    return ""
