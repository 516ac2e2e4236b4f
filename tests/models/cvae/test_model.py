import dataclasses

import pytest
import torch
from torch import distributions
from torch.utils.flop_counter import FlopCounterMode

from restorekit import testing
from restorekit.core.distributions import LOG_2PI, DiagonalGaussian
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Batch
from restorekit.corruptions import Chain, Gaussian, Holes, Missing
from restorekit.models import CVAE
from restorekit.models.cvae.model import TINY
from restorekit.testing._assertions import perturb, random_images

SMALL = CVAE.Config(**CVAE.presets["small"])
DAMAGE = Chain((Gaussian(0.1), Missing(0.5)))


def _model(config=SMALL):
    model = testing.build(CVAE, config)
    perturb(model)
    return model


def _batch(corruption=DAMAGE, count=4, channels=3):
    x = random_images(count, channels, 16, 24)
    return Batch(x, corruption(x, Rng(1)), corruption)


def _trunk_gradients(model, batch, rng):
    model.zero_grad()
    model.terms(batch, rng).loss.backward()
    return {name: p.grad.clone() for name, p in model.trunk.named_parameters()}


def test_the_trunk_does_not_feel_what_stands_around_it():
    """Other fields and posterior, another weight of the rate, other noise: the trunk's gradients stay, bit for bit."""
    batch, model = _batch(), _model()
    plain = _trunk_gradients(model, batch, Rng(0))
    other = _model(dataclasses.replace(SMALL, beta=7.0, free_bits=0.5))
    with torch.no_grad():
        for p in other.around.parameters():
            p.mul_(-1.5).add_(0.01)
    found = _trunk_gradients(other, batch, Rng(5))
    assert all(torch.equal(found[name], value) for name, value in plain.items())
    assert all(bool(value.any()) for value in plain.values())


@pytest.mark.parametrize(("learns", "other"), [("trunk", "around"), ("around", "trunk")])
def test_one_part_learns_and_the_other_stays(learns, other):
    model, batch = _model(dataclasses.replace(SMALL, learns=learns)), _batch()
    model.terms(batch, Rng(0)).loss.backward()
    assert all(p.grad is None for p in getattr(model, other).parameters())
    assert any(bool(p.grad.any()) for p in getattr(model, learns).parameters())
    learnt = {id(p) for p in model.param_groups()["model"]}
    assert learnt == {id(p) for p in getattr(model, learns).parameters()}


def test_draws_learn_and_trunk_and_spread_stay():
    model, batch = _model(dataclasses.replace(SMALL, learns="draws")), _batch()
    (params,) = model.param_groups().values()
    learnt = {name for name, p in model.named_parameters() if any(p is own for own in params)}
    assert {name.split(".")[1] for name in learnt} == {"fields", "posterior"}
    assert not any("spread" in name or "reads" in name or "trunk" in name for name in learnt)
    model.terms(batch, Rng(0)).loss.backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in params if p.ndim > 1)
    assert not any(p.grad is not None and bool(p.grad.any()) for p in model.trunk.parameters())


def test_octaves_weigh_the_match_of_energies():
    losses = [
        _model(dataclasses.replace(SMALL, learns="draws", octaves=w)).terms(_batch(), Rng(0)).loss
        for w in (0.0, 1.0, 3.0)
    ]
    none, one, three = (float(loss.detach()) for loss in losses)
    assert three - none == pytest.approx(3 * (one - none), rel=1e-3)
    assert one > none


def test_a_trunk_alone_learns_from_the_same_gradient():
    batch, alone = _batch(), _model(dataclasses.replace(SMALL, learns="trunk"))
    found, plain = _trunk_gradients(alone, batch, Rng(0)), _trunk_gradients(_model(), batch, Rng(0))
    assert all(torch.equal(found[name], value) for name, value in plain.items())


def test_fitting_the_spread_does_not_touch_the_mean():
    """The trunk has the gradient of the regression alone."""
    batch, model = _batch(), _model()
    found = _trunk_gradients(model, batch, Rng(0))
    model.zero_grad()
    mean = model.estimate(batch.observation, batch.corruption).mean
    (((mean - batch.x) ** 2).flatten(1).mean(1) + TINY).sqrt().mean().backward()
    for name, p in model.trunk.named_parameters():
        torch.testing.assert_close(found[name], p.grad, msg=name)


def test_the_spread_is_read_off_features_that_it_leaves_alone():
    model, batch = _model(), _batch()
    model.estimate(batch.observation, batch.corruption).std.sum().backward()
    reached = {name.split(".")[2] for name, p in model.around.named_parameters(prefix="around") if p.grad is not None}
    assert reached == {"reads", "spread"}


