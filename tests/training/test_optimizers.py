import copy

import pytest
import torch
from torch import nn

from restorekit.core.rng import Rng
from restorekit.training import optimizers
from restorekit.training.config import Recipe
from restorekit.training.muon import Muon
from restorekit.training.optimizers import SETTLED, ParameterGroup

KINDS = ("adam", "muon")
USUAL = 0.1 * 490**0.5  # norm of a gradient of 0.1 everywhere


class Pair(nn.Module):
    """Two parameter groups; the first holds a hidden weight and a bias."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Parameter(0.1 * Rng(0).normal("hidden", (24, 20), "cpu"))
        self.bias = nn.Parameter(torch.linspace(-1, 1, 10))
        self.other = nn.Parameter(torch.tensor([0.3, -0.2]))

    def param_groups(self):
        return {"first": [self.hidden, self.bias], "second": [self.other]}


def _groups(recipe=None):
    model = Pair()
    return model, optimizers.groups(model, recipe or Recipe(), torch.device("cpu"))


def _give(group, value):
    for p in group.params:
        p.grad = torch.full_like(p, value)


def _memory(group: ParameterGroup):
    """Weights and what the optimisers remember, copied."""
    kept = [dict(optimiser.state[p]) for optimiser in group.optimisers for p in group.params if p in optimiser.state]
    return [p.detach().clone() for p in group.params], copy.deepcopy(kept)


def _same(before, after):
    weights = all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    kept = zip(before[1], after[1], strict=True)
    return weights and all(a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items()) for a, b in kept)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("clip", [0.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_that_is_not_finite_leaves_weights_and_optimiser_bit_equal(kind, clip, bad):
    recipe = Recipe(optimiser=kind, clip=clip)
    _, (group, _) = _groups(recipe)
    for done in range(3):
        _give(group, 0.1)
        optimizers.step(group, recipe, 1.0, done)
    before, usual = _memory(group), float(group.usual)
    for p in group.params:
        _give(group, 0.1)
        p.grad.view(-1)[0] = bad
        optimizers.step(group, recipe, 1.0, SETTLED)
        assert _same(before, _memory(group))
    assert float(group.skipped) == 2
    assert float(group.usual) == usual
    _give(group, 0.1)
    optimizers.step(group, recipe, 1.0, 4)
    assert not _same(before, _memory(group))
    assert float(group.skipped) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_gradient_at_the_very_first_update_is_skipped_too(kind):
    recipe = Recipe(optimiser=kind)
    _, (group, _) = _groups(recipe)
    weights = [p.detach().clone() for p in group.params]
    _give(group, torch.nan)
    optimizers.step(group, recipe, 1.0, 0)
    assert all(torch.equal(p, w) for p, w in zip(group.params, weights, strict=True))
    _give(group, 0.1)
    optimizers.step(group, recipe, 1.0, 1)
    assert all(p.isfinite().all() for p in group.params)
    assert not any(torch.equal(p, w) for p, w in zip(group.params, weights, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_an_exploding_gradient_is_skipped_once_the_usual_one_is_known(kind):
    recipe = Recipe(optimiser=kind, explode=20.0)
    _, (group, _) = _groups(recipe)
    for done in range(SETTLED):
        _give(group, 0.1)
        optimizers.step(group, recipe, 1.0, done)
    assert float(group.usual) == pytest.approx(USUAL)
    before = _memory(group)
    _give(group, 0.1 * 21)
    optimizers.step(group, recipe, 1.0, SETTLED)
    assert _same(before, _memory(group))
    assert float(group.skipped) == 1
    _give(group, 0.1 * 19)
    optimizers.step(group, recipe, 1.0, SETTLED + 1)
    assert not _same(before, _memory(group))
    assert float(group.skipped) == 1


@pytest.mark.parametrize(("explode", "done"), [(0.0, SETTLED), (20.0, SETTLED - 1)], ids=["never", "not yet"])
def test_a_large_gradient_counts_where_nothing_forbids_it(explode, done):
    recipe = Recipe(explode=explode)
    _, (group, _) = _groups(recipe)
    _give(group, 0.1)
    optimizers.step(group, recipe, 1.0, 0)
    before = _memory(group)
    _give(group, 1e4)
    optimizers.step(group, recipe, 1.0, done)
    assert not _same(before, _memory(group))
    assert float(group.skipped) == 0


def _plain(group):
    """Put an optimiser in place whose step is the gradient itself."""
    sgd = torch.optim.SGD(group.params, lr=1.0, fused=True)
    sgd.param_groups[0]["full_lr"] = 1.0
    group.optimisers = (sgd,)


def test_the_norm_is_returned_before_clipping_and_a_large_gradient_clipped_to_the_usual_one():
    _, (group, _) = _groups()
    _plain(group)
    for scale, expected in ((0.15, 1.5 * USUAL), (0.3, 2.0 * USUAL)):
        before = torch.cat([p.detach().flatten() for p in group.params])
        group.usual = torch.tensor(USUAL)
        _give(group, scale)
        norm = optimizers.step(group, Recipe(clip=2.0), 1.0, SETTLED)
        assert float(norm) == pytest.approx(scale * 490**0.5)
        moved = torch.cat([p.detach().flatten() for p in group.params]) - before
        assert float(moved.norm()) == pytest.approx(expected, rel=1e-4)


def test_a_lasting_change_of_the_gradient_becomes_the_usual_one_and_a_spike_does_not():
    _, (group, _) = _groups()
    group.usual = torch.tensor(1.0)
    _give(group, 1e6)
    optimizers.step(group, Recipe(explode=0.0), 1.0, SETTLED)
    assert float(group.usual) == pytest.approx(1 + 1 / SETTLED)
    for done in range(1000):
        _give(group, 5 / 490**0.5)
        optimizers.step(group, Recipe(explode=0.0), 1.0, SETTLED + 1 + done)
    assert float(group.usual) == pytest.approx(5, rel=1e-3)


def test_a_sound_update_is_the_one_of_plain_adam():
    recipe = Recipe(optimiser="adam", clip=0.0, explode=0.0, weight_decay=0.01)
    model, (group, _) = _groups(recipe)
    twin = Pair()
    plain = torch.optim.AdamW([twin.hidden], betas=(0.9, recipe.beta2), weight_decay=0.01)
    for done, pace in enumerate((1.0, 0.5, 0.1)):
        _give(group, 0.1 + done)
        optimizers.step(group, recipe, pace, done)
        twin.hidden.grad = torch.full_like(twin.hidden, 0.1 + done)
        plain.param_groups[0]["lr"] = pace * recipe.lr
        plain.step()
    torch.testing.assert_close(model.hidden, twin.hidden)


def test_muon_takes_hidden_weights_and_adam_the_rest():
    _, (first, second) = _groups(Recipe(optimiser="muon"))
    kinds = {
        type(optimiser): [tuple(p.shape) for p in optimiser.param_groups[0]["params"]] for optimiser in first.optimisers
    }
    assert kinds == {Muon: [(24, 20)], torch.optim.AdamW: [(10,)]}
    assert [type(optimiser) for optimiser in second.optimisers] == [torch.optim.AdamW]
    assert [type(optimiser) for optimiser in _groups(Recipe(optimiser="adam"))[1][0].optimisers] == [torch.optim.AdamW]


def test_gradients_reach_the_chosen_group_alone():
    model, everyone = _groups()
    optimizers.freeze_others(everyone[1], everyone)
    ((model.hidden.sum() + model.other.sum()) ** 2).backward()
    assert model.hidden.grad is None
    assert model.other.grad is not None
    optimizers.freeze_others(everyone[0], everyone)
    assert model.hidden.requires_grad
    assert not model.other.requires_grad


def test_averages_carry_buffers_along():
    """Running statistics are no parameters, yet belong to the model that is saved."""
    target, source = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    source(5 + Rng(0).normal("x", (4, 3, 5, 5), "cpu"))
    optimizers.average(target, source, 0.9)
    torch.testing.assert_close(target.running_mean, source.running_mean)
    assert int(target.num_batches_tracked) == 1


def test_averages_move_by_the_share_that_does_not_decay():
    target, source = Pair(), Pair()
    with torch.no_grad():
        source.hidden.add_(1.0)
    expected = target.hidden.detach() * 0.9 + source.hidden.detach() * 0.1
    optimizers.average(target, source, 0.9)
    torch.testing.assert_close(target.hidden.detach(), expected)
    assert torch.equal(target.other, source.other)
