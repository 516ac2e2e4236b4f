"""Facts about `restorekit train` as a user meets it."""

from __future__ import annotations

import json
import signal
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from restorekit.cli import group
from restorekit.cli.train import command
from restorekit.core.errors import UsageError
from restorekit.report import live
from restorekit.training import loop


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
    pictures = {"previews", "samples", "report.html"}
    assert names == {"model.safetensors", "state.safetensors", "log.jsonl", *pictures}
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


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_how_to_go_on(source, tmp_path, monkeypatch, number, status):
    update = loop._update

    def updating(job, state, *rest):
        if state.step == 1:
            signal.raise_signal(number)
        return update(job, state, *rest)

    monkeypatch.setattr(loop, "_update", updating)
    result = small(source, str(tmp_path / "run"), "--steps", "9")
    assert result.return_value == status
    assert "stopped at step 2; continue with --resume" in result.output
    assert "pictures:" not in result.output
    assert "The training is not finished: its log ends at step" in (tmp_path / "run" / "report.html").read_text()
    assert f"model: {tmp_path / 'run' / 'model.safetensors'}" in result.output
    monkeypatch.undo()
    done = small(source, str(tmp_path / "run"), "--steps", "3", "--resume")
    assert done.return_value == 0
    assert "pictures:" in done.output
    assert "not finished" not in (tmp_path / "run" / "report.html").read_text()
    assert "resuming " in done.output


@pytest.mark.parametrize("words", [(), ("--validation", "held")], ids=["training", "validation"])
def test_a_run_inside_the_images_is_refused(source, tmp_path, words):
    folder = tmp_path / "photos"
    folder.mkdir()
    given = [str(folder) if word == "held" else word for word in words]
    result = small(source if given else str(folder), str(folder / "run"), "--steps", "1", *given)
    assert isinstance(result.exception, UsageError)
    assert "must lie outside the input" in str(result.exception)
    assert not (folder / "run").exists()


