"""Each check passes what is sound, and fails on a restorer with that one fault, in a sentence."""

import pytest
import torch

from restorekit import Restoration, Restorer
from restorekit.core.errors import UsageError
from restorekit.testing import RESTORER_CHECKS, check_restorer, restorer
from tests._helpers.check_failures import caught


class Fills(Restorer):
    """Interpolates what is missing."""

    name = "fills"

    def __call__(self, observation, corruption, n, rng):
        if n:
            raise UsageError(f"{self.name} makes no draws; ask for 0")
        return Restoration(observation.keep_known(self.mean(observation, corruption), observation.y))

    def mean(self, observation, corruption):
        return observation.initial_estimate(corruption)

    def is_applicable(self, corruption):
        return corruption.hides


class Undocumented(Fills):
    pass


class Hesitates(Fills):
    """Does not say what it is for."""

    def is_applicable(self, corruption):
        return None


class Shrinks(Fills):
    def __call__(self, observation, corruption, n, rng):
        return Restoration(super().__call__(observation, corruption, n, rng).mmse[..., 1:])


class Doubles(Fills):
    def __call__(self, observation, corruption, n, rng):
        return Restoration(super().__call__(observation, corruption, n, rng).mmse.double())


class Averages(Fills):
    def mean(self, observation, corruption):
        return (observation.y.sum() / observation.observed.sum()).expand_as(observation.y)


class Trusts(Fills):
    def __call__(self, observation, corruption, n, rng):
        return Restoration(super().__call__(observation, corruption, n, rng).mmse, -torch.ones_like(observation.y))


class Rounds(Fills):
    def __call__(self, observation, corruption, n, rng):
        return Restoration((super().__call__(observation, corruption, n, rng).mmse * 255).round() / 255)


class Scribbles(Fills):
    def mean(self, observation, corruption):
        observation.y.add_(0.1)
        return observation.y


class Dreams(Fills):
    def mean(self, observation, corruption):
        return torch.rand_like(observation.y)


class Counts(Fills):
    calls = 0

    def mean(self, observation, corruption):
        Counts.calls += 1
        return torch.full_like(observation.y, 1 / Counts.calls)


class Silent(Fills):
    def __call__(self, observation, corruption, n, rng):
        return super().__call__(observation, corruption, 0, rng)


class Curt(Fills):
    def __call__(self, observation, corruption, n, rng):
        if n:
            raise UsageError("no")
        return super().__call__(observation, corruption, n, rng)


BROKEN = [
    (restorer.declares_itself, Undocumented),
    (restorer.declares_itself, Hesitates),
    (restorer.restores_in_the_shape_of_x, Shrinks),
    (restorer.restores_in_the_shape_of_x, Doubles),
    (restorer.restores_in_the_shape_of_x, Averages),
    (restorer.restores_in_the_shape_of_x, Trusts),
    (restorer.keeps_what_is_exact, Rounds),
    (restorer.leaves_its_input_alone, Scribbles),
    (restorer.leaves_its_input_alone, Dreams),
    (restorer.repeats_itself, Counts),
    (restorer.draws_or_says_that_it_cannot, Silent),
    (restorer.draws_or_says_that_it_cannot, Curt),
]


def test_a_sound_restorer_passes_as_class_and_as_instance():
    check_restorer(Fills)
    check_restorer(Fills())


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_restorer_is_caught(check, cls):
    caught(check, cls())


def test_every_check_has_been_seen_to_fail():
    assert {*RESTORER_CHECKS} == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_restorer(Silent)
