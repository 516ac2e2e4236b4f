"""Facts about restorekit.training.crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.core.types import Geometry
from restorekit.images import load_images
from restorekit.training import crops
from restorekit.training.crops import HeldPool, StreamedPool, Windows, check, pool

CPU = torch.device("cpu")
BUDGETS = pytest.mark.parametrize("budget", [10**9, 10], ids=["held", "streamed"])


def stack(folder: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)
    np.save(folder / "x.npy", values)
    return folder / "x.npy"


def windows() -> Windows:
    return Windows(torch.tensor([0, 3, 5]), torch.tensor([0, 4, 12]), torch.tensor([2, 0, 16]), 8, 8)


def test_streamed_images_give_the_same_crops_as_held_ones(tmp_path, monkeypatch):
    images = load_images(stack(tmp_path))
    held = pool(images, range(6), CPU)
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", 10)
    streamed = pool(images, range(6), CPU)
    assert isinstance(held, HeldPool) and isinstance(streamed, StreamedPool)
    assert torch.equal(held.crops(windows()), streamed.crops(windows()))
    assert torch.equal(held.sizes, streamed.sizes)


def test_scales_hold_every_image_in_each_size(tmp_path):
    both = pool(load_images(stack(tmp_path)), range(6), CPU, (1.0, 0.5))
    assert both.sizes.tolist() == [[20, 24]] * 6 + [[10, 12]] * 6


def gray_and_colour(folder: Path) -> None:
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((8, 8, 3), 50, np.uint8)).save(folder / "b.png")


@pytest.mark.parametrize("budget", [10**9, 100], ids=["held", "streamed"])
def test_gray_joins_colour_as_rgb(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", budget)
    gray_and_colour(tmp_path)
    mixed = pool(load_images(tmp_path), range(2), CPU)
    assert mixed.channels == 3
    crop = mixed.crops(Windows(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), 8, 8))
    assert torch.allclose(crop, torch.tensor(100 / 255))


def uncropped(images, index, shape=(4, 4)):
    found = pool(images, index, CPU)
    corner = torch.zeros(len(index), dtype=torch.int64)
    return found.crops(Windows(torch.arange(len(index)), corner, corner, *shape))


@BUDGETS
def test_a_range_holds_for_integers(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", budget)
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), 4095, np.uint16))
    images = load_images(tmp_path, range=(0, 4095))
    torch.testing.assert_close(uncropped(images, [0]), torch.ones(1, 1, 4, 4))


@BUDGETS
def test_a_range_holds_for_floats(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", budget)
    np.save(tmp_path / "a.npy", np.full((2, 6, 6), 50, np.float32))
    images = load_images(tmp_path / "a.npy", range=(0, 100))
    torch.testing.assert_close(uncropped(images, [0, 1]), torch.full((2, 1, 4, 4), 0.5))


@BUDGETS
def test_depths_go_together(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", budget)
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), 65535, np.uint16))
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "b.png")
    torch.testing.assert_close(uncropped(load_images(tmp_path), [0, 1]), torch.ones(2, 1, 4, 4))


def test_more_than_the_budget_is_streamed_wherever_the_bytes_are(tmp_path, monkeypatch):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "b.png")
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", 4000)
    found = pool(load_images(tmp_path), [0, 1], CPU)
    assert isinstance(found, StreamedPool)
    assert (found.channels, found.sizes.tolist()) == (3, [[4, 4], [40, 40]])


def test_scales_of_streamed_images_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", 10)
    with pytest.raises(UsageError, match="remove --set scales"):
        pool(load_images(stack(tmp_path)), range(6), CPU, (1.0, 0.5))


def test_channels_that_do_not_go_together_are_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((8, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UsageError, match=r"one channel count.*\[3, 5\]"):
        pool(load_images(tmp_path), range(2), CPU)


@BUDGETS
def test_missing_values_are_refused_by_name(tmp_path, monkeypatch, budget):
    monkeypatch.setattr(crops, "MAX_HELD_BYTES", budget)
    values = np.full((6, 9), 0.5, np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    values[1, 2] = np.nan
    tifffile.imwrite(tmp_path / "b.tif", values)
    with pytest.raises(UsageError, match=r"b\.tif has missing values"):
        pool(load_images(tmp_path), range(2), CPU)


def held(*shapes):
    return HeldPool([torch.zeros(shape, dtype=torch.uint8) for shape in shapes], CPU)


@pytest.mark.parametrize(
    ("images", "geometry", "message"),
    [
        (held((8, 8, 5)), Geometry(), "expects 1 or 3 channels, got images with 5"),
        (held((8, 8, 1), (8, 9, 1)), Geometry(), "b has 9 x 8"),
        (held((8, 8, 1), (8, 8, 1)), Geometry((8, 9)), "9 x 8 pixels, and a has 8 x 8"),
        (held((8, 6, 1)), Geometry(multiple=4), "multiples of 4"),
    ],
)
def test_what_a_model_cannot_learn_from_is_refused(images, geometry, message):
    with pytest.raises(UsageError, match=message):
        check(images, ["a", "b"], geometry, uncropped=True)


def test_crops_may_come_from_images_of_any_size():
    check(held((8, 6, 1), (9, 11, 1)), ["a", "b"], Geometry(multiple=4), uncropped=False)
