"""Training, evaluation and restoration see the same images in an array file."""

import gzip
import struct

import numpy as np
import pytest

from restorekit.cli import group
from restorekit.core.errors import ImageError, UsageError
from restorekit.images import IntensityRange, load_images, read, resolve_range, to_unit
from restorekit.images.axes import axes_of, frames_shape, parse_axes

SHAPES = [
    ((6, 9), None),
    ((7, 784), None),
    ((6, 9, 3), None),
    ((5, 16, 16), None),
    ((5, 3, 16, 16), None),
    ((5, 16, 16, 3), None),
    ((4, 24, 20, 5), None),
    ((3, 16, 16), "CYX"),
    ((3, 16, 16), "NYX"),
    ((1000, 784), "NP"),
    ((2, 3, 2, 6, 9), "TZCYX"),
    ((9, 6), "XY"),
]
DTYPES = ["u1", "<u2", ">u2", "<f2", "<f4", ">f4", "<f8", "bool", "i8", "bilevel"]


def _array(shape, dtype):
    rng = np.random.default_rng(0)
    if dtype in ("bool", "i8", "bilevel"):
        return (rng.random(shape) < 0.5).astype("u1" if dtype == "bilevel" else dtype)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    values = rng.normal(3, 2, shape).astype(dtype)
    values.flat[1] = np.nan
    return values


def _restored_from(path, axes):
    """Return what `restore` hands to a restorer, (N, C, H, W) on [0, 1], and what is missing."""
    picture = read(path, axes=axes)
    unit = to_unit(picture.pixels, resolve_range(picture)[0]).transpose(0, 3, 1, 2)
    return unit, picture.missing


def _same(path, axes, folder):
    """Compare the file as a stack, as one file of a folder, and as `restore` reads it."""
    unit, missing = _restored_from(path, axes)
    for source in (path, folder):
        images = load_images(source, axes=axes)
        assert len(images) == len(unit)
        for i, wanted in enumerate(unit):
            np.testing.assert_allclose(images[i].numpy(), wanted, rtol=2e-6, atol=2e-6)
            assert images.sizes[i].tolist() == list(wanted.shape[1:])
            found = images.missing(i)
            assert (found is None) == (missing is None or not missing[i].any())
            assert found is None or np.array_equal(found.numpy(), missing[i])
    return unit


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)
def test_one_file_gives_the_same_images_everywhere(shape, axes, dtype, tmp_path):
    array = _array(shape, dtype)
    path = tmp_path / "in" / "a.npy"
    path.parent.mkdir()
    np.save(path, array)
    unit = _same(path, parse_axes(axes), path.parent)
    n, h, w, c = frames_shape(shape, axes_of(shape, parse_axes(axes)))
    assert unit.shape == (n, c, h, w)
    if array.dtype.kind == "u" and dtype != "bilevel":
        assert np.array_equal(np.sort(unit.ravel()), np.sort(to_unit(array, _full(array)).ravel()))
    elif dtype in ("bool", "i8", "bilevel"):
        assert np.array_equal(np.sort(unit.ravel()), np.sort(array.ravel().astype(np.float32)))


def _full(array):
    return IntensityRange(0, np.iinfo(array.dtype).max)


@pytest.mark.parametrize("images", ["x.npz", "x.npz:images", "t10k-images-idx3-ubyte", "x-images.idx.gz"])
def test_npz_and_idx_give_the_same_images_everywhere(images, tmp_path):
    array = _array((3, 16, 5), "u1")  # labels, and the format IDX, say that the first axis counts images
    path = tmp_path / images
    if "npz" in images:
        np.savez(tmp_path / "x.npz", images=array, labels=np.arange(3))
    else:
        data = struct.pack(">HBB3I", 0, 8, 3, *array.shape) + array.tobytes()
        path.write_bytes(gzip.compress(data) if images.endswith("gz") else data)
    stack, (unit, _) = load_images(path), _restored_from(path, None)
    assert unit.shape == (3, 1, 16, 5)
    assert len(stack) == len(unit)
    assert all(np.array_equal(stack[i].numpy(), unit[i]) for i in range(len(unit)))


@pytest.mark.parametrize(("shape", "axes"), [((3, 16, 16), None), ((5, 16, 16), "NCHW"), ((5, 783), "NP")])
def test_what_does_not_fit_is_refused_everywhere_in_the_same_sentence(shape, axes, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ImageError) as restored:
        read(tmp_path / "a.npy", axes=axes)
    with pytest.raises(UsageError) as trained:
        load_images(tmp_path / "a.npy", axes=axes)
    with pytest.raises(ImageError) as in_folder:
        _ = load_images(tmp_path, axes=axes)[0]
    assert str(restored.value) == str(trained.value) == str(in_folder.value)
    assert "--axes" in str(restored.value)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 3, 16, 16), None), ((7, 784), None), ((3, 16, 16), "CYX"), ((3, 16, 16), "NYX"), ((2, 2, 3, 9, 8), "TZCYX")],
)
@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4"])
def test_restore_keeps_shape_and_type(shape, axes, dtype, tmp_path):
    array = _array(shape, dtype) if dtype != "<f4" else np.random.default_rng(0).random(shape).astype("f4")
    np.savez(tmp_path / "a.npz", x=array, other=np.arange(11.0))
    given = [] if axes is None else ["--axes", axes]
    arguments = ["restore", str(tmp_path / "a.npz"), str(tmp_path / "out"), "--model", "median", "--no-report", *given]
    assert group(arguments, standalone_mode=False) == 0
    with np.load(tmp_path / "out" / "a.npz") as stored:
        assert stored["x"].shape == shape
        assert stored["x"].dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(stored["other"], np.arange(11.0))
