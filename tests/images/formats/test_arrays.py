import numpy as np
import pytest

from restorekit.core.errors import ImageError
from restorekit.images import probe, read, write


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((6, 9), (1, 6, 9, 1)),
        ((6, 9, 3), (1, 6, 9, 3)),
        ((6, 9, 1), (1, 6, 9, 1)),
        ((5, 6, 9), (5, 6, 9, 1)),
        ((5, 6, 9, 2), (5, 6, 9, 2)),
        ((2, 6, 9, 7), (2, 6, 9, 7)),
    ],
)
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_shapes_are_understood_and_kept(shape, frames, name, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / name, array) if name == "a.npy" else np.savez(tmp_path / name, x=array)
    picture = read(tmp_path / name)
    header = probe(tmp_path / name)
    assert (header.frames, header.height, header.width, header.channels) == picture.pixels.shape == frames
    write(tmp_path / "out.npy", picture, picture.pixels, format="npy")
    assert np.array_equal(np.load(tmp_path / "out.npy"), array)


@pytest.mark.parametrize("shape", [(9,), (2, 3, 6, 9), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(ImageError, match="an array of images has the shape"):
        read(tmp_path / "a.npy")


def test_other_arrays_and_compression_of_an_npz_are_kept(tmp_path):
    x = np.random.default_rng(0).random((3, 6, 9)).astype(">f4")
    np.savez_compressed(tmp_path / "a.npz", x=x, labels=np.arange(3), scale=np.array(2.5))
    picture = read(tmp_path / "a.npz")
    write(tmp_path / "b.npz", picture, picture.pixels, spec="missing:rate=0.5")
    with np.load(tmp_path / "b.npz") as stored:
        assert sorted(stored.files) == ["labels", "restorekit-corruption", "scale", "x"]
        assert np.array_equal(stored["x"], x)
        assert np.array_equal(stored["labels"], np.arange(3))
    back = read(tmp_path / "b.npz")
    assert back.spec == "missing:rate=0.5"
    assert back.metadata.array.compressed
    write(tmp_path / "c.npz", back, back.pixels)
    assert read(tmp_path / "c.npz").spec is None


def test_one_of_several_arrays_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", noisy=np.zeros((6, 9)), clean=np.ones((6, 9)))
    with pytest.raises(
        ImageError, match=r"holds 2 arrays that could be the image \(noisy, clean\); name one as a.npz:ARRAY"
    ):
        read(tmp_path / "a.npz")
    with pytest.raises(ImageError, match="has no array 'dirty'; it holds noisy, clean"):
        read(f"{tmp_path}/a.npz:dirty")
    assert read(f"{tmp_path}/a.npz:clean").pixels.min() == 1
    assert probe(f"{tmp_path}/a.npz:clean").height == 6


def test_booleans_become_8_bits(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[True, False]]))
    picture = read(tmp_path / "a.npy")
    assert picture.pixels.ravel().tolist() == [255, 0]
    assert picture.pixels.dtype == probe(tmp_path / "a.npy").dtype == np.uint8
    assert picture.notes == ("boolean array is written as 8-bit numbers",)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}, 2], object), allow_pickle=True)
    with pytest.raises(ImageError):
        read(tmp_path / "a.npy")
