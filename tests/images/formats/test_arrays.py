import gzip
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from restorekit.core.errors import ImageError
from restorekit.images import Picture, probe, read, write
from restorekit.images.axes import parse_axes
from restorekit.images.formats import arrays


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((6, 9), (1, 6, 9, 1)),
        ((6, 9, 3), (1, 6, 9, 3)),
        ((6, 9, 1), (1, 6, 9, 1)),
        ((5, 6, 9), (5, 6, 9, 1)),
        ((5, 6, 9, 2), (5, 6, 9, 2)),
        ((2, 28, 36, 7), (2, 28, 36, 7)),
        ((5, 3, 6, 9), (5, 6, 9, 3)),
        ((7, 784), (7, 28, 28, 1)),
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


def test_other_arrays_that_unpack_to_much_more_than_the_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_OTHERS", 10**6)
    image = np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", image=image, other=np.zeros(999_000, np.uint8))
    assert read(tmp_path / "a.npz").pixels.shape == (1, 200, 300, 1)
    np.savez_compressed(tmp_path / "a.npz", image=image, other=np.zeros(9_999_000, np.uint8))
    with pytest.raises(ImageError, match=r"holds other arrays of 0\.0 GB"):
        read(tmp_path / "a.npz")


def test_a_gzipped_idx_file_is_unpacked_no_further_than_its_header_says(tmp_path):
    head = struct.pack(">HBB2I", 0, 8, 2, 20, 30)
    (tmp_path / "a.idx").write_bytes(gzip.compress(head + bytes(range(200)) * 3))
    assert read(tmp_path / "a.idx").pixels.shape == (1, 20, 30, 1)
    (tmp_path / "a.idx").write_bytes(gzip.compress(head + bytes(10**7)))
    with pytest.raises(ImageError, match="expected 600 bytes of numbers, got more"):
        read(tmp_path / "a.idx")


@pytest.mark.parametrize("head", [b"{'descr': '|u\\]1', 'fortran_order': False, 'shape': (9, 9), }", b" " * 20_000])
def test_an_odd_header_of_an_npy_file_is_refused_without_a_warning(head, tmp_path):
    data = b"\x93NUMPY\2\0" + struct.pack("<I", len(head)) + head + bytes(81)
    (tmp_path / "a.npy").write_bytes(data)
    with warnings.catch_warnings(record=True) as heard, pytest.raises(ImageError, match="damaged"):
        warnings.simplefilter("always")
        read(tmp_path / "a.npy")
    assert not heard


@pytest.mark.parametrize("shape", [(9,), (3, 6, 9), (1, 2, 3, 4, 5)])
def test_unclear_shapes_are_refused_and_named(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(ImageError, match=r"a.npy: expected a shape with unambiguous axes, got \("):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("shape", "axes", "frames"),
    [
        ((3, 6, 9), "CYX", (1, 6, 9, 3)),
        ((3, 6, 9), "NHW", (3, 6, 9, 1)),
        ((2, 3, 2, 6, 9), "TZCYX", (6, 6, 9, 2)),
        ((9, 6), "XY", (1, 6, 9, 1)),
        ((1000, 784), "NP", (1000, 28, 28, 1)),
        ((16,), "P", (1, 4, 4, 1)),
    ],
)
def test_given_axes_overrule_the_shape_and_are_written_back(shape, axes, frames, tmp_path):
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    picture = read(tmp_path / "a.npy", axes=parse_axes(axes))
    header = probe(tmp_path / "a.npy", parse_axes(axes))
    assert (header.frames, header.height, header.width, header.channels) == picture.pixels.shape == frames
    write(tmp_path / "out.npy", picture, picture.pixels)
    assert np.array_equal(np.load(tmp_path / "out.npy"), array)


def test_other_arrays_and_compression_of_an_npz_are_kept(tmp_path):
    x = np.random.default_rng(0).random((3, 6, 9)).astype(">f4")  # three labels say that these are three images
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
    assert picture.notes == ("an array of 0 and 1 is written as uint8, 0 to 255",)


@pytest.mark.parametrize(("dtype", "written"), [(np.uint8, np.uint8), (">u2", np.uint16), (np.int64, np.uint8)])
def test_integers_of_0_and_1_are_black_and_white(dtype, written, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, 0]], dtype))
    picture = read(tmp_path / "a.npy")
    assert picture.pixels.ravel().tolist() == [np.iinfo(written).max, 0]
    assert picture.pixels.dtype == probe(tmp_path / "a.npy").dtype == written
    assert len(picture.notes) == 1
    np.save(tmp_path / "b.npy", np.array([[2, 0]], np.uint8))
    assert read(tmp_path / "b.npy").pixels.max() == 2


