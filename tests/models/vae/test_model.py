import dataclasses
import math

import pytest
import torch
from torch import distributions

from restorekit import testing
from restorekit.core.config import from_json
from restorekit.core.distributions import Bernoulli, DiagonalGaussian, DiscretisedLogistic
from restorekit.core.errors import SpecError
from restorekit.core.rng import Rng
from restorekit.core.types import Batch
from restorekit.corruptions import Clean, Missing
from restorekit.evaluation.likelihood import score
from restorekit.models import VAE
from restorekit.testing import _assertions
from restorekit.testing._assertions import perturb
from restorekit.training.config import Recipe


def _preset(name):
    """Split a preset into the model's settings and the training's."""
    own = {f.name for f in dataclasses.fields(VAE.Config)}
    values = VAE.presets[name]
    recipe = dataclasses.replace(Recipe(), **{k: v for k, v in values.items() if k not in own})
    return from_json(VAE.Config, {k: v for k, v in values.items() if k in own}), recipe


def _batch(x, label=None, step=None):
    observation = Clean()(x, Rng(0))
    return Batch(x, dataclasses.replace(observation, label=label), Clean(), step)


def test_the_tutorial_preset_is_784_400_20_and_nothing_else():
    config, recipe = _preset("tutorial")
    model = VAE(VAE.fit_config(config, (1, 28, 28), 0))
    shapes = [tuple(p.shape) for p in model.parameters() if p.dim() == 2]
    assert shapes == [(400, 784), (40, 400), (400, 20), (784, 400)]
    assert sum(p.numel() for p in model.parameters()) == 652_824
    assert isinstance(model.decode(torch.zeros(1, 20)), Bernoulli)
    assert (recipe.batch, recipe.lr, recipe.optimiser, recipe.beta2) == (128, 1e-3, "adam", 0.999)
    assert [recipe.learning_rate_factor(step, 0.9) for step in (0, 10**5)] == [1.0, 1.0]
    assert not any(
        (recipe.weight_decay, recipe.clip, recipe.explode, recipe.ema, recipe.augment, recipe.gray, recipe.crop)
    )


def _by_hand():
    """A VAE of two pixels and one latent, without hidden layers, whose numbers are known."""
    config = VAE.Config(network="mlp", size=(1, 2), channels=1, hidden=(), latent=1, likelihood="bernoulli")
    model = VAE(config)
    (encoder,), (decoder,) = model.network.encoder.layers, model.network.decoder.layers
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor([[0.5, -1.0], [0.2, 0.1]]))
        encoder.bias.copy_(torch.tensor([0.3, -0.4]))
        decoder.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        decoder.bias.copy_(torch.tensor([0.1, 0.2]))
    return model


def test_the_bernoulli_nelbo_is_the_one_by_hand():
    model, rng = _by_hand(), Rng(3, ("a", "b"))
    images = [(0.0, 1.0), (0.25, 0.75)]
    eps = rng.normal("z", (2, 1), "cpu").flatten().tolist()
    distortion = rate = 0.0
    for (a, b), e in zip(images, eps, strict=True):
        mu, logvar = 0.5 * a - b + 0.3, 0.2 * a + 0.1 * b - 0.4
        z = mu + math.exp(logvar / 2) * e
        p, q = 1 / (1 + math.exp(-(2 * z + 0.1))), 1 / (1 + math.exp(-(-z + 0.2)))
        distortion -= a * math.log(p) + (1 - a) * math.log(1 - p) + b * math.log(q) + (1 - b) * math.log(1 - q)
        rate += 0.5 * (mu**2 + math.exp(logvar) - logvar - 1)
    terms = model.terms(_batch(torch.tensor(images).view(2, 1, 1, 2)), rng)
    assert float(terms.parts["distortion"]) == pytest.approx(distortion / 2, rel=1e-5)
    assert float(terms.parts["rate"]) == pytest.approx(rate / 2, rel=1e-5)
    assert float(terms.parts["nelbo"]) == pytest.approx((distortion + rate) / 2, rel=1e-5)
    assert float(terms.loss.detach()) == pytest.approx((distortion + rate) / 2, rel=1e-5)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_the_rate_is_the_divergence_in_closed_form(network):
    model = testing.build(VAE, VAE.Config(network=network, hidden=(8, 8), latent=3))
    perturb(model)
    x = _assertions.pictures(4, 1, 12, 12)
    q = model.infer(x)
    normal = distributions.Normal(q.mu, (0.5 * q.logvar).exp())
    expected = distributions.kl_divergence(normal, distributions.Normal(0.0, 1.0)).flatten(1).sum(1).mean()
    assert float(model.terms(_batch(x), Rng(0)).parts["rate"]) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_rate_is_the_mean_of_log_q_minus_log_p():
    model = testing.build(VAE, VAE.Config(network="mlp", hidden=(8,), latent=2))
    perturb(model)
    x = _assertions.pictures(1, 1, 12, 12).expand(20000, -1, -1, -1)
    with torch.no_grad():
        q, p = model.infer(x), model.prior()
        z = q.sample(Rng(0))
        gap = (q.log_prob(z) - p.log_prob(z)).double()
        rate = model.terms(_batch(x[:2]), Rng(0)).parts["rate"]
    assert abs(float(gap.mean()) - float(rate)) < 5 * float(gap.std()) / 20000**0.5


