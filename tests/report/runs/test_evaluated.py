"""Evaluating from Python."""

import numpy as np
import pytest
from PIL import Image

import restorekit


def test_methods_are_measured_with_progress(tmp_path):
    (tmp_path / "IN").mkdir()
    for i in range(2):
        image = np.random.default_rng(i).integers(0, 256, (24, 24), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "IN" / f"{i}.png")
    seen = []
    found = restorekit.evaluate(
        tmp_path / "IN", "gaussian:sigma=0.1", "median", tmp_path / "REPORT", baselines="none", metrics=["psnr"],
        pictures=1, progress=lambda n, of, name: seen.append((n, of)),
    )  # fmt: skip
    assert seen == [(1, 2), (2, 2)]
    assert [run.restorer for run in found.runs] == ["median"]
    assert (tmp_path / "REPORT" / "results.json").is_file()
    page = (tmp_path / "REPORT" / "report.html").read_text()
    assert "Pictures of 1 of 2 images; --pictures N keeps more." in page
    assert page.count('class="pair-name"') == 1
    again = restorekit.evaluate(tmp_path / "IN", ["gaussian:sigma=0.1"], ["median"], baselines="none", metrics=["psnr"])
    assert again.runs[0].metrics["psnr"] == found.runs[0].metrics["psnr"]
    with pytest.raises(ValueError, match="no corruption named"):
        restorekit.evaluate(tmp_path / "IN", "gausian", "median")
