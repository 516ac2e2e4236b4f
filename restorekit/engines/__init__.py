"""Who runs the work: this process, or others. What the work is, they do not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@dataclass(frozen=True)
class Outcome(Generic[T, C]):
    """What became of one task: a result, or the sentence of what went wrong."""

    task: T
    result: C | None
    error: str | None = None


class Engine(Protocol):
    """Runs load, compute and store over many tasks."""

    def run(
        self,
        tasks: Iterable[T],
        load: Callable[[T], A],
        compute: Callable[[T, A], B],
        store: Callable[[T, B], C],
    ) -> Iterator[Outcome[T, C]]:
        """Yield one outcome per task, in order; an error in one task leaves the others alone."""
        ...
