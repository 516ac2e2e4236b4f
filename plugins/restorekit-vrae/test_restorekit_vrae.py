"""The recurrent autoencoder keeps the contract, reads lines from both sides, and knows what is behind a dead one."""

import dataclasses
from typing import ClassVar

import pytest
import torch
from restorekit_vrae import VRAE, Amortised, VRAEConfig
from restorekit_vrae.lines import AXES, Lines

from restorekit import Batch, Geometry, LatentModel, Observation, Rng, SpecError, Terms, UsageError
from restorekit.corruptions import Clean, Gaussian, Missing, fill
from restorekit.corruptions import Lines as DeadLines
from restorekit.models import VAE, DiagonalGaussian, StandardPrior
from restorekit.testing import SAMPLER_CHECKS, build, channel_counts, checks_of

TINY = {"width": 8, "hidden": 6, "middle": 8, "latent": 3, "local": 2}
CONFIGS = {
    "columns": VRAEConfig(**TINY, likelihood="gaussian-pixel", free_bits=0.1, kl_warmup=10),
    "rows": VRAEConfig(**TINY, axis="rows", size=(10, 7), likelihood="bernoulli", classes=3),
    "channels": VRAEConfig(**TINY, axis="channels", channels=3, size=(5, 6), likelihood="gaussian-pixel", hide=0.0),
    "logistic": VRAEConfig(**TINY, channels=3, size=(5, 9), likelihood="logistic"),
}


def _cases():
    for title, config in CONFIGS.items():
        for channels in channel_counts(VRAE, config):
            for check in checks_of(VRAE):
                yield pytest.param(config, channels, check, id=f"{title}-{channels}-{check.__name__}")


@pytest.mark.filterwarnings("ignore:most chains")
@pytest.mark.parametrize(("config", "channels", "check"), list(_cases()))
def test_it_keeps_the_contract(config, channels, check):
    check(build(VRAE, config, channels))


@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=lambda check: check.__name__)
def test_its_sampler_keeps_the_contract(check):
    check(Amortised())


def _images(count, channels=1, height=12, width=12):
    return Rng(1).uniform("images", (count, channels, height, width), "cpu")


def _waves(count):
    """Pictures whose columns follow from their neighbours: sines of any frequency and phase."""
    frequency, phase = (Rng(2).uniform(name, (count, 1, 1, 1), "cpu") for name in ("frequency", "phase"))
    ramp = torch.linspace(0, 1, 12)
    return (0.5 + 0.4 * torch.sin(6 * (0.5 + frequency) * (ramp + 0.3 * ramp[:, None]) + 6 * phase)).contiguous()


def test_the_preset_has_as_many_parameters_as_the_vae():
    names = {f.name for f in dataclasses.fields(VRAEConfig)}
    values = {k: v for k, v in VRAE.presets["fashion"].items() if k in names}
    core = {"network": "mlp", "hidden": (400, 400), "latent": 40, "likelihood": "gaussian-pixel", "floor": 0.02}
    both = [VRAE(VRAEConfig(**values, size=(28, 28), channels=1)), VAE(VAE.Config(**core, size=(28, 28), channels=1))]
    own, other = (sum(p.numel() for p in model.parameters()) for model in both)
    assert abs(own / other - 1) < 0.02


@pytest.mark.parametrize("axis", AXES)
def test_lines_are_those_of_the_image_and_join_to_it_again(axis):
    x = _images(2, 3, 4, 5)
    cut = Lines(axis, 3, 4, 5)
    lines = cut.cut(x)
    assert lines.shape == (2, cut.count, cut.values)
    second = {"columns": x[:, :, :, 1], "rows": x[:, :, 1], "channels": x[:, 1]}[axis]
    assert torch.equal(lines[:, 1], second.flatten(1))
    assert torch.equal(cut.joined(lines), x)
    assert torch.equal(cut.joined(torch.cat([lines, 2 * lines], 2)), torch.cat([x, 2 * x], 1))
    assert cut.single(2)[{"columns": 3, "rows": 2, "channels": 1}[axis]] == cut.count


