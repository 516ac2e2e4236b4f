"""Execution of a job over many tasks: an engine runs it in this process, or elsewhere.

The engine of one process: threads read ahead and write behind while the main thread computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from restorekit.core.errors import PluginError, RestorekitError, UsageError, system_error

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)


class Job(Protocol[T_contra, A, B, C_co]):
    """Work done on every task, in three stages."""

    def read(self, task: T_contra) -> A:
        """Read the task's input; called in a thread, ahead of time."""

    def compute(self, task: T_contra, loaded: A) -> B:
        """Compute the result; called in the main thread, one task at a time and in order."""

    def write(self, task: T_contra, computed: B) -> C_co:
        """Write the result; called in a thread."""


@dataclass(frozen=True)
class Outcome(Generic[T, C]):
    """Result of one task, or the message of the error that it met."""

    task: T
    result: C | None
    error: str | None = None


class Engine(Protocol):
    """Runner of jobs."""

    def run(self, tasks: Iterable[T], job: Job[T, A, B, C]) -> Iterator[Outcome[T, C]]:
        """Yield one outcome per task, in order; an error in one task leaves the others alone."""
        ...


def weightless(task: Any) -> int:
    """Return 0: the size of a task whose memory is not limited."""
    return 0


@dataclass(frozen=True)
class LocalEngine:
    """Engine of one process that overlaps reading, computing and writing.

    Parameters
    ----------
    workers : int
        Threads that read, and as many that write.
    ahead : int
        Tasks read ahead of the one being computed, and results that may wait to be written, so that memory does
        not grow with the number of tasks.
    weigh : callable
        Returns the bytes that a task takes up.
    most : int
        Bytes of all tasks between the start of their reading and the end of their writing; a task that is
        larger runs alone.
    """

    workers: int = 2
    ahead: int = 2
    weigh: Callable[[Any], int] = weightless
    most: int = 2**30

    def run(self, tasks: Iterable[T], job: Job[T, A, B, C]) -> Iterator[Outcome[T, C]]:
        """Yield one outcome per task, in order; errors that concern every task are raised."""
        waiting = deque(tasks)
        reading: deque[tuple[T, Future[A]]] = deque()
        writing: deque[tuple[T, Future[C]]] = deque()
        readers = ThreadPoolExecutor(self.workers, "read")
        writers = ThreadPoolExecutor(self.workers, "write")
        with readers, writers:
            try:
                while waiting or reading or writing:
                    while self._has_room(waiting, reading, writing):
                        reading.append((waiting[0], readers.submit(job.read, waiting.popleft())))
                    if writing and (not reading or len(writing) > self.ahead):
                        yield _outcome(*writing.popleft())
                        continue
                    task, loaded = reading.popleft()
                    try:
                        written = writers.submit(job.write, task, job.compute(task, loaded.result()))
                    except Exception as error:  # it takes the place of the result
                        written = Future()
                        written.set_exception(error)
                    writing.append((task, written))
                    del loaded, written  # their results must not outlive their use
            finally:
                started: list[Future[Any]] = [*(f for _, f in reading), *(f for _, f in writing)]
                for future in started:
                    future.cancel()

    def _has_room(self, waiting: deque[T], reading: deque[tuple[T, Any]], writing: deque[tuple[T, Any]]) -> bool:
        """Return whether the limits allow another task to be read."""
        if not waiting or len(reading) >= self.ahead:
            return False
        held = [task for task, _ in (*reading, *writing)]
        return not held or sum(map(self.weigh, [*held, waiting[0]])) <= self.most


def _outcome(task: T, future: Future[C]) -> Outcome[T, C]:
    try:
        return Outcome(task, future.result())
    except (UsageError, PluginError):
        raise
    except RestorekitError as error:
        return Outcome(task, None, str(error))
    except Exception as error:  # a bug or third-party code: a failure of this task alone
        reason = system_error(error) or f"unexpected {type(error).__name__}: {error}; please report it"
        return Outcome(task, None, reason)
