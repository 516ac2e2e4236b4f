"""Each check passes what is sound, and fails on a metric with that one fault, in a sentence."""

import math

import pytest
import torch

from restorekit.core.errors import UndefinedMetricError
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.testing import METRIC_CHECKS, check_metric, metric
from tests._helpers.check_failures import caught


class Undocumented(PSNR):
    pass


class Sideways(PSNR):
    """Is best somewhere."""

    better = "sideways"


class Tensorial(PSNR):
    def __call__(self, restoration, reference, observation):
        return (restoration.mmse - reference).square().mean()


class Undefined(PSNR):
    def __call__(self, restoration, reference, observation):
        missing = ~observation.observed.expand_as(reference)
        return float((restoration.mmse - reference)[missing].abs().mean()) if reference.shape[1] else math.nan


class NeedsDraws(PSNR):
    def __call__(self, restoration, reference, observation):
        return float(restoration.draws.var())


class Speechless(PSNR):
    def __call__(self, restoration, reference, observation):
        return None if restoration.draws is None else super().__call__(restoration, reference, observation)


class Talkative(PSNR):
    def __call__(self, restoration, reference, observation):
        raise UndefinedMetricError("today\nit does not please me")


class Dreams(PSNR):
    def __call__(self, restoration, reference, observation):
        return super().__call__(restoration, reference, observation) + float(torch.rand(()))


class Clamps(PSNR):
    def __call__(self, restoration, reference, observation):
        restoration.mmse.mul_(0.5)
        return super().__call__(restoration, reference, observation)


class Backwards(PSNR):
    better = "lower"


BROKEN = [
    (metric.declares_itself, Undocumented),
    (metric.declares_itself, Sideways),
    (metric.gives_one_number, Tensorial),
    (metric.gives_one_number, Undefined),
    (metric.gives_one_number, NeedsDraws),
    (metric.says_why_there_is_none, Speechless),
    (metric.says_why_there_is_none, Talkative),
    (metric.repeats_itself, Dreams),
    (metric.repeats_itself, Clamps),
    (metric.prefers_what_is_nearer, Backwards),
]


def test_a_sound_metric_passes_as_class_and_as_instance():
    check_metric(PSNR)
    check_metric(PSNR())


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_metric_is_caught(check, cls):
    caught(check, cls())


def test_every_check_has_been_seen_to_fail():
    assert {*METRIC_CHECKS} == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_metric(Backwards)
