"""Facts about `restorekit calibrate` as a user meets it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from restorekit.models import checkpoint

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """As many small pictures as a calibration needs."""
    folder = tmp_path_factory.mktemp("clean")
    for i in range(80):
        smooth = RNG.integers(0, 256, (4, 4), dtype=np.uint8)
        Image.fromarray(smooth).resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def test_the_file_it_writes_has_the_same_weights_and_intervals_that_are_used(run, model_file, clean, tmp_path):
    out = tmp_path / "sure.safetensors"
    damage = ("--corruption", "gaussian:sigma=0.1", "--corruption", "missing:rate=0.5")
    code, said, _ = run("calibrate", model_file, clean, out, *damage, "--device", "cpu", "--threads", 1)
    assert code == 0
    assert "gaussian:sigma=0.1" in said
    before, after = (load_file(path) for path in (model_file, out))
    assert all((after[k] == v).all() and after[k].dtype == v.dtype for k, v in before.items())
    card = checkpoint.read_card(out)
    table, metrics = card.calibration, card.metrics
    assert table["images"] == 80
    assert {name for name in metrics if name.startswith("psnr ")} == {
        "psnr gaussian:sigma=0.1, 1 channels",
        "psnr missing:rate=0.5, 1 channels",
    }
    assert "80 images of clean" in table["source"]
    own = tmp_path / "OUT"
    words = ("--model", out, "--sigma", "0.1", "--keep", "low,high", "--device", "cpu", "--threads", 1)
    code, said, _ = run("restore", clean / "0.png", own, *words)
    assert code == 0
    assert "80 images" in said
    assert json.loads((own / "_restorekit" / "run.json").read_text())["interval"]["calibrated"]
    code, said, _ = run("show", out)
    assert code == 0
    assert "calibration: for 5 levels from 0.5 to 0.95, from 80 images of clean" in said


def test_measured_again_on_other_damage_the_calibrated_interval_holds(run, model_file, clean, tmp_path):
    out = tmp_path / "sure.safetensors"
    words = ("--device", "cpu", "--threads", 1, "--json")
    code, said, _ = run("calibrate", model_file, clean, out, "--corruption", "gaussian:sigma=0.1", *words)
    assert code == 0
    assert 0.9 < json.loads(said)["rows"][0]["coverage90"] < 0.96
    words = ("--model", out, "--corruption", "gaussian:sigma=0.1", "--baseline", "none", "--seed", 9, *words)
    code, said, _ = run("evaluate", clean, tmp_path / "REPORT", *words)
    assert code == 0
    assert 0.88 < json.loads(said)["runs"][0]["coverage90"] < 0.97


def test_the_best_quality_has_a_calibration_of_its_own_beside_the_other(run, model_file, clean, tmp_path):
    once, both, words = tmp_path / "once.safetensors", tmp_path / "both.safetensors", ("--corruption", "gaussian")
    words += ("--device", "cpu", "--threads", 1)
    card = replace(checkpoint.read_card(model_file), recipe={"augment": True})
    checkpoint.save(tmp_path / "model.safetensors", checkpoint.read_weights(model_file), card)
    code, _, err = run("calibrate", tmp_path / "model.safetensors", clean, both, "--quality", "best", *words)
    assert code == 2
    assert "without --quality first" in err
    assert run("calibrate", tmp_path / "model.safetensors", clean, once, *words)[0] == 0
    assert run("calibrate", once, clean, both, "--quality", "best", *words)[0] == 0
    before, after = (checkpoint.read_card(path) for path in (once, both))
    assert {**after.calibration, "best": None} == {**before.calibration, "best": None}
    assert after.calibration["best"]["images"] == 80
    assert after.calibration["best"]["factors"] != after.calibration["factors"]
    assert set(after.metrics) == {*before.metrics, "psnr gaussian, 1 channels, best"}
    for path, calibrated in ((once, False), (both, True)):
        out = tmp_path / f"OUT {path.stem}"
        given = ("--model", path, "--quality", "best", "--sigma", "0.1", "--keep", "low,high", *words[2:])
        assert run("restore", clean / "0.png", out, *given)[0] == 0
        assert json.loads((out / "_restorekit" / "run.json").read_text())["interval"]["calibrated"] is calibrated


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("opencv-nlm",), "without a standard deviation"),
        (("default", "OUT.txt"), "to end in .safetensors"),
        (("default", "there.safetensors"), "exists; choose another name"),
    ],
)
def test_what_cannot_be_calibrated_is_told(run, clean, tmp_path, words, told):
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    name, out = (*words, "OUT.safetensors")[:2]
    code, _, err = run("calibrate", name, clean, tmp_path / out, "--corruption", "gaussian", "--device", "cpu")
    assert code == 2
    assert told in err
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"


def test_too_few_images_are_told_before_any_work(run, model_file, clean, tmp_path):
    words = ("--corruption", "gaussian", "--limit", 3, "--device", "cpu")
    code, _, err = run("calibrate", model_file, clean, tmp_path / "o.safetensors", *words)
    assert code == 2
    assert "at least 80 clean images, got 3" in err


def test_what_too_few_images_are_like_is_told_and_not_covered(run, model_file, clean, tmp_path):
    folder = tmp_path / "some in colour"
    folder.mkdir()
    for i, path in enumerate(sorted(clean.iterdir())):
        shutil.copy(path, folder)
        if i % 10 == 0:
            Image.open(path).convert("RGB").save(folder / f"c{path.name}")
    words = ("--corruption", "gaussian:sigma=0.1", "--device", "cpu", "--threads", 1)
    code, said, _ = run("calibrate", model_file, folder, tmp_path / "o.safetensors", *words)
    assert code == 0
    assert "colour, 4 images without an interval: too few similar images" in " ".join(said.split())
    code, said, _ = run("calibrate", model_file, folder, tmp_path / "p.safetensors", *words, "--json")
    row = next(row for row in json.loads(said)["rows"] if row["channels"] == 3)
    assert (row["images"], row["refused"], row["coverage90"]) == (0, 4, None)
    assert {key[0] for key in checkpoint.read_card(tmp_path / "o.safetensors").calibration["factors"]} == {"1"}


def test_where_the_result_cannot_go_is_told_before_the_work(run, model_file, clean, tmp_path):
    (tmp_path / "file").touch()
    words = ("--corruption", "gaussian", "--device", "cpu")
    code, _, err = run("calibrate", model_file, clean, tmp_path / "file" / "o.safetensors", *words)
    assert code == 2
    assert "cannot be written to" in err


def test_damage_that_leaves_nothing_unknown_is_told(run, model_file, clean, tmp_path):
    words = ("--corruption", "clean", "--device", "cpu")
    code, _, err = run("calibrate", model_file, clean, tmp_path / "o.safetensors", *words)
    assert code == 2
    assert "corruptions that leave something unknown" in err


def test_a_file_that_cannot_be_read_is_left_out_and_told(run, model_file, clean, tmp_path):
    folder = tmp_path / "some"
    shutil.copytree(clean, folder)
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("--corruption", "gaussian:sigma=0.1", "--device", "cpu", "--threads", 1)
    code, _, err = run("calibrate", model_file, folder, tmp_path / "o.safetensors", *words)
    assert code == 1
    assert "cut.png: left out: " in err
    assert checkpoint.read_card(tmp_path / "o.safetensors").calibration is not None


def test_a_detector_gets_the_thresholds_that_keep_its_promise(run, detector_file, tmp_path):
    rng = np.random.default_rng(1)
    (tmp_path / "clean").mkdir()
    for i in range(45):  # bright pixels here and there, which the detector takes for defects
        x = rng.integers(40, 200, (32, 32)).astype(np.uint8)
        Image.fromarray(np.where(rng.random((32, 32)) < 0.002, 215, x).astype(np.uint8)).save(
            tmp_path / "clean" / f"{i}.png"
        )
    out = tmp_path / "new.safetensors"
    code, said, err = run(
        "calibrate", detector_file, tmp_path / "clean", out, "--device", "cpu", "--threads", 1, "--json"
    )
    assert code == 0, err
    table = json.loads(said)
    assert table["images"] == 45
    assert "45 images of clean" in table["source"]
    assert all(m <= s for m, s in zip(table["measured"], table["shares"], strict=True))
    assert table["log_odds"] == sorted(table["log_odds"], reverse=True)
    before, after = load_file(detector_file), load_file(out)
    assert all((after[k] == v).all() for k, v in before.items())
    code, _, err = run("calibrate", detector_file, tmp_path / "clean", out, "--corruption", "clean", "--overwrite")
    assert code == 2
    assert "a detector has no corruption" in err
    code, said, _ = run("show", out)
    assert code == 0
    assert "of clean pixels touched" in said
