import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from restorekit import testing
from restorekit.core.errors import CheckpointError
from restorekit.core.plugins import registry
from restorekit.models import CVAE, VAE, checkpoint
from restorekit.models.checkpoint import Card
from restorekit.testing._assertions import perturb
from tests._helpers.mutations import mutations

SMALL = CVAE.Config(**CVAE.presets["small"])


@pytest.fixture
def model():
    built = testing.build(CVAE, SMALL)
    perturb(built)
    return built


@pytest.fixture
def saved(model, tmp_path):
    card = dataclasses.replace(
        checkpoint.describe(model), corruptions=("gaussian:sigma=0..50/255@2",), metrics={"psnr": 31.5}, seed=3,
        steps=7,
        data=checkpoint.TrainingData(images=3, held_out=["a", "b"]), licence="MIT", calibration={"levels": [0.1, 0.2]},
    )  # fmt: skip
    checkpoint.save(tmp_path / "m.safetensors", model.state_dict(), card)
    return tmp_path / "m.safetensors", card


def _with_card(path, target, **changes):
    """Write a copy of a model file with other words in its card; None takes a word out."""
    with safe_open(path, framework="pt") as file:
        weights = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118, safe_open is no mapping
        card = json.loads(file.metadata()["restorekit"])
    card = {k: v for k, v in {**card, **changes}.items() if v is not None}
    save_file(weights, target, {"restorekit": json.dumps(card)})
    return target


def _one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_a_model_comes_back_with_its_weights_its_config_and_its_card(model, saved):
    path, card = saved
    back, read = checkpoint.load(path)
    assert type(back) is CVAE
    assert back.config == SMALL
    assert not back.training
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in model.state_dict().items())
    assert read.metrics == card.metrics
    assert read.corruptions == card.corruptions
    assert (read.model, read.package, read.steps, read.seed, read.licence) == ("cvae", "restorekit", 7, 3, "MIT")
    assert read.data == checkpoint.TrainingData(images=3, held_out=["a", "b"])
    assert read.calibration == {"levels": [0.1, 0.2]}
    assert checkpoint.read_card(path) == read


def test_the_card_can_be_read_without_restorekit(saved):
    with safe_open(saved[0], framework="pt") as file:
        card = json.loads(file.metadata()["restorekit"])
    assert card["format"] == 1
    assert card["config"]["widths"] == [16, 32]


def test_half_precision_halves_the_file_and_loads_as_float(model, tmp_path):
    whole, half = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    checkpoint.save(whole, model.state_dict(), checkpoint.describe(model))
    checkpoint.save(half, model.state_dict(), checkpoint.describe(model), half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    back = checkpoint.load(half)[0]
    for name, p in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], p.half().float())


def test_a_model_in_channels_last_is_saved_as_it_is(model, tmp_path):
    model.to(memory_format=torch.channels_last)
    checkpoint.save(tmp_path / "m.safetensors", model.state_dict(), checkpoint.describe(model))
    back = checkpoint.load(tmp_path / "m.safetensors")[0].state_dict()
    assert all(torch.equal(v, back[k]) for k, v in model.state_dict().items())


def test_loading_leaves_the_global_generator_alone(saved):
    before = torch.get_rng_state()
    checkpoint.load(saved[0])
    assert torch.equal(before, torch.get_rng_state()), "models are built under a fork of the generator"


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.5, 0.999])
def test_a_truncated_file_is_said_in_a_sentence(saved, tmp_path, share):
    data = saved[0].read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors.*complete") as error:
        checkpoint.load(cut)
    _one_sentence(error)


def test_a_newer_format_asks_for_an_upgrade(saved, tmp_path):
    newer = _with_card(saved[0], tmp_path / "new.safetensors", format=99)
    with pytest.raises(CheckpointError, match=r"99.*upgrade") as error:
        checkpoint.load(newer)
    _one_sentence(error)


def test_words_of_a_later_card_of_the_same_format_are_passed_over(saved, tmp_path):
    later = _with_card(saved[0], tmp_path / "later.safetensors", colour="blue")
    assert checkpoint.load(later)[1].model == "cvae"


def test_a_card_from_before_there_were_names_of_classes_is_read(saved, tmp_path):
    older = _with_card(saved[0], tmp_path / "older.safetensors", label_names=None, recipe=None)
    card = checkpoint.load(older)[1]
    assert (card.label_names, card.recipe) == ((), {})


def test_a_missing_plugin_is_named_with_its_package(saved, tmp_path):
    strange = _with_card(
        saved[0], tmp_path / "s.safetensors", model="otherworldly", package="restorekit-otherworldly", version="2.1"
    )
    with pytest.raises(CheckpointError, match=r"'otherworldly'.*'restorekit-otherworldly' 2\.1.*install") as error:
        checkpoint.load(strange)
    _one_sentence(error)


def test_a_safetensors_file_without_a_card_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="without a restorekit card") as error:
        checkpoint.load(tmp_path / "other.safetensors")
    _one_sentence(error)


