import numpy as np
import pytest
from PIL import Image

from tests._helpers.folder_runs import RNG


@pytest.fixture
def source(tmp_path):
    """A folder of six gray images of three sizes, in two sub-folders."""
    folder = tmp_path / "IN"
    for i, side in enumerate((8, 8, 8, 10, 12, 12)):
        path = folder / f"sub {i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 255, (side, side), dtype=np.uint8)).save(path)
    return folder
