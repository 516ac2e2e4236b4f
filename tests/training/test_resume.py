"""Facts about restorekit.training.resume; that a resumed training is the same one stands in test_train.py."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from restorekit import testing
from restorekit.core.errors import CheckpointError
from restorekit.models import VAE, checkpoint
from restorekit.models.checkpoint import Card
from restorekit.training import optimizers
from restorekit.training.config import Recipe
from restorekit.training.resume import State, refuse_other, restore_state, rewind, save_state
from tests._helpers.mutations import mutations

MODEL = testing.build(VAE, VAE.Config(channels=1, hidden=(4, 4), latent=2))
DATA = checkpoint.TrainingData(images=5, range="auto", fingerprint="a" * 64, held_out=["a.png"])
CARD = dataclasses.replace(
    checkpoint.describe(MODEL), recipe=dataclasses.asdict(Recipe()), data=DATA, label_names=("a", "b"), start="x 1",
    command="first",
)  # fmt: skip


def _saved(path, card):
    groups = optimizers.groups(MODEL, Recipe(), torch.device("cpu"))
    save_state(path / "state.safetensors", State(MODEL, MODEL, groups), card)
    return path / "state.safetensors"


def test_the_same_training_goes_on_with_its_start_and_the_new_command(tmp_path):
    card = refuse_other(_saved(tmp_path, CARD), dataclasses.replace(CARD, start="", command="second"))
    assert (card.start, card.command) == ("x 1", "second")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"corruptions": ("clean",)}, r'corruptions was \[\] and is \["clean"\]'),
        ({"label_names": ("a", "c")}, "class names was"),
        ({"recipe": dataclasses.asdict(Recipe(lr=0.5))}, "lr was 0.0004 and is 0.5"),
        ({"config": {**CARD.config, "latent": 3}}, "latent was 2 and is 3"),
        ({"data": dataclasses.replace(DATA, fingerprint="b" * 64)}, "other images"),
        ({"data": dataclasses.replace(DATA, held_out=["b.png"])}, "validation images was"),
        ({"data": dataclasses.replace(DATA, range="0..9")}, 'range was "auto" and is "0..9"'),
    ],
)
def test_what_differs_is_named(tmp_path, changes, told):
    with pytest.raises(CheckpointError, match=told) as error:
        refuse_other(_saved(tmp_path, CARD), dataclasses.replace(CARD, **changes))
    assert "\n" not in str(error.value)


def test_what_an_older_state_does_not_say_is_not_compared(tmp_path):
    older = dataclasses.replace(CARD, recipe={}, label_names=())
    assert refuse_other(_saved(tmp_path, older), CARD).recipe == CARD.recipe


def test_a_state_with_a_damaged_card_or_moment_is_refused_with_a_sentence(tmp_path):
    path = _saved(tmp_path, CARD)
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, safe_open is no mapping
        whole = file.metadata()
    groups = optimizers.groups(MODEL, Recipe(), torch.device("cpu"))
    refused = 0
    for key in ("card", "state"):
        for i, data in enumerate(mutations(json.loads(whole[key]))):
            if i % 7 or data.isascii() is False:
                continue
            save_file(tensors, path, {**whole, key: data.decode()})
            try:
                refuse_other(path, CARD)
                restore_state(path, State(MODEL, MODEL, groups))
            except CheckpointError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 100


def test_a_model_file_is_no_state(tmp_path):
    checkpoint.save(tmp_path / "m.safetensors", MODEL.state_dict(), Card("vae", "r", "0", {}))
    with pytest.raises(CheckpointError, match="expected a training state"):
        refuse_other(tmp_path / "m.safetensors", CARD)


def test_going_back_to_a_step_leaves_nothing_of_later_ones(tmp_path):
    log, pictures = tmp_path / "log.jsonl", tmp_path / "previews"
    pictures.mkdir()
    for name in ("0000010.png", "0000020.png", "1000000.png", "mine.png"):
        (pictures / name).touch()
    lines = [json.dumps({"event": "step", "step": step}) for step in (10, 15, 20)]
    log.write_text("\n".join([*lines, '{"event": "st']))
    rewind(tmp_path, 15)
    assert log.read_text().splitlines() == lines[:2]
    assert sorted(p.name for p in pictures.iterdir()) == ["0000010.png", "mine.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "previews"]


def test_a_folder_without_a_log_can_go_back_too(tmp_path):
    rewind(tmp_path, 3)
    assert not list(tmp_path.iterdir())
