"""Models to check are always the same ones, and are shown what they take."""

import pytest
import torch

from restorekit import Geometry
from restorekit.models import CVAE, VAE
from restorekit.samplers import Gibbs
from restorekit.testing import build, channel_counts
from restorekit.testing._assertions import random_images
from restorekit.testing._cases import SIDE, batches, degraded, sample, size, smallest
from tests._helpers.linear_gaussian import PCA, PCAConfig
from tests._helpers.tiny_model import Tiny, TinyConfig

SMALL = VAE.Config(hidden=(8, 8), latent=2)


def test_a_model_is_built_with_the_same_weights_whatever_the_global_generator():
    before = torch.get_rng_state()
    first = build(Tiny).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(7)
    second = build(Tiny).state_dict()
    torch.set_rng_state(before)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_model_is_ready_to_restore_and_a_latent_one_has_a_sampler():
    assert not build(Tiny).training
    assert build(Tiny, TinyConfig(width=7)).net.out_channels == 7
    assert isinstance(build(VAE, SMALL).sampler, Gibbs)
    assert build(VAE, SMALL, channels=3).geometry.channels == (3,)


def test_models_that_follow_their_images_are_built_for_gray_and_colour():
    assert channel_counts(VAE, SMALL) == (1, 3)
    assert channel_counts(CVAE, CVAE.Config(**CVAE.presets["small"])) == (1,)
    assert channel_counts(Tiny) == (1,)


@pytest.mark.parametrize(("multiple", "sides"), [(1, (12, 13)), (8, (16, 24)), (5, (15, 20))])
def test_sizes_are_multiples_that_differ(multiple, sides):
    model = build(Tiny)
    model.geometry = Geometry(None, multiple, 2, (1,))
    assert size(model) == sides
    assert min(size(model)) >= SIDE
    assert smallest(model) == (multiple, multiple)


def test_a_model_of_one_size_is_shown_that_size():
    model = build(PCA, PCAConfig(size=(2, 3)))
    assert size(model) == smallest(model) == (2, 3)
    assert all(batch.x.shape == (4, 1, 2, 3) for batch in batches(model))


def test_batches_hold_noise_with_gaps_and_gaps_alone_in_every_channel_count():
    model = build(CVAE, CVAE.Config(**CVAE.presets["small"]))
    found = list(batches(model, 3))
    assert [batch.x.shape[1] for batch in found] == [3, 3, 1, 1]
    assert [batch.corruption.hides for batch in found] == [False, True] * 2
    assert all(len(batch.x) == len(batch.observation) == 3 and batch.step == 1 for batch in found)
    assert all(not batch.observation.observed.all() for batch in found)


def test_what_is_observed_depends_on_the_image_and_its_place_alone():
    x = random_images(3, 1, 8, 8)
    assert torch.equal(degraded(x).y[:2], degraded(x[:2]).y)


def test_later_draws_are_those_of_a_longer_run():
    model = build(Tiny)
    o = degraded(random_images(2, 1, 8, 8))
    draws = sample(model, o, 3).mean
    assert draws.shape == (3, 2, 1, 8, 8)
    torch.testing.assert_close(sample(model, o, 2, first=1).mean, draws[1:])
    assert not draws.requires_grad
