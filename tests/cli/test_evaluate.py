"""Facts about `restorekit evaluate` as a user meets it."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from restorekit.cli.evaluate import command


@pytest.fixture
def clean(tmp_path):
    rows = np.linspace(0, 255, 48)
    for i in range(3):
        image = (0.5 * rows[:, None] + 0.5 * rows[None, ::-1] * (i + 1) / 3).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    return str(tmp_path)


def invoke(clean: str, report, *words: str):
    return CliRunner().invoke(command, [clean, str(report), *words, "--device", "cpu"], standalone_mode=False)


def test_the_table_and_the_files_hold_the_same_rows(clean, tmp_path):
    report = tmp_path / "out"
    result = invoke(clean, report, "--corruption", "missing:rate=0.5", "--model", "telea")
    assert result.exception is None, result.output
    found = json.loads((report / "results.json").read_text())
    assert [run["restorer"] for run in found["runs"]] == ["telea", "delaunay"]
    assert all(run["images"] == 3 for run in found["runs"])
    assert f"{found['runs'][0]['psnr']:.2f}" in result.output
    assert (report / "results.csv").read_text().count("\n") == 1 + 2 * 3


def test_several_values_are_several_runs_named_as_typed(clean, tmp_path):
    words = ("--corruption", "gaussian:sigma=15/255,25/255", "--model", "tv", "--baseline", "none", "--json")
    result = invoke(clean, tmp_path / "out", *words)
    runs = json.loads(result.stdout)["runs"]
    assert [run["corruption"] for run in runs] == ["gaussian:sigma=15/255", "gaussian:sigma=25/255"]
    assert runs[0]["psnr"] > runs[1]["psnr"]


def test_the_same_seed_gives_the_same_figures(clean, tmp_path):
    words = ("--corruption", "gaussian", "--model", "tv", "--baseline", "none", "--metric", "psnr", "--json")
    first, second, other = (
        json.loads(invoke(clean, tmp_path / name, *words, "--seed", seed).stdout)["runs"][0]["psnr"]
        for name, seed in (("a", "0"), ("b", "0"), ("c", "1"))
    )
    assert first == second != other


def test_limit_takes_the_first_images(clean, tmp_path):
    words = ("--corruption", "clean", "--model", "tv", "--baseline", "none", "--limit", "2", "--json")
    assert json.loads(invoke(clean, tmp_path / "o", *words).stdout)["runs"][0]["images"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--corruption", "gaussian:sigma=25"), "did you mean 25/255"),
        (("--corruption", "gausian"), "did you mean gaussian"),
        (("--corruption", "gaussian", "--model", "tvv"), "tv"),
        (("--corruption", "gaussian", "--model", "tv", "--metric", "psrn"), "did you mean psnr"),
        (("--corruption", "gaussian", "--model", "tv", "--fail-under", "psnr=x"), "METRIC=NUMBER"),
    ],
)
def test_wrong_words_are_one_sentence(clean, tmp_path, words, sentence):
    assert sentence in str(invoke(clean, tmp_path / "o", *words).exception)


def test_a_damaged_file_is_reported_and_the_others_count(clean, tmp_path):
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:200])
    result = invoke(clean, tmp_path / "o", "--corruption", "clean", "--model", "tv", "--baseline", "none")
    found = json.loads((tmp_path / "o" / "results.json").read_text())
    assert result.return_value == 1
    assert found["runs"][0]["images"] == 2
    assert [f["image"] for f in found["failures"]] == ["1.png"]
