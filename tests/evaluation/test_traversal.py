"""Facts about draws from a prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.evaluation import traversal
from restorekit.evaluation.traversal import draw
from restorekit.images.dataset import load_images
from restorekit.models import VAE, checkpoint


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VAE(VAE.Config(channels=1, hidden=(8, 16), latent=4, classes=3))
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return str(path)


def test_draws_have_the_model_s_channels_and_a_size_it_takes(vae):
    assert draw(vae, 3, None, 18, 1.0, 0, "cpu").shape == (3, 1, 20, 20)


def test_the_seed_the_class_and_the_temperature_make_the_draw(vae):
    first, again, other, label, cold = (
        draw(vae, 2, *values, "cpu")
        for values in ((None, 16, 1.0, 0), (None, 16, 1.0, 0), (None, 16, 1.0, 1), (2, 16, 1.0, 0), (None, 16, 0.0, 0))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, label)
    assert torch.equal(cold[0], cold[1])


def test_many_are_drawn_in_portions(vae, monkeypatch):
    monkeypatch.setattr(traversal, "PORTION", 4)
    many = draw(vae, 10, None, 16, 1.0, 0, "cpu")
    assert many.shape[0] == 10
    assert len({tuple(image.flatten().tolist()) for image in many}) == 10


def test_a_class_that_is_not_there_is_a_sentence(vae):
    with pytest.raises(UsageError, match="a class from 0 to 2"):
        draw(vae, 1, 3, 16, 1.0, 0, "cpu")


def test_a_conditional_model_has_no_prior_to_draw_from(model_file):
    with pytest.raises(UsageError, match="only conditional on an observation"):
        draw(str(model_file), 1, None, 16, 1.0, 0, "cpu")


def test_a_way_leads_from_one_draw_to_another_and_stays_as_far_out_as_draws_are(vae):
    one, other = (Rng(0).normal(name, (5, 400), "cpu") for name in "ab")
    found = traversal._between(one, other, torch.linspace(0, 1, 7)).view(5, 7, 400)
    torch.testing.assert_close(found[:, 0], one, atol=1e-4, rtol=0)
    torch.testing.assert_close(found[:, -1], other, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.norm(dim=-1) / 20, torch.ones(5, 7), atol=0.15, rtol=0)
    ways = draw(vae, 3, 1, 16, 1.0, 0, "cpu", 5).view(3, 5, 1, 16, 16)
    assert not torch.equal(ways[:, 0], ways[:, -1])
    assert len(ways.flatten(2).flatten(0, 1).unique(dim=0)) == 15


def test_a_traversal_turns_one_latent_at_a_time():
    found = traversal._turned(torch.ones(2, 4, 3, 3), torch.linspace(0, 1, 5), (2, 0, 7)).view(2, 5, 4, 3, 3)
    assert found[0, :, 2, 1, 1].tolist() == [-3, -1.5, 0, 1.5, 3]
    assert found[1, :, 0, 2, 0].tolist() == [-3, -1.5, 0, 1.5, 3]
    assert int((found != 0).sum()) == 2 * 4 * 9


def test_there_are_no_more_rows_than_latents(vae):
    assert len(draw(vae, 64, None, 16, 1.0, 0, "cpu", 3, range(64))) == 4 * 3


def test_latents_are_ranked_by_what_they_tell_of_images(tmp_path):
    model = VAE(VAE.Config(network="mlp", size=(8, 8), channels=1, hidden=(), latent=3))
    (encoder,) = model.network.encoder.layers
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.copy_(torch.tensor([0.0, 0, 2, 0, -1, 0]))  # three means, three log-variances
    path = tmp_path / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    np.save(tmp_path / "x.npy", np.zeros((5, 8, 8), np.uint8))
    found = traversal.ranked(str(path), load_images(str(tmp_path / "x.npy")), "cpu")
    assert [i for i, _ in found] == [2, 1, 0]
    assert [nats for _, nats in found] == pytest.approx([2.0, 0.5 * math.exp(-1), 0.0], abs=1e-6)


def test_each_row_has_its_title(tmp_path):
    cells = torch.zeros(6, 1, 28, 28)
    traversal.titled(["z4  1.25", "z1"], cells, 3, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as sheet:
        margin, lit = sheet.width - (3 * 30 + 2), np.asarray(sheet) > 100
    assert sheet.size[1] == 2 * 30 + 2
    first, second = (lit[2 + 30 * i : 30 + 30 * i] for i in range(2))
    assert first[:, :margin].sum() > second[:, :margin].sum() > 10
    assert not lit[:, margin:].any()