def test_damage_that_only_hides_has_a_trunk_and_all_around_it_of_its_own():
    model = _model(dataclasses.replace(SMALL, filling=True))
    for corruption, own in ((Missing(0.5), True), (Chain((Missing(0.5), Holes())), True), (DAMAGE, False)):
        model.zero_grad()
        model.terms(_batch(corruption), Rng(0)).loss.backward()
        reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert reached == ({"filling_trunk", "filling_around"} if own else {"trunk", "around"})


def test_filling_takes_what_is_seen_for_exact_whatever_is_said_of_sigma():
    model, batch = _model(dataclasses.replace(SMALL, filling=True)).train(), _batch(Missing(0.5))
    blind = dataclasses.replace(batch.observation, sigma=None)
    told, untold = (model.estimate(o, batch.corruption).mean for o in (batch.observation, blind))
    assert torch.equal(told, untold)
    scored = dataclasses.replace(batch, x=torch.where(batch.observation.observed, 1 - batch.x, batch.x))
    assert torch.equal(model.terms(batch, Rng(0)).loss, model.terms(scored, Rng(0)).loss)  # nothing hides sigma


def test_the_halo_covers_the_trunk_that_sees_farther():
    small = _model().geometry.halo
    far = {"filling_encoder": (9, 9), "filling_decoder": (9,)}
    assert _model(dataclasses.replace(SMALL, **far)).geometry.halo == small
    assert _model(dataclasses.replace(SMALL, filling=True, **far)).geometry.halo > small
    assert _model(dataclasses.replace(SMALL, filling=True)).geometry.halo == small


def test_gray_and_colour_share_their_weights():
    """A gray image is restored as the same image in colour, averaged over the channels."""
    model, gray = _model(), _batch(channels=1)
    o = gray.observation
    colour = dataclasses.replace(o, y=o.y.expand(-1, 3, -1, -1), shape=(3, 16, 24))
    found, rgb = model.estimate(o, DAMAGE), model.estimate(colour, DAMAGE)
    torch.testing.assert_close(found.mean, rgb.mean.mean(1, keepdim=True))
    assert found.std.shape == (4, 1, 16, 24)


def test_an_untrained_model_returns_the_first_guess():
    model, batch = testing.build(CVAE, SMALL), _batch()
    found = model.estimate(batch.observation, DAMAGE)
    torch.testing.assert_close(found.mean, DAMAGE.initial_estimate(batch.observation))
    assert float(found.std.detach().min()) >= SMALL.floor


def test_at_the_start_posterior_and_prior_are_one():
    terms = testing.build(CVAE, SMALL).terms(_batch(), Rng(0))
    assert float(terms.parts["rate"]) == 0


