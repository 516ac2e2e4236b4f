"""The command line as it was typed, to be typed again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
from click.core import ParameterSource


def typed(name: str) -> str:
    """Return the line that runs the current command again: its arguments, and the options that were given.

    Parameters
    ----------
    name : str
        What follows ``restorekit``.
    """
    context = click.get_current_context()
    given = [p for p in context.command.params if p.name and _was_given(context, p.name)]
    arguments = [str(context.params[p.name or ""]) for p in given if isinstance(p, click.Argument)]
    options = [word for p in given if isinstance(p, click.Option) for word in _words(p, context.params[p.name or ""])]
    return shlex.join(["restorekit", *name.split(), *arguments, *options])


def _was_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _words(option: click.Option, value: object) -> Iterator[str]:
    """Yield an option as it is typed: its longest name, once for each value."""
    name = max(option.opts, key=len)
    if option.is_flag:
        yield name
        return
    for one in value if option.multiple and isinstance(value, tuple) else (value,):
        yield from (name, *map(str, one if option.nargs != 1 and isinstance(one, tuple) else (one,)))