@pytest.mark.parametrize("name", ["x-idx3-ubyte", "x.idx.gz"])
@pytest.mark.parametrize(("dtype", "code"), [(np.uint8, 8), (">f4", 0x0D)])
def test_idx_comes_back_byte_for_byte(name, dtype, code, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 6, 4)).astype(dtype)
    data = struct.pack(">HBB3I", 0, code, 3, *array.shape) + array.tobytes()
    (tmp_path / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith("gz") else data)
    picture = read(tmp_path / name)
    header = probe(tmp_path / name)
    assert (header.frames, header.height, header.width, header.channels) == picture.pixels.shape == (3, 6, 4, 1)
    assert header.format == picture.format == "idx"
    write(tmp_path / "out", picture, picture.pixels)
    assert (tmp_path / "out").read_bytes() == (tmp_path / name).read_bytes()
    with pytest.raises(ImageError, match="idx cannot hold uint16 numbers"):
        write(tmp_path / "out", picture, picture.pixels.astype(np.uint16))


def test_labels_are_no_images_and_objects_are_dropped_with_a_note(tmp_path):
    x, labels = np.ones((5, 6, 9), np.float32), np.arange(5).reshape(5, 1)
    np.savez(tmp_path / "a.npz", x=x, y=labels, info=np.array([{"a": 1}, 2], object), allow_pickle=True)
    picture = read(tmp_path / "a.npz")
    assert picture.pixels.shape == (5, 6, 9, 1)
    assert picture.notes == ("the array 'info' holds Python objects and is dropped",)
    assert sorted(picture.metadata.array.others) == ["y"]


def test_a_packed_file_is_refused_in_a_sentence(tmp_path):
    np.savez(tmp_path / "a.npz", bytes=np.zeros(3, np.uint8), offsets=np.array([0, 3]), names=np.array(["x.png"]))
    with pytest.raises(ImageError, match="packed NPZ, which train and evaluate read; restore the files"):
        read(tmp_path / "a.npz")


def test_a_picture_of_another_format_is_written_in_a_shape_that_is_read_back(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 6, 9, 1), np.uint8)
    for name in ("a.npy", "a.npz"):
        write(tmp_path / name, Picture(frames), frames, format=name[2:])
        assert np.array_equal(read(tmp_path / name).pixels, frames)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}, 2], object), allow_pickle=True)
    with pytest.raises(ImageError):
        read(tmp_path / "a.npy")


def npy_header(text):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


def archived(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)


@pytest.fixture
def image_bytes(tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((4, 4), np.uint8))
    return (tmp_path / "image.npy").read_bytes()


def test_bytes_behind_a_packed_array_are_not_unpacked(tmp_path):
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(b"\0\0\x08\3" + struct.pack(">III", 1, 28, 28) + bytes(784))
        for _ in range(64):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(ImageError, match="expected 784 bytes of numbers, got more"):
        read(tmp_path / "a.gz")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**23


def test_other_arrays_are_bounded_by_the_size_of_the_file(tmp_path, image_bytes, monkeypatch):
    monkeypatch.setattr("restorekit.images.formats.arrays.MAX_OTHERS", 2**16)
    large = npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000,)}\n") + bytes(10**6)
    archived(tmp_path / "a.npz", image_npy=image_bytes, noise_npy=large)
    with pytest.raises(ImageError, match=r"holds other arrays of 0\.0 GB; save the images"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", image=np.zeros((4, 4), np.uint8), noise=np.zeros(10**6, np.uint8))
    assert read(tmp_path / "b.npz").pixels.shape == (1, 4, 4, 1)


def test_a_header_that_states_gigabytes_is_not_read(tmp_path):
    data = b"\x93NUMPY\2\0" + struct.pack("<I", 2**31 - 1) + b" " * 2**21
    (tmp_path / "a.npy").write_bytes(data)
    archived(tmp_path / "a.npz", image_npy=data)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ImageError, match="the header of an array states 2147483647 bytes"):
            probe(tmp_path / name)


def test_archives_of_other_things_are_named(tmp_path, image_bytes):
    archived(tmp_path / "table.npz", xl_xml=b"<x/>")
    archived(tmp_path / "mixed.npz", image_npy=image_bytes, notes_txt=b"hi")
    archived(tmp_path / "empty.npz")
    np.savez(tmp_path / "words.npz", a=np.array("hello"))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "words.npz").read_bytes()[:60])
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"hello"))
    np.save(tmp_path / "objects.npy", np.array([[{}, {}]]), allow_pickle=True)
    for name, words in (
        ("table.npz", "a ZIP archive of other files than arrays"),
        ("empty.npz", "holds no array that could be an image; its arrays: none"),
        ("words.npz", r"holds no array that could be an image; its arrays: a \(\) <U5"),
        ("cut.npz", "the archive is truncated"),
        ("text.gz", "it holds no array of the IDX format"),
        ("objects.npy", "it holds Python objects, which are never loaded"),
    ):
        with pytest.raises(ImageError, match=words):
            read(tmp_path / name)
    assert read(tmp_path / "mixed.npz").pixels.shape == (1, 4, 4, 1)


def test_control_characters_in_names_of_arrays_are_escaped(tmp_path):
    small = np.zeros((4, 4), np.uint8)
    np.savez(tmp_path / "two.npz", **{"a": small, "\x1b[31m": small})
    np.savez(tmp_path / "none.npz", **{"\x1b[31m": np.array("text")})
    for name in ("two.npz", "none.npz", "two.npz:other"):
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        assert r"\x1b[31m" in str(caught.value)
        assert "\x1b" not in str(caught.value)
