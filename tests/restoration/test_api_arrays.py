"""Facts about images as Python callers hold them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from restorekit.core.errors import UsageError
from restorekit.restoration.api import read_batch, read_missing

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 2), (50, 70, 6), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2", ">f4", bool])
def test_an_array_goes_in_and_comes_out_the_same(shape, dtype):
    dtype = np.dtype(dtype)
    image = RNG.random(shape)
    image = (image * np.iinfo(dtype).max if dtype.kind == "u" else image).round(2).astype(dtype)
    batch, form = read_batch(image)
    assert batch.shape == (1, shape[2] if len(shape) == 3 else 1, *shape[:2])
    assert batch.dtype == torch.float32
    top = np.iinfo(dtype).max if dtype.kind == "u" else 1
    assert np.allclose(form.give(batch), image.astype(np.float64) / top, atol=1e-7)
    assert form.give(torch.stack([batch] * 4)).shape == (4, *shape)


@pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (3, 5, 7), (6, 50, 70), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float16, torch.float32, torch.float64, torch.bool])
def test_a_tensor_goes_in_and_comes_out_the_same(shape, dtype):
    image = torch.from_numpy(RNG.random(shape))
    top = {torch.uint8: 255, torch.uint16: 65535}.get(dtype, 1)
    image = (image * top).round(decimals=2).to(dtype)
    batch, form = read_batch(image)
    assert batch.shape == (1,) * (2 if len(shape) == 2 else 4 - len(shape)) + shape
    assert torch.allclose(form.give(batch).double(), image.double() / top, atol=1e-6)
    assert form.give(torch.stack([batch] * 4)).shape == (4, *shape)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros(5), "got the shape"),
        (np.zeros((2, 5, 7, 3)), "got the shape"),
        (torch.zeros(1, 2, 3, 5, 7), "got the shape"),
        (np.zeros((3, 50, 70)), "looks like"),
        (torch.zeros(50, 70, 3), "looks like"),
        (np.zeros((0, 7)), "at least one pixel"),
        (np.zeros((5, 7), np.int64), "uint8 or uint16"),
        (torch.zeros(5, 7, dtype=torch.int32), "uint8 or uint16"),
        (np.zeros((5, 7), complex), "floating-point"),
        (np.array([["a"]]), "floating-point"),
        (np.full((5, 7), 200.0), r"\[0, 1\] scale"),
    ],
)
def test_what_cannot_be_understood_is_a_sentence(image, told):
    with pytest.raises(UsageError, match=told):
        read_batch(image)


def test_nan_and_infinity_pass_through():
    batch, _ = read_batch(np.array([[np.nan, np.inf, 0.5]]))
    assert batch.isfinite().tolist() == [[[[False, False, True]]]]


@pytest.mark.parametrize(
    "missing", [np.eye(5), np.eye(5)[..., None], torch.eye(5), torch.eye(5)[None] > 0, 255 * np.eye(5, dtype=int)]
)
def test_a_mask_is_non_zero_where_missing(missing):
    assert torch.equal(read_missing(missing, (1, 3, 5, 5))[0, 0], torch.eye(5) > 0)


@pytest.mark.parametrize("missing", [np.eye(6), torch.zeros(2, 5, 5), np.zeros(5)])
def test_a_mask_of_another_shape_is_a_sentence(missing):
    with pytest.raises(UsageError, match="shape"):
        read_missing(missing, (1, 3, 5, 5))
