"""Early ends of a training: signals, errors, and gradients that are never finite."""

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
class StopRequest:
    """Signal that requested a stop; None before one arrives."""

    signal: int | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request to save and stop; a second one has its usual effect."""
    stop = StopRequest()
    before: dict[int, Any] = {}

    def request(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def save_on_error(job: Job, state: State, save: Callable[[], None], processes: int) -> Iterator[None]:
    """Save the training state if an update fails, and add to the error how to resume.

    Parameters
    ----------
    job, state : Job, State
        The training; the traceback of a broken plugin goes into its folder.
    save : callable
        Saves the state. It waits for all processes, so that it is not called if there are others, which go on.
    processes : int
        Number of processes of the training.
    """
    try:
        yield
    except Exception as error:
        is_new = state.complete and state.step != (state.saved or 0)
        if is_new and processes == 1 and not isinstance(error, UsageError):
            save()
        advice = "nothing was saved yet, so start again once that is fixed"
        if state.saved is not None:
            advice = f"{job.run} holds the training as of step {state.saved}, so go on with --resume once that is fixed"
        if not isinstance(error, PluginError):  # an error of restorekit, or a sentence with its own advice
            error.add_note(advice)
            raise
        raise PluginError(f"{error_message(error, job.run)}; {advice}") from None


def check_gradients(state: State) -> None:
    """Stop a training without a single finite gradient: its weights never change, so none will be finite.

    Raises
    ------
    UsageError
        Every update of a parameter group so far was skipped.
    """
    for group in state.groups:
        if state.step and float(group.skipped) == state.step:
            who = f"{group.name!r} of the model {state.model.name!r}{owner_suffix(state.model)}"
            raise UsageError(
                f"the gradients of {who} were not finite in any of the {state.step} updates, and nothing was learnt; "
                "look for NaN in the images, lower lr or change other settings with --set, or check the model's terms"
            )
