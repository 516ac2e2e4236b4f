import json

import numpy as np
import pytest
import torch

from restorekit import testing
from restorekit.models import VAE, checkpoint
from restorekit.testing._assertions import perturb
from tests._helpers.linear_hierarchy import Ladder, LadderConfig

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    config = VAE.Config(network="mlp", size=(8, 12), channels=1, hidden=(16,), latent=2, likelihood="gaussian")
    model = testing.build(VAE, config)
    perturb(model)
    path = tmp_path_factory.mktemp("model") / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return path


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, RNG.integers(0, 256, (70, 8, 12), dtype=np.uint8))
    return path


def test_every_image_has_a_line_and_the_summary_is_their_mean(run, file, images, tmp_path):
    code, said, _ = run("likelihood", file, images, tmp_path / "OUT", "--k", 20, "--device", "cpu", "--json")
    assert code == 0
    rows = [json.loads(line) for line in (tmp_path / "OUT" / "scores.jsonl").read_text().splitlines()]
    summary = json.loads(said)
    assert len(rows) == summary["images"] == 70
    for name in ("nelbo", "nll", "bits_per_dim"):
        assert summary[name] == pytest.approx(np.mean([row[name] for row in rows]))
    assert all(row["nelbo"] == pytest.approx(row["distortion"] + row["rate"], rel=1e-4) for row in rows)
    assert summary["latents"][0]["of"] == 2
    assert not any(name.startswith("rate_") for name in rows[0])
    assert "256 values" in summary["bits"]


def test_levels_of_latents_have_rates_of_their_own(run, tmp_path, monkeypatch):
    model = testing.build(Ladder, LadderConfig(size=(2, 5)))
    monkeypatch.setattr(checkpoint, "resolve", lambda name: name)
    monkeypatch.setattr(checkpoint, "load", lambda path: (model, None))
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, (20, 2, 5), dtype=np.uint8))
    words = ("likelihood", "ladder", tmp_path / "images.npy", tmp_path / "OUT", "--k", 4, "--device", "cpu")
    said = run(*words)[1].splitlines()
    rows = [json.loads(line) for line in (tmp_path / "OUT" / "scores.jsonl").read_text().splitlines()]
    assert all(row["rate"] == pytest.approx(row["rate_0"] + row["rate_1"], rel=1e-4) for row in rows)
    for group, size in enumerate((2, 3)):
        mean = np.mean([row[f"rate_{group}"] for row in rows])
        line = next(line for line in said if line.startswith(f"latents, group {group}"))
        assert f"of {size} in use, rate {mean:.3f} +- " in line
    assert sum(line.startswith("rate") for line in said) == 1
    summary = json.loads(run(*words[:3], tmp_path / "AGAIN", *words[4:], "--json")[1])
    assert summary["rate"] == pytest.approx(summary["rate_0"] + summary["rate_1"])


def test_the_same_seed_gives_the_same_scores_and_text_fits_80_columns(run, file, images, tmp_path):
    words = ("likelihood", file, images, "--limit", 5, "--device", "cpu")
    found = [
        run(*words[:3], tmp_path / name, *words[3:], "--seed", seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    texts = [(tmp_path / name / "scores.jsonl").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]
    assert "nll (K = 100)" in found[0][1]
    assert "least likely: images.npy#" in found[0][1]


def test_an_unlikely_image_is_told_of(run, file, tmp_path):
    stack = np.full((6, 8, 12), 120, np.uint8)
    stack[4] = 255 * (np.indices((8, 12)).sum(0) % 2)
    np.save(tmp_path / "images.npy", stack)
    said = run("likelihood", file, tmp_path / "images.npy", tmp_path / "OUT", "--device", "cpu")[1]
    assert "least likely: images.npy#4" in said


def test_images_of_another_size_fail_in_a_sentence_and_a_conditional_model_is_refused(run, file, model_file, tmp_path):
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, (2, 8, 8), dtype=np.uint8))
    code, _, err = run("likelihood", file, tmp_path / "images.npy", tmp_path / "OUT", "--device", "cpu")
    assert code == 1
    assert "the model takes images of 12 x 8 pixels, got 8 x 8; crop it" in err
    code, _, err = run("likelihood", model_file, tmp_path / "images.npy", tmp_path / "OUT", "--device", "cpu")
    assert code == 2
    assert "conditional and has no p(x)" in err


