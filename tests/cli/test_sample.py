"""Facts about `restorekit sample`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.models import VAE, checkpoint
from restorekit.testing import build
from tests._helpers.linear_hierarchy import Ladder


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    model = VAE(VAE.Config(channels=1, hidden=(8, 16), latent=4))
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return path


def test_draws_become_one_picture(run, vae, tmp_path):
    out = tmp_path / "new" / "grid.png"
    assert run("sample", out, "--model", vae, "--count", 4, "--size", 16, "--device", "cpu")[0] == 0
    with Image.open(out) as grid:
        assert grid.size == (2 * 18 + 2, 2 * 18 + 2)
    assert [p.name for p in out.parent.iterdir()] == ["grid.png"]
    assert torch.is_inference_mode_enabled() is False


def test_a_row_for_each_latent_says_what_it_tells_of_images(run, vae, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (6, 16, 16), np.uint8))
    words = ("sample", tmp_path / "z.png", "--model", vae, "--traverse", 5, "--size", 16, "--device", "cpu")
    code, said, _ = run(*words, "--images", tmp_path / "x.npy")
    assert (code, said.split()[:2]) == (0, ["20", "images"])
    with Image.open(tmp_path / "z.png") as grid:
        assert grid.size[1] == 4 * 18 + 2
        assert grid.size[0] > 5 * 18 + 2
    assert "add --traverse" in run("sample", tmp_path / "y.png", "--model", vae, "--images", tmp_path / "x.npy")[2]


def test_a_file_that_exists_is_replaced_only_when_told(run, vae, tmp_path):
    out = tmp_path / "mine.png"
    out.write_text("mine")
    words = ("sample", out, "--model", vae, "--count", 1, "--size", 16, "--device", "cpu")
    code, said, err = run(*words)
    assert (code, said, out.read_text()) == (2, "", "mine")
    assert "mine.png exists; choose another name or add --overwrite" in err
    assert run(*words, "--overwrite")[0] == 0
    with Image.open(out) as grid:
        assert grid.format == "PNG"


def test_what_cannot_be_drawn_is_a_sentence(run, vae, model_file, tmp_path):
    for words, told in (
        (("--model", vae, "--label", 1), "has no classes"),
        (("--model", model_file), "only conditional on an observation"),
        (("--model", "nothing"), "nothing"),
    ):
        code, said, err = run("sample", tmp_path / "x.png", *words, "--device", "cpu")
        assert (code, said) == (2, "")
        assert told in err
    assert "OUT to end in .png" in run("sample", tmp_path / "x.jpg", "--model", vae)[2]
    assert not list(tmp_path.glob("x.*"))


def test_a_temperature_for_each_level_of_latents_or_a_sentence(tmp_path, run, monkeypatch):
    model = build(Ladder)
    path = tmp_path / "ladder.safetensors"
    path.write_bytes(b"")
    monkeypatch.setattr(checkpoint, "load", lambda _: (model, None))
    monkeypatch.setattr(checkpoint, "resolve", lambda name: name)
    code, _, err = run("sample", tmp_path / "two.png", "--model", path, "--count", 4, "--temperature", "1,0.5")
    assert code == 0, err
    code, _, err = run("sample", tmp_path / "three.png", "--model", path, "--temperature", "1,0.5,0.2")
    assert code == 2
    assert "levels of latents, which are 2, got 3" in err
    code, _, err = run("sample", tmp_path / "t.png", "--model", path, "--traverse", 3)
    assert code == 2
    assert "latents at several levels" in err
    code, _, err = run("sample", tmp_path / "t.png", "--model", path, "--interpolate", 3, "--temperature", "0.5")
    assert code == 2
    assert "--temperature applies to draws" in err
    for text in ("warm", "-1", "1,,2", "nan"):
        code, _, err = run("sample", tmp_path / "bad.png", "--model", path, "--temperature", text)
        assert code == 2
        assert "expected a number from 0 to 100" in err
