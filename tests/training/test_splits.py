"""Facts about restorekit.training.splits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.images import load_images
from restorekit.training.splits import ImageSubset, hold_out, large_enough


def test_held_out_images_are_apart_from_training():
    train, held = hold_out([f"{i:03d}.png" for i in range(100)])
    assert len(held) == 5
    assert not set(train) & set(held)
    assert sorted(train + held) == list(range(100))


@pytest.mark.parametrize("where", ["", "packed.npz#"])
@pytest.mark.parametrize("held_one", ["a.jpg", "a_d.jpg"])
def test_parts_of_a_held_picture_are_in_neither(held_one, where):
    names = ["a.jpg", "a_d.jpg", "b.jpg"] if held_one == "a_d.jpg" else ["b.jpg", "a.jpg", "a_d.jpg"]
    keys = [where + name for name in names]
    train, held = hold_out(keys, 1)
    assert [keys[i] for i in held] == [where + held_one]
    assert [keys[i] for i in train] == [where + "b.jpg"]


def test_frames_of_one_file_are_no_parts_of_one_another():
    train, held = hold_out(["a.npy#0", "a.npy#1", "a.npy#2"], 1)
    assert (train, held) == ([0, 2], [1])


def test_one_image_cannot_be_split():
    with pytest.raises(UsageError, match="at least 2 images"):
        hold_out(["a.png"])


def test_nothing_left_to_train_on_is_said():
    with pytest.raises(UsageError, match="leaves none"):
        hold_out(["a.png", "b.png"], 2)


def test_a_count_of_none_is_refused():
    with pytest.raises(UsageError, match="at least 1 image to validate on"):
        hold_out(["a.png", "b.png"], 0)


def folder(where: Path, *sides: int) -> Path:
    for i, side in enumerate(sides):
        Image.new("L", (side, side + 2)).save(where / f"{i}.png")
    return where


def test_the_few_much_smaller_images_are_left_out_and_told(tmp_path):
    part, note = large_enough(load_images(folder(tmp_path, 128, 128, 9, 128)), 96)
    assert part.names == ["0.png", "1.png", "3.png"]
    assert note == "left out 1 of 4 images, much smaller than the others: 2.png has 9 x 11 pixels"


@pytest.mark.parametrize(
    ("sides", "crop"),
    [((64, 64, 64), 96), ((92, 50, 92), 96), ((128, 30, 128), 24), ((128, 9, 128), 0)],
    ids=["all small", "over half", "over the crop", "whole images"],
)
def test_images_that_spoil_nothing_stay(tmp_path, sides, crop):
    part, note = large_enough(load_images(folder(tmp_path, *sides)), crop)
    assert (part.index, note) == ([0, 1, 2], None)


def test_of_two_images_the_larger_one_remains(tmp_path):
    part, _ = large_enough(load_images(folder(tmp_path, 9, 128)), 96)
    assert part.names == ["1.png"]


def classes(where: Path, *names: str) -> ImageSubset:
    for name in names:
        (where / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(where / name / "a.png")
    images = load_images(where, labels="folders")
    return ImageSubset(images, list(range(len(images))))


def test_classes_are_numbered_by_name_and_not_by_the_folders_that_happen_to_be_there(tmp_path):
    part = classes(tmp_path, "dog", "mouse")
    assert part.labels(("cat", "dog", "mouse")).tolist() == [1, 2]
    assert part.cut([1]).labels(("cat", "dog", "mouse"), 2).tolist() == [2, 2]


def test_a_class_that_is_not_learnt_is_refused(tmp_path):
    with pytest.raises(UsageError, match="among cat, dog, got 'mouse'"):
        classes(tmp_path, "dog", "mouse").labels(("cat", "dog"))


def test_an_unknown_class_stays_unknown(tmp_path):
    part = classes(tmp_path, "cat", "dog")
    part.images.labels = torch.tensor([-1, 1])
    assert part.labels(("cat", "dog")).tolist() == [-1, 1]
