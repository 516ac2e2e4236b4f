"""Training from Python."""

import numpy as np
import pytest
from PIL import Image

import restorekit

RNG = np.random.default_rng(0)


def test_a_model_is_trained_with_progress_and_restores(tmp_path):
    (tmp_path / "IN").mkdir()
    for i in range(4):
        Image.fromarray(RNG.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / "IN" / f"{i}.png")
    seen = []
    settings = {"network": "conv", "hidden": "8", "latent": 2, "crop": 16}
    restorekit.train(
        tmp_path / "IN", tmp_path / "RUN", "vae", steps=2, settings=settings, device="cpu", progress=seen.append
    )
    assert seen
    assert max(line.step for line in seen) == 2
    page = (tmp_path / "RUN" / "report.html").read_text()
    assert "Training of vae in RUN" in page
    assert 'src="previews/' in page
    found = restorekit.load(str(tmp_path / "RUN" / "model.safetensors"), device="cpu")
    assert "vae" in repr(found) or "model" in repr(found)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({}, "exactly one of steps"),
        ({"steps": 1, "epochs": 1}, "exactly one"),
        ({"steps": 1, "sigma": 0.1}, "requires"),
    ],
)
def test_what_does_not_fit_is_a_value_error(tmp_path, named, told):
    with pytest.raises(ValueError, match=told):
        restorekit.train(tmp_path, tmp_path.parent / "RUN", "vae", **named)
    with pytest.raises(ValueError, match="must lie outside the images"):
        restorekit.train(tmp_path, tmp_path / "RUN", "vae", steps=1)
