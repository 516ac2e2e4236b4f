"""`restore --repair` with a network that takes bright pixels for damage, so that all of its marks are known."""

import json

import numpy as np
import pytest
from PIL import Image

import restorekit
from restorekit.core.errors import UsageError
from restorekit.images import formats

WORDS = ("--device", "cpu", "--threads", 1)


@pytest.fixture(scope="module")
def dusty(tmp_path_factory):
    """A smooth picture of 8 bits in a folder, with opaque white specks; and where they are."""
    rows, columns = np.mgrid[:160, :192]
    clean = (90 + 40 * np.sin(rows / 40) + 30 * np.cos(columns / 50))[..., None] * [1.0, 0.9, 0.8]
    specks = np.zeros((160, 192), bool)
    for row, column in ((30, 40), (60, 150), (100, 90), (130, 30), (120, 160), (20, 110)):
        specks |= np.hypot(rows - row, (columns - column) / 1.4) < 3.2
    folder = tmp_path_factory.mktemp("dusty")
    clean = clean.round().astype(np.uint8)
    Image.fromarray(np.where(specks[..., None], np.uint8(250), clean)).save(folder / "a.png")
    return folder, clean, specks


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def restored(run, folder, out, detector_file, *words):
    code, said, err = run("restore", folder, out, "--repair", detector_file, *words, *WORDS, "--json")
    assert code == 0, err
    line = json.loads((out / "_restorekit" / "images.jsonl").read_text().splitlines()[-1])
    return pixels(out / "a.png"), line, json.loads(said)


def test_specks_are_filled_all_else_stays_and_every_pixel_is_listed(run, dusty, detector_file, tmp_path):
    folder, clean, specks = dusty
    found, line, _ = restored(run, folder, tmp_path / "OUT", detector_file)
    marks = np.asarray(Image.open(tmp_path / "OUT" / "_restorekit" / "repaired" / "a.png.png"))
    assert marks.dtype == bool
    assert marks[specks].mean() > 0.95
    assert marks[~specks].mean() < 0.02
    assert np.array_equal(found[~marks], pixels(folder / "a.png")[~marks])
    assert np.abs(found - clean)[specks].mean() < 4
    assert line["repaired"]["touched"] == pytest.approx(marks.mean(), rel=1e-3)
    assert line["repaired"]["marks"] == 6
    record = json.loads((tmp_path / "OUT" / "_restorekit" / "run.json").read_text())
    assert record["repair"]["detector"] == str(detector_file)
    assert (record["repair"]["touch"], record["repair"]["strength"]) == (0.001, 1.0)


def test_the_written_marks_given_back_as_a_mask_restore_the_same(run, dusty, detector_file, tmp_path):
    folder, *_ = dusty
    found, *_ = restored(run, folder, tmp_path / "OUT", detector_file)
    masks = tmp_path / "OUT" / "_restorekit" / "repaired"
    assert run("restore", folder, tmp_path / "AGAIN", "--mask", masks, "--sigma", 0, *WORDS)[0] == 0
    assert np.array_equal(pixels(tmp_path / "AGAIN" / "a.png"), found)


def test_a_mask_that_was_edited_is_not_overwritten(run, dusty, detector_file, tmp_path):
    folder, _, specks = dusty
    out = tmp_path / "OUT"
    restored(run, folder, out, detector_file)
    mask = out / "_restorekit" / "repaired" / "a.png.png"
    edited = np.asarray(Image.open(mask)) & (np.arange(specks.shape[1]) < 80)
    Image.fromarray(edited).save(mask)
    again = ("restore", folder, out, "--repair", detector_file, *WORDS)
    code, _, err = run(*again)
    assert code == 1
    assert "was edited since it was written" in err
    assert np.array_equal(np.asarray(Image.open(mask)), edited)
    assert run("restore", folder, out, "--mask", mask.parent, "--sigma", 0, *WORDS)[0] == 0  # reads and leaves it
    assert np.array_equal(np.asarray(Image.open(mask)), edited)
    assert np.array_equal((pixels(out / "a.png") != pixels(folder / "a.png")).any(2) & ~edited, np.zeros_like(edited))
    assert run(*again, "--overwrite")[0] == 0
    assert np.asarray(Image.open(mask)).sum() > edited.sum()


