import pytest

from restorekit.core.errors import SpecError
from restorekit.models.config import DecoderConfig, NetworkConfig, RateConfig


@pytest.mark.parametrize("size", [(28,), (1, 28, 28)])
def test_a_size_is_height_and_width(size):
    with pytest.raises(SpecError, match=f"such as 28,28, got {len(size)} numbers"):
        NetworkConfig(size=size)


def test_a_convolutional_network_needs_a_width_and_a_fully_connected_one_does_not():
    with pytest.raises(SpecError, match="at least one width in hidden"):
        NetworkConfig(network="conv", hidden=())
    assert NetworkConfig(network="mlp", hidden=()).hidden == ()


def test_what_is_not_set_comes_from_the_training_images():
    assert DecoderConfig().fitted((3, 20, 30), 5) == DecoderConfig(channels=3, classes=5)
    assert DecoderConfig(channels=1, classes=2).fitted((3, 20, 30), 5) == DecoderConfig(channels=1, classes=2)
    assert NetworkConfig(network="mlp").fitted((1, 20, 30), 0) == NetworkConfig(
        network="mlp", channels=1, size=(20, 30)
    )
    assert NetworkConfig(network="mlp", size=(4, 4)).fitted((1, 20, 30), 0).size == (4, 4)
    assert NetworkConfig().fitted((1, 20, 30), 0).size == ()


def test_a_network_says_what_images_it_takes():
    grid, vector = NetworkConfig(channels=3, hidden=(4, 8)), NetworkConfig(network="mlp", channels=1, size=(20, 30))
    assert (grid.stride, grid.geometry.size, grid.geometry.multiple) == (4, None, 4)
    assert (vector.stride, vector.geometry.size, vector.geometry.multiple) == (0, (20, 30), 1)


def test_the_weight_of_the_rate_grows_to_beta_in_the_warm_up():
    config = RateConfig(beta=2.0, kl_warmup=10)
    assert [config.rate_weight(step) for step in (0, 5, 10, 50, None)] == [0, 1, 2, 2, 2]
    assert RateConfig(beta=2.0).rate_weight(0) == 2


def test_a_fully_connected_network_must_know_the_size():
    with pytest.raises(SpecError, match="set size"):
        NetworkConfig(network="mlp", channels=1).geometry  # noqa: B018
