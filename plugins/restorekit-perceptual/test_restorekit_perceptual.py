"""MS-SSIM, GMSD and LPIPS keep the contract, hold their closed forms, and explain a missing value."""

import math

import pytest
import torch
from restorekit_perceptual import GMSD, LPIPS, MSSSIM
from restorekit_perceptual.gmsd import _gradients, gmsd
from restorekit_perceptual.lpips import SCALE, SHIFT, lpips
from restorekit_perceptual.ms_ssim import C1, EXPONENTS, ms_ssim
from restorekit_perceptual.weights import CONVOLUTIONS, VARIABLE, installed

from restorekit import Observation, Restoration, Rng, UndefinedMetricError
from restorekit.testing import check_metric


def picture(channels=1, height=176, width=192, seed=0):
    """A picture with structure on every scale, (1, C, H, W) on [0, 1]."""
    coarse = Rng(seed).uniform("coarse", (1, channels, 9, 9), "cpu")
    fine = Rng(seed).uniform("fine", (1, channels, height, width), "cpu")
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return (0.8 * smooth + 0.2 * fine).clamp(0, 1)


def noisy(x, sigma):
    return x + sigma * Rng(5).normal("noise", tuple(x.shape), "cpu")


def measured(metric, a, b):
    observed = torch.ones(1, 1, *b.shape[2:], dtype=torch.bool)
    return metric(Restoration(a), b, Observation(b, observed, tuple(b.shape[1:])))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights in a file that looks like the state of lpips.LPIPS(net="alex"); returns its path."""
    slices = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
    state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1)}
    for i, c in enumerate(CONVOLUTIONS):
        rng, name = Rng(i), f"net.slice{slices[c.number]}.{c.number}"
        fan_in = c.channels[0] * c.kernel**2
        shape = (c.channels[1], c.channels[0], c.kernel, c.kernel)
        state[f"{name}.weight"] = rng.normal("kernel", shape, "cpu") * math.sqrt(2 / fan_in)
        state[f"{name}.bias"] = 0.1 * rng.normal("bias", (c.channels[1],), "cpu")
        state[f"lin{i}.model.1.weight"] = rng.uniform("linear", (1, c.channels[1], 1, 1), "cpu")
    torch.save(state, tmp_path / "lpips.pth")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lpips.pth"))
    return tmp_path / "lpips.pth"


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """Nowhere to find weights."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("restorekit_perceptual.weights.find_spec", lambda name: None)
    return tmp_path


@pytest.mark.parametrize("metric", [MSSSIM, GMSD])
def test_they_keep_the_contract(metric):
    check_metric(metric)


def test_lpips_keeps_the_contract_with_weights_and_without(weights, no_weights, monkeypatch):
    check_metric(LPIPS)
    monkeypatch.setenv(VARIABLE, str(weights))
    check_metric(LPIPS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("metric", "best"), [(MSSSIM(), 1.0), (GMSD(), 0.0), (LPIPS(), 0.0)])
def test_identical_images_are_best_order_does_not_matter_and_more_noise_is_worse(weights, metric, best, channels):
    x = picture(channels)
    assert measured(metric, x, x) == pytest.approx(best, abs=1e-9)
    one, other = noisy(x, 0.05), picture(channels, seed=1)
    assert measured(metric, one, other) == pytest.approx(measured(metric, other, one), rel=1e-5)
    found = [measured(metric, noisy(x, sigma), x) for sigma in (0.01, 0.03, 0.1, 0.3)]
    assert found == sorted(found, reverse=metric.better == "higher")


# ------------------------------------------------------------------------ MS-SSIM


def test_ms_ssim_of_flat_images_is_the_luminance_of_the_coarsest_scale():
    a, b = torch.full((1, 1, 176, 176), 0.4), torch.full((1, 1, 176, 176), 0.6)
    luminance = (2 * 0.4 * 0.6 + C1) / (0.4**2 + 0.6**2 + C1)
    assert measured(MSSSIM(), a, b) == pytest.approx(luminance ** EXPONENTS[-1], abs=1e-6)