@pytest.mark.parametrize(
    ("likelihood", "kind", "spread"),
    [
        ("bernoulli", Bernoulli, False),
        ("gaussian", DiagonalGaussian, True),
        ("gaussian-pixel", DiagonalGaussian, False),
        ("logistic", DiscretisedLogistic, True),
    ],
)
def test_the_decoder_has_the_likelihood_asked_for(likelihood, kind, spread):
    model = testing.build(VAE, VAE.Config(likelihood=likelihood, hidden=(8, 8), latent=2))
    found = model.decode(model.infer(_assertions.pictures(2, 1, 12, 12)).mean)
    assert isinstance(found, kind)
    assert found.mean.shape == (2, 1, 12, 12)
    assert (model.spread is not None) == spread


def test_a_gaussian_decoder_keeps_above_its_floor():
    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2, floor=0.02))
    with torch.no_grad():
        model.spread.fill_(-50.0)
    found = model.decode(model.infer(_assertions.pictures(2, 1, 12, 12)).mean)
    assert float(found.variance.detach().sqrt().min()) == pytest.approx(0.02, rel=1e-3)


def test_the_weight_of_the_rate_warms_up_and_free_bits_cost_nothing():
    x = _assertions.pictures(2, 1, 12, 12)
    base = {"hidden": (8, 8), "latent": 2}

    def excess(step, **changes):
        model = testing.build(VAE, VAE.Config(**base, **changes))
        perturb(model)
        terms = model.terms(_batch(x, step=step), Rng(0))
        return float(terms.loss.detach() - terms.parts["distortion"]), float(terms.parts["rate"])

    weighted, rate = excess(25, beta=2.0, kl_warmup=100)
    assert weighted == pytest.approx(0.25 * 2 * rate, rel=1e-3, abs=1e-4)
    assert excess(0, kl_warmup=100)[0] == pytest.approx(0, abs=1e-4)
    assert excess(None, kl_warmup=100)[0] == pytest.approx(rate, rel=1e-3)
    assert excess(1000, kl_warmup=100)[0] == pytest.approx(rate, rel=1e-3)
    free, rate = excess(None, free_bits=1e3)
    assert free == pytest.approx(2e3)
    assert rate < 100


def test_labels_change_what_is_drawn_and_unknown_ones_are_their_own_class():
    for network in ("mlp", "conv"):
        model = testing.build(VAE, VAE.Config(network=network, hidden=(8, 8), latent=2, classes=3))
        perturb(model)
        z = model.infer(_assertions.pictures(4, 1, 12, 12)).mean[:1].repeat(4, *[1] * (1 if network == "mlp" else 3))
        with torch.no_grad():
            drawn = model.decode(z, torch.tensor([0, 1, 2, -1])).mean
            unknown = model.decode(z[:1]).mean
        assert len(drawn.flatten(1).unique(dim=0)) == 4
        torch.testing.assert_close(drawn[3:], unknown)


def test_training_images_set_what_is_left_open():
    assert VAE.fit_config(VAE.Config(network="mlp"), (3, 20, 30), 5) == VAE.Config(
        network="mlp", size=(20, 30), channels=3, classes=5
    )
    assert VAE.fit_config(VAE.Config(), (3, 20, 30), 0) == VAE.Config(channels=3)
    assert VAE.fit_config(VAE.Config(channels=1, classes=2), (3, 20, 30), 5) == VAE.Config(channels=1, classes=2)


def test_dropout_acts_in_training_alone():
    model = testing.build(VAE, VAE.Config(network="mlp", hidden=(16,), latent=2, dropout=0.5))
    batch = _batch(_assertions.pictures(4, 1, 12, 12))
    losses = {mode: [float(model.train(mode).terms(batch, Rng(0)).loss.detach())] for mode in (True, False)}
    assert losses[True] != losses[False]
    again = float(model.train().terms(batch, Rng(0)).loss.detach())
    assert [again] == losses[True]