def test_what_was_left_out_is_told(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, side in enumerate((32, 32, 32, 5)):
        Image.new("L", (side, side)).save(folder / f"{i}.png")
    result = small(str(folder), str(tmp_path / "run"), "--steps", "1", "--set", "crop=16")
    assert result.exception is None, result.output
    assert "left out 1 of 4 images" in result.output


def test_going_on_needs_the_options_of_the_first_command(source, tmp_path):
    assert small(source, str(tmp_path / "run"), "--steps", "1").exception is None
    again = invoke(source, str(tmp_path / "run"), "--model", "cvae", "--steps", "2", "--resume")
    assert isinstance(again.exception, UsageError)
    assert "repeat all options of the first command" in str(again.exception)
    assert "Repeat all options" in " ".join(CliRunner().invoke(group, ["train", "--help"]).output.split())


def test_a_signal_before_the_training_has_begun_has_saved_nothing_and_says_nothing_else(
    run, source, tmp_path, monkeypatch
):
    monkeypatch.setattr("restorekit.training.build.prepare", lambda *_: signal.raise_signal(signal.SIGTERM))
    code, said, err = run("train", source, tmp_path / "run", "--model", "vae", "--steps", 1)
    begun, *others = filter(None, err.splitlines())
    assert (code, said, others) == (143, "", ["restorekit: stopped"])
    assert begun.startswith("reading ")


def test_the_page_of_a_training_holds_its_figures(source, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    result = small(source, str(tmp_path / "run"), "--steps", "4", "--set", "validate=2", "--licence", "CC0 <of us>")
    assert result.exception is None, result.output
    assert "report:" in result.output
    page = (tmp_path / "run" / "report.html").read_text()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    last = lines[-1]
    assert f"At the last validation, step 4, psnr is {last['psnr']:.2f} dB" in page
    assert "4 updates of 2 images" in page
    assert "cvae (restorekit" in page
    assert "7 images of x.npy, to undo missing:rate=0.5" in page
    assert "CC0 &lt;of us&gt;" in page
    titles = ("PSNR on the validation images", "regression, training images", "regression, validation images")
    levels = ("Information in each level of the latents", "Active units")
    assert [title for title in (*titles, *levels) if f">{title}<" not in page] == []
    assert "on cpu" in page


def test_a_page_is_there_while_the_training_goes_on(source, tmp_path, monkeypatch):
    seen = []
    update = loop._update

    def updating(job, state, *rest):
        if state.step == 2:
            seen.append((job.run / "report.html").read_text())
        return update(job, state, *rest)

    monkeypatch.setattr(loop, "_update", updating)
    monkeypatch.setattr(live, "EARLIEST", 0.0)
    small(source, str(tmp_path / "run"), "--steps", "4", "--set", "validate=2")
    assert "it goes on" in seen[0]
    assert "not finished" not in seen[0]
    assert "it goes on" not in (tmp_path / "run" / "report.html").read_text()


def test_tensorboard_is_given_the_log(source, tmp_path):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs tensorboard: pip install 'restorekit[tensorboard]'",
    )
    result = small(source, str(tmp_path / "run"), "--steps", "3", "--set", "validate=2", "--tensorboard")
    assert result.exception is None, result.output
    again = small(source, str(tmp_path / "run"), "--steps", "4", "--set", "validate=2", "--tensorboard", "--resume")
    assert again.exception is None, again.output
    found = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    logged = [(line["step"], pytest.approx(line["psnr"])) for line in lines if line["event"] == "validation"]
    assert [(event.step, event.value) for event in found.Scalars("validation/psnr")] == logged
    assert [picture.step for picture in found.Images("previews")] == [2, 3, 4]


def test_tensorboard_that_is_not_installed_is_told_before_any_work(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    result = small(source, str(tmp_path / "run"), "--steps", "1", "--tensorboard")
    assert "pip install 'restorekit[tensorboard]'" in str(result.exception)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def folder(tmp_path):
    """Six images, one cut short, one that is empty, and one that is no image."""
    (tmp_path / "IN" / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.png", "sub/d.png", "e.png", "f.png"):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(tmp_path / "IN" / name)
    cut = tmp_path / "IN" / "c.png"
    cut.write_bytes(cut.read_bytes()[:-60])
    (tmp_path / "IN" / "empty.png").write_bytes(b"")
    (tmp_path / "IN" / "text.jpg").write_text("no image")
    return tmp_path / "IN"


def test_a_training_goes_on_without_files_that_cannot_be_read(folder, tmp_path):
    result = small(str(folder), str(tmp_path / "run"), "--steps", "2", "--validation", "1")
    assert result.exception is None, result.output
    assert "left out 3 of 8 images, which cannot be read" in result.output
    for name in ("c.png", "empty.png", "text.jpg"):
        assert name in result.output
    for name in ("c.png", "empty.png", "text.jpg"):
        (folder / name).unlink()
    clean = small(str(folder), str(tmp_path / "clean"), "--steps", "2", "--validation", "1")
    assert "left out" not in clean.output
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "clean"))
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_a_training_without_a_single_readable_file_is_refused(folder, tmp_path):
    for name in ("a.png", "b.png", "sub/d.png", "e.png", "f.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    result = small(str(folder), str(tmp_path / "run"), "--steps", "2")
    assert isinstance(result.exception, UsageError)
    assert "none of the 8 images" in str(result.exception)


def test_pictures_of_a_validation_that_failed_are_made_by_the_next_run(source, tmp_path, monkeypatch):
    words = ("--steps", "4", "--set", "validate=2")
    assert small(source, str(tmp_path / "whole"), *words).exception is None
    pictures = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.png")}

    def fail(*arguments):
        raise OSError(28, "No space left on device", "previews/0000002.png")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "preview", fail)
        error = small(source, str(tmp_path / "run"), *words).exception
    assert isinstance(error, OSError)
    assert any("as of step 2, so go on with --resume" in note for note in error.__notes__)
    assert small(source, str(tmp_path / "run"), *words, "--resume").exception is None
    assert {path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*.png")} == pictures
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "whole"))
    assert all(torch.equal(first[key], second[key]) for key in second)
