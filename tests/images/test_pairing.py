"""Images of two sets belong together by tree and stem."""

import pytest

from restorekit.images.pairing import align, stem


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.png", "a"),
        ("sub.d/a.b.tif", "sub.d/a.b"),
        ("sub/a.tif#3", "sub/a#3"),
        ("a", "a"),
        ("a#1.png", "a#1"),
        ("train.idx.gz#00012", "train.idx#00012"),
        (".hidden/a.png", ".hidden/a"),
    ],
)
def test_a_name_without_its_suffix(key, name):
    assert stem(key) == name


def test_the_suffix_may_differ_and_the_folder_may_not():
    found = align(["a.tif", "b/c.jpg", "c.png"], ["a.png", "b/c.png", "d/c.png"])
    assert found.pairs == ((0, 0), (1, 1))
    assert found.alone == ("c.png",)
    assert found.lacking == ("d/c.png",)
    assert not found.unclear


def test_a_file_of_the_very_name_goes_before_others_of_its_stem():
    found = align(["a.jpg", "a.png"], ["a.png"])
    assert found.pairs == ((1, 0),)
    assert found.alone == ("a.jpg",)


def test_several_of_one_stem_are_no_guess():
    found = align(["a.jpg", "a.png", "b.png"], ["a.tif", "b.png"])
    assert found.pairs == ((2, 1),)
    assert set(found.unclear) == {"a.tif"}
    assert "several files are called a: a.jpg, a.png, a.tif" in found.unclear["a.tif"]
    assert not found.alone
    twice = align(["a.tif"], ["a.jpg", "a.png"])
    assert set(twice.unclear) == {"a.jpg", "a.png"}
    assert not twice.pairs


def test_two_files_go_together_whatever_they_are_called_and_frames_by_their_numbers():
    assert align(["x.png"], ["y.tif"]).pairs == ()
    assert align(["x.png"], ["y.tif"], one_each=True).pairs == ((0, 0),)
    frames = align(["out.npy#0", "out.npy#1"], ["clean.npz#1", "clean.npz#2"], one_each=True)
    assert frames.pairs == ((1, 0),)
    assert (frames.alone, frames.lacking) == (("out.npy#0",), ("clean.npz#2",))
