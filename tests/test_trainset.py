"""Facts about restorekit.trainset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from restorekit import trainset
from restorekit.errors import UsageError
from restorekit.images import load_images
from restorekit.pool import HeldPool, StreamedPool, Windows
from restorekit.trainset import hold_out, pool


def test_held_out_images_are_apart_from_training():
    train, held = hold_out([f"{i:03d}.png" for i in range(100)])
    assert len(held) == 5
    assert not set(train) & set(held)
    assert sorted(train + held) == list(range(100))


@pytest.mark.parametrize("held_one", ["a.jpg", "a_d.jpg"])
def test_parts_of_a_held_picture_are_in_neither(held_one):
    keys = ["a.jpg", "a_d.jpg", "b.jpg"] if held_one == "a_d.jpg" else ["b.jpg", "a.jpg", "a_d.jpg"]
    train, held = hold_out(keys, 1)
    assert [keys[i] for i in held] == [held_one]
    assert [keys[i] for i in train] == ["b.jpg"]


def test_one_image_cannot_be_split():
    with pytest.raises(UsageError, match="at least 2 images"):
        hold_out(["a.png"])


def test_nothing_left_to_train_on_is_said():
    with pytest.raises(UsageError, match="leaves none"):
        hold_out(["a.png", "b.png"], 2)


def stack(folder: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)
    np.save(folder / "x.npy", values)
    return folder / "x.npy"


def windows() -> Windows:
    return Windows(torch.tensor([0, 3, 5]), torch.tensor([0, 4, 12]), torch.tensor([2, 0, 16]), 8, 8)


def test_streamed_images_give_the_same_crops_as_held_ones(tmp_path, monkeypatch):
    images = load_images(stack(tmp_path))
    held = pool(images, range(6), torch.device("cpu"))
    monkeypatch.setattr(trainset, "BUDGET", 10)
    streamed = pool(images, range(6), torch.device("cpu"))
    assert isinstance(held, HeldPool) and isinstance(streamed, StreamedPool)
    assert torch.equal(held.crops(windows()), streamed.crops(windows()))
    assert torch.equal(held.sizes, streamed.sizes)


def test_scales_hold_every_image_in_each_size(tmp_path):
    both = pool(load_images(stack(tmp_path)), range(6), torch.device("cpu"), (1.0, 0.5))
    assert both.sizes.tolist() == [[20, 24]] * 6 + [[10, 12]] * 6


def test_gray_joins_colour_as_rgb(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8), 100, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((8, 8, 3), 50, np.uint8))
    mixed = pool(load_images(tmp_path), range(2), torch.device("cpu"))
    assert mixed.channels == 3
    crop = mixed.crops(Windows(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), 8, 8))
    assert torch.allclose(crop, torch.tensor(100 / 255))
