import pytest
import torch

from restorekit.noise import Noise

torch.set_num_threads(1)  # what the bit-exact tests compare was computed by one thread


@pytest.fixture
def images():
    """A function that makes smooth random images, (B, C, H, W), on [0, 1]."""

    def make(count=2, channels=1, height=32, width=32, seed=0):
        coarse = Noise(seed).uniform("coarse", (count, channels, height // 8 + 3, width // 8 + 3), "cpu")
        fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
        return fine.clamp(0, 1)

    return make