def test_active_units_are_those_whose_mean_varies():
    model = testing.build(VAE, VAE.Config(network="mlp", size=(1, 2), hidden=(), latent=2))
    with torch.no_grad():
        (encoder,) = model.network.encoder.layers
        encoder.weight.zero_()
        encoder.weight[0, 0] = 5.0
    x = torch.linspace(0, 1, 20).view(10, 1, 1, 2)
    assert float(model.diagnose(_batch(x), Rng(0))["active_units"]) == 1


def test_a_missing_value_is_shown_as_nothing():
    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    perturb(model)
    x = _assertions.pictures(2, 1, 12, 12)
    o = Missing(0.5)(x, Rng(0))
    torch.testing.assert_close(model.infer(x, o.observed).mean, model.infer(o.y).mean)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("label", [3, 9])
def test_a_class_beyond_those_that_are_known_is_an_error(network, label):
    model = testing.build(VAE, VAE.Config(network=network, hidden=(8, 8), latent=2, classes=3))
    with pytest.raises(IndexError):
        model.infer(_assertions.pictures(1, 1, 12, 12), None, torch.tensor([label]))


def _small(importance, **more):
    config = VAE.Config(hidden=(8,), latent=2, likelihood="bernoulli", importance=importance, **more)
    model = testing.build(VAE, config)
    perturb(model)
    return model


def test_the_bound_of_several_draws_is_the_importance_weighted_estimate():
    """The loss is the mean of nll by as many draws, as `likelihood.score` has it, and tightens with them."""
    x = (Rng(3).uniform("x", (4, 1, 8, 8), "cpu") < 0.3).float()
    found = []
    for k in (1, 4, 32):
        model = _small(k)
        with torch.no_grad():
            losses = torch.stack([model.terms(_batch(x), Rng(seed)).loss for seed in range(200)])
            nll = torch.stack([score(model, x, None, k, k, Rng(seed, tuple("abcd"))).nll.mean() for seed in range(200)])
        error = (losses.var() + nll.var()).sqrt() / 200**0.5
        assert abs(float(losses.mean() - nll.mean())) < 5 * float(error)
        found.append(float(losses.mean()))
    assert found[0] > found[1] + 0.05 > found[2] + 0.1


def test_the_bound_of_several_draws_counts_observed_values_alone():
    x = (Rng(3).uniform("x", (4, 1, 8, 8), "cpu") < 0.3).float()
    o = Missing(0.5)(x, Rng(1))
    other = dataclasses.replace(o, y=torch.where(o.observed, o.y, 0.7))
    model = _small(4)
    one, two = (model.terms(Batch(None, seen, Missing(0.5)), Rng(2)).loss for seen in (o, other))
    assert torch.equal(one, two)
    one.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())


def test_free_bits_and_a_bound_of_several_draws_exclude_each_other():
    with pytest.raises(SpecError, match="remove one of them"):
        _small(4, free_bits=0.1)


@pytest.mark.parametrize("more", [{"free_bits": 0.5}, {"importance": 3}])
def test_images_count_by_their_share(more):
    """An image that counts twice is as two of it, and one that counts for nothing as none."""
    config = VAE.Config(**{"hidden": (8,), "latent": 2, "likelihood": "bernoulli", **more})
    model = testing.build(VAE, config)
    perturb(model)
    x = _assertions.pictures(3, 1, 8, 8)
    one = model.objective(_batch(x), Rng(0, ("a", "b", "c")), torch.tensor([2 / 3, 1 / 3, 0.0]))
    other = model.objective(_batch(x[[0, 0, 1]]), Rng(0, ("a", "a", "b")))
    torch.testing.assert_close(one.loss, other.loss, rtol=1e-5, atol=1e-4)
    for name in one.parts:
        torch.testing.assert_close(one.parts[name], other.parts[name], rtol=1e-5, atol=1e-4)


def test_a_bound_of_several_draws_drops_out_under_names_of_images_too(images):
    x = images(2, 1, 16, 16)
    model = VAE(VAE.Config(channels=1, hidden=(8, 8), latent=2, importance=3, dropout=0.5)).train()
    rng = Rng(0, ("a", "b"))
    batch = Batch(x, Clean()(x, rng), Clean(), 1)
    assert torch.equal(model.terms(batch, rng).loss, model.terms(batch, rng).loss)