def test_masks_of_a_repair_that_was_replaced_are_removed(run, dusty, detector_file, tmp_path):
    folder, *_ = dusty
    restored(run, folder, tmp_path / "OUT", detector_file)
    mask = tmp_path / "OUT" / "_restorekit" / "repaired" / "a.png.png"
    assert mask.is_file()
    assert run("restore", folder, tmp_path / "OUT", "--sigma", 0, *WORDS)[0] == 0
    assert not mask.exists()


def test_a_protected_pixel_is_never_touched_and_a_stroke_takes_back_a_whole_mark(run, dusty, detector_file, tmp_path):
    folder, _, specks = dusty
    given, stroke = pixels(folder / "a.png"), np.zeros(specks.shape, np.uint8)
    stroke[30, 38:41] = 255
    for name in ("protect", "keep-marks"):
        (tmp_path / name).mkdir()
        Image.fromarray(stroke).save(tmp_path / name / "a.png")
        found, *_ = restored(run, folder, tmp_path / f"OUT-{name}", detector_file, f"--{name}", tmp_path / name)
        changed = (found != given).any(2)
        speck = specks.copy()
        speck[:, 80:] = speck[60:] = False  # the one with the stroke
        assert not changed[stroke > 0].any()
        assert changed[speck].any() == (name == "protect")
        assert changed[specks & ~speck].mean() > 0.95


def test_another_protection_restores_again(run, dusty, detector_file, tmp_path):
    folder, _, specks = dusty
    (tmp_path / "P").mkdir()
    Image.fromarray(np.zeros(specks.shape, np.uint8)).save(tmp_path / "P" / "a.png")
    restored(run, folder, tmp_path / "OUT", detector_file, "--protect", tmp_path / "P")
    assert restored(run, folder, tmp_path / "OUT", detector_file, "--protect", tmp_path / "P")[2]["skipped"] == 1
    Image.fromarray(np.full(specks.shape, 255, np.uint8)).save(tmp_path / "P" / "a.png")
    found, _, counts = restored(run, folder, tmp_path / "OUT", detector_file, "--protect", tmp_path / "P")
    assert counts["skipped"] == 0
    assert np.array_equal(found, pixels(folder / "a.png"))


def test_strength_goes_a_share_of_the_way(run, dusty, detector_file, tmp_path):
    folder, _, specks = dusty
    given = pixels(folder / "a.png")
    (full, *_), (half, *_) = (
        restored(run, folder, tmp_path / f"OUT{s}", detector_file, "--strength", s) for s in (1, 0.5)
    )
    assert np.abs(half - (given + full) / 2).max() <= 1
    assert np.abs(half - full)[specks].mean() > 20


def test_marks_and_masks_are_filled_together_with_draws_and_intervals(run, dusty, detector_file, tmp_path):
    folder, clean, specks = dusty
    mask = np.zeros(specks.shape, np.uint8)
    mask[80:90, 20:30] = 255
    (tmp_path / "M").mkdir()
    Image.fromarray(mask).save(tmp_path / "M" / "a.png")
    words = ("--mask", tmp_path / "M", "--samples", 2, "--interval", 0.9)
    found, *_ = restored(run, folder, tmp_path / "OUT", detector_file, *words)
    low, high = (formats.read(tmp_path / "OUT" / "_restorekit" / k / "a.png.tif").pixels[0] for k in ("low", "high"))
    width = (high.astype(float) - low).mean(2)
    assert width[specks].min() > 0
    assert width[mask > 0].min() > 0
    marks = np.asarray(Image.open(tmp_path / "OUT" / "_restorekit" / "repaired" / "a.png.png"))
    assert not marks[mask > 0].any()  # what the user marked is not listed as found
    assert width[~marks & (mask == 0)].max() == 0
    assert np.abs(found - clean)[mask > 0].mean() < 6