def test_the_exponents_make_one():
    assert sum(EXPONENTS) == pytest.approx(1, abs=2e-4)


def test_ms_ssim_of_halved_contrast_is_the_same_on_every_scale_where_constants_vanish():
    """Contrast and structure are 2 s / (1 + s^2) = 0.8 for s = 1/2; luminance counts on the coarsest scale alone."""
    x = 300 + 700 * picture().double()  # so that C1 and C2 are negligible next to variances
    y = x.mean() + 0.5 * (x - x.mean())
    assert 0.8 * 0.9 ** EXPONENTS[-1] < float(ms_ssim(x, y)) < 0.8
    assert float(ms_ssim(x, 0.5 * x)) == pytest.approx(0.8 ** (1 + EXPONENTS[-1]), rel=1e-4)  # so is luminance here


def test_opposite_structures_count_as_nothing():
    x = picture()
    assert measured(MSSSIM(), 1 - x, x) == 0.0


def test_colour_is_the_mean_over_channels():
    a, b = picture(3, seed=1), picture(3, seed=2)
    each = [measured(MSSSIM(), a[:, [c]], b[:, [c]]) for c in range(3)]
    assert measured(MSSSIM(), a, b) == pytest.approx(sum(each) / 3)


def test_five_scales_take_161_pixels():
    x = picture(height=161, width=170)
    assert 0 < measured(MSSSIM(), noisy(x, 0.1), x) < 1
    with pytest.raises(UndefinedMetricError, match="at least 161 pixels a side, got 170 x 160"):
        measured(MSSSIM(), x[:, :, :160], x[:, :, :160])


# ------------------------------------------------------------------------ GMSD


def test_gmsd_of_a_ramp_against_a_flat_image_is_the_closed_form():
    """Inside, the similarity is c / (g^2 + c), g the slope over 2 x 2 pixels; borders, where zeros begin, are cut."""
    slope, c = 0.004, 170 / 255**2
    ramp = (torch.arange(64) * slope).expand(1, 1, 64, 64).double()
    inner = _gradients(ramp)[..., 1:-1, 1:-1]
    assert torch.allclose(inner, torch.full_like(inner, 4 * slope))
    similarity = (2 * inner * 0 + c) / (inner**2 + c)
    assert float(similarity.mean()) == pytest.approx(c / (16 * slope**2 + c))


