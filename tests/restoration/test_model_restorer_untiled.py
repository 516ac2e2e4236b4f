"""Facts about images that are restored whole, as their observation has another size."""

import pytest
import torch

from restorekit.core.errors import ImageError
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Downsample, Gaussian, Grayscale, Missing
from restorekit.restoration.model_restorer import HeldSource, ModelPass, ModelRestorer, check_room, pad
from restorekit.restoration.tiling import Limits
from tests.restoration.test_model_restorer import Local

DAMAGE = Chain((Downsample(3), Gaussian(0.02), Missing(0.1)))
X = torch.rand(2, 1, 21, 30, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def seen():
    return DAMAGE(X, Rng(0, ("a", "b")))


def test_an_image_that_fits_is_left_alone(seen):
    assert pad(Problem(seen, DAMAGE), Local()).observation is seen
    assert pad(Problem(seen, DAMAGE), Local(size=(21, 30))).observation is seen


def test_an_observation_is_mirrored_up_to_the_multiples_of_the_model(seen):
    larger = pad(Problem(seen, DAMAGE), Local(multiple=8)).observation
    assert larger.shape == (1, 24, 48)
    assert tuple(larger.y.shape) == (2, 1, 8, 16)
    assert torch.equal(larger.y[:, :, :7, :10], seen.y)
    assert torch.equal(larger.y[:, :, :7, 10:], seen.y.flip(3)[..., :6])
    assert torch.equal(larger.observed[:, :, 7], larger.observed[:, :, 6])


def test_a_square_that_was_cut_off_is_made_whole():
    damage = Downsample(2)
    seen = damage(torch.rand(1, 3, 15, 15), Rng(0))
    assert pad(Problem(seen, damage), Local(multiple=8)).observation.shape == (3, 16, 16)


@pytest.mark.parametrize("n", [0, 3])
@pytest.mark.parametrize("multiple", [1, 8])
def test_what_is_restored_has_the_size_of_x_whatever_the_model_takes(seen, multiple, n):
    result = ModelRestorer(Local(multiple=multiple))(seen, DAMAGE, n, Rng(0, ("a", "b")))
    assert result.mmse.shape == result.std.shape == X.shape
    assert n == 0 or result.draws.shape == (n, *X.shape)
    plain = ModelRestorer(Local())(seen, DAMAGE, 0, Rng(0))
    torch.testing.assert_close(result.mmse[..., :-6, :-6], plain.mmse[..., :-6, :-6], atol=1e-3, rtol=0)  # of the fill


def test_a_source_is_restored_in_one_band(seen):
    restorer = ModelRestorer(Local())
    ((top, band),) = restorer.rows(HeldSource(seen), DAMAGE, 2, Rng(0, ("a", "b")))
    assert (top, band.mmse.shape) == (0, X.shape)
    whole = restorer(seen, DAMAGE, 2, Rng(0, ("a", "b")))
    assert torch.equal(band.mmse, whole.mmse)
    assert torch.equal(band.draws, whole.draws)


def test_colours_are_restored_by_tiles():
    x = torch.rand(1, 3, 40, 40)
    restorer = ModelRestorer(Local(), limits=Limits(20, 400))
    assert restorer(Grayscale()(x, Rng(0)), Grayscale(), 0, Rng(0)).mmse.shape == x.shape
    assert len(restorer.model.seen) > 1


def test_an_image_of_another_size_than_the_model_s_is_one_sentence(seen):
    with pytest.raises(ImageError, match=r"behind downsample.* images of 28 x 28 pixels, got 30 x 21; crop it"):
        pad(Problem(seen, DAMAGE), Local(size=(28, 28)))


def test_a_corruption_that_leads_to_no_multiple_is_one_sentence(seen):
    class Silent(Downsample):
        def clean_shape(self, shape, channels):
            return shape[0], 21, 30

    with pytest.raises(ImageError, match="sides are multiples of 8 pixels, got 30 x 21"):
        pad(Problem(seen, Silent(3)), Local(multiple=8))


def test_an_image_beyond_the_memory_is_refused_before_it_is_read(seen):
    check_room(21, 30, Limits(64, 21 * 30))
    with pytest.raises(ImageError, match=r"restored whole, 30 x 21 in up to 0\.0 GB; raise --max-memory"):
        list(ModelRestorer(Local(), limits=Limits(8, 629)).rows(HeldSource(seen), DAMAGE, 0, Rng(0)))


def test_out_of_memory_is_one_sentence_and_other_errors_pass(seen, monkeypatch):
    restorer = ModelRestorer(Local())
    for error, told, kind in (
        (MemoryError("full"), "out of memory: .* cut the image", ImageError), (RuntimeError("oh"), "oh", RuntimeError),
    ):  # fmt: skip
        monkeypatch.setattr(ModelPass, "__call__", lambda *arguments, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(kind, match=told):
            restorer(seen, DAMAGE, 0, Rng(0))


def test_draws_are_made_in_portions_of_the_clean_size(seen):
    model, counts = Local(), []
    real = model.sample
    model.sample = lambda o, c, n, rng: counts.append(n) or real(o, c, n, rng)
    ModelRestorer(model, limits=Limits(64, 2 * X[0].numel() * 3))(seen, DAMAGE, 7, Rng(0, ("a", "b")))
    assert counts == [3, 3, 1]
