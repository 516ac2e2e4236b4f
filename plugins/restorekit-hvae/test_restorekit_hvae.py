import dataclasses
import math

import pytest
import torch

from restorekit import Batch, Rng, SpecError
from restorekit.corruptions import Chain, Clean, Gaussian, Missing
from restorekit.models import DiagonalGaussian
from restorekit.testing import check_model

hvae = pytest.importorskip("restorekit_hvae", reason="pip install ./plugins/restorekit-hvae")
layers = pytest.importorskip("restorekit_hvae.layers")

SMALL = {"widths": (6, 8), "blocks": (1, 2), "encoder": (1, 1), "latent": 3}
NAMES = ("a", "b")


def _pictures(count=2, channels=1, side=16):
    return Rng(3).uniform("x", (count, channels, side, side), "cpu")


def _model(cls, spread=0.1, **settings):
    torch.manual_seed(0)
    model = cls(cls.Config(channels=settings.pop("channels", 1), **{**SMALL, **settings})).eval()
    with torch.no_grad():  # away from where training starts: there the prior is N(0, 1) whatever is above
        for name, p in model.named_parameters():
            p.add_(spread * Rng(1).normal(name, tuple(p.shape) or (1,), "cpu").view_as(p))
    return model


def _batch(x, corruption=None):
    corruption = corruption or Clean()
    return Batch(x, corruption(x, Rng(0, tuple(map(str, range(len(x)))))), corruption, 5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"likelihood": "mixture", "blocks": (0, 2), "classes": 3}, {"likelihood": "gaussian-pixel", "dropout": 0.1}],
    ids=str,
)
def test_hvae_keeps_what_a_model_promises(settings):
    check_model(hvae.HVAE, hvae.HVAE.Config(**{**SMALL, **settings}))


def test_chvae_keeps_what_a_model_promises():
    check_model(hvae.CHVAE, hvae.CHVAE.Config(**SMALL, trunk=(1, 1), classes=3))


def test_divergence_is_what_torch_says_and_zero_between_equals():
    a, b = (Rng(i).normal("v", (2, 3, 4, 4), "cpu") for i in (0, 1))
    q, p = DiagonalGaussian(a, 0.3 * b), DiagonalGaussian(b, 0.5 * a)
    normal = [torch.distributions.Normal(g.mu, (0.5 * g.logvar).exp()) for g in (q, p)]
    torch.testing.assert_close(layers.divergence(q, p), torch.distributions.kl_divergence(*normal))
    assert not layers.divergence(q, q).any()


def test_training_starts_where_every_prior_is_standard_and_the_ladder_keeps_the_size_of_its_features():
    deep = hvae.HVAE(hvae.HVAE.Config(channels=1, widths=(16,), blocks=(24,), encoder=(24,), latent=4))
    z = deep.prior().sample(4, (1, 16, 16), Rng(0))
    for level, found in zip(z, deep.prior().log_probs(z), strict=True):
        normal = torch.distributions.Normal(0, 1).log_prob(level).flatten(1).sum(1)
        torch.testing.assert_close(found, normal)
    features = deep.ladder(deep.ladder.begin(4, (8, 8), None), None, lambda i, p, q: z[i])
    assert 0.1 < float(features.detach().std()) < 3
    features = deep.upward(_pictures(4), None, None)
    assert float(features[0].detach().std()) < 3


def test_rates_are_what_q_and_p_say_of_a_draw_on_average():
    model = _model(hvae.HVAE)
    x = _pictures().repeat(400, 1, 1, 1)
    q, p = model.infer(x), model.prior()
    z = q.sample(Rng(0))
    by_draws = [a - b for a, b in zip(q.log_probs(z), p.log_probs(z), strict=True)]
    rates = hvae.hvae.Rates(Rng(0))
    model.ladder(model._begin(x, None), model.upward(x, None, None), rates)
    for drawn, known in zip(by_draws, rates.found, strict=True):
        assert float(known.detach()) > 0
        error = float(drawn.detach().std()) / math.sqrt(len(drawn))
        assert abs(float(drawn.mean() - known)) < 4 * error + 1e-4


def test_the_objective_is_distortion_plus_rate_and_free_bits_hold_up_each_group():
    model = _model(hvae.HVAE)
    found = model.terms(_batch(_pictures()), Rng(0))
    torch.testing.assert_close(found.parts["nelbo"], found.parts["distortion"] + found.parts["rate"])
    torch.testing.assert_close(found.loss.detach(), found.parts["nelbo"])
    free = _model(hvae.HVAE, free_bits=1e4).terms(_batch(_pictures()), Rng(0))
    torch.testing.assert_close(free.loss.detach(), free.parts["distortion"] + 3e4)


def test_the_weight_of_the_rate_grows_to_beta():
    batch = _batch(_pictures())
    found = _model(hvae.HVAE, beta=0.5, kl_warmup=10).terms(batch, Rng(0))  # after 5 updates
    torch.testing.assert_close(found.loss.detach(), found.parts["distortion"] + 0.25 * found.parts["rate"])


def test_each_group_has_a_temperature_of_its_own_in_prior_and_posterior():
    model = _model(hvae.HVAE)
    rng, shape = Rng(0, NAMES), (1, 16, 16)
    warm = model.prior().sample(2, shape, rng)
    assert len(warm) == 3
    cold_below = model.prior().sample(2, shape, rng, (1.0, 1.0, 0.0))
    assert torch.equal(warm[0], cold_below[0])
    assert torch.equal(warm[1], cold_below[1])
    assert not torch.equal(warm[2], cold_below[2])
    cold = model.prior().sample(2, shape, rng, 0.0)
    assert torch.equal(cold[0], model.prior().sample(2, shape, Rng(9, NAMES), 0.0)[0])
    q = model.infer(_pictures())
    torch.testing.assert_close(q.sample(rng, 0.0), q.mean)


