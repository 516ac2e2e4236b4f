import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from restorekit.core.errors import UsageError
from restorekit.images import is_stack, load_stack


def _idx(path, array, kind=0x08):
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    data = head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def _random(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        ("x-images.idx", "x-labels.idx.gz"),
    ],
)
def test_idx_with_its_labels(images, labels, tmp_path):
    array = _random(12, 6, 9)
    _idx(tmp_path / images, array)
    assert is_stack(tmp_path / images)
    assert load_stack(tmp_path / images).labels is None
    _idx(tmp_path / labels, np.arange(12, dtype=np.uint8) % 10)
    stack = load_stack(tmp_path / images)
    assert torch.equal(stack.images, torch.from_numpy(array)[..., None])
    assert stack.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert stack.labels.dtype == torch.int64
    assert stack.names[:2] == ("00", "01")
    assert len(stack) == 12


def test_floating_idx(tmp_path):
    array = np.linspace(0, 5, 24, dtype=np.float32).reshape(2, 3, 4)
    _idx(tmp_path / "a.idx", array, 0x0D)
    assert not is_stack(tmp_path / "a.png")
    with pytest.raises(UsageError):
        load_stack(tmp_path / "a.png")
    array = np.linspace(0, 5, 60, dtype=np.float32).reshape(2, 5, 6)
    _idx(tmp_path / "a.idx", array, 0x0D)
    assert np.array_equal(load_stack(tmp_path / "a.idx").images[..., 0], array)


@pytest.mark.parametrize(
    ("shape", "framed"),
    [
        ((6, 9), (1, 6, 9, 1)),
        ((5, 6, 9), (5, 6, 9, 1)),
        ((6, 9, 3), (1, 6, 9, 3)),
        ((5, 6, 9, 3), (5, 6, 9, 3)),
        ((5, 3, 6, 9), (5, 6, 9, 3)),
        ((5, 1, 6, 9), (5, 6, 9, 1)),
        ((256, 256), (1, 256, 256, 1)),
        ((5, 784), (5, 28, 28, 1)),
    ],
)
def test_shapes(shape, framed, tmp_path):
    array = _random(*shape)
    np.save(tmp_path / "a.npy", array)
    images = load_stack(tmp_path / "a.npy").images
    assert tuple(images.shape) == framed
    assert images.dtype == torch.uint8
    if shape == (5, 3, 6, 9):
        assert np.array_equal(images.permute(0, 3, 1, 2), array)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [(np.uint16, torch.uint16), (">u2", torch.uint16), (np.float64, torch.float32), (np.float16, torch.float32)],
)
def test_dtypes(dtype, kept, tmp_path):
    array = _random(5, 6, 9, dtype=np.uint16).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    images = load_stack(tmp_path / "a.npy").images
    assert images.dtype == kept
    assert np.array_equal(images.numpy()[..., 0], array.astype(images.numpy().dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64, bool])
def test_zeros_and_ones_are_floats_and_rows_become_squares_when_asked(dtype, tmp_path):
    array = (np.random.default_rng(0).random((7, 25)) > 0.5).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    assert load_stack(tmp_path / "a.npy").images.shape == (1, 7, 25, 1)
    images = load_stack(tmp_path / "a.npy", "NP").images
    assert images.dtype == torch.float32
    assert np.array_equal(images.reshape(7, 25), array)
    assert images.shape == (7, 5, 5, 1)


