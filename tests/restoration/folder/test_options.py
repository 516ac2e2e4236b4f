"""Facts about what a run is given."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images.discovery import Item, find_images
from restorekit.restoration.folder.options import Options, neighbours_of
from restorekit.restoration.folder.records import InputDigests, RepairOptions
from tests._helpers.folder_runs import prepared

OTHER = {
    "model": "median", "digest": "d", "corruption": "clean", "sigma": "0.1", "mask": "alpha", "mask_invert": True,
    "self_check": True,
    "label": 3, "samples": 2, "sampler": "gibbs", "range": (0.0, 9.0), "format": "png", "keep": ("std",),
    "interval": 0.9, "seed": 1, "precision": "bfloat16", "axes": "CHW", "jpeg_quality": "auto", "opaque": True,
    "ir_threshold": 0.1, "repair": RepairOptions("film", "d"), "quality": "best",
}  # fmt: skip


def test_every_option_changes_the_fingerprint():
    assert OTHER.keys() == {field.name for field in dataclasses.fields(Options)} - {"noise"}  # the model file says it
    plain = Options("telea")
    found = {dataclasses.replace(plain, **{name: value}).fingerprint for name, value in OTHER.items()}
    assert len(found | {plain.fingerprint}) == len(OTHER) + 1
    assert plain.fingerprint == Options("telea").fingerprint
    assert "axes" not in plain.to_json()  # nor in the records of earlier versions
    assert Options("telea", axes="CHW").to_json()["axes"] == "CHW"


def test_every_option_of_a_repair_changes_the_fingerprint_and_its_detector_counts_by_content():
    plain = RepairOptions("film", "d")
    other = {"digest": "e", "touch": 0.01, "strength": 0.5, "protect": "p", "keep_marks": "k"}
    repairs = [plain, *(dataclasses.replace(plain, **{name: value}) for name, value in other.items())]
    assert len({Options("telea", repair=repair).fingerprint for repair in repairs}) == len(repairs)
    renamed = dataclasses.replace(plain, detector="copy.safetensors")
    assert Options("telea", repair=renamed).fingerprint == Options("telea", repair=plain).fingerprint


def test_a_model_file_counts_by_its_content_and_not_by_its_name():
    assert Options("a.safetensors", "digest").fingerprint == Options("b.safetensors", "digest").fingerprint
    assert Options("a.safetensors", "digest").fingerprint != Options("a.safetensors", "other").fingerprint


@pytest.mark.parametrize(
    ("interval", "deviations"), [(None, 0), (0.5, 0.67448975), (0.9, 1.64485363), (0.95, 1.95996398)]
)
def test_an_interval_lies_symmetrically_about_the_mean(interval, deviations):
    assert Options("telea", interval=interval).deviations == pytest.approx(deviations)


def test_a_restoration_goes_where_the_image_was_under_its_own_name(tmp_path):
    item = Item(tmp_path / "IN" / "a" / "b.c.tiff", "a/b.c.tiff")
    assert prepared("IN", tmp_path).target(item) == tmp_path / "a" / "b.c.tiff"
    assert prepared("IN", tmp_path, format="jpeg").target(item) == tmp_path / "a" / "b.c.jpg"
    assert prepared("IN", tmp_path).own == tmp_path / "_restorekit"


def test_only_a_run_of_several_shards_names_its_part(tmp_path):
    assert prepared("IN", tmp_path).shard_name == ""
    assert prepared("IN", tmp_path, shard=(2, 3)).shard_name == "-2-of-3"


def test_the_input_is_known_by_its_file_its_array_and_its_mask(tmp_path):
    def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    np.savez(tmp_path / "a.npz", x=np.zeros((4, 4), np.uint8), y=np.ones((4, 4), np.uint8))
    setup, (item,) = prepared(tmp_path, tmp_path / "OUT"), find_images(f"{tmp_path / 'a.npz'}:x")
    assert setup.digests(item) == InputDigests(sha256(tmp_path / "a.npz"), "x")
    Image.new("L", (4, 4)).save(tmp_path / "a.missing.png")
    fresh = prepared(tmp_path, tmp_path / "OUT")  # which lists the folder anew
    assert fresh.digests(item) == dataclasses.replace(setup.digests(item), mask=sha256(tmp_path / "a.missing.png"))


def test_an_input_that_is_gone_is_told(tmp_path):
    with pytest.raises(ImageError, match=r"a\.png cannot be read"):
        prepared(tmp_path, tmp_path / "OUT").digests(Item(tmp_path / "a.png", "a.png"))


def test_neighbours_follow_the_numbers_in_names_within_each_folder():
    items = [Item(Path(key), key) for key in ("f10.png", "f9.png", "f1.png", "sub/a.png", "sub/b.png")]
    found = {key: tuple(other.key for other in pair) for key, pair in neighbours_of(items).items()}
    assert found == {  # the folder `sub` has too few frames; at the ends the next two
        "f1.png": ("f10.png", "f9.png"),
        "f9.png": ("f1.png", "f10.png"),
        "f10.png": ("f9.png", "f1.png"),
    }
