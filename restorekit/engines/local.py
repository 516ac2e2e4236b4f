"""The engine of one process: threads read ahead and write behind while the main thread computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from restorekit.engines import Outcome
from restorekit.errors import PluginError, RestorekitError, UsageError

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@dataclass(frozen=True)
class LocalEngine:
    """Overlaps reading, computing and writing.

    Parameters
    ----------
    workers : int
        Threads that read, and as many that write.
    ahead : int
        Tasks read ahead of the one being computed, and results that may wait to be written: the memory
        in use does not grow with the number of tasks.
    """

    workers: int = 2
    ahead: int = 2

    def run(
        self, tasks: Iterable[T], load: Callable[[T], A], compute: Callable[[T, A], B], store: Callable[[T, B], C]
    ) -> Iterator[Outcome[T, C]]:
        """Yield one outcome per task, in order; errors that concern every task are raised."""
        pending = iter(tasks)
        reading: deque[tuple[T, Future[A]]] = deque()
        writing: deque[tuple[T, Future[C]]] = deque()
        readers = ThreadPoolExecutor(self.workers, "read")
        writers = ThreadPoolExecutor(self.workers, "write")
        with readers, writers:
            try:
                while True:
                    fresh = islice(pending, self.ahead - len(reading))
                    reading.extend((task, readers.submit(load, task)) for task in fresh)
                    while writing and (not reading or len(writing) > self.ahead):
                        yield _outcome(*writing.popleft())
                    if not reading:
                        return
                    task, loaded = reading.popleft()
                    writing.append((task, _computed(task, loaded, compute, store, writers)))
            finally:
                for _, future in (*reading, *writing):
                    future.cancel()


def _computed(
    task: Any, loaded: Future[Any], compute: Callable[..., Any], store: Callable[..., Any], writers: ThreadPoolExecutor
) -> Future[Any]:
    """Compute here and hand the result to a writer; an error takes the result's place."""
    try:
        return writers.submit(store, task, compute(task, loaded.result()))
    except Exception as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed


def _outcome(task: T, future: Future[C]) -> Outcome[T, C]:
    try:
        return Outcome(task, future.result())
    except (UsageError, PluginError):
        raise
    except RestorekitError as error:
        return Outcome(task, None, str(error))
    except Exception as error:  # a bug or a stranger's code: one image's failure all the same
        return Outcome(task, None, f"unexpected {type(error).__name__}: {error}; please report it")
