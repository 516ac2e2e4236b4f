import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.models.cvae.spectral_loss import energies, mismatch


def test_the_energies_of_all_octaves_add_up_to_that_of_the_error():
    error = Rng(0).normal("e", (2, 3, 32, 64), "cpu")
    found = sum(e.mean() for e in energies(error))
    assert float(found) == pytest.approx(float(error.square().mean()), rel=1e-5)


@pytest.mark.parametrize(("period", "octave"), [(3, 0), (6, 1), (12, 2), (24, 3), (48, 4)])
def test_a_wave_has_its_energy_in_the_octave_of_its_length(period, octave):
    wave = torch.sin(2 * torch.pi * torch.arange(96) / period).expand(1, 1, 96, 96)
    found = torch.stack([e.mean() for e in energies(wave)])
    expected = 0.5 * (torch.arange(len(found)) == octave)
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)  # some windows cut waves off


def test_draws_like_the_error_match_it_and_others_do_not():
    error, one, other = (Rng(i).normal("e", (64, 1, 32, 32), "cpu") for i in range(3))
    alike = float(mismatch(error, one, other))
    assert 0 < alike < 0.15  # the error's own energy varies from window to window
    assert float(mismatch(error, 2 * one, 2 * other)) > alike + 0.1
    smooth = [torch.nn.functional.avg_pool2d(e, 3, 1, 1) * 3 for e in (one, other)]
    assert float(mismatch(error, *smooth)) > alike + 0.1


def test_the_gradient_leads_to_the_energy_of_the_error():
    error, one, other = (Rng(i).normal("e", (256, 1, 16, 16), "cpu") for i in range(3))
    assert _slopes_change_sign(error, one, other)


def test_errors_that_are_seldom_but_large_count_in_full():
    """Nine errors in ten are a third as strong as draws, one is thrice as strong: the mean energy is that of draws."""
    error, one, other = (Rng(i).normal("e", (500, 1, 16, 16), "cpu") for i in range(3))
    strength = torch.where(torch.arange(500) % 10 == 0, 9.0, 1 / 9).sqrt()
    assert _slopes_change_sign(error * strength[:, None, None, None], one, other)


def _slopes_change_sign(error, one, other):
    """Say whether the gradient's sign at a scale of draws changes where they are as strong as the error."""
    slopes = []
    for scale in (0.8, 1.0, 1.25):
        s = torch.tensor(scale, requires_grad=True)
        mismatch(error, s * one, s * other).backward()
        slopes.append(float(s.grad))
    return slopes[0] < -0.1 < slopes[1] < 0.1 < slopes[2]
