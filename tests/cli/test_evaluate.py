"""Facts about `restorekit evaluate` as a user meets it."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from restorekit import testing
from restorekit.cli.evaluate import command
from restorekit.core.errors import ImageError, UsageError
from restorekit.models import VAE, checkpoint


@pytest.fixture
def clean(tmp_path):
    rows, folder = np.linspace(0, 255, 48), tmp_path / "clean"
    folder.mkdir()
    for i in range(3):
        image = (0.5 * rows[:, None] + 0.5 * rows[None, ::-1] * (i + 1) / 3).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return str(folder)


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


def test_the_same_damage_is_measured_once(clean, tmp_path):
    specs = ("gaussian:sigma=25/255,15/255", "gaussian", "gaussian:sigma=15/255", "gaussian:sigma=25/255")
    words = [word for spec in specs for word in ("--corruption", spec)]
    result = invoke(clean, tmp_path / "out", *words, "--model", "tv", "--baseline", "none", "--json")
    runs = json.loads(result.stdout)["runs"]
    assert [run["corruption"] for run in runs] == ["gaussian:sigma=25/255", "gaussian:sigma=15/255"]
    assert [run["images"] for run in runs] == [3, 3]


def test_images_too_small_for_a_metric_are_noted_once(tmp_path):
    (tmp_path / "clean").mkdir()
    for i in (6, 8):
        cv2.imwrite(str(tmp_path / "clean" / f"{i}.png"), np.full((i, 9), 99, np.uint8))
    words = ("--corruption", "gaussian", "--model", "tv", "--baseline", "none")
    result = invoke(str(tmp_path / "clean"), tmp_path / "o", *words)
    said = " ".join(result.stdout.split())
    assert said.count("no ssim: it takes images of at least 11 x 11 pixels, got 9 x 6") == said.count("no ssim") == 1
    found = json.loads((tmp_path / "o" / "results.json").read_text())
    assert (found["runs"][0]["images"], found["runs"][0]["ssim"]) == (2, None)
    assert [row["reasons"]["ssim"][-5:] for row in found["images"]] == ["9 x 6", "9 x 8"]


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
        (("--corruption", "gaussian", "--model", "tv", "--fail-under", "psnr=nan"), "METRIC=NUMBER"),
        (("--corruption", "gaussian", "--model", "tv", "--metric", "ssim", "--fail-under", "psnr=20"), "--metric psnr"),
    ],
)
def test_wrong_words_are_one_sentence(clean, tmp_path, words, sentence):
    assert sentence in str(invoke(clean, tmp_path / "o", *words).exception)


@pytest.mark.parametrize(("least", "code"), [(1, 0), (99, 1)])
def test_a_limit_holds_for_any_method_named_as_a_model_and_not_for_the_baselines(clean, tmp_path, least, code):
    words = ("--corruption", "missing:rate=0.5", "--model", "telea", "--baseline", "biharmonic")
    assert invoke(clean, tmp_path / "o", *words, "--fail-under", f"psnr={least}").return_value == code


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_a_damaged_file_is_reported_and_the_others_count(clean, tmp_path, suffix):
    path = tmp_path / "clean" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    path.rename(path.with_suffix(suffix))
    result = invoke(clean, tmp_path / "o", "--corruption", "clean", "--model", "tv", "--baseline", "none")
    found = json.loads((tmp_path / "o" / "results.json").read_text())
    assert result.return_value == 1
    assert found["runs"][0]["images"] == 2
    assert [f["image"] for f in found["failures"]] == [f"1{suffix}"]


def test_a_report_that_cannot_be_written_is_told_before_the_work(clean, tmp_path):
    (tmp_path / "file").touch()
    result = invoke(clean, tmp_path / "file" / "o", *TV)
    assert isinstance(result.exception, UsageError)
    assert "is a file; expected a folder" in str(result.exception)
    assert "psnr" not in result.output


def test_the_table_is_printed_though_the_files_cannot_be_written(clean, tmp_path, monkeypatch):
    def fail(results, report):
        raise ImageError("the disk is full")

    monkeypatch.setattr("restorekit.evaluation.results_file.write_results", fail)
    result = invoke(clean, tmp_path / "o", *TV)
    assert "the disk is full" in str(result.exception)
    assert "psnr" in result.output
    assert "results.json" not in result.output


def test_the_json_of_a_perfect_restoration_has_null_for_infinity(clean, tmp_path):
    words = ("--corruption", "missing:rate=0", "--model", "telea", "--baseline", "none", "--json")
    text = invoke(clean, tmp_path / "o", *words).stdout
    assert "Infinity" not in text
    assert json.loads(text)["runs"][0]["psnr"] is None


TV = ("--corruption", "gaussian", "--model", "tv", "--baseline", "none")


def test_an_image_of_many_bands_is_measured_and_one_with_gaps_is_a_failure(clean, tmp_path, model_file):
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 256, (48, 48, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "clean" / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    gaps = rng.random((48, 48)).astype(np.float32)
    gaps[10:20, 10:20] = np.nan
    tifffile.imwrite(tmp_path / "clean" / "gaps.tif", gaps)
    result = invoke(clean, tmp_path / "o", *TV, "--model", str(model_file), "--json")
    found = json.loads(result.stdout)
    assert result.return_value == 1
    assert [run["images"] for run in found["runs"]] == [4, 4]
    assert {row["image"] for row in found["images"]} == {"0.png", "1.png", "2.png", "bands.tif"}
    (failure,) = found["failures"]
    assert failure["image"] == "gaps.tif"
    assert "4.34% of its pixels are missing" in failure["error"]


def test_the_protocol_is_said_whole(clean, tmp_path, model_file):
    words = ("--corruption", "gaussian", "--model", str(model_file), "--baseline", "none", "--limit", "1")
    report = tmp_path / "o"
    said = " ".join(invoke(clean, report, *words).output.split())
    assert "tiny: one-pass estimate" in said
    assert "ssim: Gaussian window of 11 x 11 pixels, sigma 1.5" in said
    found = json.loads((report / "results.json").read_text())
    assert "11 x 11 pixels, sigma 1.5" in found["protocol"]["ssim"]
    assert found["runs"][0]["estimate"] == "one-pass estimate"
    assert found["protocol"]["precision"] == "float32"
    half = json.loads(invoke(clean, report, *words, "--precision", "bf16-mixed", "--json").output)
    assert half["protocol"]["precision"] == "bfloat16"
    assert half["runs"][0]["psnr"] != found["runs"][0]["psnr"]
    assert "2 draws" in " ".join(invoke(clean, report, *words, "--samples", "2").output.split())


def test_a_table_needs_no_psnr(clean, tmp_path):
    result = invoke(clean, tmp_path / "o", *TV, "--metric", "nrmse")
    assert result.exception is None
    assert "nrmse" in result.output
    files = [tmp_path / "o" / name for name in ("report.html", "results.json", "results.csv")]
    assert result.stdout.splitlines()[-1] == f"-> {files[0]}, with results.json and results.csv"


def test_a_range_that_had_to_be_guessed_is_said(clean, tmp_path):
    tifffile.imwrite(tmp_path / "clean" / "0.tif", np.linspace(0, 9, 2304, dtype=np.float32).reshape(48, 48))
    (tmp_path / "clean" / "0.png").unlink()
    result = invoke(clean, tmp_path / "o", *TV, "--json")
    assert "--range" in result.stderr
    assert "0.tif" in result.stderr
    assert "--range" not in invoke(clean, tmp_path / "o", *TV, "--json", "--range", "0..9").stderr


@pytest.mark.parametrize(("where", "told"), [("clean", "lie outside"), ("clean/report", "lie outside"), (".", "holds")])
def test_a_report_never_goes_among_the_images(clean, tmp_path, where, told):
    assert f"{told} the input" in str(invoke(clean, tmp_path / where, *TV).exception)


def test_a_sampler_that_needs_the_level_is_told_it(clean, tmp_path):
    model = testing.build(VAE, VAE.Config(network="mlp", size=(8, 8), hidden=(4,), latent=2))
    path = tmp_path / "vae.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    quick = ("--sampler", "langevin:steps=30", "--baseline", "none", "--limit", "1", "--json")
    words = ("--model", str(path), *quick, "--corruption")
    (found,) = json.loads(invoke(clean, tmp_path / "o", *words, "gaussian").stdout)["runs"]
    assert (found["sigma"], found["images"]) == ("true", 1)
    assert found["estimate"] == "mean over 16 draws, langevin:steps=30 sampler"
    refused = invoke(clean, tmp_path / "p", *words, "gaussian", "--sigma", "blind")
    assert "use --sigma true or auto" in str(refused.exception)
    assert not (tmp_path / "p").exists()
    (found,) = json.loads(invoke(clean, tmp_path / "o", *words, "missing", "--sigma", "blind").stdout)["runs"]
    assert (found["sigma"], found["images"]) == ("blind", 1)
