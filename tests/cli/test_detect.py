import json

import numpy as np
import pytest
from PIL import Image

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.models import VAE, checkpoint
from restorekit.testing._assertions import perturb

CPU = ("--device", "cpu", "--threads", 1)


@pytest.fixture
def folders(tmp_path, images):
    """Clean pictures, and others of which one in a hundred pixels is dead."""
    x = (images(6, 1, 64, 64, seed=2)[:, 0] * 255).round().byte().numpy()
    dead = (Rng(0).uniform("dead", (64, 64), "cpu") < 0.01).numpy()
    for i, image in enumerate(x):
        folder = tmp_path / ("good" if i < 4 else "bad") / "sub"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image if i < 4 else np.where(dead, image + np.uint8(128), image)).save(folder / f"{i}.png")
    return tmp_path / "good", tmp_path / "bad", dead


def test_damage_is_found_and_repaired(run, folders, tmp_path):
    good, bad, dead = folders
    words = ("--clean", good, "--detector", "anomaly", "--touch", 0.01, "--grow", 0, *CPU, "--json")
    code, said, err = run("detect", bad, tmp_path / "MASKS", *words)
    assert code == 0, err
    assert json.loads(said)["images"] == 2
    mask = np.asarray(Image.open(tmp_path / "MASKS" / "sub" / "4.png")) > 0
    assert mask[dead].mean() > 0.8
    assert mask[~dead].mean() < 0.05
    code, _, err = run(
        "restore", bad, tmp_path / "OUT", "--mask", tmp_path / "MASKS", "--sigma", 0, "--device", "cpu", "--threads", 1
    )
    assert code == 0, err
    truth = np.asarray(Image.open(bad / "sub" / "4.png")).astype(int)
    truth = np.where(dead, (truth - 128) % 256, truth)
    errors = [
        np.abs(np.asarray(Image.open(folder / "sub" / "4.png")).astype(int) - truth)[dead].mean()
        for folder in (bad, tmp_path / "OUT")
    ]
    assert errors[1] < 0.3 * errors[0]


def test_what_does_not_fit_is_one_sentence(run, folders, tmp_path):
    good, bad, _ = folders
    anomaly = ("--detector", "anomaly", "--clean")
    code, _, err = run("detect", bad, tmp_path / "M", *anomaly, good, "--model", "telea", "--device", "cpu")
    assert code == 2
    assert "classical method without a standard deviation" in err
    (good / "sub" / "0.png").rename(tmp_path / "one.png")
    code, _, err = run("detect", bad, tmp_path / "M", *anomaly, tmp_path / "one.png", "--device", "cpu")
    assert code == 2
    assert "at least two clean images" in err
    assert run("detect", bad, bad / "M", "--detector", "anomaly", "--clean", good, "--device", "cpu")[0] == 2


def test_an_unconditional_model_looks_for_damage_by_its_sampler(run, images, tmp_path):
    for i, image in enumerate((images(4, 1, 16, 16, seed=2)[:, 0] * 255).round().byte().numpy()):
        (tmp_path / ("good" if i < 2 else "bad")).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / ("good" if i < 2 else "bad") / f"{i}.png")
    good, bad = tmp_path / "good", tmp_path / "bad"
    model = testing.build(VAE, VAE.Config(hidden=(8,), latent=2))
    perturb(model)
    file = tmp_path / "vae.safetensors"
    checkpoint.save(file, model.state_dict(), checkpoint.describe(model))
    words = ("--detector", "anomaly", "--clean", good, "--model", file, "--device", "cpu", "--threads", 1)
    code, _, err = run("detect", bad, tmp_path / "M", *words)
    assert code == 0, err
    assert len(list((tmp_path / "M").rglob("*.png"))) == 2


def test_clean_images_that_cannot_be_read_are_left_out(run, folders, tmp_path):
    good, bad, _ = folders
    words = ("--detector", "anomaly", "--touch", 0.01, "--device", "cpu", "--threads", 1, "--json")
    assert run("detect", bad, tmp_path / "BEFORE", "--clean", good, *words)[0] == 0
    (good / "sub" / "cut.png").write_bytes((good / "sub" / "0.png").read_bytes()[:-60])
    (good / "empty.jpg").write_bytes(b"")
    code, said, err = run("detect", bad, tmp_path / "AFTER", "--clean", good, *words)
    assert code == 1, err
    found = json.loads(said)
    assert {name.rpartition("/")[2] for name in found["unreadable_clean"]} == {"cut.png", "empty.jpg"}
    assert (found["images"], found["failures"]) == (2, [])
    for path in (tmp_path / "BEFORE").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "AFTER" / path.relative_to(tmp_path / "BEFORE")).read_bytes()


