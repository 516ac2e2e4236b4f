"""Progress reporting for long computations within one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Show = Callable[[str, int, int], None]

_SHOW: ContextVar[Show | None] = ContextVar("show", default=None)


@contextmanager
def watched(show: Show) -> Iterator[None]:
    """Pass the progress of all work in the block to `show`: its name, the steps done and the most there can be."""
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


def tell(what: str, done: int, most: int) -> None:
    """Report progress to the innermost `watched` block, if there is one."""
    show = _SHOW.get()
    if show is not None:
        show(what, done, most)
