from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from restorekit import Terms
from restorekit.testing import build, model_training
from tests._helpers.check_failures import caught
from tests._helpers.tiny_model import Tiny


class Learns(Tiny):
    """Is shown half of what was observed and scored on the rest."""

    self_supervised: ClassVar[dict] = {}

    def terms(self, batch, rng, group="model"):
        if batch.x is not None:
            return super().terms(batch, rng, group)
        o, half = batch.observation, torch.arange(batch.observation.y.shape[3]) % 2 == 0
        found = self.look(replace(o, y=o.y * half, observed=o.observed & half), batch.corruption)
        return Terms(-found.log_prob(o.y, o.observed & ~half).mean(), {})


class Peeks(Learns):
    def terms(self, batch, rng, group="model"):
        score = -self.look(batch.observation, batch.corruption).log_prob(batch.observation.y).mean()
        return Terms(score, {})


class Detached(Learns):
    def terms(self, batch, rng, group="model"):
        return Terms(super().terms(batch, rng, group).loss.detach(), {})


@dataclass(frozen=True)
class Noisy:
    width: int = 4
    noise: float = 0.0


class Mute(Learns):
    Config = Noisy


BROKEN = [
    (model_training.learns_from_degraded_images, Peeks),
    (model_training.learns_from_degraded_images, Detached),
    (model_training.tells_its_noise, Mute),
]


@pytest.mark.parametrize("cls", [Tiny, Learns])
@pytest.mark.parametrize("check", model_training.SELF_SUPERVISED_CHECKS)
def test_a_sound_model_passes(check, cls):
    check(build(cls))


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_model_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    assert set(model_training.SELF_SUPERVISED_CHECKS) == {check for check, _ in BROKEN}
