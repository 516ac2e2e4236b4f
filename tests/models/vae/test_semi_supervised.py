import dataclasses
import math

import pytest
import torch
from torch import distributions

from restorekit import testing
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Batch
from restorekit.corruptions import Clean, Gaussian, Speckle
from restorekit.evaluation.likelihood import score
from restorekit.models import VAE
from restorekit.models.vae.semi_supervised import accuracy, class_distribution
from restorekit.samplers import Gibbs
from restorekit.samplers.langevin import Langevin
from restorekit.samplers.map import Mode
from restorekit.testing._assertions import names, perturb, random_images

SMALL = VAE.Config(network="mlp", size=(2, 2), channels=1, hidden=(), latent=1, classes=3, alpha=2.0)


def _model(config=SMALL, certain=False):
    """A VAE whose every weight speaks; where q(z | x) is certain, its objective depends on no noise."""
    model = testing.build(VAE, config)
    perturb(model)
    for name, p in model.named_parameters():
        with torch.no_grad():
            p.add_(0.5 * Rng(2).normal(name, tuple(p.shape) or (1,), "cpu").view_as(p))
    if certain:
        with torch.no_grad():
            model.network.encoder.layers[-1].weight[1:] = 0
            model.network.encoder.layers[-1].bias[1:] = -30
    return model


def _batch(x, label):
    o = Clean()(x, Rng(0))
    return Batch(x, dataclasses.replace(o, label=None if label is None else torch.tensor(label)), Clean())


def _loss(model, x, label):
    """The model's own negative ELBO of one image of a class."""
    return model.objective(_batch(x[None], [label]), Rng(5)).loss


def test_the_objective_is_equations_6_to_9():
    model, x, labels = _model(certain=True), random_images(3, 1, 2, 2), [2, -1, 0]
    logs = model.classifier(x)
    unlabelled = sum(logs[1, y].exp() * (_loss(model, x[1], y) + logs[1, y] + math.log(3)) for y in range(3))
    labelled = [_loss(model, x[i], labels[i]) - 2.0 * logs[i, labels[i]] for i in (0, 2)]
    found = model.terms(_batch(x, labels), Rng(0))
    torch.testing.assert_close(found.loss, (unlabelled + sum(labelled)) / 3, rtol=1e-5, atol=1e-4)
    right = found.parts["nelbo"] + 2.0 * found.parts["label"]
    torch.testing.assert_close(right, found.loss.detach(), rtol=1e-5, atol=1e-4)


def test_no_label_and_unknown_labels_are_one():
    model, x = _model(), random_images(4, 1, 2, 2)
    losses = [model.terms(_batch(x, label), Rng(0)).loss for label in (None, [-1] * 4)]
    assert torch.equal(*losses)


def _evidence(model, x, label):
    """log p(x | label), as every class is a linear Gaussian model of its own."""
    weight, bias = model.network.decoder.layers[0].weight, model.network.decoder.layers[0].bias
    z, classes = weight.split((1, 3), 1)
    variance = model.decode((torch.eye(3)[:1], torch.zeros(1, 1))).variance[0].flatten()
    law = distributions.MultivariateNormal(bias + classes[:, label], z @ z.T + torch.diag(variance))
    return law.log_prob(x.flatten(1))


@torch.no_grad()
def test_weights_of_labels_and_latents_tell_the_exact_evidence():
    model, x, rng = _model(), random_images(5, 1, 2, 2), Rng(0, names(5))
    model.spread.fill_(-0.5)
    for p in model.network.encoder.parameters():  # q is loose, but not off
        p[:1].mul_(0.3)
        p[1:] = 0
    exact = torch.stack([_evidence(model, x, label) for label in range(3)])
    found = score(model, x, None, 4000, 4000, rng)
    assert ((found.nll + exact.logsumexp(0) - math.log(3)).abs() < 4 / found.effective.sqrt()).all()
    assert found.rates.shape == (2, 5)
    given = score(model, x, torch.tensor([0, 1, 2, -1, 0]), 4000, 4000, rng)
    picked = [exact[0, 0], exact[1, 1], exact[2, 2], exact[:, 3].logsumexp(0) - math.log(3), exact[0, 4]]
    assert ((given.nll + torch.stack(picked)).abs() < 4 / given.effective.sqrt()).all()
    assert given.rates[0, [0, 1, 2, 4]].eq(0).all()


