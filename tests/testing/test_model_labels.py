"""Each check fails on a model that knows classes with that one fault, in a sentence."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from restorekit.core.distributions import DiagonalGaussian
from restorekit.models import VAE
from restorekit.testing import build, check_model, model_labels
from restorekit.testing.model_labels import LABEL_CHECKS
from tests._helpers.check_failures import caught
from tests._helpers.tiny_model import Tiny


@dataclass(frozen=True)
class ToldConfig:
    width: int = 4
    classes: int = 0


class Told(Tiny):
    """Shifts its mean by class; the last shift is for those unknown."""

    Config = ToldConfig

    def __init__(self, config):
        super().__init__(config)
        self.shift = nn.Embedding(config.classes + 1, 1)

    def index(self, label):
        return torch.where(label < 0, self.config.classes, label)

    def look(self, observation, corruption):
        found, label = super().look(observation, corruption), observation.label
        label = torch.full((len(observation),), -1, device=observation.y.device) if label is None else label
        return DiagonalGaussian(found.mu + self.shift(self.index(label))[:, :, None, None], found.logvar)


class Raw(Told):
    def index(self, label):
        return label


class Indexes(Told):
    def index(self, label):
        label = label.clone()
        label[label < 0] = self.config.classes
        return label[label >= 0]


class Mistakes(Told):
    """Takes those unknown for class 0, where they are said to be so."""

    def look(self, observation, corruption):
        found = Tiny.look(self, observation, corruption)
        if observation.label is None:
            return found
        return DiagonalGaussian(found.mu + self.shift(observation.label.clamp_min(0))[:, :, None, None], found.logvar)


class Deaf(Told):
    def index(self, label):
        return torch.zeros_like(label)


BROKEN = [
    (model_labels.learns_from_labels, Raw),
    (model_labels.learns_from_labels, Indexes),
    (model_labels.restores_without_labels, Mistakes),
    (model_labels.listens_to_labels, Deaf),
]


def test_a_sound_model_passes():
    check_model(Told)


@pytest.mark.parametrize("check", LABEL_CHECKS)
def test_models_without_classes_and_unconditional_ones_pass(check):
    check(build(Tiny))
    check(build(VAE, VAE.Config(hidden=(8, 8), latent=2)))


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_model_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    assert {*LABEL_CHECKS} == {check for check, _ in BROKEN}