def test_the_distortion_is_that_of_the_draw_it_would_make():
    """With the posterior at the prior, terms and sample see the same latents: densities must agree."""
    model, batch = _model(), _batch()
    with torch.no_grad():
        for head in (*model.around.posterior.heads, model.around.posterior.pixels):
            head.weight.zero_()
            head.bias.zero_()
        draws = model.sample(batch.observation, DAMAGE, 1, Rng(3))
        terms = model.terms(batch, Rng(3).expand(1))
    likelihood = DiagonalGaussian(draws.mean[0], draws.variance[0].log())
    expected = -likelihood.log_prob(batch.x, batch.observation.unknown()).mean()
    assert float(terms.parts["distortion"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(terms.parts["rate"]) == pytest.approx(0, abs=1e-3)


def test_only_unknown_values_are_scored():
    model, batch = _model(), _batch(Missing(0.5))
    seen = batch.observation.observed.expand_as(batch.x)
    other = dataclasses.replace(batch, x=torch.where(seen, batch.x + 0.3, batch.x))
    first, second = (model.terms(b, Rng(0)) for b in (batch, other))
    for name, value in first.parts.items():
        torch.testing.assert_close(second.parts[name], value, msg=name)
    changed = dataclasses.replace(batch, x=torch.where(seen, batch.x, batch.x + 0.3))
    assert model.terms(changed, Rng(0)).loss > first.loss


def test_with_nothing_unknown_there_is_nothing_to_learn():
    model = _model()
    terms = model.terms(_batch(Missing(0.0)), Rng(0))
    assert (float(terms.parts["spread"]), float(terms.parts["distortion"])) == (0, 0)
    terms.loss.backward()
    assert not any(p.grad.any() for p in model.trunk.parameters())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_regression_part_is_that_of_the_best_common_deviation():
    """0.5 D (log(2 pi e mse)): the negative log-density with one fitted sigma per image."""
    model, batch = _model(), _batch(Gaussian(0.2), count=1)
    error = (model.estimate(batch.observation, batch.corruption).mean - batch.x).detach()
    count, mse = error.numel(), float(error.square().mean())
    normal = distributions.Normal(0.0, mse**0.5)
    found = float(model.terms(batch, Rng(0)).parts["regression"])
    assert found == pytest.approx(-float(normal.log_prob(error).sum()), rel=1e-3)
    assert found == pytest.approx(0.5 * count * (float(torch.tensor(mse).log()) + LOG_2PI + 1), rel=1e-3)


def test_the_noise_level_is_seen_and_hidden_in_training_at_its_share():
    model, batch = _model(), _batch(Gaussian(0.2))
    o = batch.observation
    told, blind = (model.estimate(seen, batch.corruption).mean for seen in (o, o.blind()))
    assert not torch.allclose(told, blind)
    always = _model(dataclasses.replace(SMALL, blind=1.0)).train()
    never = _model(dataclasses.replace(SMALL, blind=0.0)).train()
    unknown = dataclasses.replace(batch, observation=o.blind())
    assert torch.equal(always.terms(batch, Rng(0)).loss, never.terms(unknown, Rng(0)).loss)
    assert not torch.equal(always.terms(batch, Rng(0)).loss, never.terms(batch, Rng(0)).loss)
    assert torch.equal(always.eval().terms(batch, Rng(0)).loss, never.eval().terms(batch, Rng(0)).loss)


def test_fields_and_posterior_learn_from_their_share_of_the_batch():
    half, whole = (_model(dataclasses.replace(SMALL, latent_share=s, blind=0.0)).train() for s in (0.5, 1.0))
    batch = _batch()
    two = Batch(batch.x[:2], Gaussian(0.1)(batch.x[:2], Rng(1)), Gaussian(0.1))
    four = Batch(torch.cat([two.x, batch.x[2:]]), Gaussian(0.1)(batch.x, Rng(2)), Gaussian(0.1))
    four = dataclasses.replace(
        four,
        observation=dataclasses.replace(four.observation, y=torch.cat([two.observation.y, four.observation.y[2:]])),
    )
    rate = half.terms(four, Rng(0)).parts["rate"]
    torch.testing.assert_close(rate, whole.terms(two, Rng(0)).parts["rate"], rtol=1e-4, atol=1e-4)


def test_free_bits_set_a_least_price():
    free = _model(dataclasses.replace(SMALL, free_bits=100.0))
    terms, plain = free.terms(_batch(), Rng(0)), _model().terms(_batch(), Rng(0))
    assert terms.loss > plain.loss
    torch.testing.assert_close(terms.parts["rate"], plain.parts["rate"])


def test_draws_differ_and_spread_by_their_latents():
    model, batch = _model(), _batch()
    with torch.no_grad():
        draws = model.sample(batch.observation, DAMAGE, 8, Rng(0, tuple("abcd")))
    assert len(draws.mean.flatten(1).unique(dim=0)) == 8
    assert (draws.variance > 0).all()


def test_levels_are_diagnosed_by_their_stride():
    found = _model().diagnose(_batch(), Rng(0))
    assert list(found) == ["kl_1", "kl_2", "kl_4", "active_units"]
    assert all(float(v.detach()) >= 0 for v in found.values())


def test_labels_reach_the_trunk():
    model, batch = _model(dataclasses.replace(SMALL, classes=3)), _batch()
    means = []
    for label in (torch.tensor([0, 1, 2, -1]), torch.tensor([-1, -1, -1, -1]), None):
        o = dataclasses.replace(batch.observation, label=label)
        means.append(model.estimate(o, DAMAGE).mean)
    torch.testing.assert_close(means[1], means[2])
    torch.testing.assert_close(means[0][3], means[2][3])
    assert not torch.allclose(means[0][:3], means[2][:3])


def test_it_says_that_it_needs_clean_images():
    batch = dataclasses.replace(_batch(), x=None)
    with pytest.raises(UsageError, match="spots of 1 or more"):
        _model().terms(batch, Rng(0))


@pytest.mark.parametrize(("preset", "most_work", "most_parameters"), [(None, 45e3, 2e6), ("large", 300e3, 8e6)])
def test_a_model_of_either_class_keeps_within_its_work_per_pixel_and_its_size(preset, most_work, most_parameters):
    """Multiply-accumulates of one estimate, as PyTorch counts them: half of its floating-point operations."""
    model = testing.build(CVAE, CVAE.Config(**CVAE.presets[preset] if preset else {}))
    assert sum(p.numel() for p in model.parameters()) <= most_parameters
    for corruption in (Gaussian(0.1), Missing(0.5)):
        observation = corruption(random_images(1, 1, 64, 64), Rng(0))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.estimate(observation, corruption)
        assert 0.9 * most_work < counter.get_total_flops() / 2 / 64**2 <= most_work
