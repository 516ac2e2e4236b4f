"""A folder of images that cannot be listed is one failure, and the images of other folders are done."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.images.discovery import find_images

WORDS = ("--model", "tv", "--sigma", "20/255")


@pytest.fixture
def source(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("a.png", "closed/b.png", "open/c.png"):
        (tmp_path / "IN" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "IN" / name)
    return tmp_path / "IN"


@pytest.fixture
def close(monkeypatch):
    """A function that takes the permission to list a folder, which the superuser would have."""
    scandir = os.scandir

    def closed(folder):
        def refuse(path="."):
            if os.fspath(path) == str(folder):
                raise PermissionError(13, "Permission denied", str(folder))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

    return closed


def test_a_run_tells_the_folder_and_restores_the_rest(run, source, tmp_path, close, monkeypatch):
    close(source / "closed")
    code, said, err = run("restore", source, tmp_path / "OUT", *WORDS, "--json")
    assert code == 1, err
    found = json.loads(said)
    assert (found["done"], found["failed"]) == (2, 1)
    assert found["failures"][0]["image"] == "closed/*"
    assert "cannot be listed" in found["failures"][0]["error"]
    monkeypatch.undo()
    code, said, _ = run("restore", source, tmp_path / "OUT", *WORDS, "--json")
    assert code == 0
    assert json.loads(said)["done"] == 1
    assert "closed/*" not in (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text()


def test_a_source_that_cannot_be_listed_is_refused(source, close):
    close(source)
    with pytest.raises(UsageError, match="cannot list the folder"):
        find_images(source)


def test_a_file_that_cannot_be_looked_at_is_not_passed_over(source, monkeypatch):
    is_file = type(source).is_file

    def refuse(self):
        if self.name == "a.png":
            raise PermissionError(13, "Permission denied", str(self))
        return is_file(self)

    monkeypatch.setattr(type(source), "is_file", refuse)
    assert [item.key for item in find_images(source)] == ["a.png", "closed/b.png", "open/c.png"]