def test_gmsd_is_the_deviation_over_pixels_of_an_image_half_of_which_is_flattened():
    """Stripes along x on one half only: similarity 1 where both are alike, and less, the same, where one is flat."""
    x = torch.zeros(1, 1, 40, 40).double()
    stripes = (torch.arange(40) // 4 % 2).double() * 0.3
    x[..., :20, :] = stripes
    y = x.clone()
    y[..., :20, :] = 0.15
    found = float(gmsd(x, y))
    assert 0.1 < found < 0.5
    assert found == pytest.approx(float(gmsd(x.transpose(2, 3), y.transpose(2, 3))))


def test_gmsd_of_colour_is_that_of_its_luma():
    a, b = picture(3, seed=1), picture(3, seed=2)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = [(t * luma).sum(1, keepdim=True) for t in (a, b)]
    assert measured(GMSD(), a, b) == pytest.approx(measured(GMSD(), *gray), abs=1e-6)


def test_gmsd_accepts_gray_and_rgb_of_some_size():
    with pytest.raises(UndefinedMetricError, match="got 5 channels"):
        measured(GMSD(), picture(5), picture(5))
    with pytest.raises(UndefinedMetricError, match="at least 4 pixels a side, got 9 x 3"):
        measured(GMSD(), picture(1, 3, 9), picture(1, 3, 9))


# ------------------------------------------------------------------------ LPIPS


def test_without_weights_there_is_no_value_but_a_remedy(no_weights):
    with pytest.raises(UndefinedMetricError, match=rf"^weights not found: set {VARIABLE} to a file"):
        measured(LPIPS(), picture(3), picture(3))


def test_a_name_of_no_file_and_a_file_of_something_else_are_reported(no_weights, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(no_weights / "nowhere.pth"))
    with pytest.raises(UndefinedMetricError, match=r"nowhere\.pth; correct the path"):
        installed()
    monkeypatch.setenv(VARIABLE, str(no_weights / "other.pth"))
    (no_weights / "other.pth").write_bytes(b"nothing of the kind")
    with pytest.raises(UndefinedMetricError, match=r"cannot be read: .*other\.pth"):
        installed()
    torch.save({"lin0.model.1.weight": torch.zeros(1, 7, 1, 1)}, no_weights / "other.pth")
    with pytest.raises(
        UndefinedMetricError, match=r"weights not found \(features\.0\.weight, features\.3\.weight, \.\.\.\)"
    ):
        installed()


def test_weights_are_found_where_torchvision_and_lpips_keep_theirs(weights, no_weights, monkeypatch):
    state = torch.load(weights, weights_only=True)
    cache, package = no_weights / "hub" / "checkpoints", no_weights / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    cache.mkdir(parents=True)
    network = {f"features.{key.split('.', 2)[2]}": value for key, value in state.items() if key.startswith("net.")}
    torch.save(network, cache / "alexnet-owt-0123abcd.pth")
    linear = {key: value for key, value in state.items() if key.startswith("lin")}
    torch.save(linear, package / "weights" / "v0.1" / "alex.pth")
    spec = type("Spec", (), {"origin": str(package / "__init__.py")})
    monkeypatch.setattr("restorekit_perceptual.weights.find_spec", lambda name: spec)
    cached = measured(LPIPS(), noisy(picture(3), 0.1), picture(3))
    monkeypatch.setenv(VARIABLE, str(weights))
    assert cached == measured(LPIPS(), noisy(picture(3), 0.1), picture(3))


def test_lpips_is_the_formula_of_the_paper_on_torchvisions_network(weights):
    """With torchvision's own AlexNet, features taken after each of its five rectifiers, and unit vectors spelt out."""
    torchvision = pytest.importorskip("torchvision")
    net = torchvision.models.alexnet(weights=None).features.eval()
    state = torch.load(weights, weights_only=True)
    net.load_state_dict({key.split(".", 2)[2]: value for key, value in state.items() if key.startswith("net.")})
    shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
    a, b, found = noisy(picture(3), 0.1), picture(3), 0.0
    for i, stop in enumerate((2, 5, 8, 10, 12)):
        with torch.no_grad():
            f, g = (net[:stop]((2 * x - 1 - shift) / scale) for x in (a, b))
        f, g = (t / t.norm(dim=1, keepdim=True) for t in (f, g))
        weight = state[f"lin{i}.model.1.weight"]
        found += float((weight * (f - g) ** 2).sum(1).mean())
    assert float(lpips(a, b, installed())) == pytest.approx(found, rel=1e-4)


def test_the_distance_is_linear_in_the_linear_weights(weights):
    own, (a, b) = installed(), (noisy(picture(3), 0.1), picture(3))
    each = [
        own._replace(linear=tuple(w if i == k else 0 * w for i, w in enumerate(own.linear)))
        for k in range(len(CONVOLUTIONS))
    ]
    assert float(sum(lpips(a, b, one) for one in each)) == pytest.approx(float(lpips(a, b, own)), rel=1e-5)
    twice = own._replace(linear=tuple(2 * w for w in own.linear))
    assert float(lpips(a, b, twice)) == pytest.approx(2 * float(lpips(a, b, own)), rel=1e-5)


def test_gray_counts_as_rgb_and_lpips_needs_31_pixels(weights):
    a, b = picture(1, seed=1), picture(1, seed=2)
    rgb = [t.repeat(1, 3, 1, 1) for t in (a, b)]
    assert measured(LPIPS(), a, b) == pytest.approx(measured(LPIPS(), *rgb), rel=1e-5)
    small = picture(3, 31, 40)
    assert measured(LPIPS(), noisy(small, 0.1), small) > 0
    with pytest.raises(UndefinedMetricError, match="at least 31 pixels a side, got 40 x 30"):
        measured(LPIPS(), small[:, :, :30], small[:, :, :30])
