import dataclasses

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Chain, Gaussian, Missing, Poisson

X = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def test_expanding_repeats_every_image_draws_outermost():
    o = Chain((Poisson((5.0, 50.0)), Missing(0.5)))(X, Rng(0, ("a", "b")))
    o = dataclasses.replace(o, label=torch.tensor([3, 4]), sigma=torch.tensor([0.1, 0.2]).view(2, 1, 1, 1), initial=X)
    many = o.expand(3)
    assert len(many) == 6
    for s in range(3):
        assert torch.equal(many.y[2 * s : 2 * s + 2], o.y)
        assert torch.equal(many.observed[2 * s : 2 * s + 2], o.observed)
        assert torch.equal(many.params["peak"][2 * s : 2 * s + 2], o.params["peak"])
    assert many.label.tolist() == [3, 4] * 3
    assert many.sigma.flatten().tolist() == pytest.approx([0.1, 0.2] * 3)
    assert torch.equal(many.initial[4:], X)
    assert many.shape == (3, 6, 8)


def test_taking_images_keeps_every_field():
    o = Chain((Poisson((5.0, 50.0)), Missing(0.5)))(X, Rng(0, ("a", "b")))
    level, label = torch.tensor([0.1, 0.2]).view(2, 1, 1, 1), torch.tensor([3, 4])
    o = dataclasses.replace(o, label=label, sigma=level, initial=X, direct=False)
    one = o.take(torch.tensor([1]))
    for field in dataclasses.fields(Observation):
        before, after = getattr(o, field.name), getattr(one, field.name)
        if field.name == "params":
            assert torch.equal(after["peak"], before["peak"][1:])
        elif isinstance(before, torch.Tensor):
            assert torch.equal(after, before[1:]), field.name
        else:
            assert after == before, field.name


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((2, 3, 3), (7, 0)), ((1, 2, 3), (4, 5)), ((0, 0, 2), (0, 2, 2, 3)), (range(6), range(8)), ((), (1,))],
)
def test_cutting_takes_rows_and_columns_which_may_repeat(rows, columns):
    o = dataclasses.replace(Missing(0.5)(X, Rng(0)), initial=X)
    rows, columns = torch.tensor(list(rows), dtype=torch.int64), torch.tensor(list(columns), dtype=torch.int64)
    cut = o.cut(rows, columns)
    assert torch.equal(cut.y, o.y[:, :, rows][..., columns])
    assert torch.equal(cut.observed, o.observed[:, :, rows][..., columns])
    assert torch.equal(cut.initial, X[:, :, rows][..., columns])
    assert cut.shape == (3, len(rows), len(columns))
    cut.y.fill_(7)  # a copy: what is done to it leaves the image as it is
    assert float(o.y.max()) <= 1


def test_only_values_seen_without_noise_are_known():
    seen = torch.tensor([True, False]).view(1, 1, 1, 2).expand(4, 1, 1, 2)
    sigma = torch.tensor([0.0, 0.1, torch.nan, 0.0]).view(4, 1, 1, 1)
    o = Observation(torch.zeros(4, 1, 1, 2), seen, (1, 1, 2), sigma)
    assert o.unknown().flatten(1).tolist() == [[False, True], [True, True], [True, True], [False, True]]
    assert dataclasses.replace(o, sigma=None).unknown().all()


def test_who_is_blind_does_not_know_the_level_but_knows_that_there_is_no_noise():
    sigma = torch.tensor([0.0, 0.1, 0.3]).view(3, 1, 1, 1)
    o = Observation(torch.zeros(3, 1, 1, 1), torch.ones(3, 1, 1, 1).bool(), (1, 1, 1), sigma)
    told = o.blind().sigma.flatten()
    assert told[0] == 0
    assert told[1:].isnan().all()
    assert dataclasses.replace(o, sigma=None).blind().sigma is None


def test_a_guess_that_was_made_is_not_made_again():
    o = Missing(0.5)(X, Rng(0))
    assert torch.equal(dataclasses.replace(o, initial=X).initial_estimate(Missing()), X)
    assert torch.equal(o.initial_estimate(Missing()), Missing().initial_estimate(o))
    assert torch.equal(Gaussian().initial_estimate(Gaussian(0.1)(X, Rng(0))), Gaussian(0.1)(X, Rng(0)).y)
