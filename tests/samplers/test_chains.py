"""Chains that end by themselves."""

import pytest
import torch

from restorekit.core.errors import RestorekitWarning
from restorekit.core.plugins import registry
from restorekit.core.progress import watched
from restorekit.core.rng import AHEAD, Rng
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.samplers.chains import Chains, agree
from tests._helpers.toy_models import SEEN, observed

BOTH = Chain((Gaussian(0.4), Missing(0.5)))
KEYS = tuple("abcdef")


def _observations(n=6):
    o = observed(0.4, SEEN)[1]
    return o.take(torch.arange(n) % 2)


@pytest.mark.parametrize("name", ["gibbs", "mwg", "importance", "langevin", "map", "pnp"])
def test_an_image_is_restored_alone_as_among_others(name):
    """Each chain ends by itself, and the noise is the image's own."""
    model, sampler = observed(0.4, SEEN)[0], registry.samplers()[name]()
    together = sampler(model, BOTH, _observations(), 3, Rng(0, KEYS))
    alone = sampler(model, BOTH, _observations().take(torch.tensor([4])), 3, Rng(0, ("e",)))
    torch.testing.assert_close(together.mean[:, 4:5], alone.mean, atol=1e-4, rtol=0)


def _drifting(state, observation, rng, settled):
    """Climb by one a step up to 100, with noise."""
    state = (state + 1).clamp(max=100)
    return state, state + rng.normal("e", tuple(state.shape), "cpu")


def test_a_chain_ends_after_two_windows_that_agree_and_one_more():
    chains = Chains("test", AHEAD, 1000, True)
    start = torch.tensor([0.0, 60.0, 100.0] * 100)
    o = _observations(300)
    ended = chains.run(_drifting, start, o, Rng(0, tuple(map(str, range(300)))))
    assert bool(ended.settled.all())
    assert bool((ended.state == 100).all())
    for first, least in enumerate((100, 40, 0)):
        steps = ended.steps[first::3]
        assert int(steps.min()) >= least + 2 * AHEAD
        assert float(steps.float().median()) <= least + 5 * AHEAD


def test_a_chain_that_stands_still_or_runs_away_has_not_settled():
    still, away = torch.ones(AHEAD, 1), torch.arange(2.0 * AHEAD)[:, None]
    assert not bool(agree(still, still))
    assert not bool(agree(away[:AHEAD], away[AHEAD:]))
    assert not bool(agree(None, away[:AHEAD]))
    grain = Rng(0).normal("e", (2, AHEAD, 500), "cpu")
    assert 0.85 < float(agree(*grain).float().mean()) < 0.98


def test_chains_that_do_not_settle_are_warned_of():
    chains = Chains("test", AHEAD, 3 * AHEAD, True)
    with pytest.warns(RestorekitWarning, match="had not settled after 30 steps"):
        chains.run(_drifting, torch.zeros(6), _observations(), Rng(0, KEYS))


def test_whoever_watches_is_told_how_far_it_is():
    told = []
    with watched(lambda *what: told.append(what)):
        Chains("test", AHEAD, 1000, True).run(_drifting, torch.zeros(2), _observations(2), Rng(0))
    assert told[:2] == [("test", 0, 1000), ("test", AHEAD, 1000)]
    before = len(told)
    Chains("test", AHEAD, 1000, True).run(_drifting, torch.zeros(2), _observations(2), Rng(0))
    assert len(told) == before


def test_states_may_be_tuples_of_tuples():
    def move(state, observation, rng, settled):
        x, (a, b) = state
        step = rng.normal("e", tuple(x.shape), "cpu")
        return (x + step, (a + 1, b)), step

    ended = Chains("test", AHEAD, 100, True).run(
        move, (torch.zeros(6), (torch.zeros(6), torch.arange(6))), _observations(), Rng(0, KEYS)
    )
    assert torch.equal(ended.state[1][0], ended.steps.float())
    assert torch.equal(ended.state[1][1], torch.arange(6))


@pytest.mark.parametrize("name", ["gibbs", "mwg", "importance", "langevin"])
def test_draws_made_in_portions_are_others_and_those_made_at_once(name):
    model, sampler = observed(0.4, SEEN)[0], registry.samplers()[name]()
    o, rng = _observations(2), Rng(0, KEYS[:2])
    together = sampler(model, BOTH, o, 8, rng).mean
    later = sampler(model, BOTH, o, 4, rng.after(4)).mean
    torch.testing.assert_close(later, together[4:], atol=1e-4, rtol=0)
    assert len(together.flatten(1).unique(dim=0)) == 8
