"""Facts about restorekit.training.validation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit import testing
from restorekit.core.psnr import psnr
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Geometry
from restorekit.corruptions import Clean, Gaussian, Missing
from restorekit.models.config import VAEConfig
from restorekit.models.cvae.config import CVAEConfig
from restorekit.models.cvae.model import CVAE
from restorekit.models.vae.model import VAE
from restorekit.training.crops import HeldPool
from restorekit.training.validation import (
    MAX_SIDE_PX,
    Validation,
    centres,
    measure,
    preview,
    preview_columns,
    reconstruct,
    sample_grid,
    write_grid,
)

SMALL = CVAEConfig(widths=(8, 8), encoder=(1, 1), decoder=(1,), levels=2, context=8, recogniser=8, filling=False)


@pytest.fixture
def held(images):
    return Validation((images(3, 1, 32, 32) * 255).round() / 255, ("a", "b", "c"))


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 1, 4, 4)
    assert psnr(x + 0.1, x).tolist() == pytest.approx([20.0, 20.0], abs=1e-4)


def test_centres_are_cut_to_one_size_and_to_the_multiple():
    pool = HeldPool(
        [torch.arange(h * w, dtype=torch.uint8).view(h, w, 1) for h, w in ((20, 30), (25, 22))], torch.device("cpu")
    )
    found = centres(pool, ["a", "b"], Geometry(multiple=8))
    assert found.x.shape == (2, 1, 16, 16)
    assert float(found.x[0, 0, 0, 0]) * 255 == pytest.approx((2 * 30 + 7) % 256)


def test_small_images_of_one_size_are_cut_to_the_multiple_too():
    pool = HeldPool([torch.zeros(112, 92, 1, dtype=torch.uint8)] * 2, torch.device("cpu"))
    assert centres(pool, ["a", "b"], Geometry(multiple=8)).x.shape[2:] == (112, 88)
    assert centres(pool, ["a", "b"], Geometry(multiple=1)).x.shape[2:] == (112, 92)


def test_large_images_are_cut_to_the_side():
    pool = HeldPool([torch.zeros(300, 400, 1, dtype=torch.uint8)] * 2, torch.device("cpu"))
    assert centres(pool, ["a", "b"], Geometry(multiple=8)).x.shape[2:] == (MAX_SIDE_PX, MAX_SIDE_PX)


def test_the_mean_psnr_is_the_mean_over_the_corruptions(held):
    model = testing.build(CVAE, SMALL).eval()
    corruptions = [Gaussian(0.1), Missing(0.5)]
    found = measure(model, held, corruptions, 0)
    each = [found[f"psnr {c}"] for c in corruptions]
    assert found["psnr"] == pytest.approx(sum(each) / 2, abs=1e-4)
    assert {"rate", "distortion", "active_units"} <= found.keys()


def test_known_values_count_as_restored(held):
    """At rate 0 nothing is missing, and the noise-free y is x."""
    found = measure(testing.build(CVAE, SMALL).eval(), held, [Missing(0.0)], 0)
    assert found["psnr"] > 100


def test_pictures_are_written(held, tmp_path):
    for name, model in (("c", testing.build(CVAE, SMALL)), ("v", testing.build(VAE, VAEConfig(channels=1)))):
        preview(model.eval(), held, [Missing(0.5)], 0, tmp_path / name / "p.png")
        sample_grid(model.eval(), held, Missing(0.5), 0, tmp_path / name / "s.png")
        rows = torch.from_numpy(np.array(Image.open(tmp_path / name / "p.png"))).permute(2, 0, 1)
        assert rows.shape == (3, 3 * 34 + 2, 4 * 34 + 2)  # 3 images, 4 panels, 2 pixels between
        assert (tmp_path / name / "s.png").is_file()


def test_a_reconstruction_is_measured_as_such(held):
    model = testing.build(VAE, VAEConfig(channels=1)).eval()
    found = measure(model, held, [Clean()], 0)
    with torch.no_grad():
        again = (reconstruct(model, held.x, None).clamp(0, 1) * 255).round() / 255
    assert found["reconstruction_psnr"] == pytest.approx(float(psnr(again, held.x).mean()), rel=1e-4)
    assert not [name for name in found if name.startswith("psnr")]


def test_the_picture_of_a_reconstruction_is_not_the_truth(held):
    model = testing.build(VAE, VAEConfig(channels=1)).eval()
    o = Clean()(held.x, Rng(0))
    with torch.no_grad():
        first, again, truth, error = preview_columns(model, Batch(held.x, o, Clean()), Rng(0))
    assert torch.equal(first, truth)
    assert not torch.equal(again, truth)
    assert error.any()


def test_a_model_of_draws_alone_is_pictured_by_their_mean(held):
    class Draws(CVAE):
        def estimate(self, observation, corruption):
            return None

    model = testing.build(Draws, SMALL).eval()
    rng = Rng(0, held.names)
    o = Missing(0.5)(held.x, rng)
    with torch.no_grad():
        mean = model.sample(o, Missing(0.5), 4, rng).mean.mean(0)
        shown = preview_columns(model, Batch(held.x, o, Missing(0.5)), rng)[1]
    torch.testing.assert_close(shown, torch.where(o.observed, held.x, mean))


def test_centres_of_a_model_of_one_size_are_whole():
    pool = HeldPool([torch.zeros(300, 200, 1, dtype=torch.uint8)] * 2, torch.device("cpu"))
    assert centres(pool, ["a", "b"], Geometry((300, 200))).x.shape[2:] == (300, 200)


@pytest.mark.parametrize(("channels", "shown"), [(1, (0, 0, 0)), (2, (0, 0, 0)), (3, (0, 1, 2)), (5, (0, 1, 2))])
def test_any_number_of_bands_is_pictured(tmp_path, channels, shown):
    cells = (torch.arange(channels) / 255).view(1, -1, 1, 1).expand(1, -1, 4, 4)
    write_grid(cells, 1, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.convert("RGB").getpixel((2, 2)) == shown