@torch.no_grad()
def test_a_class_that_is_told_is_kept_and_others_are_drawn_as_often_as_the_classifier_says():
    model, x = _model(), random_images(2, 1, 2, 2)
    label, _ = model.infer(x, None, torch.tensor([1, -1])).mean
    torch.testing.assert_close(label, torch.stack([torch.tensor([0.0, 1.0, 0.0]), model.classifier(x)[1].exp()]))
    many = model.infer(x[1:].expand(20000, -1, -1, -1)).sample(Rng(0))[0]
    assert torch.equal(many.sum(1), torch.ones(20000))
    error = (label[1] * (1 - label[1]) / 20000).sqrt()
    assert ((many.mean(0) - label[1]).abs() < 5 * error).all()
    prior = model.prior().sample(20000, (1, 2, 2), Rng(1))[0].mean(0)
    assert ((prior - 1 / 3).abs() < 5 * (2 / 9 / 20000) ** 0.5).all()


def test_a_probability_of_one_is_always_drawn():
    law = class_distribution(None, torch.tensor([[0.0, -1e9], [-1e9, 0.0]]))
    for seed in range(50):
        assert torch.equal(law.sample(Rng(seed)), torch.eye(2))


@torch.no_grad()
def test_soft_classes_of_a_convolutional_network_are_means_of_embeddings():
    model = _model(VAE.Config(hidden=(4, 4), latent=2, classes=3, alpha=1.0))
    z = torch.zeros(1, 2, 3, 3)
    hard = [model.network._with(model.network.take(z), y[None], 1) for y in torch.eye(3)]
    soft = model.network._with(model.network.take(z), torch.tensor([[0.2, 0.3, 0.5]]), 1)
    torch.testing.assert_close(soft, 0.2 * hard[0] + 0.3 * hard[1] + 0.5 * hard[2])
    number = model.network._with(model.network.take(z), torch.tensor([2]), 1)
    torch.testing.assert_close(number, hard[2])


def test_samplers_that_climb_refuse_classes_and_others_restore_without_a_label():
    model = _model()
    x = random_images(2, 1, 2, 2)
    for sampler in (Langevin(), Mode()):
        assert "is a class" in (sampler.refuse(model, Speckle(0.1)) or "")
        assert sampler.refuse(testing.build(VAE, dataclasses.replace(SMALL, alpha=0.0)), Speckle(0.1)) is None
    draws = Gibbs(sweeps=20)(model, Gaussian(0.1), Gaussian(0.1)(x, Rng(0, names(2))), 3, Rng(1, names(2)))
    assert draws.mean.shape == (3, 2, 1, 2, 2)
    assert bool(draws.mean.isfinite().all())


def test_there_is_no_classifier_where_none_is_asked_for_and_none_without_classes():
    assert not [name for name in testing.build(VAE, VAE.Config(classes=3)).state_dict() if "classifier" in name]
    with pytest.raises(UsageError, match="needs class labels; pass --labels"):
        testing.build(VAE, VAE.Config(alpha=1.0))


def test_unlabelled_images_teach_what_the_few_labelled_ones_leave_open():
    """Two sorts of images differ in two places, the labelled ones in one alone: the other is learnt without labels."""
    config = VAE.Config(
        network="mlp", size=(2, 2), channels=1, hidden=(16,), latent=1, likelihood="bernoulli", classes=2, alpha=5.0
    )
    model = testing.build(VAE, config).train()
    kinds = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]).view(2, 1, 2, 2)
    labelled_x = kinds.clone()
    labelled_x[:, :, 1] = 0.5  # the lower row says nothing in what is labelled
    x = torch.cat([labelled_x, kinds.repeat(8, 1, 1, 1)])
    label = torch.cat([torch.tensor([0, 1]), torch.full((16,), -1)])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(250):
        o = dataclasses.replace(Clean()(x, Rng(0)), label=label)
        optimiser.zero_grad()
        model.terms(Batch(x, o, Clean()), Rng(step)).loss.backward()
        optimiser.step()
    lower = kinds.clone()
    lower[:, :, 0] = 0.5
    found = model.eval().infer(lower).mean[0]
    assert (found.diagonal() > 0.9).all()


def test_accuracy_is_over_told_classes_alone():
    logs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]).log()
    assert float(accuracy(logs, torch.tensor([0, 0, 1, -1]))) == pytest.approx(2 / 3)


def test_accuracy_is_told_where_some_image_tells_its_class():
    model, x = _model(), random_images(5, 1, 2, 2)
    for label, there in ((None, False), ([-1] * 5, False), ([0, -1, 2, -1, -1], True)):
        assert ("accuracy" in model.diagnose(_batch(x, label), Rng(0))) == there
