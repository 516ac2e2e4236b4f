import dataclasses

import pytest
import torch

from restorekit import testing
from restorekit.core.errors import SpecError
from restorekit.core.rng import Rng
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.models import CVAE
from restorekit.models.cvae.unet import Trunk, fold, network_input, repeat_channels
from restorekit.testing._assertions import pictures, shake

SMALL = CVAE.Config(**CVAE.presets["small"])
DAMAGE = Chain((Gaussian(0.1), Missing(0.5)))


@pytest.mark.parametrize("wrong", [{"widths": (8, 16)}, {"decoder": (1,)}, {"encoder": (1,)}, {"widths": (8,)}])
def test_sizes_that_do_not_fit_are_told(wrong):
    with pytest.raises(SpecError, match="encoder expects a number for each"):
        dataclasses.replace(CVAE.Config(), **wrong)


@pytest.mark.parametrize(
    "wrong", [{"filling_widths": (8, 16)}, {"filling_encoder": (1,)}, {"filling_decoder": (1, 1, 1)}]
)
def test_the_trunk_for_filling_has_sizes_of_its_own_and_the_levels_of_the_other(wrong):
    with pytest.raises(SpecError, match="the trunk for filling expects the 3 levels of the other"):
        dataclasses.replace(CVAE.Config(), **wrong)
    dataclasses.replace(CVAE.Config(), filling=False, **wrong)


def _trunk(config=SMALL):
    trunk = testing.build(CVAE, config).trunk
    assert isinstance(trunk, Trunk)
    return trunk


def _seen(channels=3):
    observation = DAMAGE(pictures(2, channels, 16, 24), Rng(1))
    return DAMAGE.initial_estimate(observation), observation


def test_features_stand_at_every_level_finest_first():
    found = _trunk()(*_seen())
    assert [tuple(f.shape) for f in found.features] == [(2, 16, 8, 12), (2, 32, 4, 6)]
    assert found.mean.shape == (2, 3, 16, 24)


@pytest.mark.parametrize("channels", [1, 3])
def test_before_training_the_mean_is_the_first_guess(channels):
    initial, observation = _seen(channels)
    torch.testing.assert_close(_trunk()(initial, observation).mean, initial)


def test_the_halo_is_three_quarters_of_what_a_pixel_depends_on():
    for changes in ({}, {"encoder": (3, 1)}, {"decoder": (4,)}):
        config = dataclasses.replace(SMALL, **changes)
        trunk = _trunk(config)
        with torch.no_grad():
            for p in trunk.parameters():
                p.fill_(1e-2)  # nothing is cut off or cancels, so that every path counts
        initial = torch.full((1, 1, 160, 160), 0.5, requires_grad=True)
        observation = Gaussian(0.1)(initial.detach(), Rng(0))
        trunk(initial, observation).mean[0, 0, 80, 80].backward()
        rows = initial.grad[0, 0].abs().sum(1).nonzero()
        reach = max(80 - int(rows.min()), int(rows.max()) - 80)
        assert reach < 80
        assert 0.75 * reach <= config.halo < 0.75 * reach + 16
        assert config.halo % 8 == 0


def test_the_sizes_for_filling_replace_those_of_the_other_trunk_and_nothing_else():
    config = dataclasses.replace(SMALL, filling_widths=(8, 24), filling_encoder=(2, 3), filling_decoder=(4,))
    second = config.for_filling()
    assert (second.widths, second.encoder, second.decoder) == ((8, 24), (2, 3), (4,))
    assert dataclasses.replace(second, widths=config.widths, encoder=config.encoder, decoder=config.decoder) == config


def test_the_network_is_shown_guess_observed_level_and_whether_it_is_known():
    initial, observation = _seen()
    sigma = torch.tensor([0.1, torch.nan]).view(2, 1, 1, 1)
    found = network_input(initial, dataclasses.replace(observation, sigma=sigma))
    assert found.shape == (2, 8, 16, 24)
    assert torch.equal(found[:, :3], initial)
    assert torch.equal(found[:, 3:6], observation.observed.expand(-1, 3, -1, -1).float())
    assert [found[i, 6:].flatten(1).unique().tolist() for i in (0, 1)] == [pytest.approx([0.1, 1]), [0]]
    unknown = network_input(initial, dataclasses.replace(observation, sigma=None))
    assert not unknown[:, 6:].any()


def test_gray_becomes_three_equal_channels_and_comes_back_as_their_mean():
    gray = pictures(2, 1, 4, 5)
    assert torch.equal(repeat_channels(gray), gray.repeat(1, 3, 1, 1))
    torch.testing.assert_close(fold(repeat_channels(gray), 1), gray)
    colour = pictures(2, 3, 4, 5)
    assert torch.equal(repeat_channels(colour), colour)
    assert torch.equal(fold(colour, 3), colour)


@pytest.mark.parametrize("place", [0, 1])
def test_a_class_is_told_at_both_ends_and_an_unknown_one_is_a_class_of_its_own(place):
    trunk = _trunk(dataclasses.replace(SMALL, classes=3))
    shake(trunk)
    with torch.no_grad():
        trunk.labels[1 - place].weight.zero_()
    initial, observation = _seen()
    told = trunk(initial, dataclasses.replace(observation, label=torch.tensor([2, -1]))).mean
    untold = trunk(initial, observation).mean
    assert not torch.allclose(told[0], untold[0])
    torch.testing.assert_close(told[1], untold[1])
