"""How a training ends before its end: because a signal asks it to, or because something breaks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from restorekit.core.errors import PluginError, UsageError
from restorekit.core.plugins.boundary import error_message, owner_suffix
from restorekit.training.job import Job
from restorekit.training.resume import State


@dataclass
class Stop:
    """Which signal asked to stop, once one has."""

    signal: int | None = None


@contextmanager
def asked_to_stop() -> Iterator[Stop]:
    """Turn the first SIGINT or SIGTERM into a request to save and stop; a second one acts as usual."""
    stop = Stop()
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_whole(job: Job, state: State, save: Callable[[], None], processes: int) -> Iterator[None]:
    """Where something breaks between two updates, save what they made; say in any case how to go on.

    Parameters
    ----------
    job, state : Job, State
        The training; of a broken plugin the traceback goes into its folder.
    save : callable
        Saves it. It waits for all processes, and is left alone where there are others, which go on unharmed.
    processes : int
        Over which the training is spread.
    """
    try:
        yield
    except Exception as error:
        new = state.whole and state.step != (state.saved or 0)
        if new and processes == 1 and not isinstance(error, UsageError):
            save()
        how = "nothing was saved yet, so start again once that is mended"
        if state.saved is not None:
            how = f"{job.run} holds the training as of step {state.saved}, so go on with --resume once that is mended"
        if not isinstance(error, PluginError):  # a fault of our own, or a sentence that says what to do
            error.add_note(how)
            raise
        raise PluginError(f"{error_message(error, job.run)}; {how}") from None


def refuse_to_learn_nothing(state: State) -> None:
    """Stop a training of which no update so far had finite gradients: none will, as the weights stay what they are."""
    for group in state.groups:
        if state.step and float(group.skipped) == state.step:
            who = f"{group.name!r} of the model {state.model.name!r}{owner_suffix(state.model)}"
            raise UsageError(
                f"the gradients of {who} were not finite in any of the {state.step} updates, and nothing was learnt; "
                "look for NaN in the images, for a lower lr or other settings with --set, or at the model's terms"
            )
