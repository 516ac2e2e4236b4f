"""Facts about the engine of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import pytest

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.execution import LocalEngine, Outcome


class Stages(NamedTuple):
    """A job of three functions."""

    read: Callable
    compute: Callable
    write: Callable


def load(task):
    return task * 10


def compute(task, loaded):
    return loaded + 1


def store(task, computed):
    return computed * 2


def test_outcomes_come_in_order_through_all_three_stages():
    found = list(LocalEngine(3, 2).run(range(20), Stages(load, compute, store)))
    assert found == [Outcome(t, (t * 10 + 1) * 2) for t in range(20)]


def test_no_task_is_no_outcome():
    assert list(LocalEngine().run([], Stages(load, compute, store))) == []


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
@pytest.mark.parametrize("error", [ImageError("bad file"), ValueError("a bug")])
def test_one_bad_task_leaves_the_others_alone(stage, error):
    def fail(task, value=None):
        if task == 2:
            raise error
        return task

    stages = Stages(load, compute, store)._replace(**{stage: fail})
    found = list(LocalEngine().run(range(5), stages))
    assert [o.task for o in found if o.error] == [2]
    assert str(error) in found[2].error


def test_wrong_usage_stops_everything():
    def refuse(task, loaded):
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        list(LocalEngine().run(range(5), Stages(load, refuse, store)))


def test_reading_goes_on_while_the_main_thread_computes():
    second = threading.Event()

    def reading(task):
        if task == 1:
            second.set()
        return task

    def computing(task, loaded):
        return second.wait(30)

    first = next(LocalEngine().run(range(2), Stages(reading, computing, lambda task, seen: seen)))
    assert first.result is True


def held_at_most(engine, weights):
    """Run tasks of given weights; return the largest total that was read and not yet written at any time."""
    lock, now, peak = threading.Lock(), [0], [0]

    def loading(task):
        with lock:
            now[0] += weights[task]
            peak[0] = max(peak[0], now[0])

    def storing(task, computed):
        with lock:
            now[0] -= weights[task]

    list(engine.run(range(len(weights)), Stages(loading, lambda task, loaded: None, storing)))
    return peak[0]


def test_tasks_in_flight_never_weigh_more_than_allowed_but_for_one_alone():
    weights = [1, 1, 1, 3, 7, 1, 2, 2, 2, 5]
    engine = LocalEngine(2, 4, weigh=lambda task: weights[task], most=4)
    assert held_at_most(engine, weights) <= 7
    light = [1, 2, 1, 2, 3, 1]
    assert held_at_most(LocalEngine(2, 4, weigh=lambda task: light[task], most=4), light) <= 4


def test_ctrl_c_stops_without_starting_what_was_waiting():
    stored = []

    def computing(task, loaded):
        if task == 3:
            raise KeyboardInterrupt
        return task

    with pytest.raises(KeyboardInterrupt):
        list(LocalEngine(1, 1).run(range(100), Stages(load, computing, lambda task, value: stored.append(task))))
    assert set(stored) <= {0, 1, 2}
