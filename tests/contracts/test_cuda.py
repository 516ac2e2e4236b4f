"""What a GPU gives is what the CPU gives, but for rounding."""

import dataclasses

import pytest
import torch

import restorekit
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions.spec import parse
from restorekit.restoration import model_restorer
from restorekit.restoration.model_restorer import _halved as halved

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and PyTorch sees none"),
]


def _rms(t):
    return float(t.square().mean().sqrt())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_the_default_restores_within_half_a_gray_level_of_what_the_cpu_gives(images, channels, missing):
    x = images(1, channels, 200, 168)
    y = x + 0.1 * (missing == 0) * Rng(1).normal("n", tuple(x.shape), "cpu")
    lost = Rng(1).uniform("m", (200, 168), "cpu") < missing
    sigma = None if missing == 0 else 0
    one, other = (restorekit.load("default", device=d)(y[0], missing=lost, sigma=sigma) for d in ("cpu", "cuda"))
    assert _rms(one.mmse - other.mmse.cpu()) < 0.5 / 255
    assert _rms((one.std - other.std.cpu()) / one.std.clamp_min(1e-3)) < 0.05


def test_draws_on_a_gpu_repeat_with_their_seed_and_spread_as_the_std_says(images):
    x = images(1, 1, 128, 128)
    y = (x + 0.1 * Rng(1).normal("n", tuple(x.shape), "cpu"))[0]
    model = restorekit.load("default", device="cuda")
    one, again, other = (model(y, samples=16, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.draws, again.draws)
    assert not torch.equal(one.draws, other.draws)
    between = _rms((one.draws - one.mmse).float())
    assert 0.3 * _rms(one.std) < between < _rms(one.std)  # the rest is the decoder's own variance


def test_a_tile_too_large_for_the_card_is_cut_and_the_seams_do_not_show(images, monkeypatch):
    cuts = []
    monkeypatch.setattr(model_restorer, "_halved", lambda *words: cuts.append(halved(*words)) or cuts[-1])
    x = images(1, 1, 1024, 1024)
    y = (x + 0.1 * Rng(1).normal("n", tuple(x.shape), "cpu"))[0]
    model = restorekit.load("default", device="cuda")
    whole = model(y).mmse
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 60 * 2**20) / total)
    try:
        cut = model(y).mmse
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert cuts
    assert float((whole - cut).abs().max()) < 0.02
    assert _rms(whole - cut) < 1e-3


@pytest.mark.parametrize("name", sorted(registry.corruptions()))
def test_damage_is_done_where_the_image_is(name, images):
    x = images(2, 3, 40, 48).cuda()
    found = parse(name, registry.corruptions())(x, Rng(0))
    values = [getattr(found, f.name) for f in dataclasses.fields(found)]
    tensors = [v for v in [*values, *found.params.values()] if isinstance(v, torch.Tensor)]
    assert {t.device.type for t in tensors} == {"cuda"}


def test_training_in_half_precision_learns_and_its_file_works_on_the_cpu(images, tmp_path, run):
    import numpy as np

    pictures = (images(64, 1, 96, 96) * 255).round().to(torch.uint8)
    np.save(tmp_path / "clean.npy", pictures.movedim(1, -1).numpy())
    code, _, err = run(
        "train", tmp_path / "clean.npy", tmp_path / "run", "--model", "cvae", "--set", "preset=small", "--steps", 600,
        "--set", "crop=64", "--set", "batch=8", "--set", "validate=600", "--device", "cuda",
        "--corruption", "gaussian:sigma=25/255",
    )  # fmt: skip
    assert code == 0, err
    x = images(1, 1, 64, 64, seed=9)[0]
    y = x + 25 / 255 * Rng(1).normal("n", tuple(x.shape), "cpu")
    restored = restorekit.load(str(tmp_path / "run" / "model.safetensors"), device="cpu")(y).mmse
    assert _rms(restored - x) < 0.6 * _rms(y - x)
