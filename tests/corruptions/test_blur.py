import numpy as np
import pytest
import torch

from restorekit.core.errors import SpecError
from restorekit.core.rng import Rng
from restorekit.corruptions import Blur, Chain, Gaussian

NOISE = Rng(0, ("a",))


def _answer(corruption, side=41):
    """What becomes of a single bright pixel in the middle."""
    x = torch.zeros(1, 1, side, side)
    x[..., side // 2, side // 2] = 1
    return corruption(x, NOISE).y[0, 0].double()


def _moments(answer):
    steps = torch.arange(len(answer)) - len(answer) // 2
    rows, columns = answer.sum(1), answer.sum(0)
    return (
        float((rows * steps**2).sum()),
        float((columns * steps**2).sum()),
        float((answer * steps[:, None] * steps).sum()),
    )


@pytest.mark.parametrize("corruption", [Blur(), Blur("motion", 9.0, 30.0), Blur("disc", 3.3)], ids=str)
def test_light_is_spread_and_none_is_lost(corruption):
    assert float(_answer(corruption).sum()) == pytest.approx(1, abs=1e-5)
    flat = torch.full((1, 3, 9, 14), 0.3)
    torch.testing.assert_close(corruption(flat, NOISE).y, flat)


def test_a_gaussian_has_its_standard_deviation():
    rows, columns, both = _moments(_answer(Blur(size=2.5)))
    assert (rows, columns, both) == pytest.approx((2.5**2, 2.5**2, 0), rel=0.05, abs=1e-4)


def test_a_disc_has_the_second_moment_of_one():
    rows, columns, _ = _moments(_answer(Blur("disc", 6.0)))
    assert (rows, columns) == pytest.approx((9, 9), rel=0.05)  # r^2 / 4


@pytest.mark.parametrize(("angle", "share"), [(0.0, (0, 1)), (90.0, (1, 0)), (45.0, (0.5, 0.5))])
def test_motion_goes_along_its_angle(angle, share):
    rows, columns, both = _moments(_answer(Blur("motion", 12.0, angle)))
    along = 12**2 / 12  # variance of a uniform law
    assert (rows, columns) == pytest.approx((share[0] * along, share[1] * along), abs=0.4)
    assert both == pytest.approx(-along / 2 if angle == 45 else 0, abs=0.4)  # up is towards the first row


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_a_kernel_file_is_what_a_bright_pixel_becomes(suffix, tmp_path):
    kernel, path = np.arange(1.0, 16).reshape(3, 5), tmp_path / f"kernel{suffix}"
    np.save(path, kernel) if suffix == ".npy" else np.savetxt(path, kernel)
    answer = _answer(Blur(kernel=str(path)))
    assert answer[19:22, 18:23].numpy() == pytest.approx(kernel / kernel.sum(), abs=1e-6)
    assert float(answer.sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kernel", [np.ones((2, 3)), np.zeros((3, 3)), np.ones(3), None])
def test_a_kernel_that_is_none_is_an_error_in_a_sentence(kernel, tmp_path):
    path = tmp_path / "kernel.npy"
    if kernel is not None:
        np.save(path, kernel)
    with pytest.raises(SpecError, match="blur's kernel"):
        Blur(kernel=str(path))(torch.zeros(1, 1, 5, 5), NOISE)


def test_what_is_behind_a_blur_is_unknown_however_free_of_noise():
    x = torch.rand(2, 3, 12, 15)
    for corruption in (Blur(), Chain((Blur(), Gaussian(0.0)))):
        o = corruption(x, Rng(0))
        assert bool(o.unknown().expand_as(x).all())
        assert torch.equal(o.keep_known(x, o.y), x)
        assert corruption.log_prob(o, x) is None


def test_with_noise_it_has_the_density_of_the_blurred_image():
    x, corruption = torch.rand(2, 1, 12, 15), Chain((Blur(), Gaussian(0.1)))
    o = corruption(x, Rng(0))
    expected = torch.distributions.Normal(Blur().operator(o).apply(x), 0.1).log_prob(o.y).sum((1, 2, 3))
    torch.testing.assert_close(corruption.log_prob(o, x), expected)
