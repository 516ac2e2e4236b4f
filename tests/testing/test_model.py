"""Each check passes what is sound, and fails on a model with that one fault, in a sentence."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from restorekit import Batch, Rng, Terms
from restorekit.testing import MODEL_CHECKS, build, check_model, model
from restorekit.testing.model_labels import LABEL_CHECKS
from restorekit.testing.model_restoration import RESTORING_CHECKS
from restorekit.testing.model_training import SELF_SUPERVISED_CHECKS, TRAINING_CHECKS
from tests._helpers.check_failures import caught
from tests._helpers.linear_gaussian import PCA
from tests._helpers.linear_hierarchy import Ladder
from tests._helpers.tiny_model import Tiny, TinyConfig


class Two(Tiny):
    """Two parameter groups, each with an objective of its own."""

    name = "two"

    def param_groups(self):
        return {"net": list(self.net.parameters()), "head": list(self.head.parameters())}


class Thaws(Tiny):
    """Has settings that can be changed afterwards."""

    Config = dataclass(type("Config", (), {"__annotations__": {"width": int}, "width": 4}))


class Forgets(Tiny):
    def param_groups(self):
        return {"model": list(self.net.parameters())}


class PerImage(Tiny):
    def terms(self, batch, rng, group="model"):
        score = -self.look(batch.observation, batch.corruption).log_prob(batch.x)
        return Terms(score, {"distortion": score.detach().mean()})


class Attached(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return Terms(terms.loss, {"distortion": terms.loss})


class Explodes(Tiny):
    def terms(self, batch, rng, group="model"):
        return super().terms(batch, rng, group)._replace(loss=self.net.weight.sum() / 0)


class Dreams(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(loss=terms.loss * torch.rand(()))


class Waits(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(loss=terms.loss / max(1.0, float(batch.observation.observed.sum())))


class Picks(Tiny):
    def terms(self, batch, rng, group="model"):
        error = self.look(batch.observation, batch.corruption).mean - batch.x
        loss = (error[~batch.observation.observed] ** 2).mean()
        return Terms(loss, {"distortion": loss.detach()})


class Idle(Tiny):
    def __init__(self, config):
        super().__init__(config)
        self.unused = nn.Parameter(torch.zeros(3))


class RootOfZero(Tiny):
    def terms(self, batch, rng, group="model"):
        mean = self.look(batch.observation, batch.corruption).mean
        loss = ((mean - mean.detach()) ** 2).sum().sqrt()
        return Terms(loss, {"distortion": loss.detach()})


class Homebound(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(loss=terms.loss + (self.head.bias * torch.ones(2)).sum())


class ReadsItself(Tiny):
    def terms(self, batch, rng, group="model"):
        terms = super().terms(batch, rng, group)
        return terms._replace(loss=terms.loss * max(1.0, float(self.head.bias.detach()[0])))


@dataclass(frozen=True)
class ListConfig:
    widths: list | None = None
    width: int = 4


class Listed(Tiny):
    """Has a setting that nobody can type."""

    Config = ListConfig


class Undocumented(Tiny):
    pass


class Shouts(Tiny):
    """Has a name that nobody would type."""

    name = "Tiny Model"


class Strange(Tiny):
    """Has a preset of something else."""

    presets: ClassVar[dict] = {"large": {"width": 8, "height": 3}}


class Diagnoses(Tiny):
    def diagnose(self, batch: Batch, rng: Rng):
        return {"kl": torch.zeros(3)}


BROKEN = [
    (model.declares_itself, Thaws),
    (model.declares_itself, Listed),
    (model.declares_itself, Undocumented),
    (model.declares_itself, Shouts),
    (model.declares_itself, Strange),
    (model.works_on_a_gpu, Homebound),
    (model.never_waits_for_the_device, ReadsItself),
    (model.groups_its_parameters, Forgets),
    (model.has_a_scalar_objective, PerImage),
    (model.has_a_scalar_objective, Attached),
    (model.has_a_scalar_objective, Explodes),
    (model.repeats_its_objective, Dreams),
    (model.never_waits_for_the_device, Waits),
    (model.never_waits_for_the_device, Picks),
    (model.trains_every_parameter, Idle),
    (model.trains_every_parameter, RootOfZero),
    (model.diagnoses_in_scalars, Diagnoses),
]


@pytest.mark.parametrize("cls", [Tiny, Two, PCA, Ladder])
def test_sound_models_pass_without_being_registered(cls):
    check_model(cls)


def test_a_config_can_be_given():
    check_model(Tiny, TinyConfig(width=2))


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_model_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    others = {*RESTORING_CHECKS, *SELF_SUPERVISED_CHECKS, *TRAINING_CHECKS, *LABEL_CHECKS}
    assert {*MODEL_CHECKS} - others == {check for check, _ in BROKEN}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        check_model(Idle)
