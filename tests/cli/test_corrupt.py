"""Facts about `restorekit corrupt` as a user meets it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorekit.images import read


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "IN"
    for name in ("a.png", "sub é/b c.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 99, np.uint8)).save(path)
    return folder


def test_the_tree_is_mirrored_with_masks_beside_the_images(run, source, tmp_path):
    code, said, _ = run("corrupt", source, tmp_path / "OUT", "--corruption", "holes:area=0.2")
    assert code == 0
    assert "2 corrupted, 0 failed" in said
    names = {str(p.relative_to(tmp_path / "OUT")) for p in (tmp_path / "OUT").rglob("*.png")}
    assert names == {"a.png", "a.missing.png", "sub é/b c.png", "sub é/b c.missing.png"}


def test_one_bad_file_does_not_stop_the_rest_and_json_is_one_object(run, source, tmp_path):
    (source / "bad.png").write_bytes(b"")
    code, said, err = run("corrupt", source, tmp_path / "OUT", "--corruption", "gaussian", "--json")
    assert (code, err) == (1, "")
    found = json.loads(said)
    assert (found["done"], found["failed"]) == (2, 1)
    assert "bad.png is empty" in found["failures"][0]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("gausian", "did you mean gaussian"),
        ("gaussian:sgima=0.1", "did you mean sigma"),
        ("gaussian:sigma=25", "did you mean 25/255"),
        ("missing:rate=2", "from 0 to 1"),
        ("gaussian:sigma=0.2..0.1", "swap the ends"),
        ("gaussian:sigma=x", "a number or a fraction"),
        ("holes:shape=round", "takes one of"),
    ],
)
def test_a_spec_that_cannot_be_is_a_sentence(run, source, tmp_path, spec, told):
    code, said, err = run("corrupt", source, tmp_path / "OUT", "--corruption", spec)
    assert (code, said) == (2, "")
    assert told in err
    assert not (tmp_path / "OUT").exists()


def test_the_output_lies_outside_the_input(run, source):
    code, _, err = run("corrupt", source, source / "OUT", "--corruption", "gaussian")
    assert code == 2
    assert "must lie outside the input" in err


def test_two_images_for_one_output_are_refused(run, source, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(source / "a.bmp")
    code, _, err = run("corrupt", source, tmp_path / "OUT", "--corruption", "gaussian")
    assert code == 2
    assert "a.bmp and a.png would both be written" in err
    assert not (tmp_path / "OUT").exists()


ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^restorekit (corrupt .+)$", (ROOT / "samples" / "ORIGIN.md").read_text(), re.M)


@pytest.mark.parametrize("words", COMMANDS)
def test_the_samples_are_what_their_stated_commands_make(run, words, tmp_path):
    _, source, stated, *options = words.split()
    assert run("corrupt", ROOT / source, tmp_path / "made", *options)[0] == 0
    made = sorted(p.name for p in (tmp_path / "made").iterdir())
    assert made == sorted(p.name for p in (ROOT / stated).iterdir())
    for name in made:
        ours, theirs = read(tmp_path / "made" / name), read(ROOT / stated / name)
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert theirs.spec == (None if stated.endswith("film") else ours.spec)  # a scan with dust does not say so
