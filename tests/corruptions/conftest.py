import pytest
import torch

from restorekit.core.rng import Rng


@pytest.fixture
def lost():
    """A function that says which values a corruption takes out of gray images: bool, True where lost."""

    def find(corruption, count=4, channels=1, side=100):
        x = torch.full((count, channels, side, side), 0.5)
        return ~corruption(x, Rng(0, tuple(map(str, range(count))))).observed

    return find
