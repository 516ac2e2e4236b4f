"""Facts about the beta-VAE, the images of known factors, and the mutual information gap."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from restorekit_betavae import BetaVAE, BetaVAEConfig, factors, mig

from restorekit import Batch, Rng, SpecError, UsageError, load, testing
from restorekit.corruptions import Clean
from restorekit.models import VAE
from restorekit.testing import perturb, random_images

TINY = {"network": "mlp", "hidden": (12,), "latent": 3}
CONFIGS = {
    "capacity": BetaVAEConfig(**TINY, capacity=5.0, capacity_steps=3, free_bits=0.1),
    "bound": BetaVAEConfig(**TINY, importance=3, likelihood="bernoulli"),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_contract_is_kept(config):
    testing.check_model(BetaVAE, CONFIGS[config])


def _terms(cls, step=None, **settings):
    model = testing.build(cls, cls.Config(**TINY, **settings))
    perturb(model)
    x = random_images(4, 1, 12, 12)
    return model.terms(Batch(x, Clean()(x, Rng(0)), Clean(), step), Rng(0))


def _paid(**settings):
    terms = _terms(BetaVAE, **settings)
    return float((terms.loss - terms.parts["distortion"]).detach()), float(terms.parts["rate"])


def test_with_beta_1_and_no_capacity_it_is_the_vae():
    assert torch.equal(_terms(BetaVAE, beta=1.0).loss, _terms(VAE).loss)


def test_without_capacity_the_rate_is_weighed():
    paid, rate = _paid(beta=4.0)
    assert paid == pytest.approx(4 * rate, rel=1e-3)


@pytest.mark.parametrize(("step", "allowed"), [(0, 0.0), (50, 10.0), (100, 20.0), (500, 20.0), (None, 20.0)])
def test_the_capacity_grows_in_a_line_and_then_stays(step, allowed):
    paid, rate = _paid(beta=3.0, capacity=20.0, capacity_steps=100, step=step)
    assert paid == pytest.approx(3 * abs(rate - allowed), rel=1e-3)


def test_training_moves_the_rate_to_the_capacity():
    model = testing.build(BetaVAE, BetaVAEConfig(**TINY, likelihood="bernoulli", beta=50.0, capacity=1.5)).train()
    x, optimiser = random_images(64, 1, 12, 12), torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(300):
        terms = model.terms(Batch(x, Clean()(x, Rng(0)), Clean(), step), Rng(step))
        optimiser.zero_grad()
        terms.loss.backward()
        optimiser.step()
    assert float(terms.parts["rate"]) == pytest.approx(1.5, abs=0.2)


def test_a_bound_of_several_draws_has_no_rate_to_hold():
    with pytest.raises(SpecError, match="remove one of them"):
        BetaVAEConfig(importance=5, capacity=1.0)


def test_every_image_is_another_and_follows_its_factors():
    indices = factors.everything()
    assert len(indices) == math.prod(factors.FACTORS.values()) == len(indices.unique(dim=0))
    x = factors.images(indices[::7])
    assert len(x.flatten(1).unique(dim=0)) == len(x)
    assert float(x.min()) == 0
    assert float(x.max()) == 1
    row, column = torch.meshgrid(*(torch.arange(32.0),) * 2, indexing="ij")
    mass = x.sum((1, 2))
    for name, axis in (("position_y", row), ("position_x", column)):
        centre = (x * axis).sum((1, 2)) / mass
        wanted = 32 * factors._between(indices[::7, list(factors.FACTORS).index(name)], name) - 0.5
        assert float((centre - wanted).abs().max()) < 0.3
    larger = factors.images(torch.tensor([[s, z, 8, 8] for s in range(3) for z in range(6)])).sum((1, 2)).view(3, 6)
    assert bool((larger.diff(dim=1) > 0).all())


def test_no_shape_touches_the_border():
    x = factors.images(torch.tensor([[s, 5, y, x] for s in range(3) for y in (0, 15) for x in (0, 15)]))
    assert float(x[:, [0, -1]].max()) == float(x[:, :, [0, -1]].max()) == 0


def _factors(count=4000):
    """Two independent factors of 8 values, and latents of unit variance that are these factors."""
    v = (8 * Rng(0).uniform("factors", (count, 2), "cpu")).long()
    return v, (v - 3.5) / 2.2913


def test_latents_that_are_the_factors_have_a_gap_near_1():
    v, z = _factors()
    for k in range(2):
        found = mig.gap(z, v[:, k])
        assert found.gap > 0.98
        assert found.best == k
        assert found.entropy == pytest.approx(math.log(8), abs=0.01)
        assert float(found.information[k]) == pytest.approx(found.entropy, abs=1e-6)


def test_latents_that_mix_the_factors_or_know_nothing_have_a_gap_near_0():
    v, z = _factors()
    turned = z @ torch.tensor([[1.0, 1.0], [-1.0, 1.0]]) / 2**0.5
    rng = Rng(1).normal("z", (4000, 5), "cpu")
    for k in range(2):
        assert mig.gap(turned, v[:, k]).gap < 0.02
        assert float(mig.gap(turned, v[:, k]).information.min()) > 0.3  # both have much information
        assert mig.gap(rng, v[:, k]).gap < 0.02


def test_a_latent_that_is_not_used_tells_nothing():
    v, z = _factors()
    assert mig.information(0.01 * z, v[:, 0]).tolist() == [0.0, 0.0]


def test_the_information_is_that_of_a_table_by_hand():
    z = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
    assert float(mig.information(z, torch.tensor([0, 0, 1, 1]))) == pytest.approx(math.log(2))
    assert float(mig.information(z, torch.tensor([0, 1, 0, 1]))) == pytest.approx(0)
    three = 1.5 * math.log(2) - 0.75 * math.log(3)  # H(1/2, 1/2) + H(3/4, 1/4) - H(1/2, 1/4, 1/4)
    assert float(mig.information(z, torch.tensor([0, 0, 0, 1]))) == pytest.approx(three)


def test_from_factors_to_the_gap_by_the_commands(tmp_path):
    def call(*words):
        done = subprocess.run([sys.executable, "-P", "-m", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    images, run, codes = tmp_path / "factors.npz", tmp_path / "run", tmp_path / "codes.npz"
    assert "4608 images" in call("restorekit_betavae.factors", images)
    call(
        "restorekit", "train", images, run, "--model", "betavae", "--corruption", "clean", "--validation", 20,
        "--steps", 2, "--set", "preset=factors", "--set", "hidden=8", "--device", "cpu", "--threads", 1,
    )  # fmt: skip
    call("restorekit", "embed", run / "model.safetensors", images, codes, "--device", "cpu", "--threads", 1)
    said = call("restorekit_betavae.mig", codes, images)
    assert [line.split()[0] for line in said.splitlines()] == [*factors.FACTORS, "mean"]
    assert load(run / "model.safetensors") is not None


def test_codes_of_another_kind_are_refused(tmp_path):
    for name in ("codes.npz", "factors.npz"):
        np.savez(tmp_path / name, names=np.array(["0"]))
    with pytest.raises(UsageError, match="expected z"):
        mig.measure(tmp_path / "codes.npz", tmp_path / "factors.npz")
