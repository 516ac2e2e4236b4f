"""What samplers tell of their work reaches the record of a folder and the result in Python."""

import json

import numpy as np
import pytest
import torch

import restorekit
from restorekit import testing
from restorekit.core.errors import RestorekitWarning
from restorekit.models import VAE, checkpoint
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.restoration.tiling import Limits
from restorekit.testing._assertions import perturb

WORDS = ("--sigma", "0.1", "--samples", 4, "--device", "cpu", "--threads", 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    perturb(model)
    path = tmp_path_factory.mktemp("model") / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return path


@pytest.mark.parametrize(("sampler", "name"), [("gibbs", "settled"), ("langevin", "acceptance")])
def test_the_record_of_a_folder_has_what_samplers_tell(sampler, name, file, run, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(0, 256, (20, 28), dtype=np.uint8))
    words = ("restore", tmp_path / "image.npy", tmp_path / "OUT", "--model", file, "--sampler", sampler, *WORDS)
    assert run(*words)[0] == 0
    lines = (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text().splitlines()
    assert 0 < json.loads(lines[-1])["sampler"][name] <= 1


def test_draws_in_portions_and_tiles_tell_their_mean(file):
    x = torch.rand(24, 40, generator=torch.Generator().manual_seed(0))
    opened = restorekit.load(str(file), device="cpu", sampler="gibbs")
    told = []
    for limits in (Limits(), Limits(32, 32 * 32)):
        opened.opened.restorer.limits = limits
        told.append(float(opened(x, sigma=0.1, samples=6).diagnostics["steps"]))
    assert told[0] == pytest.approx(told[1], abs=20)
    assert 30 <= told[0] <= 200


def test_few_proposals_that_count_are_warned_of(file):
    loaded = restorekit.load(str(file), device="cpu", sampler="importance")
    assert isinstance(loaded.opened.restorer, ModelRestorer)
    with pytest.warns(RestorekitWarning, match="as few as .* count.* use --sampler mwg"):
        loaded(torch.rand(8, 8), sigma=0.001)


@pytest.mark.parametrize(
    "spec",
    [
        "downsample:factor=3+gaussian:sigma=0.1",
        "poisson:peak=40",
        "blur:size=1.2+gaussian:sigma=0.1",
        "speckle:looks=9",
        "blur:kind=motion,size=3+gaussian",
    ],
)
def test_a_folder_behind_any_smooth_damage_is_restored_by_langevin(spec, file, run, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(1, 256, (12, 16), dtype=np.uint8))
    words = ("restore", tmp_path / "image.npy", tmp_path / "OUT", "--model", file, "--sampler", "langevin:steps=60")
    code, said, err = run(*words, "--corruption", spec, *WORDS)
    assert code == 0, err
    assert "langevin:steps=60 sampler" in said


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("grayscale+gaussian:sigma=0.1", "lost its colours"),
        ("blur:size=1..2+gaussian:sigma=0.1", "got a range in blur"),
        ("jpeg", "train a cvae for it"),
        ("blur", "needs noise behind blur"),
    ],
)
def test_damage_that_cannot_be_sampled_is_one_sentence(spec, told, file, run, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(1, 256, (12, 16), dtype=np.uint8))
    words = ("restore", tmp_path / "image.npy", tmp_path / "OUT", "--model", file, "--sampler", "langevin")
    code, _, err = run(*words, "--corruption", spec, "--device", "cpu")
    assert code in (1, 2)
    assert told in " ".join(err.split())
    assert "Traceback" not in err


def test_noise_that_nobody_tells_is_estimated_for_a_sampler(file, run, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).normal(0.5, 0.1, (20, 28)).clip(0, 1))
    words = ("--model", file, "--device", "cpu", "--range", "0..1")
    code, _, err = run("restore", tmp_path / "image.npy", tmp_path / "A", *words)
    assert code == 0, err
    assert "each file without a recorded one is estimated" in err
    assert run("restore", tmp_path / "image.npy", tmp_path / "B", *words, "--sigma", "auto")[0] == 0
    one, other = (
        json.loads((tmp_path / out / "_restorekit" / "images.jsonl").read_text().splitlines()[-1]) for out in "AB"
    )
    assert one["sigma"] == other["sigma"] == pytest.approx(0.1, rel=0.3)
    assert one["output"] == other["output"]


@pytest.mark.parametrize("sampler", ["map", "pnp"])
def test_a_sampler_that_climbs_gives_one_answer(sampler, file, run, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(0, 256, (20, 28), dtype=np.uint8))
    words = (
        "restore",
        tmp_path / "image.npy",
        tmp_path / "OUT",
        "--model",
        file,
        "--sampler",
        sampler,
        "--sigma",
        "0.1",
    )
    code, said, _ = run(*words, "--device", "cpu")
    assert code == 0
    assert f"joint mode, {sampler} sampler" in said
    code, _, err = run(*words, "--samples", 3)
    assert code == 2
    assert "one answer and no draws" in err