def test_a_detector_needs_no_clean_images_and_finds_what_a_repair_fills(run, detector_file, tmp_path):
    x = np.full((48, 56), 100, np.uint8)
    x[10:14, 20:30] = 250
    (tmp_path / "IN").mkdir()
    Image.fromarray(x).save(tmp_path / "IN" / "a.png")
    code, said, err = run("detect", tmp_path / "IN", tmp_path / "M", "--detector", detector_file, *CPU, "--json")
    assert code == 0, err
    mask = np.asarray(Image.open(tmp_path / "M" / "a.png")) > 0
    assert json.loads(said)["defective"] == pytest.approx(mask.mean())
    assert mask[x == 250].all()
    assert int(mask.sum()) == 4 * 10  # extended to its rim, which is sharp
    widened = ("--detector", detector_file, "--grow", 1)
    assert run("detect", tmp_path / "IN", tmp_path / "WIDE", *widened, *CPU)[0] == 0
    assert int((np.asarray(Image.open(tmp_path / "WIDE" / "a.png")) > 0).sum()) == 6 * 12 - 4  # by a cross
    assert run("restore", tmp_path / "IN", tmp_path / "OUT", "--repair", detector_file, *CPU)[0] == 0
    repaired = np.asarray(Image.open(tmp_path / "OUT" / "_restorekit" / "repaired" / "a.png.png"))
    assert np.array_equal(repaired, mask)


def test_clean_images_set_the_threshold_of_a_detector_too(run, folders, detector_file, tmp_path):
    good, bad, _ = folders
    words = ("--detector", detector_file, "--clean", good, "--touch", 0.02, *CPU, "--json")
    code, said, err = run("detect", bad, tmp_path / "M", *words)
    assert code == 0, err
    assert json.loads(said)["clean_share"] is not None


def test_options_that_do_not_fit_the_detector_are_one_sentence(run, folders, tmp_path):
    _, bad, _ = folders
    for words, sentence in (
        (("--model", "large"), "require --detector anomaly"),
        (("--side", 12), "require --detector anomaly"),
        (("--detector", "anomaly"), "pass --clean IMAGES"),
        (("--detector", "default"), "detects no defects"),
        (("--detector", "nothing"), "film"),
    ):
        code, _, err = run("detect", bad, tmp_path / "M", *words, *CPU)
        assert code == 2
        assert sentence in err


def test_lines_and_pixels_need_no_clean_images_and_no_weights(run, tmp_path):
    rows, columns = np.mgrid[:160, :160]
    x = (120 + 40 * np.sin(rows / 40) + 30 * np.cos(columns / 50)).astype(np.uint8)
    x[:, 70] += 20
    x[40, 120] = 255
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.fromarray(x).save(folder / "a.png")
    words = ("--detector", "lines,pixels", "--grow", 0, "--device", "cpu", "--threads", 1)
    code, said, err = run("detect", folder, tmp_path / "M", *words)
    assert code == 0, err
    assert "log-odds of lines,pixels must exceed 3.00, -0.25" in said
    mask = np.asarray(Image.open(tmp_path / "M" / "a.png")) > 0
    assert mask[:, 70].all()
    assert mask[40, 120]
    assert mask.mean() < 4 / 160
    code, _, err = run("detect", folder, tmp_path / "N", *words, "--clean", folder)
    assert code == 2
    assert "lines,pixels" in err  # a threshold is set for one detector
    code, _, err = run("restore", folder, tmp_path / "O", "--repair", "lines,pixels", "--device", "cpu", "--threads", 1)
    assert code == 0, err
    repaired = np.asarray(Image.open(tmp_path / "O" / "a.png")).astype(int)
    assert np.abs(repaired[:, 70] - (x[:, 70].astype(int) - 20)).mean() < 2
    assert repaired[40, 120] < 200
