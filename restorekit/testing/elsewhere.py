"""The check that a corruption works on a GPU, which is pretended."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.testing.device import GPU, Pretended, stops, there
from restorekit.testing.facts import expect, name_of, names, pictures, promise, tensors
from restorekit.types import Observation


@promise
def works_on_a_gpu(corruption: Corruption) -> None:
    """Expect every tensor on the device of x, a pretended GPU, of the observation, its density and its first guess."""
    x, found = there(pictures(2, 3, 16, 16)), dict[str, Tensor]()
    seen: list[Observation] = []

    def back(o: Observation) -> None:
        if (operator := corruption.operator(o)) is not None:
            found["operator.adjoint"] = operator.adjoint(operator.apply(x))

    def score(o: Observation) -> None:
        found.update({} if (value := corruption.log_prob(o, x)) is None else {"log_prob": value})

    _on_a_gpu(corruption, lambda: seen.append(corruption(x, Pretended(0, names(2)))))
    for o in seen:
        found.update(tensors(o))
        for ask in (back, score, lambda o: found.update(first_guess=corruption.first_guess(o))):
            _on_a_gpu(corruption, functools.partial(ask, o))
    for name, value in found.items():
        here = str(value.device) == GPU
        expect(here, f"{name_of(corruption)}: {name} must stay on the device of x (here {GPU}), got {value.device}")


def _on_a_gpu(corruption: Corruption, work: Callable[[], object]) -> None:
    stop = stops(work)
    expect(
        stop is None or stop.looked,
        f"{name_of(corruption)} must work on a GPU, but it stopped with {stop and stop.text}; give "
        "noise.normal and what makes tensors x.device",
    )