def test_npz_by_name_and_with_labels(tmp_path):
    train, test = _random(5, 6, 9), _random(2, 6, 9)
    np.savez(tmp_path / "a.npz", x_train=train, y_train=np.arange(5), x_test=test)
    for name, array, labels in (("x_train", train, [0, 1, 2, 3, 4]), ("x_test", test, None)):
        stack = load_stack(f"{tmp_path}/a.npz:{name}")
        assert np.array_equal(stack.images[..., 0], array)
        assert (None if stack.labels is None else stack.labels.tolist()) == labels
    with pytest.raises(UsageError, match=r"holds 2 arrays that could be the image \(x_train, x_test\); name one"):
        load_stack(tmp_path / "a.npz")
    with pytest.raises(UsageError, match="no array 'x'; it holds x_train, y_train, x_test"):
        load_stack(f"{tmp_path}/a.npz:x")
    np.savez(tmp_path / "b.npz", images=train, labels=np.arange(5))
    assert load_stack(tmp_path / "b.npz").labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a-images-idx3-ubyte", "a-images-idx3-ubyte.gz"])
def test_truncated_and_missing_stacks_are_told(name, tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        load_stack(tmp_path / name)
    array = _random(5, 6, 9)
    if name.endswith("npy"):
        np.save(tmp_path / name, array)
    elif name.endswith("npz"):
        np.savez(tmp_path / name, array)
    else:
        _idx(tmp_path / name, array)
    data = (tmp_path / name).read_bytes()
    for cut in (0, 3, len(data) // 2, len(data) - 5):
        (tmp_path / name).write_bytes(data[:cut])
        with pytest.raises(UsageError, match=r"get a complete copy of the file|is something else"):
            load_stack(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "told"),
    [(np.zeros((2, 3, 4, 5, 6)), "shape"), (np.full((2, 5, 6), 7, np.int32), "int32 numbers; expected 8- or 16-bit")],
)
def test_other_arrays_are_told(array, told, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UsageError, match=told):
        load_stack(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [("u1", [3, 255, 0], [3, -1, 0]), ("i8", [3, -1, 255], [3, -1, 255]), ("u2", [3, 255, 0], [3, 255, 0])],
)
def test_minus_one_and_the_255_of_bytes_say_that_a_label_is_unknown(kind, given, found, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 6, 9), np.uint8), labels=np.array(given, kind))
    assert load_stack(tmp_path / "a.npz").labels.tolist() == found
    if kind == "u1":
        _idx(tmp_path / "a-images-idx3-ubyte", np.zeros((3, 6, 9), np.uint8))
        _idx(tmp_path / "a-labels-idx1-ubyte", np.array(given, kind))
        assert load_stack(tmp_path / "a-images-idx3-ubyte").labels.tolist() == found


def test_labels_that_do_not_fit_are_told(tmp_path):
    _idx(tmp_path / "a-images-idx3-ubyte", _random(5, 6, 9))
    _idx(tmp_path / "a-labels-idx1-ubyte", np.zeros(4, np.uint8))
    with pytest.raises(UsageError, match="holds 5 images but there are 4 labels"):
        load_stack(tmp_path / "a-images-idx3-ubyte")


def test_stacks_need_no_decoder(tmp_path):
    np.save(tmp_path / "a.npy", _random(5, 6, 9))
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("cv2", "tifffile", "imagecodecs", "scipy", "skimage")))
from restorekit.images import load_images
images = load_images({str(tmp_path / "a.npy")!r})
print(len(images), tuple(images[0].shape), images.sizes.tolist()[0], len(images.fingerprint))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "5 (1, 6, 9) [6, 9] 64\n"


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_binarised_mnist():
    stack = load_stack(f"{os.environ['RESTOREKIT_DATA']}/mnist_static_binarized/binarized_mnist.npz:valid")
    assert stack.images.shape == (10000, 28, 28, 1)
    assert stack.images.unique().tolist() == [0, 1]


@pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
def test_mnist_test_set_has_its_published_label_counts():
    stack = load_stack(Path(os.environ["RESTOREKIT_DATA"], "mnist", "t10k-images-idx3-ubyte.gz"))
    assert stack.images.shape == (10000, 28, 28, 1)
    assert torch.bincount(stack.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO on this system")
@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a-idx3-ubyte"])
def test_a_fifo_is_refused_and_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="is a FIFO"):
        load_stack(tmp_path / name)
