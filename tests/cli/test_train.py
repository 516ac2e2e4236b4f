"""Facts about `restorekit train` as a user meets it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from restorekit.cli import group
from restorekit.cli.train import command
from restorekit.errors import UsageError


@pytest.fixture
def source(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8))
    return str(tmp_path / "x.npy")


def invoke(*words: str):
    return CliRunner().invoke(command, [*words, "--device", "cpu"], standalone_mode=False, catch_exceptions=True)


def small(source: str, run: str, *words: str):
    given = ("--model", "cvae", "--corruption", "missing:rate=0.5", "--init", "none")
    return invoke(source, run, *given, "--set", "preset=small", "--set", "batch=2", *words)


def test_a_run_holds_model_state_log_and_pictures(source, tmp_path):
    result = small(source, str(tmp_path / "run"), "--steps", "3", "--set", "validate=2")
    assert result.exception is None, result.output
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"model.safetensors", "state.safetensors", "log.jsonl", "previews", "samples"}
    events = [json.loads(line)["event"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert events.count("validation") == 2
    assert "psnr" in result.output


def test_epochs_are_passes_over_the_images(source, tmp_path):
    result = small(source, str(tmp_path / "run"), "--epochs", "2", "--set", "crop=0")
    assert result.exception is None, result.output
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "epoch"] == [4, 8]  # 7 images, 2 a batch


@pytest.mark.parametrize("words", [(), ("--steps", "1", "--minutes", "1")])
def test_exactly_one_length_is_wanted(source, tmp_path, words):
    result = small(source, str(tmp_path / "run"), *words)
    assert "exactly one of --steps, --epochs and --minutes" in str(result.exception)


def test_a_setting_must_be_key_and_value(source, tmp_path):
    result = small(source, str(tmp_path / "run"), "--steps", "1", "--set", "batch")
    assert "KEY=VALUE" in str(result.exception)


def test_absent_cuda_is_a_sentence(source, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = [source, str(tmp_path / "r"), "--model", "vae", "--steps", "1", "--device", "cuda"]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert "--device cuda" in str(result.exception)


def test_help_has_an_example():
    text = CliRunner().invoke(group, ["train", "--help"]).output
    assert "Example:" in text
    assert "--minutes" in text
