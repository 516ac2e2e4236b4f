"""Each check passes what is sound, and fails on a detector with that one fault, in a sentence."""

import pytest
import torch

from restorekit import Detector
from restorekit.testing import DETECTOR_CHECKS, check_detector, detector
from tests._helpers.check_failures import caught


class Bright(Detector):
    """Takes bright pixels for damage."""

    name = "bright"

    def probability(self, observation, rng):
        return observation.y.mean(1, keepdim=True).clamp(0, 1)


class Undocumented(Bright):
    pass


class Coloured(Bright):
    def probability(self, observation, rng):
        return observation.y[..., 1:].clamp(0, 1)


class Odds(Bright):
    def probability(self, observation, rng):
        p = super().probability(observation, rng)
        return p / (1 - p).clamp_min(1e-3)


class Doubles(Bright):
    def probability(self, observation, rng):
        return super().probability(observation, rng).double()


class Ranks(Bright):
    def probability(self, observation, rng):
        p = super().probability(observation, rng)
        return p / p.max()


class Scribbles(Bright):
    def probability(self, observation, rng):
        observation.y[0, 0, 0, 0] = 1.0
        return super().probability(observation, rng)


class Dreams(Bright):
    def probability(self, observation, rng):
        return super().probability(observation, rng) * torch.rand(1)


class Counts(Bright):
    calls = 0

    def probability(self, observation, rng):
        self.calls += 1
        return super().probability(observation, rng) / self.calls


class Divides(Bright):
    def probability(self, observation, rng):
        return super().probability(observation, rng) / observation.observed


BROKEN = [
    (detector.declares_itself, Undocumented),
    (detector.gives_a_probability_for_each_pixel, Coloured),
    (detector.gives_a_probability_for_each_pixel, Odds),
    (detector.gives_a_probability_for_each_pixel, Doubles),
    (detector.ignores_the_batch, Ranks),
    (detector.leaves_its_input_alone, Scribbles),
    (detector.leaves_its_input_alone, Dreams),
    (detector.repeats_itself, Counts),
    (detector.accepts_images_with_gaps, Divides),
]


def test_a_sound_detector_passes_as_class_and_as_instance():
    check_detector(Bright)
    check_detector(Bright())


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_detector_is_caught(check, cls):
    caught(check, cls())


def test_every_check_has_been_seen_to_fail():
    assert {*DETECTOR_CHECKS} == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_detector(Odds)
