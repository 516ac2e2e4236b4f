import pytest
import torch
from torch import nn

from restorekit.core.rng import Rng
from restorekit.training.muon import Muon, is_hidden, orthogonalised


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((32, 16, 3, 3), True), ((12, 32, 3, 3), False), ((32,), False), ((64, 16), False), ((64, 20), True)],
)
def test_heads_and_biases_are_not_hidden(shape, expected):
    assert is_hidden(nn.Parameter(torch.zeros(shape))) is expected


@pytest.mark.parametrize("shape", [(24, 20), (20, 24), (32, 288)])
def test_an_orthogonalised_matrix_has_singular_values_near_one_and_the_same_vectors(shape):
    matrix = Rng(1).normal("matrix", shape, "cpu")
    found = orthogonalised(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    values = (u.T @ found @ v.T).diagonal()
    assert ((values > 0.5) & (values < 1.3)).all()
    torch.testing.assert_close(u @ torch.diag(values) @ v, found, atol=1e-3, rtol=0)


def test_a_step_of_muon_has_the_length_of_its_rate():
    p = nn.Parameter(Rng(1).normal("p", (32, 2, 3, 3), "cpu"))
    before = p.detach().clone()
    p.grad = 1e3 * Rng(2).normal("g", (32, 2, 3, 3), "cpu")
    Muon([p], lr=0.01).step()
    length = torch.linalg.matrix_norm((p.detach() - before).view(32, 18), 2)
    assert 0.5 < float(length) / (0.01 * (32 / 18) ** 0.5) < 1.3


def _weight():
    p = nn.Parameter(Rng(1).normal("p", (20, 24), "cpu"))
    p.grad = Rng(2).normal("g", (20, 24), "cpu")
    return p


def test_a_step_goes_along_the_orthogonalised_momentum_looking_ahead():
    p = _weight()
    optimiser, mean = Muon([p], lr=0.01, momentum=0.9), torch.zeros(20, 24)
    for step in range(3):
        p.grad = Rng(step).normal("g", (20, 24), "cpu")
        mean = 0.9 * mean + 0.1 * p.grad
        expected = p.detach() - 0.01 * orthogonalised(0.1 * p.grad + 0.9 * mean)
        optimiser.step()
        torch.testing.assert_close(p.detach(), expected)


def test_weight_decay_takes_its_share_of_the_weight_before_the_step():
    p, plain = _weight(), _weight()
    before = p.detach().clone()
    Muon([plain], lr=0.01).step()
    Muon([p], lr=0.01, weight_decay=0.5).step()
    torch.testing.assert_close(p.detach(), plain.detach() - 0.01 * 0.5 * before)


def test_an_update_that_is_to_be_skipped_leaves_weight_and_momentum_as_they_were():
    p = _weight()
    optimiser = Muon([p], lr=0.01, weight_decay=0.1)
    optimiser.step()
    before, mean = p.detach().clone(), optimiser.state[p]["momentum"].clone()
    optimiser.found_inf = torch.tensor(1.0)
    p.grad.fill_(torch.nan)
    optimiser.step()
    assert torch.equal(p, before)
    assert torch.equal(optimiser.state[p]["momentum"], mean)
    optimiser.found_inf = torch.tensor(0.0)
    p.grad = torch.ones(20, 24)
    optimiser.step()
    assert not torch.equal(p, before)


def test_weights_that_are_updated_together_move_as_if_alone():
    """Of one shape and of another, with gradients of different scale."""
    shapes = [(20, 24), (32, 2, 3, 3), (20, 24), (20, 24)]
    together = [nn.Parameter(Rng(i).normal("p", shape, "cpu")) for i, shape in enumerate(shapes)]
    alone = [nn.Parameter(p.detach().clone()) for p in together]
    settings = {"lr": 0.01, "weight_decay": 0.1}
    every, each = Muon(together, **settings), [Muon([p], **settings) for p in alone]
    for step in range(3):
        for i, (p, q) in enumerate(zip(together, alone, strict=True)):
            p.grad = 10.0**i * Rng(step).normal(f"g{i}", tuple(p.shape), "cpu")
            q.grad = p.grad.clone()
        for optimiser in (every, *each):
            optimiser.found_inf = torch.tensor(float(step == 1))
            optimiser.step()
    for p, q in zip(together, alone, strict=True):
        torch.testing.assert_close(p, q)


def test_a_weight_without_a_gradient_stays():
    p, q = _weight(), _weight()
    q.grad = None
    before = q.detach().clone()
    Muon([p, q], lr=0.01).step()
    assert torch.equal(q, before)
