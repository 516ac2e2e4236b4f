"""Importance-weighted autoencoders: bound, gradients, and cases in which they are exact."""

import dataclasses
import math
from itertools import pairwise

import pytest
import torch
from restorekit_iwae import CIWAE, IWAE
from torch import distributions

from restorekit import Batch, Rng, SpecError, testing
from restorekit.corruptions import Clean, Gaussian
from restorekit.models import CVAE, VAE
from restorekit.testing import perturb, random_images

LINEAR = {"network": "mlp", "size": (2, 2), "channels": 1, "hidden": (), "latent": 1}
SMALL = {
    "widths": (4, 8), "encoder": (1, 1), "decoder": (1,), "levels": 2, "context": 4, "recogniser": 4, "filling": False,
    "latent_share": 1.0, "octaves": 0.0,
}  # fmt: skip
TINY = (
    (IWAE, IWAE.Config(hidden=(8,), latent=2)),
    (IWAE, IWAE.Config(hidden=(8,), latent=2, gradient="plain", likelihood="logistic", dropout=0.2, classes=3)),
    (CIWAE, CIWAE.Config(**SMALL)),
    (CIWAE, CIWAE.Config(**SMALL, gradient="plain", classes=3)),
)
CHECKS = {check.__name__: check for check in testing.MODEL_CHECKS}
OBJECTIVE = tuple(
    CHECKS[name] for name in ("has_a_scalar_objective", "never_waits_for_the_device", "trains_every_parameter")
)


@pytest.mark.parametrize(("cls", "config"), TINY, ids=lambda value: getattr(value, "gradient", ""))
def test_it_keeps_the_contract(cls, config):
    """All of it where the gradient is the new one; what the old one shares with the core is checked there."""
    for check in testing.checks_of(cls) if config.gradient == "doubly" else OBJECTIVE:
        check(testing.build(cls, config))


def _linear(k, cls=IWAE, **more):
    """Probabilistic PCA: x = W z + b + s e, whose inference network is linear in x as well."""
    model = testing.build(cls, cls.Config(**LINEAR, importance=k, **more))
    (encoder,), (decoder,) = model.network.encoder.layers, model.network.decoder.layers
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[0.6], [-0.4], [0.3], [0.5]]))
        decoder.bias.copy_(torch.tensor([0.5, 0.4, 0.3, 0.6]))
        encoder.weight.copy_(torch.tensor([[0.5, -0.5, 0.2, 0.2], [0.2, 0.1, 0.0, 0.1]]))
        encoder.bias.copy_(torch.tensor([-0.2, -1.0]))
    return model


def _exact(model):
    """Make q the true posterior, N(W'(x - b) / (W'W + s^2), s^2 / (W'W + s^2))."""
    (encoder,), (decoder,) = model.network.encoder.layers, model.network.decoder.layers
    with torch.no_grad():
        w, b = decoder.weight[:, 0], decoder.bias
        s2 = float(model.decode(torch.zeros(1, 1)).variance[0, 0, 0, 0])
        total = float(w @ w) + s2
        encoder.weight.copy_(torch.stack([w / total, torch.zeros(4)]))
        encoder.bias.copy_(torch.tensor([-float(w @ b) / total, math.log(s2 / total)]))
    return model


def _log_evidence(model, x):
    w, b = model.network.decoder.layers[0].weight, model.network.decoder.layers[0].bias
    s2 = model.decode(torch.zeros(1, 1)).variance[0].flatten()
    return distributions.MultivariateNormal(b, w @ w.T + torch.diag(s2)).log_prob(x.flatten(1))


def _batch(x, corruption=None, label=None):
    corruption = corruption or Clean()
    return Batch(x, dataclasses.replace(corruption(x, Rng(9)), label=label), corruption)


def _encoder(model):
    return list((model.network.encoder if isinstance(model, VAE) else model.around.posterior).parameters())


def _decoder(model):
    return list((model.network.decoder if isinstance(model, VAE) else model.around.fields.mix).parameters())


def _gradient(model, params, batch, seed):
    found = torch.autograd.grad(model.terms(batch, Rng(seed)).loss, params, allow_unused=True)
    return torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(params, found, strict=True)]
    )


def _same_on_average(one, other):
    """Values by the same noise, (N, values): no mean difference is 6 standard errors."""
    difference = one - other
    error = difference.std(0) / len(difference) ** 0.5
    significant = error > 1e-4 * error.max()
    assert float((difference.mean(0) / error)[significant].abs().max()) < 6


