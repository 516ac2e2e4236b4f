"""Facts about restoring images of any number of channels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from restorekit.core import channels as channel_groups
from restorekit.core.contracts import Restorer
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Problem, Restoration
from restorekit.corruptions import Missing


class Shown(Restorer):
    """Gives back what it was shown, with its noise as draws, and remembers the keys."""

    name = "shown"

    def __init__(self, *channels):
        self.geometry, self.keys = Geometry(channels=channels), []

    def __call__(self, observation, corruption, n, rng):
        self.keys.append(rng.keys)
        draws = torch.stack([rng.fork(str(s)).normal("x", tuple(observation.y.shape), "cpu") for s in range(n)])
        return Restoration(observation.y, observation.initial, draws)


def observed(channels, per_channel=False):
    x = torch.rand(2, channels, 6, 5)
    o = Missing(0.5, per_channel=per_channel)(x, Rng(0, ("a", "b")))
    return replace(o, initial=x)


@pytest.mark.parametrize("per_channel", [False, True])
def test_an_image_is_split_into_bands_and_put_together_again(per_channel):
    restorer, o = Shown(1, 3), observed(5, per_channel)
    found = channel_groups.restore(restorer, Problem(o, Missing()), 2, Rng(0, ("a", "b")))
    assert torch.equal(found.mmse, o.y)
    assert torch.equal(found.std, o.initial)
    assert found.draws.shape == (2, *o.y.shape)
    assert found.low is None
    assert restorer.keys == [(f"a#band{c}", f"b#band{c}") for c in range(5)]
    assert not torch.equal(found.draws[:, :, 0], found.draws[:, :, 1])


@pytest.mark.parametrize(("takes", "channels"), [((1, 3), 3), ((1, 3), 1), ((3,), 1)])
def test_what_the_restorer_takes_or_cannot_take_in_any_way_is_left_to_it(takes, channels):
    restorer = Shown(*takes)
    channel_groups.restore(restorer, Problem(observed(channels), Missing()), 1, Rng(0, ("a", "b")))
    assert restorer.keys == [("a", "b")]


def test_bands_have_keys_where_images_have_none():
    restorer = Shown(1)
    channel_groups.restore(restorer, Problem(observed(2), Missing()), 1, Rng(0))
    assert restorer.keys == [("0#band0", "1#band0"), ("0#band1", "1#band1")]
