"""Facts about restorekit.training.build: from a user's words to a job."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.errors import SpecError, UsageError
from restorekit.core.plugins import registry
from restorekit.models import CVAE, checkpoint
from restorekit.training.build import DataSource, Hardware, Plan, prepare
from restorekit.training.loop import train

CPU = Hardware("cpu")
SMALL = {"preset": "small", "batch": "2", "crop": "16", "validate": "2"}


@pytest.fixture
def source(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 24, 20), dtype=np.uint8))
    return str(tmp_path / "x.npy")


def plan(**changes):
    given = {"corruptions": ("missing:rate=0.5",), "settings": SMALL, "init": "none", **changes}
    return Plan("cvae", **given)


def test_a_preset_sets_model_and_training(source, tmp_path):
    settings = {"preset": "tutorial", "hidden": "30"}
    job, model, _ = prepare(
        tmp_path / "r", DataSource(source), Plan("vae", settings=settings), CPU, False, 1, None, None
    )
    assert (job.recipe.batch, job.recipe.ema, job.recipe.schedule, job.recipe.crop) == (128, 0.0, "constant", 0)
    assert (model.config.hidden, model.config.latent, model.config.size) == ((30,), 20, (24, 20))


def test_an_unknown_setting_is_answered_with_near_ones(source, tmp_path):
    with pytest.raises(SpecError, match="did you mean batch"):
        prepare(tmp_path / "r", DataSource(source), plan(settings={"bach": "2"}), CPU, False, 1, None, None)


def test_an_unknown_preset_is_said(source, tmp_path):
    with pytest.raises(SpecError, match="did you mean small"):
        prepare(tmp_path / "r", DataSource(source), plan(settings={"preset": "smal"}), CPU, False, 1, None, None)


def test_a_conditional_model_wants_damage(source, tmp_path):
    with pytest.raises(UsageError, match="no --corruption makes any; pass one that does, such as --corruption film"):
        job = Plan("marks", corruptions=("gaussian:sigma=0.1",), settings={"preset": "small"}, init="none")
        prepare(tmp_path / "r", DataSource(source), job, CPU, False, 1, None, None)
    with pytest.raises(UsageError, match="learns to undo a corruption"):
        prepare(tmp_path / "r", DataSource(source), plan(corruptions=()), CPU, False, 1, None, None)


def test_a_training_is_not_overwritten(source, tmp_path):
    job, model, fabric = prepare(tmp_path / "r", DataSource(source), plan(), CPU, False, 1, None, None)
    train(job, model, fabric, lambda line: None)
    with pytest.raises(UsageError, match="holds a training already"):
        prepare(tmp_path / "r", DataSource(source), plan(), CPU, False, 1, None, None)


def test_there_must_be_something_to_resume(source, tmp_path):
    with pytest.raises(UsageError, match="no training"):
        prepare(tmp_path / "r", DataSource(source), plan(), CPU, True, 1, None, None)


def test_the_crop_fits_the_images_and_the_model(source, tmp_path):
    job, model, _ = prepare(
        tmp_path / "r", DataSource(source), plan(settings={"preset": "small", "crop": "96"}), CPU, False, 1, None, None
    )
    assert job.recipe.crop == 20
    assert job.recipe.crop % model.geometry.multiple == 0


def test_the_start_is_random_by_seed_or_given(source, tmp_path):
    _, first, _ = prepare(tmp_path / "a", DataSource(source), plan(), CPU, False, 1, None, None)
    _, same, _ = prepare(tmp_path / "b", DataSource(source), plan(), CPU, False, 1, None, None)
    _, other, _ = prepare(tmp_path / "c", DataSource(source), plan(seed=1), CPU, False, 1, None, None)
    weights = [next(m.parameters()) for m in (first, same, other)]
    assert bool((weights[0] == weights[1]).all())
    assert not bool((weights[0] == weights[2]).all())
    checkpoint.save(tmp_path / "m.safetensors", other.state_dict(), checkpoint.describe(other))
    given = plan(init=str(tmp_path / "m.safetensors"), settings={"batch": "2", "crop": "16"})
    job, again, _ = prepare(tmp_path / "d", DataSource(source), given, CPU, False, 1, None, None)
    assert bool((next(again.parameters()) == weights[2]).all())
    assert job.card.start.startswith(str(tmp_path / "m.safetensors"))


def test_installed_weights_of_the_same_configuration_are_the_start(source, tmp_path, monkeypatch):
    _, model, _ = prepare(tmp_path / "a", DataSource(source), plan(seed=3), CPU, False, 1, None, None)
    checkpoint.save(tmp_path / "own.safetensors", model.state_dict(), checkpoint.describe(model))
    monkeypatch.setattr(registry, "weights", lambda: {"own": tmp_path / "own.safetensors"})
    job, started, _ = prepare(tmp_path / "b", DataSource(source), plan(init="auto"), CPU, False, 1, None, None)
    assert bool((next(started.parameters()) == next(model.parameters())).all())
    assert job.card.start.startswith("own ")


def test_the_card_tells_the_data(source, tmp_path):
    job, _, _ = prepare(tmp_path / "r", DataSource(source), plan(licence="free"), CPU, False, 1, None, None)
    assert job.card.data.images == 5
    assert len(job.card.data.fingerprint) == 64
    assert job.card.licence == "free"
    assert job.card.corruptions == ("missing:rate=0.5",)


def test_the_stacks_own_test_set_validates(tmp_path):
    def write(name: str, count: int) -> str:
        header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 8, 8))
        (tmp_path / name).write_bytes(header + bytes(count * 64))
        return str(tmp_path / name)

    source = write("train-images-idx3-ubyte", 5)
    write("t10k-images-idx3-ubyte", 3)
    job, _, _ = prepare(
        tmp_path / "r", DataSource(source), Plan("vae", settings={"preset": "tutorial"}), CPU, False, 1, None, None
    )
    assert (len(job.pool.sizes), len(job.held.x)) == (5, 3)


def go(job, model, fabric):
    return train(job, model, fabric, lambda line: None)


def opened(source, run, given, resume=False, labels=None, validation=None, steps=1):
    return prepare(run, DataSource(str(source), validation, labels), given, CPU, resume, steps, None, None)


def write(folder, *sizes, channels=3):
    folder.mkdir(parents=True, exist_ok=True)
    for i, (height, width) in enumerate(sizes):
        values = np.random.default_rng(i).integers(0, 256, (height, width, channels), dtype=np.uint8)
        Image.fromarray(values if channels == 3 else values[..., 0]).save(folder / f"{i}.png")
    return folder


def classes(folder, *names):
    for name in names:
        write(folder / name, (24, 24), (24, 24))
    return folder


def test_a_convolutional_vae_learns_from_colour(tmp_path):
    source = write(tmp_path / "x", *[(24, 24)] * 4)
    settings = {"hidden": "4,8", "latent": "2", "batch": "2", "crop": "16", "gray": "0.5"}
    job, model, fabric = opened(source, tmp_path / "r", Plan("vae", settings=settings, init="none"), steps=6)
    assert job.recipe.gray == 0
    found = go(job, model, fabric).found
    assert found["reconstruction_psnr"] > 0
    assert "psnr" not in found


def test_gray_batches_stay_where_the_model_takes_them(tmp_path):
    job, _, _ = opened(write(tmp_path / "x", *[(24, 24)] * 4), tmp_path / "r", plan())
    assert job.recipe.gray == 0.5


def test_channels_that_the_model_does_not_take_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 24, 20, 5), np.uint8))
    with pytest.raises(UsageError, match="expects 1 or 3 channels, got images with 5"):
        opened(tmp_path / "x.npy", tmp_path / "r", plan())


def test_one_tiny_image_is_left_out_of_training_and_validation(tmp_path):
    source = write(tmp_path / "x", *[(40, 44)] * 6, (9, 9))
    held = write(tmp_path / "v", (40, 44), (9, 9), (40, 44))
    settings = {"preset": "small", "batch": "2", "crop": "32"}
    job, _, _ = opened(source, tmp_path / "r", plan(settings=settings), validation=str(held))
    assert (job.recipe.crop, len(job.pool.sizes), job.held.x.shape) == (32, 6, (2, 3, 40, 44))
    assert [note[:10] for note in job.notes] == ["left out 1"] * 2


def test_the_crop_shrinks_to_small_images_and_says_so(tmp_path):
    source = write(tmp_path / "x", *[(23, 40)] * 4)
    job, _, _ = opened(source, tmp_path / "r", plan(settings={"preset": "small", "crop": "32"}))
    assert job.recipe.crop == 20
    assert job.notes == ("crops are 20 pixels a side instead of 32: the smallest image has 23",)


def test_two_images_of_which_one_is_tiny_are_too_few(tmp_path):
    with pytest.raises(UsageError, match="at least 2 images"):
        opened(write(tmp_path / "x", (40, 40), (9, 9)), tmp_path / "r", plan())


@pytest.mark.parametrize("place", ["training", "validation"])
def test_a_model_of_one_size_refuses_others(tmp_path, place):
    sizes = [(16, 16)] * 3
    source = write(tmp_path / "x", *sizes, *([(16, 20)] if place == "training" else []))
    held = write(tmp_path / "v", (16, 16), (16, 20) if place == "validation" else (16, 16))
    with pytest.raises(UsageError, match=r"16 x 16 pixels, and .*has 20 x 16"):
        opened(source, tmp_path / "r", Plan("vae", settings={"network": "mlp"}), validation=str(held))


def test_a_model_of_images_takes_no_damage(source, tmp_path):
    with pytest.raises(UsageError, match=r"learns from clean images.*remove --corruption"):
        opened(source, tmp_path / "r", Plan("vae", ("gaussian:sigma=0.1",)))
    job, _, _ = opened(source, tmp_path / "r", Plan("vae", ("clean",), {"crop": "16"}))
    assert str(job.corruptions[0][0]) == "clean"


@pytest.mark.parametrize(
    ("model", "settings", "told"),
    [
        ("cvae", {"preset": "small", "widths": "16"}, "widths"),
        ("cvae", {"preset": "small", "batch": "2", "portions": "3"}, "portions=3"),
        ("cvae", {"preset": "small", "scales": ""}, "at least one of scales"),
        ("vae", {"hidden": ""}, "at least one width"),
        ("vae", {"network": "mlp", "size": "28"}, "height and width"),
    ],
)
def test_settings_that_do_not_go_together_are_one_sentence(source, tmp_path, model, settings, told):
    given = Plan(model, ("missing:rate=0.5",) if model == "cvae" else (), settings, "none")
    with pytest.raises(UsageError, match=told) as error:
        opened(source, tmp_path / "r", given)
    assert "\n" not in str(error.value)


def test_a_model_that_cannot_be_built_is_one_sentence(source, tmp_path, monkeypatch):
    def fail(self, config):
        raise ValueError("zip() argument 2 is shorter than argument 1")

    monkeypatch.setattr(CVAE, "__init__", fail)
    with pytest.raises(UsageError, match=r"no cvae can be built with .*recogniser=16.* see restorekit show cvae"):
        opened(source, tmp_path / "r", plan())


def test_a_setting_joins_the_presets(source, tmp_path):
    _, model, _ = opened(source, tmp_path / "r", plan(settings={**SMALL, "levels": "4"}))
    assert (model.config.levels, model.config.widths) == (4, (16, 32))


# ------------------------------------------------------------------------------------------- classes


def test_classes_of_validation_are_counted_as_those_of_training(tmp_path):
    source = classes(tmp_path / "x", "cat", "dog", "mouse")
    held = classes(tmp_path / "v", "dog", "mouse")
    job, model, _ = opened(source, tmp_path / "r", plan(), labels="folders", validation=str(held))
    assert job.card.label_names == ("cat", "dog", "mouse")
    assert (job.labels.tolist(), job.held.labels.tolist()) == ([0, 0, 1, 1, 2, 2], [1, 1, 2, 2])
    assert model.config.classes == 3


def test_images_without_a_class_are_learnt_from_and_are_none(tmp_path):
    source = classes(tmp_path / "x", "cat", "dog", "unlabelled")
    given = Plan("vae", settings={"hidden": "4", "latent": "2", "alpha": "1", "unlabelled": "0"}, init="none")
    job, model, fabric = opened(source, tmp_path / "r", given, labels="folders", validation="1", steps=2)
    assert job.card.label_names == ("cat", "dog")
    assert sorted({*job.labels.tolist(), *job.held.labels.tolist()}) == [-1, 0, 1]
    assert model.config.classes == 2
    found = train(job, model, fabric, lambda line: None).found
    assert {"label", "label_rate", "nelbo"} <= found.keys()
    again, card = checkpoint.load(tmp_path / "r" / "model.safetensors")
    assert (card.config["alpha"], again.classifier is None) == (1.0, False)


def test_a_class_only_to_validate_on_is_refused(tmp_path):
    source, held = classes(tmp_path / "x", "cat", "dog"), classes(tmp_path / "v", "cat", "emu")
    with pytest.raises(UsageError, match="got 'emu'"):
        opened(source, tmp_path / "r", plan(), labels="folders", validation=str(held))


def saved(source, tmp_path, **words):
    job, model, _ = opened(source, tmp_path / "first", plan(seed=3), **words)
    checkpoint.save(tmp_path / "m.safetensors", model.state_dict(), job.card)
    return str(tmp_path / "m.safetensors")


def test_weights_that_know_no_classes_are_refused_where_they_are_given(tmp_path):
    source = classes(tmp_path / "x", "cat", "dog")
    given = plan(init=saved(source, tmp_path))
    with pytest.raises(UsageError, match="knows no classes and --labels finds 2; use --init none"):
        opened(source, tmp_path / "r", given, labels="folders")


def test_weights_that_know_classes_keep_their_numbers(tmp_path):
    file = saved(classes(tmp_path / "x", "cat", "dog", "mouse"), tmp_path, labels="folders")
    few = classes(tmp_path / "few", "dog", "mouse")
    job, _, _ = opened(few, tmp_path / "r", plan(init=file), labels="folders")
    assert job.card.label_names == ("cat", "dog", "mouse")
    assert set(job.labels.tolist()) == {1, 2}


def test_installed_weights_of_other_classes_are_not_the_start(tmp_path, monkeypatch):
    source = classes(tmp_path / "x", "cat", "dog")
    for labels, begun in (("folders", True), (None, False)):
        file = saved(source, tmp_path, labels=labels)
        monkeypatch.setattr(registry, "weights", lambda file=file: {"own": Path(file)})
        job, _, _ = opened(source, tmp_path / "r", plan(init="auto"), labels="folders")
        assert job.card.start.startswith("own ") == begun
    other = classes(tmp_path / "y", "emu", "fox")
    monkeypatch.setattr(registry, "weights", lambda: {"own": Path(saved(source, tmp_path, labels="folders"))})
    assert opened(other, tmp_path / "r", plan(init="auto"), labels="folders")[0].card.start == ""


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormal numbers")
def test_denormal_numbers_are_zero_in_a_training(source, tmp_path):
    torch.set_flush_denormal(False)
    assert float(torch.tensor(1e-30) * 1e-10) > 0
    opened(source, tmp_path / "r", plan())
    assert float(torch.tensor(1e-30) * 1e-10) == 0


# ------------------------------------------------------------------------------------------ going on


def test_a_training_goes_on_for_longer(source, tmp_path):
    go(*opened(source, tmp_path / "r", plan()))
    job, model, fabric = opened(source, tmp_path / "r", plan(), resume=True, steps=2)
    assert train(job, model, fabric, lambda line: None, True).steps == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"corruptions": ("missing:rate=0.6",)}, "corruptions was"),
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"settings": {**SMALL, "lr": "1e-3"}}, "lr was 0.0004 and is 0.001"),
        ({"settings": {**SMALL, "floor": "0.01"}}, "floor was"),
    ],
)
def test_another_training_is_not_gone_on_with(source, tmp_path, changes, told):
    go(*opened(source, tmp_path / "r", plan()))
    with pytest.raises(UsageError, match=told):
        opened(source, tmp_path / "r", plan(**changes), resume=True)


def test_other_images_are_not_gone_on_with(source, tmp_path):
    go(*opened(source, tmp_path / "r", plan()))
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(0, 256, (6, 24, 20), dtype=np.uint8))
    with pytest.raises(UsageError, match="other images"):
        opened(source, tmp_path / "r", plan(), resume=True)


def test_a_resumed_training_keeps_what_it_started_from(source, tmp_path):
    file = saved(source, tmp_path)
    go(*opened(source, tmp_path / "r", plan(init=file)))
    job, _, _ = opened(source, tmp_path / "r", plan(init="none"), resume=True, steps=2)
    assert job.card.start.startswith(file)


TRAPEZOID = plan(settings={**SMALL, "schedule": "trapezoid", "decay": "0.5", "warmup": "0"})


def weights(run, name="model"):
    return checkpoint.read_weights(run / f"{name}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_an_extended_training_equals_one_of_that_length_bit_for_bit(source, tmp_path):
    go(*opened(source, tmp_path / "long", TRAPEZOID, steps=8))
    go(*opened(source, tmp_path / "short", TRAPEZOID, steps=4))
    ended = weights(tmp_path / "short")
    assert not same(ended, weights(tmp_path / "long"))
    job, model, fabric = opened(source, tmp_path / "short", TRAPEZOID, resume=True, steps=8)
    train(job, model, fabric, lambda line: None, True)
    assert same(weights(tmp_path / "short"), weights(tmp_path / "long"))
    assert same(weights(tmp_path / "short", "model-4"), ended)


def test_a_training_that_is_resumed_while_its_rate_falls_equals_an_uninterrupted_one(source, tmp_path):
    go(*opened(source, tmp_path / "straight", TRAPEZOID, steps=8))
    job, model, fabric = opened(source, tmp_path / "stopped", TRAPEZOID, steps=8)
    stopped = []

    def stop(line):
        if line.step == 6 and not stopped:
            stopped.append(signal.raise_signal(signal.SIGINT))

    assert train(job, model, fabric, stop).steps == 6
    job, model, fabric = opened(source, tmp_path / "stopped", TRAPEZOID, resume=True, steps=8)
    train(job, model, fabric, lambda line: None, True)
    assert same(weights(tmp_path / "stopped"), weights(tmp_path / "straight"))


def test_a_constant_rate_is_ended_by_hand_and_goes_on_from_before(source, tmp_path):
    constant, data = plan(settings={**SMALL, "schedule": "constant"}), DataSource(str(source))
    go(*opened(source, tmp_path / "r", constant, steps=4))
    steady = weights(tmp_path / "r")
    job, model, fabric = prepare(tmp_path / "r", data, constant, CPU, True, None, None, None, 0.02)
    assert job.minutes * job.decay == pytest.approx(0.02)
    factors = [job.learning_rate_factor(999, job.steady + job.decay * share) for share in (0, 0.25, 1)]
    assert factors == pytest.approx([1, 0.5, 0], abs=1e-6)
    ended = train(job, model, fabric, lambda line: None, True).steps
    assert ended > 4
    job, model, fabric = opened(source, tmp_path / "r", constant, resume=True, steps=5)
    assert (tmp_path / "r" / f"model-{ended}.safetensors").is_file()
    assert train(job, model, fabric, lambda line: None, True).steps == 5
    assert not same(weights(tmp_path / "r"), steady)


def test_a_cosine_cannot_be_ended_by_hand(source, tmp_path):
    go(*opened(source, tmp_path / "r", plan()))
    with pytest.raises(UsageError, match="train with --set schedule=constant"):
        prepare(tmp_path / "r", DataSource(str(source)), plan(), CPU, True, None, None, None, 1.0)