@pytest.mark.parametrize(("own", "core", "config"), [(IWAE, VAE, {"hidden": (8,), "latent": 2}), (CIWAE, CVAE, SMALL)])
def test_one_draw_is_the_core_model(own, core, config):
    batch = _batch(random_images(3, 1, 12, 12), Gaussian(0.1))
    terms = []
    for model in (testing.build(own, own.Config(**config, importance=1)), testing.build(core, core.Config(**config))):
        perturb(model)
        terms.append(model.train().terms(batch, Rng(0)))
    assert torch.equal(terms[0].loss, terms[1].loss)
    assert terms[0].parts == terms[1].parts


@pytest.mark.parametrize("gradient", ["doubly", "plain"])
def test_the_bound_lies_between_the_elbo_and_the_evidence_and_tightens_with_the_draws(gradient):
    x = random_images(1, 1, 2, 2).repeat(400, 1, 1, 1)
    found = []
    with torch.no_grad():
        evidence = float(_log_evidence(_linear(1), x[:1]))
        elbo = -float(torch.stack([_linear(1).terms(_batch(x), Rng(i)).loss for i in range(50)]).mean())
        for k in (2, 8, 64):
            losses = torch.stack([_linear(k, gradient=gradient).terms(_batch(x), Rng(i)).loss for i in range(50)])
            found.append((-float(losses.mean()), float(losses.std()) / 50**0.5))
    ends = [elbo, *(mean for mean, _ in found), evidence]
    steps = [b - a for a, b in pairwise(ends)]
    assert all(step > 4 * error for step, (_, error) in zip(steps, found, strict=False))
    assert 0 < steps[-1] < 0.1 * (evidence - elbo)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_both_gradients_of_the_encoder_have_one_mean(beta):
    batch = _batch(random_images(1, 1, 2, 2).repeat(2000, 1, 1, 1))
    models = [_linear(5, gradient=gradient, beta=beta) for gradient in ("doubly", "plain")]
    _same_on_average(*(torch.stack([_gradient(m, _encoder(m), batch, i) for i in range(60)]) for m in models))


@pytest.mark.parametrize(("near", "ratio"), [(0.0, 0.9), (0.9, 0.1)])
def test_the_doubly_reparameterised_gradient_varies_less_and_the_less_the_nearer_q_is(near, ratio):
    batch, found = _batch(random_images(1, 1, 2, 2).repeat(20, 1, 1, 1)), []
    for gradient in ("doubly", "plain"):
        model, exact = _linear(5, gradient=gradient), _exact(_linear(5))
        with torch.no_grad():
            for p, right in zip(_encoder(model), _encoder(exact), strict=True):
                p.lerp_(right, near)
        found.append(torch.stack([_gradient(model, _encoder(model), batch, i) for i in range(60)]).var(0).sum())
    assert float(found[0]) < ratio * float(found[1])


def test_where_q_is_the_true_posterior_the_gradient_of_the_encoder_is_zero_and_the_plain_one_is_not():
    batch = _batch(random_images(6, 1, 2, 2))
    doubly, plain = (
        _gradient(m, _encoder(m), batch, 0) for m in (_exact(_linear(5)), _exact(_linear(5, gradient="plain")))
    )
    assert float(doubly.abs().max()) < 1e-4
    assert float(plain.abs().max()) > 1e-2