def test_rows_are_the_columns_of_the_turned_image():
    by_row, by_column = (build(VRAE, VRAEConfig(**TINY, axis=axis)) for axis in ("rows", "columns"))
    x, observed = _images(2), _images(2) < 0.7
    q, turned = by_row.infer(x, observed), by_column.infer(x.mT, observed.mT)
    torch.testing.assert_close(q.mean, turned.mean)
    torch.testing.assert_close(by_row.decode(q.mean).mean, by_column.decode(q.mean).mean.mT)


def test_the_latents_of_a_dead_line_follow_from_lines_on_both_sides_and_of_others_in_the_picture():
    model = build(VRAE, CONFIGS["columns"])
    x = _images(1).requires_grad_()
    observed = torch.arange(12) != 5
    q = model.infer(x, observed.view(1, 1, 1, 12))
    slope = torch.autograd.grad(q.below(torch.zeros(1, 3)).mean[0, 5].sum(), x)[0][0, 0].abs().sum(0)
    assert bool((slope[observed] > 0).all())
    assert float(slope[5]) == 0


def test_a_line_is_written_from_the_latents_of_all():
    model = build(VRAE, CONFIGS["columns"])
    lines = torch.zeros(1, 12, 2, requires_grad=True)
    mean = model.decode((torch.zeros(1, 3), lines)).mean
    slope = torch.autograd.grad(mean[..., 5].sum(), lines)[0].abs().sum(2)
    assert bool((slope > 0).all())


def test_its_objective_is_the_bound_by_draws():
    model = build(VRAE, CONFIGS["columns"])
    x = _images(1).repeat(3000, 1, 1, 1)
    batch = Batch(x, Clean()(x, Rng(0)), Clean())
    with torch.no_grad():
        parts = model.terms(batch, Rng(0)).parts
        q = model.infer(x)
        z = q.sample(Rng(3))
        bound = model.decode(z).log_prob(x) + model.prior().log_prob(z) - q.log_prob(z)
    error = bound.std() / 3000**0.5
    assert abs(float(parts["nelbo"] + bound.mean())) < 6 * float(error)
    torch.testing.assert_close(parts["nelbo"], parts["distortion"] + parts["rate"])
    assert 0 < float(parts["rate_lines"]) < float(parts["rate"])


def test_only_training_hides_anything():
    x = _images(4)
    batch = Batch(x, Clean()(x, Rng(0)), Clean())
    hiding, showing = (build(VRAE, dataclasses.replace(CONFIGS["columns"], hide=hide)) for hide in (0.9, 0.0))
    assert torch.equal(hiding.terms(batch, Rng(0)).loss, showing.terms(batch, Rng(0)).loss)
    assert torch.equal(showing.train().terms(batch, Rng(0)).loss, showing.eval().terms(batch, Rng(0)).loss)
    assert not torch.equal(hiding.train().terms(batch, Rng(0)).loss, showing.terms(batch, Rng(0)).loss)


def test_free_bits_and_the_warm_up_weigh_the_rate():
    x = _images(4)
    batch = Batch(x, Clean()(x, Rng(0)), Clean(), 5)
    config = dataclasses.replace(CONFIGS["columns"], beta=2.0, free_bits=0.0, kl_warmup=10)
    terms = build(VRAE, config).terms(batch, Rng(0))
    torch.testing.assert_close(terms.loss, terms.parts["distortion"] + terms.parts["rate"])
    free = build(VRAE, dataclasses.replace(config, free_bits=1000.0)).terms(batch, Rng(0))
    torch.testing.assert_close(free.loss, free.parts["distortion"] + (3 + 2) * 1000.0)


def test_a_label_changes_what_is_read_and_written():
    model = build(VRAE, CONFIGS["rows"])
    x = _images(2, 1, 10, 7)
    first, second = (model.infer(x, None, torch.tensor([k, k])) for k in (0, 1))
    assert not torch.equal(first.mean[0], second.mean[0])
    assert not torch.equal(model.decode(first.mean, torch.tensor([0, 0])).mean, model.decode(first.mean).mean)
    torch.testing.assert_close(model.infer(x).mean, model.infer(x, None, torch.tensor([-1, -1])).mean)


