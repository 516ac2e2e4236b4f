import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.models.config import NetworkConfig
from restorekit.models.vae.encoders import MLP, ConvNetwork, MLPNetwork
from restorekit.testing._assertions import perturb, random_images


def _network(kind, per_value=1, per_latent=2, rate=0.0, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = NetworkConfig(size=(4, 6), channels=3, hidden=(8, 10), latent=5, **settings)
        network = kind(sizes, 3 * per_value, per_latent, rate)
    perturb(network)
    return network


@pytest.mark.parametrize("per_value", [1, 2])
def test_the_fully_connected_network_mirrors_its_widths(per_value):
    network = _network(MLPNetwork, per_value)
    shapes = [[tuple(layer.weight.shape) for layer in part.layers] for part in (network.encoder, network.decoder)]
    assert shapes == [[(8, 72), (10, 8), (10, 10)], [(10, 5), (8, 10), (72 * per_value, 8)]]
    assert network.encode(random_images(2, 3, 4, 6), None, None).shape == (2, 10)
    assert network.decode(torch.zeros(2, 5), None, None).shape == (2, 3 * per_value, 4, 6)


@pytest.mark.parametrize("per_value", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(4, 8), (12, 16)])
def test_the_convolutional_network_has_latents_on_a_grid_of_any_size(height, width, per_value):
    network = _network(ConvNetwork, per_value)
    found = network.encode(random_images(2, 3, height, width), None, None)
    assert found.shape == (2, 10, height // 4, width // 4)  # a halving for each of two widths
    assert network.decode(found[:, :5], None, None).shape == (2, 3 * per_value, height, width)


def test_an_encoder_makes_as_many_numbers_for_each_latent_as_it_is_told():
    x = random_images(2, 3, 4, 6)
    assert _network(MLPNetwork, per_latent=1).encode(x, None, None).shape == (2, 5)
    assert _network(ConvNetwork, per_latent=3).encode(random_images(2, 3, 4, 8), None, None).shape == (2, 15, 1, 2)


def test_layers_are_linear_with_relu_between_and_none_at_the_end():
    network = MLP(2, (2,), 1, 0.0)
    first, last = network.layers
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        last.weight.copy_(torch.tensor([[1.0, -1.0]]))
        for layer in (first, last):
            layer.bias.zero_()
        found = network(torch.tensor([[3.0, 1.0], [-3.0, 1.0], [1.0, 3.0]]), None)
    assert found.flatten().tolist() == [2, -1, -2]


def test_an_unknown_label_is_all_zeros_and_a_known_one_its_own_input():
    network, x = _network(MLPNetwork, classes=3), random_images(4, 3, 4, 6)
    seen = []
    network.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    for label in (torch.tensor([0, 2, -1, 1]), None):
        network.encode(x, label, None)
    told, untold = (given[:, 72:] for given in seen)
    assert told.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert not untold.any()
    assert torch.equal(seen[0][:, :72], x.flatten(1))


@pytest.mark.parametrize("kind", [MLPNetwork, ConvNetwork])
def test_labels_condition_encoder_and_decoder_where_there_are_classes(kind):
    x, label = random_images(2, 3, 4, 8 if kind is ConvNetwork else 6), torch.tensor([1, -1])
    for classes in (0, 3):
        network = _network(kind, classes=classes)
        plain = network.encode(x, None, None)
        z = plain[:, :5]
        for told, untold in (
            (network.encode(x, label, None), plain),
            (network.decode(z, label, None), network.decode(z, None, None)),
        ):
            assert torch.equal(told[0], untold[0]) == (classes == 0)
            torch.testing.assert_close(told[1], untold[1])


@pytest.mark.parametrize("kind", [MLPNetwork, ConvNetwork])
def test_dropout_acts_where_noise_is_given_and_repeats_with_it(kind):
    network, x = _network(kind, rate=0.5), random_images(2, 3, 4, 8 if kind is ConvNetwork else 6)
    plain, first, again, other = (network.encode(x, None, rng) for rng in (None, Rng(0), Rng(0), Rng(1)))
    assert torch.equal(first, again)
    assert not torch.equal(first, plain)
    assert not torch.equal(first, other)
    assert not torch.equal(network.decode(plain[:, :5], None, Rng(0)), network.decode(plain[:, :5], None, None))
