import io

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.rng import Rng
from restorekit.corruptions import JPEG
from restorekit.testing._assertions import random_images


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_stored_image_is_what_any_reader_of_the_file_sees(channels, mode):
    x = random_images(1, channels, 24, 40)
    array = (x[0] * 255).round().byte().movedim(0, -1).squeeze(-1).numpy()
    file = io.BytesIO()
    Image.fromarray(array, mode).save(file, "JPEG", quality=30)
    expected = torch.from_numpy(np.array(Image.open(file))).view(24, 40, channels).movedim(-1, 0) / 255
    observation = JPEG(quality=30.0)(x, Rng(0))
    assert torch.equal(observation.y[0], expected)
    assert observation.sigma is None
    assert observation.observed.all()


def test_less_quality_is_more_error_and_each_image_draws_its_own():
    x = random_images(8, 3, 32, 32)
    errors = [float((JPEG(quality=q)(x, Rng(0)).y - x).square().mean()) for q in (95.0, 60.0, 10.0)]
    assert errors[0] < errors[1] < errors[2]
    mixed = JPEG(quality=(5.0, 95.0))(x[:1].expand(8, -1, -1, -1), Rng(0)).y
    assert len(mixed.flatten(1).unique(dim=0)) > 4


def test_a_share_of_images_is_stored_and_channels_that_are_no_colours_one_by_one():
    x = random_images(200, 1, 8, 8)
    touched = (JPEG(share=0.5)(x, Rng(0)).y != x).flatten(1).any(1)
    assert 70 < int(touched.sum()) < 130
    two = torch.cat([x[:2], 1 - x[:2]], 1)
    found = JPEG()(two, Rng(0)).y
    torch.testing.assert_close(found[:, :1], JPEG()(two[:, :1], Rng(0)).y)


def _through_pillow(array, quality):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def test_an_offset_is_the_file_cropped_after_it_was_read():
    x = random_images(1, 1, 40, 56)
    array = np.pad((x[0, 0] * 255).round().byte().numpy(), ((5, 0), (5, 0)), mode="edge")
    expected = torch.from_numpy(_through_pillow(array, 20)[5:, 5:].copy()) / 255
    assert torch.equal(JPEG(quality=20.0, row_offset=5.0, column_offset=5.0)(x, Rng(0)).y[0, 0], expected)


def _steps_by_column(y):
    """Return the mean step between neighbouring columns, by the column's place in a block of 8."""
    steps = (y[..., 1:] - y[..., :-1]).abs().mean((0, 1, 2))
    return torch.stack([steps[phase::8].mean() for phase in range(8)])


@pytest.mark.parametrize(("offset", "phase"), [(0.0, 7), (3.0, 4), (8.0, 7), (13.0, 2)])
def test_edges_of_blocks_lie_where_the_offset_puts_them(offset, phase):
    smooth = torch.linspace(0, 1, 200).outer(torch.linspace(0.2, 1, 200))[None, None].expand(4, 1, -1, -1)
    y = JPEG(quality=3.0, column_offset=offset)(smooth, Rng(0)).y
    assert int(_steps_by_column(y).argmax()) == phase


def test_offsets_of_a_range_differ_by_image_and_between_rows_and_columns():
    smooth = torch.linspace(0, 1, 128).outer(torch.linspace(0.2, 1, 128))[None, None].expand(64, 1, -1, -1)
    y = JPEG(quality=3.0, row_offset=(0.0, 7.0), column_offset=(0.0, 7.0))(smooth, Rng(3)).y
    columns = [int(_steps_by_column(image[None]).argmax()) for image in y]
    rows = [int(_steps_by_column(image[None].transpose(2, 3)).argmax()) for image in y]
    assert len(set(columns)) == len(set(rows)) == 8
    assert columns != rows


def test_a_file_shrunk_after_it_was_read_has_the_image_size_and_less_error():
    x = random_images(4, 3, 48, 32)
    x = torch.nn.functional.avg_pool2d(x, 5, 1, 2)
    y = JPEG(quality=30.0, scale=2.0)(x, Rng(0)).y
    assert y.shape == x.shape
    assert float((y - x).square().mean()) < float((JPEG(quality=30.0)(x, Rng(0)).y - x).square().mean())
    assert float(y.min()) >= 0
    assert float(y.max()) <= 1