def test_it_learns_to_fill_dead_columns():
    model = build(
        VRAE, VRAEConfig(width=16, hidden=16, middle=24, latent=4, local=2, likelihood="gaussian-pixel")
    ).train()
    adam, x = torch.optim.Adam(model.parameters(), 0.01), _waves(64)
    for step in range(150):
        adam.zero_grad()
        torch.autograd.backward(model.terms(Batch(x, Clean()(x, Rng(0)), Clean()), Rng(step)).loss)
        adam.step()
    corruption = DeadLines(0.5)
    o = corruption(x, Rng(1000))
    with torch.no_grad():
        draws = Amortised()(model.eval(), corruption, o, 16, Rng(0))
    dead = (~o.observed).expand_as(x)
    error, linear = (
        (initial - x)[dead].square().mean().sqrt() for initial in (draws.mean.mean(0), fill(o.y, o.observed))
    )
    assert error < 0.75 * linear
    assert torch.equal(draws.mean[0][~dead], x[~dead])


class OneLevel(LatentModel):
    """Values are z and noise of variance 1/4; q(z | x, observed) and p(missing | z) are exact."""

    name: ClassVar[str] = "one-level"
    geometry = Geometry((2, 3), channels=(1,))

    def infer(self, x, observed=None, label=None):
        known = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        variance = 1 / (1 + 4 * known.flatten(1).sum(1, keepdim=True))
        return DiagonalGaussian(variance * 4 * (x * known).flatten(1).sum(1, keepdim=True), variance.log())

    def prior(self, label=None):
        return StandardPrior(1, 0, torch.device("cpu"))

    def decode(self, z, label=None):
        return DiagonalGaussian(z.view(-1, 1, 1, 1).expand(-1, 1, 2, 3), torch.tensor(0.25).log())

    def terms(self, batch, rng, group="model"):
        return Terms(torch.zeros(()), {})


def test_its_sampler_is_exact_where_q_is():
    x, known = _images(1, 1, 2, 3), torch.tensor([True, False, True]).expand(1, 1, 2, 3)
    o, count = Observation(x * known, known, (1, 2, 3), torch.zeros(1, 1, 1, 1)), 4
    draws = Amortised()(OneLevel(None), DeadLines(0.5), o, 4000, Rng(0))
    variance = 1 / (1 + 4 * count)
    mean = 4 * variance * float(o.y.sum())
    missing = draws.mean[:, ~known]
    assert abs(float(missing.mean()) - mean) < 5 * (variance / 4000) ** 0.5
    assert float(missing[:, 0].var()) == pytest.approx(variance, rel=0.15)
    torch.testing.assert_close(draws.variance[:, ~known], torch.full_like(missing, 0.25))
    assert torch.equal(draws.mean[0][known], o.y[known])


def test_its_sampler_is_picked_for_what_it_is_for():
    hiding, showing = (build(VRAE, VRAEConfig(**TINY, hide=hide)) for hide in (0.5, 0.0))
    others = build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    assert Amortised().merit(hiding) > 3
    assert max(Amortised().merit(showing), Amortised().merit(others)) < -1
    assert Amortised().refuse(hiding, Missing(0.5)) is None
    assert "gibbs" in Amortised().refuse(hiding, Gaussian(0.1))
    x = _images(1)
    with pytest.raises(UsageError, match="does not undo gaussian"):
        Amortised()(hiding, Gaussian(0.1), Gaussian(0.1)(x, Rng(0)), 1, Rng(0))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(SpecError, match="height and width"):
        VRAEConfig(size=(28,))
    with pytest.raises(SpecError, match="axis=channels separates"):
        VRAEConfig(axis="channels", likelihood="mixture")
    with pytest.raises(SpecError, match="two channels or more"):
        build(VRAE, VRAEConfig(axis="channels"))
