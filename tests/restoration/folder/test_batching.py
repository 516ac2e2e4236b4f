"""Facts about which images are restored together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from restorekit.images.discovery import find_images
from restorekit.images.masks import parse_mask
from restorekit.restoration.classical.opencv import Telea
from restorekit.restoration.folder import Options, Setup, tasks
from restorekit.restoration.folder import batching as module
from restorekit.restoration.folder.batching import groups


def write(folder, name, height=4, width=5):
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.zeros((height, width), np.uint8)).save(folder / name)


def names(found):
    return [[item.key for item in group.items] for group in found]


def setup(source, **values):
    options = Options("telea", format=values.pop("format", "keep"))
    return Setup(str(source), Path("OUT"), Telea(), options, lambda spec: None, parse_mask(None), **values)


def test_images_of_one_size_that_follow_one_another_are_a_batch(tmp_path):
    for name, height in (("a.png", 4), ("b.png", 4), ("c.png", 6), ("d.png", 4)):
        write(tmp_path, name, height)
    items = find_images(tmp_path)
    assert names(groups(items, most=64)) == [["a.png", "b.png"], ["c.png"], ["d.png"]]
    assert names(groups(items, most=1)) == [["a.png"], ["b.png"], ["c.png"], ["d.png"]]
    assert [group.bytes for group in groups(items, most=64)] == [40, 30, 20]


def test_a_batch_has_room_for_so_many_images_and_pixels(tmp_path, monkeypatch):
    for i in range(5):
        write(tmp_path, f"{i}.png")
    items = find_images(tmp_path)
    assert [len(g.items) for g in groups(items, most=2)] == [2, 2, 1]
    monkeypatch.setattr(module, "PIXELS", 39)
    assert [len(g.items) for g in groups(items, most=64)] == [1] * 5


def test_images_that_are_checked_too_are_stored_a_few_at_a_time(tmp_path):
    for i in range(2 * module.CHECKED):
        write(tmp_path, f"{i}.png")
    whole = setup(tmp_path)
    whole.restorer.batches = True
    assert len(tasks(find_images(tmp_path), whole)) == 1
    checked = replace(whole, options=replace(whole.options, self_check=True))
    assert len(tasks(find_images(tmp_path), checked)) == 2


def test_an_unreadable_file_stands_alone(tmp_path):
    for name in ("a.png", "c.png", "d.png"):
        write(tmp_path, name)
    (tmp_path / "b.png").write_bytes(b"")
    found = list(groups(find_images(tmp_path), most=64))
    assert names(found) == [["a.png"], ["b.png"], ["c.png", "d.png"]]
    assert found[1].bytes == 0


def test_shards_share_out_every_group_once(tmp_path):
    for i in range(7):
        write(tmp_path, f"{i}.png", height=2 + i)
    items = find_images(tmp_path)
    parts = [group for k in (1, 2, 3) for group in names(tasks(items, setup(tmp_path, shard=(k, 3))))]
    assert sorted(parts) == names(tasks(items, setup(tmp_path)))


def test_two_images_for_one_output_are_refused(tmp_path):
    write(tmp_path, "a.png")
    write(tmp_path, "a.bmp")
    items = find_images(tmp_path)
    assert len(tasks(items, setup(tmp_path))) == 2
    refused = tasks(items, setup(tmp_path, format="tiff"))
    assert [[item.key for item in group.items] for group in refused] == [["a.bmp"], ["a.png"]]
    assert all("a.bmp and a.png would all be written to OUT/a.tif" in (group.refused or "") for group in refused)
