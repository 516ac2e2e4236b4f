"""Facts about restorekit.training.build."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from restorekit import testing
from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.models import CVAE, VAE, checkpoint
from restorekit.testing import _assertions
from restorekit.training.build import initial_model

SMALL = dict(CVAE.presets["small"])
SHAPE = (3, 24, 24)


@pytest.fixture
def file(tmp_path):
    """Weights that know two classes, not those of a random start."""
    model = testing.build(CVAE, CVAE.Config(**SMALL, classes=2))
    _assertions.perturb(model)
    card = dataclasses.replace(checkpoint.describe(model), label_names=("cat", "dog"))
    checkpoint.save(tmp_path / "m.safetensors", model.state_dict(), card)
    return tmp_path / "m.safetensors"


def first(model):
    return next(model.parameters())


def test_given_weights_bring_their_classes(file):
    begun = initial_model(CVAE, {}, str(file), 0, SHAPE, ())
    assert torch.equal(first(begun.model), first(checkpoint.load(file)[0]))
    assert begun.label_names == ("cat", "dog")
    assert begun.provenance == f"{file} {checkpoint.model_digest(file)}"


def test_settings_without_weights_may_change_and_others_not(file):
    begun = initial_model(CVAE, {"floor": 0.01}, str(file), 0, SHAPE, ())
    assert (begun.model.config.floor, begun.model.config.classes) == (0.01, 2)
    assert torch.equal(first(begun.model), first(checkpoint.load(file)[0]))
    with pytest.raises(UsageError, match="does not fit --set recogniser"):
        initial_model(CVAE, {"recogniser": 8}, str(file), 0, SHAPE, ())


def test_weights_of_another_model_are_refused(file):
    with pytest.raises(UsageError, match="use --model cvae"):
        initial_model(VAE, {}, str(file), 0, SHAPE, ())


def test_more_classes_than_the_weights_know_are_refused(file):
    with pytest.raises(UsageError, match="knows 2 classes and --labels finds 3; use --init none"):
        initial_model(CVAE, {}, str(file), 0, SHAPE, ("cat", "dog", "emu"))


def test_a_model_without_classes_refuses_labels():
    @dataclasses.dataclass(frozen=True)
    class Config:
        width: int = 1

    class Unlabelled(VAE):
        def __init__(self, config):
            super().__init__(VAE.Config(channels=3))
            self.config = config

        fit_config = classmethod(lambda cls, config, shape, classes: config)

    Unlabelled.Config = Config
    with pytest.raises(UsageError, match="the model 'vae' knows no classes and --labels finds 2; remove --labels"):
        initial_model(Unlabelled, {}, "none", 0, SHAPE, ("cat", "dog"))


@pytest.mark.parametrize(("names", "chosen"), [(("cat", "dog"), True), (("dog", "emu"), False), ((), False)])
def test_installed_weights_are_chosen_where_their_classes_are_the_same(file, monkeypatch, names, chosen):
    monkeypatch.setattr(registry, "weights", lambda: {"own": file})
    assert initial_model(CVAE, SMALL, "auto", 0, SHAPE, names).provenance.startswith("own ") == chosen


@pytest.mark.parametrize(
    ("changes", "chosen"), [({"latent_share": 0.06, "free_bits": 0.1}, True), ({"floor": 0.01}, False)]
)
def test_installed_weights_are_chosen_whatever_they_were_trained_for(file, monkeypatch, changes, chosen):
    monkeypatch.setattr(registry, "weights", lambda: {"own": file})
    begun = initial_model(CVAE, {**SMALL, **changes}, "auto", 0, SHAPE, ("cat", "dog"))
    assert begun.provenance.startswith("own ") == chosen
    assert torch.equal(first(begun.model), first(checkpoint.load(file)[0])) == chosen
    assert all(getattr(begun.model.config, name) == value for name, value in changes.items())


@pytest.mark.parametrize(("values", "init"), [(SMALL, "auto"), (SMALL, "none"), ({"floor": 0.01}, "file")])
def test_the_global_generator_is_left_alone(file, monkeypatch, values, init):
    monkeypatch.setattr(registry, "weights", lambda: {"own": file})
    before = torch.get_rng_state()
    initial_model(CVAE, values, str(file) if init == "file" else init, 3, SHAPE, ("cat", "dog"))
    assert torch.equal(torch.get_rng_state(), before)
