import dataclasses

import pytest
import torch

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.models import CVAE
from restorekit.models.cvae.error_fields import DIRECTIONS, KINDS, MARGIN, MAX_OWN, MAX_SPREAD, MIN_OWN, Fields, filters
from restorekit.testing._assertions import shake

SMALL = CVAE.Config(**CVAE.presets["small"])
CPU = torch.device("cpu")


def _fields(config=SMALL):
    fields = testing.build(CVAE, config).around.fields
    assert isinstance(fields, Fields)
    return fields


def _context(fields, count=2):
    shake(fields)
    features = tuple(Rng(i).normal("f", (count, w, 16 >> i, 24 >> i), "cpu") for i, w in enumerate(SMALL.widths))
    return fields.context(features)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_field_has_mean_0_and_variance_1_at_every_place_within_a_cell(level):
    fields = _fields(dataclasses.replace(SMALL, levels=4))
    z = fields.white(Rng(0), 4000, (16, 16), CPU)[level]
    found = fields.field(level, z)
    assert found.shape == (4000, KINDS, 16, 16)
    assert float(found.mean(0).abs().max()) < 5.5 / 4000**0.5
    assert float((found.var(0) - 1).abs().max()) < 5.5 * (2 / 4000) ** 0.5


def test_gains_and_own_variance_make_one_whole_for_gray_and_colour():
    fields = _fields()
    context = _context(fields)
    for channels in (1, 3):
        gains, own = fields.mixture(context, channels)
        assert gains.shape == (2, channels, KINDS * SMALL.levels, 16, 24)
        torch.testing.assert_close(gains.square().sum(2) + own, torch.ones_like(own), atol=1e-4, rtol=0)
        assert float(own.detach().min()) >= MIN_OWN
        assert float(own.detach().max()) <= MAX_OWN


def test_the_covariance_of_draws_is_that_of_the_formula():
    """Of neighbours i, j: sum_k a_k(i) a_k(j) C_k(j - i), where C_k is the field's own correlation."""
    fields = _fields(dataclasses.replace(SMALL, levels=2))
    gains = torch.zeros(1, 1, 2 * KINDS, 4, 4)
    gains[:, :, 0, :, :2], gains[:, :, 0, :, 2:], gains[:, :, 1] = 0.8, 0.2, 0.3
    own = 1 - gains.square().sum(2)
    z = fields.white(Rng(0), 20000, (8, 8), CPU)
    found = fields.likelihood(z, (gains, own)).mean[:, 0, 4]
    kernel = filters()[:2, 0]
    kernel = kernel / kernel.square().sum((1, 2), keepdim=True).sqrt()
    lag = (kernel[:, :, 1:] * kernel[:, :, :-1]).sum((1, 2))
    inside, across = 0.8 * 0.8 * lag[0] + 0.09 * lag[1], 0.8 * 0.2 * lag[0] + 0.09 * lag[1]
    assert float((found[:, 1] * found[:, 2]).mean()) == pytest.approx(float(inside), abs=0.03)
    assert float((found[:, 3] * found[:, 4]).mean()) == pytest.approx(float(across), abs=0.02)


def test_latents_of_a_window_are_those_of_the_whole_and_so_are_fields():
    """A tile sees the fields of the image it is cut from, up to and over its edges."""
    fields = _fields()
    whole = fields.white(Rng(0, ("a",)), 1, (64, 96), CPU)
    tile = fields.white(Rng(0).at(("a",), ((16, 32),)), 1, (32, 32), CPU)
    for level in range(SMALL.levels):
        expected = fields.field(level, whole[level])[..., 16:48, 32:64]
        torch.testing.assert_close(fields.field(level, tile[level]), expected, atol=1e-5, rtol=0)


def test_a_ridge_is_smoother_along_its_direction_than_across():
    fields = _fields()
    z = fields.white(Rng(0), 2000, (8, 8), CPU)[0]
    ridge = fields.field(0, z)[:, 0]  # along the columns' index
    along, across = (ridge[:, 4, 3] * ridge[:, 4, 4]).mean(), (ridge[:, 3, 4] * ridge[:, 4, 4]).mean()
    assert float(along) > 0.6
    assert float(across) < float(along) - 0.5
    assert len(filters()) == DIRECTIONS + 2


@pytest.mark.parametrize("push", [-1e4, 1e4])
def test_no_value_on_the_unit_scale_is_less_sure_than_a_coin(push):
    """Whatever the head says, the standard deviation lies between the floor and one half."""
    fields = _fields()
    context = _context(fields)
    with torch.no_grad():
        fields.spread.bias.fill_(push)
    found = (0.5 * fields.logvar(context, 3).detach()).exp()
    assert found.shape == (2, 3, 32, 48)
    assert float(found.min()) >= SMALL.floor * 0.999
    assert float(found.max()) <= MAX_SPREAD * 1.001


def test_the_margin_is_what_a_field_needs_around_an_image():
    """One cell further out changes nothing; the outermost of the margin does."""
    fields = _fields()
    z = fields.white(Rng(0), 1, (16, 16), CPU)[1]
    before, moved = fields.field(1, z), z.clone()
    moved[..., 0, :] += 1
    changed = (fields.field(1, moved) - before).abs().amax((0, 1, 3))
    assert changed[0] > 0
    assert not changed[2:].any()
    assert z.shape[-1] == 8 + 2 * MARGIN


def test_a_field_drawn_without_gradients_can_be_learnt_through_later():
    fields = _fields()
    shape = (1, KINDS, 37 + 2 * MARGIN, 41 + 2 * MARGIN)
    with torch.inference_mode():
        fields.field(1, torch.ones(shape))
    z = torch.ones(shape, requires_grad=True)
    fields.field(1, z).square().sum().backward()
    assert bool(z.grad.any())
