"""Engines that run independent tasks: the contract, and one process whose threads overlap reading and writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from restorekit.core.errors import PluginError, RestorekitError, UsageError

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@dataclass(frozen=True)
class Outcome(Generic[T, C]):
    """The outcome of one task: a result, or the message of an error."""

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
        """Yield one outcome per task, in order; an error in one task does not affect the others."""
        ...


def weightless(task: Any) -> int:
    """Return 0: the size of a task whose memory is not limited."""
    return 0


@dataclass(frozen=True)
class LocalEngine:
    """Overlaps reading, computing and writing.

    Parameters
    ----------
    workers : int
        Threads that read, and as many that write.
    ahead : int
        Tasks read ahead of the one being computed, and results that may wait to be written, so that memory does
        not grow with the number of tasks.
    weigh : callable
        Returns the bytes that a task needs.
    most : int
        Bytes of all tasks between the start of reading and the end of writing; a larger task runs alone.
    """

    workers: int = 2
    ahead: int = 2
    weigh: Callable[[Any], int] = weightless
    most: int = 2**30

    def run(
        self, tasks: Iterable[T], load: Callable[[T], A], compute: Callable[[T, A], B], store: Callable[[T, B], C]
    ) -> Iterator[Outcome[T, C]]:
        """Yield one outcome per task, in order; raise errors that concern every task."""
        waiting = deque(tasks)
        reading: deque[tuple[T, Future[A]]] = deque()
        writing: deque[tuple[T, Future[C]]] = deque()
        readers = ThreadPoolExecutor(self.workers, "read")
        writers = ThreadPoolExecutor(self.workers, "write")
        with readers, writers:
            try:
                while waiting or reading or writing:
                    while self._room(waiting, reading, writing):
                        reading.append((waiting[0], readers.submit(load, waiting.popleft())))
                    if writing and (not reading or len(writing) > self.ahead):
                        yield _outcome(*writing.popleft())
                    else:
                        writing.append(_computed(*reading.popleft(), compute, store, writers))
            finally:
                started: list[Future[Any]] = [*(f for _, f in reading), *(f for _, f in writing)]
                for future in started:
                    future.cancel()

    def _room(self, waiting: deque[T], reading: deque[tuple[T, Any]], writing: deque[tuple[T, Any]]) -> bool:
        """Return whether another task may be read."""
        if not waiting or len(reading) >= self.ahead:
            return False
        held = [task for task, _ in (*reading, *writing)]
        return not held or sum(map(self.weigh, [*held, waiting[0]])) <= self.most


def _computed(
    task: Any, loaded: Future[Any], compute: Callable[..., Any], store: Callable[..., Any], writers: ThreadPoolExecutor
) -> tuple[Any, Future[Any]]:
    """Compute in this thread and pass the result to a writer; keep an error in its place."""
    try:
        return task, writers.submit(store, task, compute(task, loaded.result()))
    except Exception as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return task, failed


def _outcome(task: T, future: Future[C]) -> Outcome[T, C]:
    try:
        return Outcome(task, future.result())
    except (UsageError, PluginError):
        raise
    except RestorekitError as error:
        return Outcome(task, None, str(error))
    except Exception as error:  # a bug, or third-party code: it fails this image only
        return Outcome(task, None, f"unexpected {type(error).__name__}: {error}; please report it")