@pytest.mark.parametrize(
    "words", [{"model": None}, {"config": None}, {"config": 3}, {"format": "x"}, {"config": {"widths": "abc"}}], ids=str
)
def test_a_card_that_lacks_something_is_said_in_a_sentence(saved, tmp_path, words):
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(_with_card(saved[0], tmp_path / "odd.safetensors", **words))
    _one_sentence(error)


@pytest.mark.parametrize("card", ["{", "[]"])
def test_a_card_that_is_no_json_object_is_said_in_a_sentence(card, tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "odd.safetensors", {"restorekit": card})
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(tmp_path / "odd.safetensors")
    _one_sentence(error)


def test_settings_that_the_installed_model_does_not_know_are_said(saved, tmp_path):
    config = {**dataclasses.asdict(SMALL), "depth": 3}
    with pytest.raises(CheckpointError, match="depth") as error:
        checkpoint.load(_with_card(saved[0], tmp_path / "m2.safetensors", config=config))
    _one_sentence(error)


def test_weights_that_do_not_fit_are_said(saved, tmp_path):
    config = {**dataclasses.asdict(SMALL), "widths": [16, 24]}
    with pytest.raises(CheckpointError, match="does not fit") as error:
        checkpoint.load(_with_card(saved[0], tmp_path / "m2.safetensors", config=config))
    _one_sentence(error)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="no model file") as error:
        checkpoint.load(tmp_path / "none.safetensors")
    _one_sentence(error)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path)


def test_saving_replaces_whole_or_not_at_all(model, saved, monkeypatch):
    path, card = saved
    before = path.read_bytes()

    def fail(*args):
        raise RuntimeError("the disk broke")

    monkeypatch.setattr(checkpoint, "serialise", fail)
    with pytest.raises(RuntimeError):
        checkpoint.save(path, model.state_dict(), card)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_model_is_found_by_path_or_by_the_name_of_installed_weights(saved, monkeypatch):
    monkeypatch.setattr(registry, "weights", lambda: {"default": saved[0]})
    assert checkpoint.resolve(str(saved[0])) == saved[0]
    assert checkpoint.resolve("default") == saved[0]
    with pytest.raises(CheckpointError, match="did you mean default"):
        checkpoint.resolve("defualt")


def test_the_digest_is_that_of_the_bytes(saved, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(saved[0].read_bytes())
    assert checkpoint.model_digest(copy) == checkpoint.model_digest(saved[0])
    assert len(checkpoint.model_digest(copy)) == 16
    other = _with_card(saved[0], tmp_path / "other.safetensors", seed=4)
    assert checkpoint.model_digest(other) != checkpoint.model_digest(copy)


def test_a_fresh_model_is_described_by_class_package_and_config():
    card = checkpoint.describe(testing.build(VAE))
    assert isinstance(card, Card)
    assert (card.model, card.package, card.steps) == ("vae", "restorekit", 0)
    assert card.config["channels"] == 1


@pytest.mark.parametrize(
    ("package", "version", "shown"),
    [("restorekit-odd", "1.0+cpu", True), ("x'; touch here #", "1", False), ("fine", "1' ; touch here #", False)],
)
def test_text_in_a_foreign_file_becomes_no_command_unless_it_is_a_package(package, version, shown):
    card = checkpoint.Card("odd", package=package, version=version, config={})
    assert ("(pip install" in checkpoint._why_unavailable(card)) == shown


def test_every_damaged_card_is_refused_with_a_sentence_or_read(saved, tmp_path):
    with safe_open(saved[0], framework="pt") as file:
        card = json.loads(file.metadata()["restorekit"])
    path, refused = tmp_path / "m.safetensors", 0
    for data in mutations(card):
        if not data.isascii():  # the metadata of a file are UTF-8
            continue
        save_file({"a": torch.zeros(1)}, path, {"restorekit": data.decode()})
        try:
            found = checkpoint.read_card(path)
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
            assert len(str(error)) < 400
        else:
            assert isinstance(found.data, checkpoint.TrainingData)
            assert all(isinstance(one, str) for one in (found.model, found.package, *found.corruptions))
    assert refused > 500


@pytest.mark.parametrize("changes", [{"widths": "16"}, {"widths": [16, None]}, {"levels": 2.5}, {"beta": [1]}])
def test_settings_of_another_type_are_refused_by_their_name(saved, tmp_path, changes):
    config = {**saved[1].config, **changes}
    spoilt = _with_card(saved[0], tmp_path / "s.safetensors", config=config)
    with pytest.raises(CheckpointError, match=rf"other settings: \w+\.{next(iter(changes))}.*: expected"):
        checkpoint.load(spoilt)


def test_a_folder_and_a_file_of_torch_save_are_told_apart(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "model.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "old.pt"):
        with pytest.raises(CheckpointError, match=r"is a file of torch.save or another archive; expected a model file"):
            checkpoint.read_weights(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"is a folder; give the model file in it, such as .*model.safetensors"):
        checkpoint.read_weights(checkpoint.resolve(str(tmp_path)))
