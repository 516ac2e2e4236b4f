"""How far long work within one image is, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Show = Callable[[str, int, int], None]

_SHOW: ContextVar[Show | None] = ContextVar("show", default=None)


@contextmanager
def watched(show: Show) -> Iterator[None]:
    """Have `show` called with what is done, how far it is, and how far it may go, by all work inside."""
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


def tell(what: str, done: int, most: int) -> None:
    """Say how far a work is; nothing happens where nobody watches."""
    show = _SHOW.get()
    if show is not None:
        show(what, done, most)
