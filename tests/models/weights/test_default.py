"""What the README says of the shipped weights, on crops of the sample pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from restorekit.core import channels as per_channel
from restorekit.core.devices import Compute
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Gaussian, Holes, Missing
from restorekit.models import CVAE, checkpoint
from restorekit.restoration.loading import open_restorer
from restorekit.training.build import initial_model

CLEAN = Path(__file__).parents[3] / "samples" / "clean"
NOISY = ("opencv-nlm", "tv", "wavelet", "nlm")
FILLING = ("biharmonic", "delaunay", "delaunay-cubic", "navier-stokes", "telea")


@pytest.fixture(scope="module")
def pictures():
    """Crops of the clean photographs in gray and half their size, as detailed as a whole one, (B, 1, 96, 96)."""
    left_out = ("cell", "portrait")  # one smooth disc: 50 dB for all; astronaut.png, closer
    paths = sorted(path for path in CLEAN.rglob("*.png") if path.stem not in left_out)
    opened = [Image.open(path).convert("L") for path in paths]
    found = [np.asarray(image.reduce(2), np.float32) / 255 for image in opened]
    corners = [((h - 96) // 2, (w - 96) // 3) for h, w in (image.shape for image in found)]
    cut = [image[top : top + 96, left : left + 96] for image, (top, left) in zip(found, corners, strict=True)]
    return torch.from_numpy(np.stack(cut))[:, None]


def restored(name, observation, corruption, draws=0):
    restorer = open_restorer(name, corruption, compute=Compute("cpu")).restorer
    return per_channel.restore(restorer, Problem(observation, corruption), draws, Rng(3))


def psnr(found, x):
    return float(-10 * (found.clamp(0, 1) - x).square().flatten(1).mean(1).log10().mean())


@pytest.mark.parametrize("corruption", [Missing(0.5), Missing(0.8), Missing(0.9)], ids=str)
@pytest.mark.parametrize("rival", FILLING)
def test_it_fills_missing_pixels_better_than_every_classical_method(corruption, rival, pictures):
    o = corruption(pictures, Rng(1))
    own = psnr(restored("default", o, corruption).mmse, pictures)
    assert own > psnr(restored(rival, o, corruption).mmse, pictures) + 0.4


@pytest.mark.parametrize("level", [15, 25, 50])
@pytest.mark.parametrize("rival", NOISY)
def test_it_removes_noise_of_unknown_level_better_than_methods_that_are_told_it(level, rival, pictures):
    corruption = Gaussian(level / 255)
    o = corruption(pictures, Rng(1))
    own = psnr(restored("default", o.blind(), corruption).mmse, pictures)
    assert own > psnr(restored(rival, o, corruption).mmse, pictures) + 0.2


@pytest.mark.parametrize("corruption", [Missing(0.8), Gaussian(25 / 255), Holes(area=0.15)], ids=lambda c: c.name)
def test_the_large_model_is_better(corruption, pictures):
    o = corruption(pictures, Rng(1)).blind()
    own, small = (psnr(restored(name, o, corruption).mmse, pictures) for name in ("large", "default"))
    assert own > small + 0.1


@pytest.mark.parametrize("name", ["default", "large"])
@pytest.mark.parametrize("corruption", [Missing(0.8), Gaussian(25 / 255), Holes(area=0.15)], ids=lambda c: c.name)
def test_the_one_pass_estimate_is_as_good_as_the_mean_of_64_draws(corruption, name, pictures):
    o = corruption(pictures, Rng(1)).blind()
    found = restored(name, o, corruption, 64)
    near = 0.2 if corruption.name == "holes" else 0.1  # of long waves, few in a hole, 64 draws leave more to chance
    assert psnr(found.mmse, pictures) == pytest.approx(psnr(found.draws.mean(0), pictures), abs=near)


def test_a_training_of_a_cvae_starts_from_it_where_nothing_else_is_said():
    assert initial_model(CVAE, {}, "auto", 0, (3, 96, 96), ()).provenance.startswith("default ")


@pytest.mark.parametrize(("name", "most"), [("default", 4 * 2**20), ("large", 16 * 2**20)])
def test_the_file_is_small_in_half_precision_and_says_where_it_comes_from(name, most):
    path = checkpoint.resolve(name)
    assert path.stat().st_size <= most
    with safe_open(path, framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118  # not a mapping
    card = checkpoint.read_card(path)
    assert "restorekit train" in card.command
    assert card.data.source == "photos"
    assert card.licence.startswith("MIT")
    assert len(card.data.fingerprint) == 64