def test_pulled_to_a_cold_prior_the_posterior_becomes_its_mean():
    model = _model(hvae.HVAE)
    q = model.infer(_pictures())
    torch.testing.assert_close(q.tempered((1.0, 1.0, 1.0)), q.mean)
    cold = q.tempered((1e-3, 1e-3, 1e-3))
    wanted = model.prior().sample(2, (1, 16, 16), Rng(0, NAMES), 0.0)
    for found, level in zip(cold, wanted, strict=True):
        torch.testing.assert_close(found, level, atol=1e-3, rtol=1e-3)


def test_a_scale_as_large_as_the_image_holds_latents_without_a_place():
    model = _model(hvae.HVAE, steps=(4, 28))
    x = _pictures(2, 1, 28)
    assert [tuple(level.shape) for level in model.infer(x).mean] == [(2, 3, 1, 1), (2, 3, 1, 1), (2, 3, 7, 7)]
    assert model.geometry.multiple == 28
    assert model.decode(model.infer(x).mean).mean.shape == x.shape


def test_what_is_far_from_a_change_stays_as_it_was():
    """The network is convolutional: the effect of a pixel reaches no further than the receptive field."""
    model = _model(hvae.HVAE, blocks=(1, 1), latent=2)
    x = _pictures(1, 1, 96)
    other = x.clone()
    other[..., :8, :8] = 0
    a, b = (model.decode(model.infer(v).mean).mean for v in (x, other))
    assert not torch.equal(a, b)
    torch.testing.assert_close(a[..., 64:, 64:], b[..., 64:, 64:])


def test_estimate_and_draws_keep_what_is_known_and_agree_where_latents_say_nothing():
    model = _model(hvae.CHVAE, trunk=(1, 1))
    x, corruption = _pictures(), Missing(0.5)
    o = corruption(x, Rng(0, NAMES))
    estimate, draws = model.estimate(o, corruption), model.sample(o, corruption, 3, Rng(0, NAMES))
    for found in (estimate.mean, *draws.mean):
        assert torch.equal(torch.where(o.observed, found, 0), o.y)
    assert not torch.where(o.observed, estimate.std, 0).any()
    assert not torch.where(o.observed, draws.variance, 0).any()
    fresh = hvae.CHVAE(hvae.CHVAE.Config(channels=1, **SMALL, trunk=(1, 1))).eval()
    same = fresh.sample(o, corruption, 2, Rng(0, NAMES))
    torch.testing.assert_close(same.mean, fresh.estimate(o, corruption).mean.expand(2, -1, -1, -1, -1))


def test_a_share_of_training_images_does_not_know_its_noise():
    batch = _batch(_pictures(), Gaussian(0.2))
    blinded_batch = dataclasses.replace(batch, observation=batch.observation.blind())
    known, never, blinded = (
        float(_model(hvae.CHVAE, trunk=(1, 1), blind=share).train().terms(b, Rng(0)).loss.detach())
        for share, b in ((0.0, batch), (1.0, batch), (0.0, blinded_batch))
    )
    assert never == blinded
    assert known != never


def test_the_ladder_leaves_the_one_pass_mean_a_plain_regressor():
    corruption = Chain((Gaussian(0.1), Missing(0.3)))
    gradients = []
    for beta in (1.0, 100.0):
        model = _model(hvae.CHVAE, trunk=(1, 1), beta=beta)
        model.terms(_batch(_pictures(), corruption), Rng(0)).loss.backward()
        gradients.append([p.grad.clone() for p in model.trunk.parameters() if p.grad is not None])
    assert gradients[0]
    for a, b in zip(*gradients, strict=True):
        assert torch.equal(a, b)


def test_it_learns_which_of_two_patterns_hides_behind_strong_noise():
    """Images are stripes or their negative: after training the evidence of each is a coin toss and little else."""
    torch.manual_seed(0)
    model = hvae.HVAE(hvae.HVAE.Config(channels=1, **SMALL, likelihood="bernoulli"))
    stripes = (torch.arange(8) % 2).float().expand(1, 1, 8, 8)
    x = torch.cat([stripes, 1 - stripes]).repeat(16, 1, 1, 1)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(150):
        optimiser.zero_grad()
        model.terms(_batch(x), Rng(step)).loss.backward()
        optimiser.step()
    nelbo = float(model.eval().terms(_batch(x), Rng(0)).parts["nelbo"])
    assert math.log(2) - 0.01 < nelbo < 5  # the entropy of a coin is what no model can be under
    drawn = model.decode(model.prior().sample(64, (1, 8, 8), Rng(0))).mean.round()
    close = [(drawn - y).abs().flatten(1).sum(1) < 8 for y in (stripes, 1 - stripes)]
    assert all(0.2 < float(c.float().mean()) < 0.8 for c in close)


def test_settings_that_do_not_fit_are_a_sentence():
    for settings in ({"blocks": (1,)}, {"blocks": (1, 0)}, {"steps": (2, 5)}, {"encoder": (1, 1, 1)}):
        with pytest.raises(SpecError, match=r"set all|change strides|set its last"):
            hvae.HVAE.Config(**{**SMALL, **settings})
    for trunk in ((1,), (1, 1, 1)):
        with pytest.raises(SpecError, match=r"trunk expects a number of blocks for each"):
            hvae.CHVAE.Config(**SMALL, trunk=trunk)