def test_a_class_that_is_known_counts(run, images, tmp_path):
    config = VAE.Config(network="mlp", size=(8, 12), channels=1, hidden=(16,), latent=2, classes=2)
    model = testing.build(VAE, config)
    perturb(model)
    path = tmp_path / "classes.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    stack = np.load(images)[:4]
    np.savez(tmp_path / "labelled.npz", images=stack, labels=torch.tensor([0, 1, 0, 1]).numpy())
    np.savez(tmp_path / "turned.npz", images=stack, labels=torch.tensor([1, 0, 1, 0]).numpy())
    scores = []
    for name in ("labelled", "turned"):
        assert run("likelihood", path, tmp_path / f"{name}.npz", tmp_path / name, "--device", "cpu")[0] == 0
        lines = (tmp_path / name / "scores.jsonl").read_text().splitlines()
        scores.append([json.loads(line)["distortion"] for line in lines])
    assert scores[0] != scores[1]


def test_embed_writes_the_means_of_q(run, file, images, tmp_path):
    out = tmp_path / "codes.npz"
    assert run("embed", file, images, out, "--device", "cpu")[0] == 0
    found = np.load(out)
    assert found["z"].shape == (70, 2)
    assert list(found["names"][:2]) == ["images.npy#00", "images.npy#01"]
    x = torch.from_numpy(np.load(images)[:3, None].astype(np.float32) / 255)
    model = checkpoint.load(file)[0]
    with torch.no_grad():
        assert found["z"][:3] == pytest.approx(model.infer(x).mean.numpy(), abs=1e-5)
    assert run("embed", file, images, out, "--device", "cpu")[0] == 2
    assert run("embed", file, images, tmp_path / "codes.npy", "--device", "cpu")[0] == 2


def test_embed_keeps_the_labels_of_the_images_that_it_takes(run, file, images, tmp_path):
    np.savez(tmp_path / "labelled.npz", images=np.load(images)[:5], labels=np.array([4, 3, 2, 1, 0]))
    assert run("embed", file, tmp_path / "labelled.npz", tmp_path / "codes.npz", "--device", "cpu")[0] == 0
    assert np.load(tmp_path / "codes.npz")["labels"].tolist() == [4, 3, 2, 1, 0]


def test_embed_looks_at_no_class(run, images, tmp_path):
    config = VAE.Config(network="mlp", size=(8, 12), channels=1, hidden=(16,), latent=2, classes=2, alpha=1.0)
    model, file, stack = testing.build(VAE, config), tmp_path / "vae.safetensors", np.load(images)[:2]
    checkpoint.save(file, model.state_dict(), checkpoint.describe(model))
    for name, labels in (("one", [0, 1]), ("other", [1, 0])):
        np.savez(tmp_path / f"{name}.npz", images=stack, labels=np.array(labels))
        assert run("embed", file, tmp_path / f"{name}.npz", tmp_path / f"{name}.codes.npz", "--device", "cpu")[0] == 0
    one, other = (np.load(tmp_path / f"{name}.codes.npz") for name in ("one", "other"))
    assert (one["z0"] == other["z0"]).all()
    assert (one["z1"] == other["z1"]).all()
    assert one["z0"].sum(1) == pytest.approx([1, 1])
    assert one["z0"].max() < 1


def test_a_model_that_has_learnt_noise_apart_has_no_density_worth_telling(run, images, tmp_path):
    config = VAE.Config(network="mlp", size=(8, 12), channels=1, hidden=(16,), latent=2, grain="sigma", noise=0.1)
    model, file = testing.build(VAE, config), tmp_path / "vae.safetensors"
    checkpoint.save(file, model.state_dict(), checkpoint.describe(model))
    code, _, err = run("likelihood", file, images, tmp_path / "OUT", "--device", "cpu")
    assert code == 2
    assert "learnt its noise separately" in err


def test_where_no_image_suits_the_model_nothing_is_claimed(run, file, tmp_path):
    np.save(tmp_path / "other.npy", RNG.integers(0, 256, (2, 9, 9), dtype=np.uint8))
    code, said, _ = run("likelihood", file, tmp_path / "other.npy", tmp_path / "OUT", "--device", "cpu")
    assert code == 1
    assert said.strip() == "no image was scored"
    code, _, err = run("embed", file, tmp_path / "other.npy", tmp_path / "z.npz", "--device", "cpu")
    assert code == 1
    assert "no image suits the model" in err
    assert not (tmp_path / "z.npz").exists()
