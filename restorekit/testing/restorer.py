"""Checks of restorers: one observation in, one restoration of the same image out."""

from __future__ import annotations

from collections.abc import Callable

import torch

from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.errors import RestorekitError, UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration
from restorekit.corruptions import Gaussian, Missing
from restorekit.testing._assertions import (
    copied,
    described,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    promise,
    random_images,
    same_as_before,
    unobserved,
)

SHAPES = ((1, 17, 23), (3, 16, 16), (1, 7, 5))  # channels, height, width


def check_restorer(restorer: type[Restorer] | Restorer) -> None:
    """Check everything that a restorer promises.

    Parameters
    ----------
    restorer : Restorer, or a class of them
        A class is made with its defaults.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for check in RESTORER_CHECKS:
        check(restorer() if isinstance(restorer, type) else restorer)


@promise
def declares_itself(restorer: Restorer) -> None:
    """Expect a name, a docstring, and an answer to which corruptions it is meant for."""
    described(restorer)
    for corruption in (Gaussian(0.1), Missing(0.5)):
        said = restorer.is_applicable(corruption)
        expect(
            isinstance(said, bool),
            f"{name_of(restorer)}.is_applicable must return True or False for {corruption}, got {said!r}",
        )


@promise
def restores_in_the_shape_of_x(restorer: Restorer) -> None:
    """Expect finite float32 estimates in x's shape of odd sizes, gray and colour, and where nothing was observed."""
    for corruption, o in _scenes(restorer):
        for observation in (o, unobserved(o)):
            found = _answer(restorer, observation, corruption)
            if found is None:
                continue
            wanted = (len(observation), *observation.shape)
            who = f"{name_of(restorer)} for an image of shape {observation.shape}"
            got = tuple(found.mmse.shape)
            expect(got == wanted, f"{who}: mmse must be {wanted}, got {got}; y is {tuple(observation.y.shape)}")
            expect(found.mmse.dtype == torch.float32, f"{who}: mmse must be float32, got {found.mmse.dtype}")
            expect(bool(found.mmse.isfinite().all()), f"{who}: mmse must be finite, got NaN or infinity")
            spread = found.std is None or (found.std.shape == wanted and bool((found.std >= 0).all()))
            expect(spread, f"{who}: std must be None, or not negative and of mmse's shape {wanted}")


@promise
def keeps_what_is_exact(restorer: Restorer) -> None:
    """Expect what was observed without noise to come back bit for bit."""
    for corruption, o in _scenes(restorer):
        found = _answer(restorer, o, corruption)
        if found is not None:
            kept = torch.equal(o.keep_known(found.mmse, o.y), found.mmse)
            expect(
                kept,
                f"{name_of(restorer)} with {corruption} must give back what was observed where sigma is 0, bit for bit"
                "; return observation.keep_known(result, observation.y)",
            )


@promise
def leaves_its_input_alone(restorer: Restorer) -> None:
    """Expect the observation to be afterwards what it was, and nothing drawn from global generators."""
    for corruption, o in _scenes(restorer):
        before = copied(o)
        with global_randomness_untouched(name_of(restorer)):
            _answer(restorer, o, corruption)
        same_as_before(restorer, before, copied(o), "a call")


@promise
def repeats_itself(restorer: Restorer) -> None:
    """Expect the same estimate of the same observation and noise."""
    for corruption, o in _scenes(restorer):
        first, second = (_answer(restorer, o, corruption) for _ in range(2))
        same = first is None or second is None or torch.equal(first.mmse, second.mmse)
        expect(
            same,
            f"{name_of(restorer)} must repeat itself, but gives another estimate; draw from the passed Rng",
        )


@promise
def draws_or_says_that_it_cannot(restorer: Restorer) -> None:
    """Expect draws where they are asked for, (S, B, C, H, W), or a UsageError that speaks of draws or samples."""
    corruption, o = next(iter(_scenes(restorer)))
    try:
        found = restorer(o, corruption, 2, Rng(0, names(len(o))))
    except UsageError as error:
        explained = "draws" in str(error) or "samples" in str(error)
        expect(explained, f"{name_of(restorer)} must say of draws or samples that it gives none, got {str(error)!r}")
        return
    wanted = (2, len(o), *o.shape)
    got = None if found.draws is None else tuple(found.draws.shape)
    expect(
        got == wanted,
        f"{name_of(restorer)} asked for 2 draws must give draws of shape {wanted}, got {got}; raise UsageError where "
        "it gives none",
    )


RESTORER_CHECKS: tuple[Callable[[Restorer], None], ...] = (
    declares_itself,
    restores_in_the_shape_of_x,
    keeps_what_is_exact,
    leaves_its_input_alone,
    repeats_itself,
    draws_or_says_that_it_cannot,
)


def _scenes(restorer: Restorer) -> list[tuple[Corruption, Observation]]:
    """Return a corruption that the restorer is meant for, and observations under it."""
    corruption = next((c for c in (Gaussian(0.1), Missing(0.5)) if restorer.is_applicable(c)), Missing(0.2))
    shapes = [shape for shape in SHAPES if shape[0] in restorer.geometry.channels]
    return [(corruption, corruption(random_images(1, *shape), Rng(0, names(1)))) for shape in shapes]


def _answer(restorer: Restorer, o: Observation, corruption: Corruption) -> Restoration | None:
    """Return the restoration; None where the restorer says in a sentence that it cannot."""
    try:
        return restorer(o, corruption, 0, Rng(0, names(len(o))))
    except RestorekitError:
        return None
