"""Facts about restorekit.training: from a user's words to a job."""

from __future__ import annotations

import numpy as np
import pytest

from restorekit import checkpoint, plugins
from restorekit.errors import SpecError, UsageError
from restorekit.training import Hardware, Images, Plan, prepare, train

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
    job, model, _ = prepare(tmp_path / "r", Images(source), Plan("vae", settings=settings), CPU, False, 1, None, None)
    assert (job.recipe.batch, job.recipe.ema, job.recipe.cosine, job.recipe.crop) == (128, 0.0, False, 0)
    assert (model.config.hidden, model.config.latent, model.config.size) == ((30,), 20, (24, 20))


def test_an_unknown_setting_is_answered_with_near_ones(source, tmp_path):
    with pytest.raises(SpecError, match="did you mean batch"):
        prepare(tmp_path / "r", Images(source), plan(settings={"bach": "2"}), CPU, False, 1, None, None)


def test_an_unknown_preset_is_said(source, tmp_path):
    with pytest.raises(SpecError, match="did you mean small"):
        prepare(tmp_path / "r", Images(source), plan(settings={"preset": "smal"}), CPU, False, 1, None, None)


def test_a_conditional_model_wants_damage(source, tmp_path):
    with pytest.raises(UsageError, match="learns to undo damage"):
        prepare(tmp_path / "r", Images(source), plan(corruptions=()), CPU, False, 1, None, None)


def test_a_training_is_not_overwritten(source, tmp_path):
    job, model, fabric = prepare(tmp_path / "r", Images(source), plan(), CPU, False, 1, None, None)
    train(job, model, fabric, lambda line: None)
    with pytest.raises(UsageError, match="holds a training already"):
        prepare(tmp_path / "r", Images(source), plan(), CPU, False, 1, None, None)


def test_there_must_be_something_to_resume(source, tmp_path):
    with pytest.raises(UsageError, match="no training"):
        prepare(tmp_path / "r", Images(source), plan(), CPU, True, 1, None, None)


def test_the_crop_fits_the_images_and_the_model(source, tmp_path):
    job, model, _ = prepare(
        tmp_path / "r", Images(source), plan(settings={"preset": "small", "crop": "96"}), CPU, False, 1, None, None
    )
    assert job.recipe.crop == 20
    assert job.recipe.crop % model.geometry.multiple == 0


def test_the_start_is_random_by_seed_or_given(source, tmp_path):
    _, first, _ = prepare(tmp_path / "a", Images(source), plan(), CPU, False, 1, None, None)
    _, same, _ = prepare(tmp_path / "b", Images(source), plan(), CPU, False, 1, None, None)
    _, other, _ = prepare(tmp_path / "c", Images(source), plan(seed=1), CPU, False, 1, None, None)
    weights = [next(m.parameters()) for m in (first, same, other)]
    assert bool((weights[0] == weights[1]).all())
    assert not bool((weights[0] == weights[2]).all())
    checkpoint.save(tmp_path / "m.safetensors", other.state_dict(), checkpoint.describe(other))
    given = plan(init=str(tmp_path / "m.safetensors"), settings={"batch": "2", "crop": "16"})
    job, again, _ = prepare(tmp_path / "d", Images(source), given, CPU, False, 1, None, None)
    assert bool((next(again.parameters()) == weights[2]).all())
    assert job.card.start.startswith(str(tmp_path / "m.safetensors"))


def test_installed_weights_of_the_same_configuration_are_the_start(source, tmp_path, monkeypatch):
    _, model, _ = prepare(tmp_path / "a", Images(source), plan(seed=3), CPU, False, 1, None, None)
    checkpoint.save(tmp_path / "own.safetensors", model.state_dict(), checkpoint.describe(model))
    monkeypatch.setattr(plugins, "weights", lambda: {"own": tmp_path / "own.safetensors"})
    job, started, _ = prepare(tmp_path / "b", Images(source), plan(init="auto"), CPU, False, 1, None, None)
    assert bool((next(started.parameters()) == next(model.parameters())).all())
    assert job.card.start.startswith("own ")


def test_the_card_tells_the_data(source, tmp_path):
    job, _, _ = prepare(tmp_path / "r", Images(source), plan(licence="free"), CPU, False, 1, None, None)
    assert job.card.data["images"] == 5
    assert len(job.card.data["fingerprint"]) == 64
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
        tmp_path / "r", Images(source), Plan("vae", settings={"preset": "tutorial"}), CPU, False, 1, None, None
    )
    assert (len(job.pool.sizes), len(job.held.x)) == (5, 3)
