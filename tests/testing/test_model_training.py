"""Each check fails on a model that a training would stumble over, in a sentence."""

import pytest
import torch

from restorekit import Terms
from restorekit.core.distributions import DiagonalGaussian
from restorekit.testing import build, model_training
from restorekit.testing._cases import TwoLevels
from restorekit.testing.model_training import TRAINING_CHECKS
from tests._helpers.check_failures import caught
from tests._helpers.tiny_model import Tiny


def _terms(loss):
    return Terms(loss, {"distortion": loss.detach()})


class CountsSeen(Tiny):
    def terms(self, batch, rng, group="model"):
        o = batch.observation
        error = self.look(o, batch.corruption).mean - batch.x
        return _terms((error**2 * o.observed).sum() / o.observed.sum())


class WholeBatch(Tiny):
    def terms(self, batch, rng, group="model"):
        return _terms((self.look(batch.observation, batch.corruption).mean - batch.x).std(0).sum())


class Weighted(TwoLevels):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(parts={**terms.parts, "nelbo": terms.parts["distortion"] + 2 * terms.parts["rate"]})


class Overwrites(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        batch.x.clamp_(0.2, 0.8)
        return terms


class Views(Tiny):
    def look(self, observation, corruption):
        self.net(observation.initial_estimate(corruption).repeat(1, 2, 1, 1)).view(len(observation), -1)
        return super().look(observation, corruption)


class Scatters(Tiny):
    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        same = torch.zeros_like(observation.y).scatter_(1, torch.zeros_like(found.mu, dtype=torch.long), found.mu)
        return DiagonalGaussian(same, found.logvar)


class NeedsStep(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(loss=terms.loss * min(1.0, batch.step / 10))


class NeedsSigma(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        share = batch.observation.sigma.mean()
        return Terms(terms.loss * (1 + share), {"distortion": terms.parts["distortion"] * (1 + share)})


BROKEN = [
    (model_training.learns_from_any_batch, CountsSeen),
    (model_training.learns_from_any_batch, WholeBatch),
    (model_training.adds_up_its_parts, Weighted),
    (model_training.leaves_its_batch_alone, Overwrites),
    (model_training.trains_in_half_precision, Views),
    (model_training.trains_in_half_precision, Scatters),
    (model_training.can_be_validated, NeedsStep),
    (model_training.can_be_validated, NeedsSigma),
]


@pytest.mark.parametrize("check", TRAINING_CHECKS)
@pytest.mark.parametrize("cls", [Tiny, TwoLevels])
def test_a_sound_model_passes(check, cls):
    check(build(cls))


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_model_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    assert {*TRAINING_CHECKS} == {check for check, _ in BROKEN}