def test_options_without_repair_and_unknown_detectors_are_one_sentence(run, dusty, detector_file, tmp_path):
    folder, *_ = dusty
    for words in (
        ("--protect", folder / "a.png"), ("--keep-marks", folder / "a.png"), ("--touch", 0.01), ("--strength", 0.5),
    ):  # fmt: skip
        code, _, err = run("restore", folder, tmp_path / "O", *words, *WORDS)
        assert code == 2
        assert "add --repair" in err
    (tmp_path / "OTHER").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "OTHER" / "nobody.png")
    for words, sentence in (
        (("--repair", "flim"), "film"),
        (("--repair", "film,"), "names of detectors with commas"),
        (("--repair", "film", "--touch", 1e-5), "film is calibrated for --touch from 0.0002 to 0.01, got 1e-05"),
        (("--repair", "film,lines", "--touch", 2e-4), "from 0.0004 to 0.02, of which each of 2 detectors"),
        (("--repair", detector_file, "--strength", 0.5, "--samples", 2), "remove --strength, or --samples"),
        (("--repair", detector_file, "--strength", 0.5, "--interval", 0.9), "remove --strength, or --samples"),
        (("--repair", detector_file, "--protect", tmp_path / "OTHER"), "fits an image by its name"),
        (("--repair", detector_file, "--keep-marks", tmp_path / "OTHER"), "fits an image by its name"),
    ):
        code, _, err = run("restore", folder, tmp_path / "O", *words, *WORDS)
        assert (code, sentence in err) == (2, True), err
    code, _, err = run("restore", folder, tmp_path / "O", "--repair", "default", *WORDS)
    assert code == 2
    assert "holds a model, which detects no defects" in err
    code, _, err = run("restore", folder, tmp_path / "O", "--repair", "anomaly", *WORDS)
    assert code == 2
    assert "is not calibrated" in err


def test_python_repairs_a_folder_as_the_command_does(run, dusty, detector_file, tmp_path):
    folder, _, specks = dusty
    found, *_ = restored(run, folder, tmp_path / "OUT", detector_file)
    restorekit.restore_folder(folder, tmp_path / "PY", repair=detector_file, device="cpu")
    assert np.array_equal(pixels(tmp_path / "PY" / "a.png"), found)
    Image.fromarray(np.full(specks.shape, 255, np.uint8)).save(tmp_path / "all.png")
    restorekit.restore_folder(
        folder, tmp_path / "KEPT", repair=detector_file, protect=tmp_path / "all.png", device="cpu"
    )
    assert np.array_equal(pixels(tmp_path / "KEPT" / "a.png"), pixels(folder / "a.png"))
    with pytest.raises(UsageError, match="add --repair"):
        restorekit.restore_folder(folder, tmp_path / "X", keep_marks=tmp_path / "all.png")
    for options, sentence in (
        ({"strength": 1.5}, "above 0 and up to 1"),
        ({"touch": "x"}, "above 0 and up to 1"),
        ({"repair": True}, "the name or file of a detector"),
        ({"protect": np.zeros((8, 8))}, "are files or folders"),
    ):
        with pytest.raises(UsageError, match=sentence):
            restorekit.restore_folder(folder, tmp_path / "X", **{"repair": detector_file, **options})


def test_an_image_unlike_photographs_and_one_that_is_defective_in_large_parts_are_labelled(
    run, dusty, detector_file, tmp_path
):
    _, clean, _ = dusty
    (tmp_path / "IN").mkdir()
    drawing = np.full((64, 64, 3), 40, np.uint8)
    drawing[20:24, 10:40] = 250
    Image.fromarray(drawing).save(tmp_path / "IN" / "drawing.png")
    bright = clean.copy()
    bright[:30, :40] = 250
    Image.fromarray(bright).save(tmp_path / "IN" / "bright.png")
    run("restore", tmp_path / "IN", tmp_path / "OUT", "--repair", detector_file, *WORDS)
    lines = map(json.loads, (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text().splitlines())
    notes = {line["image"]: " ".join(line["notes"]) for line in lines if line["status"] == "done"}
    assert "no share of clean pixels is promised, because it is unlike photographs" in notes["drawing.png"]
    assert "of it look defective, more than 2%" in notes["bright.png"]
