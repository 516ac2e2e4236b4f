"""Learning from damaged images alone, through the command line."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import restorekit
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions.spec import parse
from restorekit.models import checkpoint

SMALL = ("--set", "preset=small", "--set", "batch=8", "--set", "crop=32", "--set", "spots=2", "--set", "validate=1000")
MLP = ("--set", "network=mlp", "--set", "hidden=32", "--set", "latent=4", "--set", "crop=0", "--set", "optimiser=adam")


@pytest.fixture
def clean(tmp_path, images):
    x = images(24, 1, 48, 48)
    np.save(tmp_path / "clean.npy", (x[:, 0].numpy() * 255).round().astype(np.uint8))
    return tmp_path / "clean.npy"


def _train(run, source, out, *words):
    words = ("train", source, out, *words, "--self-supervised", "--init", "none", "--device", "cpu", "--threads", 1)
    code, _, err = run(*words)
    assert code == 0, err
    return checkpoint.read_card(out / "model.safetensors")


def test_a_cvae_that_saw_noisy_images_alone_takes_noise_out(run, clean, images, tmp_path):
    card = _train(
        run, clean, tmp_path / "R", "--model", "cvae", *SMALL, "--steps", 150, "--corruption", "gaussian:sigma=0.15"
    )
    assert card.config["noise"] == pytest.approx(0.15)
    x = images(2, 1, 48, 48, seed=7)
    y = x + 0.15 * Rng(1).normal("n", tuple(x.shape), "cpu")
    model = restorekit.load(str(tmp_path / "R" / "model.safetensors"), device="cpu")
    restored = model(y[0, 0])
    before, after = (float((t - x[0, 0]).square().mean()) for t in (y[0, 0], restored.mmse))
    assert after < 0.5 * before
    assert 0.3 < float((restored.std**2).mean()) / after < 3


def test_a_vae_that_saw_half_of_each_image_fills_the_rest_in(run, tmp_path):
    """Waves of one length, which differ by their phase."""
    phase = 6.28 * Rng(0).uniform("phase", (200, 1, 1), "cpu")
    waves = 0.5 + 0.4 * torch.sin(phase + 0.5 * torch.arange(16)).expand(200, 16, 16)
    np.save(tmp_path / "clean.npy", (255 * waves).round().to(torch.uint8).numpy())
    words = ("--model", "vae", *MLP, "--set", "batch=20", "--set", "lr=3e-3", "--steps", 400)
    _train(run, tmp_path / "clean.npy", tmp_path / "R", *words, "--corruption", "missing:rate=0.5")
    x = 0.5 + 0.4 * torch.sin(1.0 + 0.5 * torch.arange(16)).expand(16, 16)
    lost = Rng(1).uniform("m", (16, 16), "cpu") < 0.5
    for sampler in ("gibbs", "mwg", "importance"):
        model = restorekit.load(str(tmp_path / "R" / "model.safetensors"), device="cpu", sampler=sampler)
        restored = model(x, missing=lost, sigma=0).mmse
        assert float((restored - x)[lost].square().mean()) < 0.3 * float((0.5 - x)[lost].square().mean())


def test_a_folder_that_is_noisy_itself_is_learnt_from_with_its_level(run, tmp_path, images):
    x = images(12, 1, 48, 48) + 0.1 * Rng(1).normal("n", (12, 1, 48, 48), "cpu")
    np.save(tmp_path / "noisy.npy", x[:, 0].clamp(0, 1).numpy())
    words = ("--model", "cvae", *SMALL, "--steps", 2, "--range", "0..1")
    assert _train(run, tmp_path / "noisy.npy", tmp_path / "a", *words, "--sigma", "20/255").config["noise"] == 20 / 255
    estimated = _train(run, tmp_path / "noisy.npy", tmp_path / "b", *words, "--sigma", "auto").config["noise"]
    assert estimated == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "cvae"), "needs the noise level"),
        (("--model", "cvae", "--corruption", "jpeg"), "got jpeg"),
        (("--model", "cvae", "--corruption", "jpeg", "--sigma", "learned"), "got jpeg"),
        (("--model", "cvae", "--corruption", "poisson", "--sigma", "learned"), "pass --sigma learned-gain"),
        (("--model", "cvae", "--corruption", "gaussian", "--sigma", "0.2"), "remove one of them"),
        (("--model", "cvae", "--corruption", "missing", "--corruption", "gaussian"), "got 2; remove"),
        (("--model", "cvae", "--sigma", "25"), "25/255"),
    ],
)
def test_what_does_not_fit_is_one_sentence(run, clean, tmp_path, words, told):
    code, _, err = run("train", clean, tmp_path / "R", *words, "--self-supervised", "--steps", 1, "--device", "cpu")
    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 2  # the first says what is being read


def test_a_cvae_that_hides_nothing_cannot_learn_from_degraded_images(run, clean, tmp_path):
    words = ("--model", "cvae", "--self-supervised", "--sigma", "0.1", "--set", "spots=0", "--steps", 1)
    code, _, err = run("train", clean, tmp_path / "R", *words, "--device", "cpu")
    assert code == 2
    assert "expects spots of 1 or more, got 0" in err.splitlines()[-1]


@pytest.mark.parametrize("setting", ["noise=0.3", "grain=sigma"])
def test_noise_that_is_learnt_from_belongs_to_degraded_images(run, clean, tmp_path, setting):
    words = ("--model", "vae", "--set", setting, "--steps", 1, "--device", "cpu")
    code, _, err = run("train", clean, tmp_path / "R", *words)
    assert code == 2
    assert "pass --self-supervised" in err


def test_a_noise_level_without_degraded_images_is_refused(run, clean, tmp_path):
    code, _, err = run("train", clean, tmp_path / "R", "--model", "cvae", "--sigma", "0.1", "--steps", 1)
    assert code == 2
    assert "--sigma requires --self-supervised" in err


def test_observed_whole_and_free_of_noise_the_objective_of_a_vae_is_the_usual_one():
    from restorekit import testing
    from restorekit.core.types import Batch
    from restorekit.corruptions import Clean
    from restorekit.models import VAE
    from restorekit.testing._assertions import perturb, random_images
    from restorekit.training.self_supervised import KnownNoise

    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    perturb(model)
    x = random_images(3, 1, 8, 8)
    one = model.terms(Batch(x, Clean()(x, Rng(0)), Clean()), Rng(0))
    other = model.terms(Batch(None, KnownNoise(0.0)(x, Rng(0)), KnownNoise(0.0)), Rng(0))
    torch.testing.assert_close(one.loss, other.loss)


@pytest.mark.parametrize(
    ("spec", "sigma"), [("gaussian:sigma=0.12", "learned"), ("sensor:gain=0.03,sigma=0.03,blur=0", "learned-gain")]
)
def test_noise_is_learnt_with_the_images_and_known_when_they_are_restored(run, clean, tmp_path, spec, sigma):
    words = ("--model", "cvae", *SMALL, "--set", "lr=2e-3", "--corruption", spec, "--sigma", sigma)
    _train(run, clean, tmp_path / "R", *words, "--steps", 300)
    file = tmp_path / "R" / "model.safetensors"
    true, found = (parse(s, registry.corruptions()) for s in (spec, checkpoint.load(file)[0].noise_spec()))
    for level in (0.3, 0.7):
        x = torch.full((1, 1, 256, 256), level)
        expected, own = (float((c(x, Rng(3)).y - x).square().mean()) for c in (true, found))
        assert own == pytest.approx(expected, rel=0.3)
    x = np.load(clean) / 255.0
    rng, folder = Rng(7, tuple(map(str, range(len(x))))), tmp_path / "noisy"
    folder.mkdir()
    np.save(folder / "y.npy", true(torch.tensor(x)[:, None].float(), rng).y[:, 0].numpy())
    code, _, err = run("restore", folder, tmp_path / "OUT", "--model", file, "--range", "0..1", "--device", "cpu")
    assert code == 0, err
    assert "the noise level is that of the training data of" in err
    before, after = (np.load(where / "y.npy") for where in (folder, tmp_path / "OUT"))
    assert ((after - x) ** 2).mean() < 0.5 * ((before - x) ** 2).mean()


@pytest.mark.parametrize("sigma", ["learned", "learned-gain"])
def test_a_vae_restores_what_it_has_learnt_from_with_the_noise_it_has_learnt(run, clean, tmp_path, sigma):
    words = ("--model", "vae", *MLP, "--corruption", "gaussian:sigma=0.2", "--sigma", sigma, "--steps", 300)
    _train(run, clean, tmp_path / "R", *words)
    file = tmp_path / "R" / "model.safetensors"
    noise = parse(checkpoint.load(file)[0].noise_spec(), registry.corruptions())
    x = torch.full((1, 1, 200, 200), 0.5)
    assert 0.15 < float((noise(x, Rng(0)).y - x).std()) < 0.35
    y = torch.rand(48, 48, generator=torch.Generator().manual_seed(0))
    restored = restorekit.load(str(file), device="cpu")(y, seed=1)
    assert float(restored.std.mean()) < 0.35
    assert bool(restored.mmse.isfinite().all())
    np.save(tmp_path / "y.npy", y.numpy())
    code, said, err = run("restore", tmp_path / "y.npy", tmp_path / "OUT", "--model", file, "--range", "0..1")
    assert code == 0, err
    assert "langevin sampler" in said


def test_learning_from_degraded_images_goes_on_where_it_was_stopped(run, clean, tmp_path):
    words = ("--model", "cvae", *SMALL, "--corruption", "gaussian:sigma=0.1", "--sigma", "learned")
    _train(run, clean, tmp_path / "whole", *words, "--steps", 6)
    _train(run, clean, tmp_path / "parts", *words, "--steps", 3)
    _train(run, clean, tmp_path / "parts", *words, "--steps", 6, "--resume")
    one, other = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert one.keys() == other.keys()


def test_samples_of_what_learnt_from_degraded_images_differ_as_the_spread_says(run, clean, tmp_path):
    _train(run, clean, tmp_path / "R", "--model", "cvae", *SMALL, "--corruption", "gaussian:sigma=0.1", "--steps", 20)
    found = restorekit.load(str(tmp_path / "R" / "model.safetensors"), device="cpu")(torch.rand(48, 48), samples=40)
    torch.testing.assert_close(found.draws.std(0).mean(), found.std.mean(), rtol=0.05, atol=0)
