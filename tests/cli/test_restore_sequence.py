"""`restore --repair --sequence` with a network that takes bright pixels for damage, so that all marks are known."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorekit.models import checkpoint

CPU = ("--device", "cpu", "--threads", 1)
LAMP, SPECK = (40, 60), (90, 100)  # row and column of what is on all frames, and on the second only


def frames(count=3):
    """Return frames of a smooth scene with a bright lamp, and a speck of dust on the second."""
    rows, columns = np.mgrid[:128, :160]
    scene = 90 + 40 * np.sin(rows / 20) + 30 * np.cos(columns / 25)
    found = []
    for i in range(count):
        frame = scene.round().astype(np.uint8)
        for place in (LAMP, SPECK)[: 1 + (i == 1)]:
            cv2.circle(frame, place[::-1], 3, 250, -1)
        found.append(frame)
    return found


@pytest.fixture
def film(tmp_path):
    folder = tmp_path / "film"
    folder.mkdir()
    for i, frame in enumerate(frames()):
        Image.fromarray(frame).save(folder / f"f{i + 9}.png")  # the names in their own order: f10, f11, f9
    return folder


def marks(out, name):
    return np.asarray(Image.open(out / "_restorekit" / "repaired" / f"{name}.png"))


def test_what_the_frames_around_have_too_is_no_defect(run, film, detector_file, tmp_path):
    alone, compared = tmp_path / "ALONE", tmp_path / "COMPARED"
    assert run("restore", film, alone, "--repair", detector_file, *CPU)[0] == 0
    assert run("restore", film, compared, "--repair", detector_file, "--sequence", *CPU)[0] == 0
    assert marks(alone, "f10.png")[LAMP]
    assert marks(alone, "f10.png")[SPECK]
    assert not marks(compared, "f10.png")[LAMP]
    assert marks(compared, "f10.png")[SPECK]
    for name in ("f9.png", "f11.png"):
        assert not marks(compared, name).any()
        assert np.array_equal(np.asarray(Image.open(compared / name)), np.asarray(Image.open(film / name)))
    record = json.loads((compared / "_restorekit" / "run.json").read_text())
    assert record["repair"]["sequence"]


def test_a_changed_neighbour_makes_its_frames_anew(run, film, detector_file, tmp_path):
    Image.fromarray(frames()[0]).save(film / "f12.png")
    words = ("restore", film, tmp_path / "OUT", "--repair", detector_file, "--sequence", *CPU, "--json")
    assert json.loads(run(*words)[1])["done"] == 4
    assert json.loads(run(*words)[1])["skipped"] == 4
    Image.fromarray(frames()[0] - 1).save(film / "f12.png")
    counts = json.loads(run(*words)[1])
    assert (counts["done"], counts["skipped"]) == (2, 2)  # itself and f11; f9 and f10 do not look at it


def test_the_frames_of_one_file_are_compared_with_each_other(run, detector_file, tmp_path):
    (tmp_path / "IN").mkdir()
    tifffile.imwrite(tmp_path / "IN" / "film.tif", np.stack(frames(4)), photometric="minisblack")
    assert run("restore", tmp_path / "IN", tmp_path / "OUT", "--repair", detector_file, "--sequence", *CPU)[0] == 0
    found = tifffile.imread(tmp_path / "OUT" / "_restorekit" / "repaired" / "film.tif.tif") > 0
    assert found[1][SPECK]
    assert not found[:, LAMP[0], LAMP[1]].any()


def test_a_frame_without_others_of_its_size_is_searched_by_itself_and_says_so(run, film, detector_file, tmp_path):
    Image.fromarray(frames()[0][:100]).save(film / "f9.png")
    words = ("--repair", detector_file, "--sequence", *CPU)
    assert run("restore", film, tmp_path / "OUT", *words)[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text().splitlines()]
    notes = {line["image"]: " ".join(line["notes"]) for line in lines if "notes" in line}
    assert "searched for defects by itself" in notes["f10.png"]
    assert marks(tmp_path / "OUT", "f10.png")[LAMP]


def test_detectors_for_single_images_only_are_refused(run, film, detector_file, tmp_path):
    card = checkpoint.read_card(detector_file)
    table = {name: value for name, value in card.calibration.items() if name != "sequence"}
    old = tmp_path / "old.safetensors"
    checkpoint.save(
        old, checkpoint.read_weights(detector_file), checkpoint.dataclasses.replace(card, calibration=table)
    )
    code, _, told = run("restore", film, tmp_path / "OUT", "--repair", old, "--sequence", *CPU)
    assert code == 2
    assert "single images only" in told
    code, _, told = run("restore", film, tmp_path / "OUT", "--sequence", *CPU)
    assert code == 2
    assert "add --repair" in told
