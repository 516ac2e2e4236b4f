"""Each check passes what is sound, and fails on a sampler with that one fault, in a sentence."""

from dataclasses import replace

import pytest
import torch

from restorekit import Draws
from restorekit.core.contracts import LatentModel
from restorekit.samplers import Gibbs
from restorekit.testing import SAMPLER_CHECKS, check_sampler, sampler
from tests._helpers.check_failures import caught


class Mumbles(Gibbs):
    def refuse(self, model, corruption):
        return "no"


class TakesAll(Gibbs):
    def refuse(self, model, corruption):
        return None if not isinstance(model, LatentModel) else super().refuse(model, corruption)


class GoesOn(Gibbs):
    def __call__(self, model, corruption, observation, n, rng):
        return Draws(observation.y[None], None)


class Declines(Gibbs):
    def refuse(self, model, corruption):
        return "this sampler works with nothing at all; choose another one"


class Flat(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean.flatten(0, 1), None)


class Drifts(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean + 0.1 * torch.rand(()), draws.variance)


class Leans(Gibbs):
    def __call__(self, model, corruption, observation, n, rng):
        draws = super().__call__(model, corruption, observation, n, rng)
        return Draws(draws.mean - draws.mean.mean(), draws.variance)


class Overwrites(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(0.9 * draws.mean, draws.variance)


class Unnamed(Gibbs):
    """Has a name that is none."""

    name = ""


class Undocumented(Gibbs):
    pass


class Boasts(Gibbs):
    """Says how well it suits in words."""

    def merit(self, model):
        return "very"


class Doubles(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean.double(), draws.variance)


class Tells(Gibbs):
    def __call__(self, *args):
        return super().__call__(*args)._replace(diagnostics={"steps": torch.tensor(3)})


class Scribbles(Gibbs):
    def __call__(self, model, corruption, observation, n, rng):
        draws = super().__call__(model, corruption, observation, n, rng)
        observation.y.mul_(0.9)
        return draws


class Ignores(Gibbs):
    def __call__(self, model, corruption, observation, n, rng):
        blank = replace(observation, y=torch.where(observation.observed, 0.5, 0.0))
        return super().__call__(model, corruption, blank, n, rng)


class Drops(Gibbs):
    def __call__(self, model, corruption, observation, n, rng):
        return super().__call__(model, corruption, replace(observation, label=None), n, rng)


class Gray(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean[:, :, :1], None)


BROKEN = [
    (sampler.declares_itself, Unnamed),
    (sampler.declares_itself, Undocumented),
    (sampler.declares_itself, Boasts),
    (sampler.draws_in_the_shape_of_x, Doubles),
    (sampler.draws_in_the_shape_of_x, Tells),
    (sampler.repeats_itself, Scribbles),
    (sampler.listens_to_what_was_observed, Ignores),
    (sampler.passes_labels_on, Drops),
    (sampler.accepts_models_of_every_kind, Gray),
    (sampler.refuses_in_a_sentence, Mumbles),
    (sampler.refuses_in_a_sentence, TakesAll),
    (sampler.refuses_in_a_sentence, GoesOn),
    (sampler.accepts_something, Declines),
    (sampler.draws_in_the_shape_of_x, Flat),
    (sampler.repeats_itself, Drifts),
    (sampler.repeats_itself, Leans),
    (sampler.ignores_the_batch, Leans),
    (sampler.keeps_what_is_exact, Overwrites),
]


def test_a_sound_sampler_passes_as_class_and_as_instance():
    check_sampler(Gibbs(sweeps=1))


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_sampler_is_caught(check, cls):
    caught(check, cls(sweeps=1))


def test_every_check_has_been_seen_to_fail():
    assert {*SAMPLER_CHECKS} == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_sampler(Mumbles)
