import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from restorekit.core.errors import ImageError, UsageError
from restorekit.images import load_images, official_test


def _folder(tmp_path):
    draw = np.random.default_rng(0)
    for name in ("s2/b.png", "s1/a.png", "s10/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (6, 9, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def test_a_folder_on_0_and_1(tmp_path):
    images = load_images(_folder(tmp_path))
    assert images.keys == ("s1/a.png", "s10/c.png", "s2/b.png")
    assert len(images) == 3
    assert images[0].shape == (3, 6, 9)
    assert images[0].dtype == torch.float32
    assert images[0].is_contiguous()
    assert images.raw(0).shape == (6, 9, 3)
    assert torch.equal((images[0] * 255).round().permute(1, 2, 0).to(torch.uint8), images.raw(0))
    assert int(images.sizes.prod(1).sum()) == 3 * 54
    assert images.labels is None
    assert len(list(images)) == 3
    with pytest.raises(IndexError):
        images[3]


def test_labels_are_the_sorted_names_of_the_folders(tmp_path):
    images = load_images(_folder(tmp_path), labels="folders")
    assert images.label_names == ("s1", "s10", "s2")
    assert images.labels.tolist() == [0, 1, 2]
    assert images.labels.dtype == torch.int64


def test_a_folder_of_unlabelled_images_is_no_class(tmp_path):
    source = _folder(tmp_path)
    for name in ("unlabelled/one.png", "unlabelled/more/two.png", "unlabelled2/three.png"):
        (source / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(source / name)
    images = load_images(source, labels="folders")
    assert images.label_names == ("s1", "s10", "s2", "unlabelled2")
    assert images.labels.tolist() == [0, 1, 2, -1, -1, 3]
    for name in ("s1", "s10", "unlabelled2"):
        shutil.rmtree(source / name)
    with pytest.raises(UsageError, match="at least two sub-folders, not counting 'unlabelled', got 1"):
        load_images(source, labels="folders")


def test_a_limit_takes_the_first(tmp_path):
    images = load_images(_folder(tmp_path), limit=2)
    assert images.keys == ("s1/a.png", "s10/c.png")
    np.save(tmp_path / "a.npy", np.zeros((5, 6, 9), np.uint8))
    assert len(load_images(tmp_path / "a.npy", limit=2)) == 2


def test_frames_of_a_tiff_are_images(tmp_path):
    array = np.random.default_rng(0).integers(0, 65536, (3, 6, 9), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    Image.new("L", (4, 4)).save(tmp_path / "b.png")
    for source, more in ((tmp_path / "a.tif", ()), (tmp_path, ("b.png",))):
        images = load_images(source)
        assert images.keys == ("a.tif#0", "a.tif#1", "a.tif#2", *more)
        assert np.array_equal(images.raw(1).numpy()[..., 0], array[1])
        assert torch.allclose(images[2][0], torch.from_numpy(array[2] / 65535).float())
    assert int(images.sizes.prod(1).sum()) == 3 * 54 + 16


def test_alpha_is_left_out(tmp_path):
    Image.new("RGBA", (4, 4)).save(tmp_path / "a.png")
    assert load_images(tmp_path)[0].shape == (3, 4, 4)


def test_a_range_is_undone(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 4095]], np.uint16))
    assert load_images(tmp_path, range=(0, 4095))[0].ravel().tolist() == [0, 1]
    np.save(tmp_path / "a.npy", np.linspace(-3, 5, 120, dtype=np.float32).reshape(2, 6, 10))
    assert "--range" in load_images(tmp_path / "a.npy").warning
    images = load_images(tmp_path / "a.npy", range="auto")
    assert images.warning is None
    assert images.range_of(0) == images.range_of(1)  # one range for the whole stack
    assert images[0].min() == pytest.approx(0, abs=0.02)
    assert images[1].max() == pytest.approx(1, abs=0.02)


def test_missing_values_are_known(tmp_path):
    array = np.zeros((6, 9), np.float32)
    array[1, 2] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", array)
    Image.new("L", (4, 4)).save(tmp_path / "b.png")
    mask = np.zeros((4, 4), np.uint8)
    mask[3, 3] = 255
    Image.fromarray(mask).save(tmp_path / "b.missing.png")
    Image.new("L", (4, 4)).save(tmp_path / "c.png")
    images = load_images(tmp_path)
    assert images.missing(0).nonzero().tolist() == [[1, 2, 0]]
    assert images.missing(1).nonzero().tolist() == [[3, 3, 0]]
    assert images.missing(2) is None
    np.save(tmp_path / "a.npy", np.stack([array, array * 0 + 0.5]))
    stack = load_images(tmp_path / "a.npy")
    assert stack.missing(0).nonzero().tolist() == [[1, 2, 0]]
    assert stack[0].max() == 0  # and stands as 0, on a range that it has no part in
    assert stack.warning is None


def test_labels_that_are_not_there_are_told(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.zeros((5, 6, 9), np.uint8))
    with pytest.raises(UsageError, match="--labels arrays needs a stack"):
        load_images(tmp_path, labels="arrays")
    with pytest.raises(UsageError, match="needs at least two sub-folders"):
        load_images(tmp_path, labels="folders")
    with pytest.raises(UsageError, match="needs a folder with sub-folders"):
        load_images(tmp_path / "a.npy", labels="folders")
    with pytest.raises(UsageError, match="holds no labels"):
        load_images(tmp_path / "a.npy", labels="arrays")


def test_a_bad_file_is_told_when_it_is_read(tmp_path):
    _folder(tmp_path)
    (tmp_path / "s1" / "a.png").write_bytes(b"")
    images = load_images(tmp_path)
    with pytest.raises(ImageError, match="is empty"):
        images[0]
    assert images[1].shape == (3, 6, 9)


def test_stacks_with_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 6, 9), np.uint8), labels=np.array([2, 0, 1, 2]))
    images = load_images(tmp_path / "a.npz", labels="arrays")
    assert images.keys == ("a.npz#0", "a.npz#1", "a.npz#2", "a.npz#3")
    assert images.labels.tolist() == [2, 0, 1, 2]
    assert images.label_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte"),
        ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"),
        ("train-images.idx", "t10k-images.idx"),
    ],
)
def test_official_test(train, test, tmp_path):
    assert official_test(tmp_path / train) is None
    (tmp_path / test).write_bytes(b"")
    assert official_test(tmp_path / train) == tmp_path / test
    assert official_test(tmp_path / test) is None
    assert official_test(tmp_path / "photos") is None


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_faces_of_40_people():
    images = load_images(Path(os.environ["RESTOREKIT_DATA"], "faces_orl"), labels="folders")
    assert torch.bincount(images.labels).tolist() == [10] * 40
    assert images[399].shape == (1, 112, 92)
