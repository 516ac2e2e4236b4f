"""Errors a user can act on: one sentence with what was expected, what was got, and what to do."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable


class RestorekitError(Exception):
    """Base of every error that restorekit raises on purpose; its message is one sentence for a person."""


class UsageError(RestorekitError, ValueError):
    """The command or call itself is wrong; nothing was done (exit code 2)."""


class InputTypeError(UsageError, TypeError):
    """An object is of a type that is no image, or whose numbers are not supported."""


class SpecError(UsageError):
    """A corruption spec, a ``--set`` or another small text could not be understood."""


class ImageError(RestorekitError, ValueError):
    """One image cannot be read, restored or written; the others go on (exit code 1)."""


class RecordError(RestorekitError, ValueError):
    """A JSON record is cut short, too large, nested too deep, or a value has another type than its field."""


class UndefinedMetricError(RestorekitError):
    """A metric is undefined for an image; the message, such as "nothing is missing", is shown in its place."""


class RestorekitWarning(UserWarning):
    """A note of one sentence for the user while the work goes on."""


class PluginError(RestorekitError):
    """A plugin cannot be loaded, breaks a contract, or claims a name that is taken."""


class CheckpointError(UsageError):
    """A model file is missing, truncated, too new, or needs a plugin that is not installed."""


MAX_NAME = 200  # characters of an unknown name that are repeated


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message that `name` is no known `kind`, with the nearest known names.

    Parameters
    ----------
    kind : str
        Kind of the name, in the singular: ``"model"``, ``"corruption"``.
    name : str
        The unknown name.
    known : iterable of str
        All accepted names.

    Returns
    -------
    str
        One sentence, fit for any `RestorekitError`.
    """
    names = sorted(known)
    plain, name = name.strip().casefold(), name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}..."
    near = [other for other in names if other.casefold() == plain]
    near = near or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"there is no {kind} named {name!r}; did you mean {' or '.join(near)}?"
    return f"there is no {kind} named {name!r}; the known ones are {', '.join(names) or 'none'}"


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    r"""Return text on one line with every control character as an escape, such as ``\x1b`` or ``\n``.

    Names of files, entries of model files and messages of other libraries may hold sequences that colour, move or
    rename a terminal, line breaks that forge a line, and marks that reverse the order of letters.
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], str(text))


_NO_MEMORY = ("allocate memory", "Failed to allocate", "Insufficient memory", "out of memory", "failed to map segment")
_NO_THREADS = ("can't start new thread", "thread creation failed", "pthread_create")


def shortage(error: BaseException) -> str | None:
    """Return a sentence for an error that means that memory, threads or open files ran out; None for other errors.

    Libraries raise errors of many classes for it, so that their messages are compared too.
    """
    text, number = one_line(error), error.errno if isinstance(error, OSError) else None
    if number in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; lower --workers, close other programs, or raise the limit (`ulimit -n`)"
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in _NO_MEMORY):
        return "out of memory; lower --max-memory, close other programs, or cut the image into parts"
    if any(words in text for words in _NO_THREADS):
        return "the system allows no further threads; lower --workers and --threads, or raise the limit (`ulimit -u`)"
    return None


def system_error(error: BaseException) -> str | None:
    """Return a sentence for an error of the operating system, or a lack of memory or threads; None for others."""
    if (text := shortage(error)) is not None or not isinstance(error, OSError):
        return text
    if isinstance(error, FileNotFoundError) and error.filename is None:  # of os.getcwd
        return "the current folder does not exist any more; change to another one"
    return f"{error.filename or 'the file system'}: {error.strerror or error}"


def brief(error: BaseException) -> str:
    """Return the class and message of an error on one line."""
    return ": ".join(filter(None, (type(error).__name__, one_line(error))))


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line."""
    try:
        return " ".join(str(error).split())
    except Exception:  # third-party errors whose __str__ fails
        return ""
