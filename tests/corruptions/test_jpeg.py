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
