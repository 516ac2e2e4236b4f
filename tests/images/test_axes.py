"""The axes of arrays: rules, letters, and the way to frames and back."""

import math

import numpy as np
import pytest

from restorekit.core.errors import ImageError, UsageError
from restorekit.images.axes import (
    UnclearAxesError,
    axes_of,
    frames_shape,
    from_frames,
    parse_axes,
    shortest_shape,
    to_frames,
)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 9), "HW"),
        ((7, 784), "NP"),
        ((10000, 784), "NP"),
        ((784, 7), "HW"),
        ((6, 9, 3), "HWC"),
        ((100, 28, 3), "HWC"),
        ((1, 16, 16), "NHW"),
        ((2, 16, 16), "NHW"),
        ((5, 16, 16), "NHW"),
        ((1797, 8, 8), "NHW"),
        ((60, 480, 640), "NHW"),
        ((31, 96, 96), "NHW"),
        ((64, 64, 64), "NHW"),
        ((5, 6, 9, 3), "NHWC"),
        ((5, 3, 16, 16), "NCHW"),
        ((5, 1, 16, 16), "NCHW"),
        ((4, 24, 20, 5), "NHWC"),
    ],
)
def test_shapes_tell_axes(shape, axes):
    assert axes_of(shape) == axes


@pytest.mark.parametrize(
    ("shape", "choices"),
    [
        ((784, 784), "HW or NP"),
        ((1000, 784), "HW or NP"),
        ((3, 64, 64), "CHW or NHW"),
        ((4, 64, 64), "CHW or NHW"),
        ((512, 512, 7), "HWC or NHW"),
        ((96, 96, 31), "HWC or NHW"),
        ((610, 340, 103), "HWC or NHW"),
        ((145, 145, 200), "HWC or NHW"),
        ((480, 31, 640), "HCW or NHW"),
        ((31, 480, 100), "HWC or NHW"),
        ((5, 16, 64, 64), "NHWC or NCHW or TZHW"),
    ],
)
def test_unclear_shapes_are_refused_until_axes_are_given(shape, choices):
    with pytest.raises(UnclearAxesError, match=f"which may be {choices}; give --axes {choices.split()[0]} or --axes"):
        axes_of(shape)
    for axes in choices.split(" or "):
        assert axes_of(shape, axes) == axes


@pytest.mark.parametrize("shape", [(9,), (1, 2, 3, 4, 5), ()])
def test_other_numbers_of_axes_need_letters(shape):
    with pytest.raises(UnclearAxesError, match="give --axes with a letter for each axis"):
        axes_of(shape)
    assert axes_of((1, 2, 3, 4, 5), "TZCHW") == "TZCHW"


@pytest.mark.parametrize(
    ("shape", "axes"), [((1000, 784), "NP"), ((1797, 64), "NP"), ((3, 64, 64), "NHW"), ((50, 60, 7), "NHW")]
)
def test_as_many_labels_say_that_the_first_axis_counts_images(shape, axes):
    assert axes_of(shape, labelled=True) == axes


@pytest.mark.parametrize(
    ("text", "axes"), [(None, None), ("yxc", "HWC"), ("NCHW, HW", "NCHW,HW"), ("P", "P"), ("CXYT", "CWHT")]
)
def test_letters(text, axes):
    assert parse_axes(text) == axes


@pytest.mark.parametrize("text", ["", "NC", "NQ", "HHW", "HWP", "NCHWY", "H", "HW,"])
def test_wrong_letters_are_refused(text):
    with pytest.raises(UsageError, match="expected axes such as NCHW"):
        parse_axes(text)
    with pytest.raises(UsageError, match="one order for each number of axes"):
        parse_axes("HWC,CHW")


def test_letters_that_do_not_fit_are_refused():
    with pytest.raises(ImageError, match=r"--axes NCHW,HW does not fit the shape \(5, 16, 16\)"):
        axes_of((5, 16, 16), "NCHW,HW")
    with pytest.raises(ImageError, match="holds a square image, got 783 pixels"):
        axes_of((5, 783), "NP")


def _random_axes(rng):
    letters = [*rng.choice(list("NTZ"), rng.integers(0, 4), replace=False), *(["P"] if rng.random() < 0.3 else "HW")]
    return "".join(rng.permutation([*letters, *("C" if rng.random() < 0.5 else "")]))


@pytest.mark.parametrize("seed", range(60))
def test_frames_go_back_to_the_array_and_follow_every_letter(seed):
    rng = np.random.default_rng(seed)
    axes = parse_axes(_random_axes(rng))
    sizes = {letter: int(rng.integers(1, 5)) for letter in axes} | {"P": int(rng.integers(1, 4)) ** 2}
    shape = tuple(sizes[letter] for letter in axes)
    array = rng.integers(0, 1000, shape)
    frames = to_frames(array, axes)
    assert frames.shape == frames_shape(shape, axes)
    assert np.array_equal(from_frames(frames, shape, axes), array)
    n, h, w, c = (int(rng.integers(size)) for size in frames.shape)
    counts = [letter for letter in axes if letter in "NTZ"]
    place = dict(zip(counts, np.unravel_index(n, [sizes[letter] for letter in counts]) if counts else (), strict=True))
    place |= {"H": h, "W": w, "C": c, "P": h * frames.shape[2] + w}
    assert frames[n, h, w, c] == array[tuple(place[letter] for letter in axes)]


@pytest.mark.parametrize(
    ("frames", "shape", "axes", "stored"),
    [
        ((2, 8, 6, 1), (2, 4, 3), "NHW", (2, 8, 6)),
        ((1, 8, 6, 3), (4, 3), "HW", (8, 6, 3)),
        ((2, 4, 3, 1), (2, 3, 4, 3), "NCHW", (2, 1, 4, 3)),
        ((5, 2, 2, 1), (5, 16), "NP", (5, 4)),
    ],
)
def test_frames_of_another_size_keep_the_order_of_the_axes(frames, shape, axes, stored):
    assert from_frames(np.zeros(frames), shape, axes).shape == stored


def test_the_shortest_shape_is_read_back_as_the_same_frames():
    for frames in [
        (1, 6, 9, 1),
        (1, 6, 9, 3),
        (5, 6, 9, 1),
        (3, 6, 9, 1),
        (1, 7, 784, 1),
        (5, 6, 9, 3),
        (2, 40, 30, 6),
    ]:
        shape = shortest_shape(frames)
        assert math.prod(shape) == math.prod(frames)
        assert frames_shape(shape, axes_of(shape)) == frames
    assert shortest_shape((1, 6, 9, 1)) == (6, 9)
    assert shortest_shape((3, 6, 9, 1)) == (3, 6, 9, 1)