def test_where_q_is_the_true_posterior_every_draw_tells_the_evidence():
    x = random_images(6, 1, 2, 2)
    model = _exact(_linear(3))
    loss = model.terms(_batch(x), Rng(0)).loss
    torch.testing.assert_close(-loss, _log_evidence(model, x).mean(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_the_gradient_of_the_decoder_is_as_it_was(beta):
    batch = _batch(random_images(6, 1, 12, 12), Gaussian(0.1))
    for cls, config in ((IWAE, {"hidden": (8,), "latent": 2}), (CIWAE, SMALL)):
        found = []
        for gradient in ("doubly", "plain"):
            model = testing.build(cls, cls.Config(**config, gradient=gradient, beta=beta))
            perturb(model)
            params = _decoder(model) if cls is CIWAE else list(model.network.decoder.parameters())
            found.append(_gradient(model, params, batch, 0))
        torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-6)


def _conditional(k, **more):
    """A model whose finer latents depend strongly on the coarser ones."""
    model = testing.build(CIWAE, CIWAE.Config(**SMALL, importance=k, **more))
    for name, p in model.named_parameters():
        size = 0.4 if any(part in name for part in ("posterior.takes", "posterior.ups", "posterior.pixels")) else 0.1
        with torch.no_grad():
            p.add_(size * Rng(1).normal(name, tuple(p.shape) or (1,), "cpu").view_as(p))
    return model


def _error_model(model, batch):
    """Error sample of a batch, the training data of fields and inference network."""
    outlook = model.trunk(batch.observation.initial_estimate(batch.corruption), batch.observation)
    error, scored = (batch.x - outlook.mean).detach(), torch.ones_like(batch.x, dtype=torch.bool)
    return model.around.terms(error, scored, outlook.features, len(error), Rng(0)).errors


def test_the_conditional_gradient_is_equation_8_over_all_levels():
    """Path derivatives of complete weights, finer levels' q included, times squared shares, spelled out."""
    model = _conditional(4)
    errors, params = _error_model(model, _batch(random_images(3, 1, 8, 8), Gaussian(0.1))), _encoder(model)
    found = torch.autograd.grad(model.bound(model.around, errors, Rng(1)).loss, params, allow_unused=True)
    _, inferred = model.around.explain(errors, Rng(1).expand(4), 4)
    z = [t.detach().requires_grad_() for t in inferred.latents]
    ratios = model.around.posterior(errors.u, errors.scored, errors.finest, z, z).log_ratios(z)
    weight = -model.around.distortion(errors, z) - torch.stack(ratios).sum(0)
    share = weight.detach().view(4, -1).softmax(0).flatten()
    path = torch.autograd.grad((share**2 * weight).sum() / 3, z)
    expected = torch.autograd.grad(inferred.latents, params, [-g for g in path], allow_unused=True)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()) + 1e-9)


def test_the_conditional_gradients_agree_on_average():
    batch = _batch(random_images(1, 1, 8, 8).repeat(16, 1, 1, 1), Gaussian(0.1))
    models = [_conditional(4, gradient=gradient) for gradient in ("doubly", "plain")]
    _same_on_average(*(torch.stack([_gradient(m, _encoder(m), batch, i) for i in range(24)]) for m in models))


def test_the_conditional_bound_lies_between_the_elbo_and_the_exact_density_of_errors():
    """p(u | y) is a Gaussian, as the decoder is linear in z: its covariance is read off with unit latents."""
    batch = _batch(random_images(1, 1, 8, 8).repeat(25, 1, 1, 1), Gaussian(0.1))
    found, off = [], []
    with torch.no_grad():
        for k in (1, 4, 16):
            model = _conditional(k)
            errors = _error_model(model, batch)
            losses = torch.stack([model.bound(model.around, errors, Rng(i)).loss for i in range(8)])
            found.append(float(losses.mean()))
            off.append(float(losses.std()) / 8**0.5)
        exact = _exact_density(model, errors)
    ends = [*found, exact]
    assert all(a - b > 4 * e for (a, b), e in zip(pairwise(ends), off, strict=True))


def _exact_density(model, errors):
    one = [t[:1] for t in errors[:4]]
    mixture = type(errors.mixture)(*(t[:1] for t in errors.mixture))
    white = model.around.fields.white(Rng(0), 1, (8, 8), torch.device("cpu"))
    shapes, counts = [z.shape[1:] for z in white], [z.numel() for z in white]
    unit = torch.eye(sum(counts)).split(counts, 1)
    units = [z.view(-1, *shape) for z, shape in zip(unit, shapes, strict=True)]
    law = model.around.fields.likelihood(units, mixture)
    columns = law.mean.flatten(1)
    covariance = columns.T @ columns + torch.diag(law.variance[0].flatten())
    log_prob = distributions.MultivariateNormal(torch.zeros(64), covariance).log_prob(one[0].flatten(1))
    return float(one[1].sum() - log_prob)


def test_free_bits_exclude_several_draws_and_go_with_one():
    for cls, config in ((IWAE, {}), (CIWAE, SMALL)):
        with pytest.raises(SpecError, match="remove one of them"):
            cls.Config(**config, free_bits=0.1, importance=4)
        cls.Config(**config, free_bits=0.1, importance=1)
