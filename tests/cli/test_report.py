"""`restorekit report` as a user meets it."""

import csv
import json
import shlex

import numpy as np
import pytest
import tifffile

from tests._helpers.restored_folders import clean_image, folder, write

NAMES = tuple("abcdefgh")


@pytest.fixture
def tree(tmp_path):
    """Clean pictures, damaged ones, and what two tools made of them, of which `good` is the better."""
    for name, sigma, seed in (("clean", 0, 0), ("seen", 30, 0), ("good", 6, 10), ("bad", 9, 20)):
        folder(tmp_path / name, sigma, NAMES, seed=seed)
    return tmp_path


@pytest.fixture
def report(run, tree):
    """A function that reports on a folder; returns exit code, output, errors, and what results.json holds."""

    def call(restored, *words, out="REPORT"):
        found = run("report", tree / restored, tree / out, "--reference", tree / "clean", *words)
        path = tree / out / "results.json"
        return *found, json.loads(path.read_text()) if path.is_file() else None

    return call


def flat(text):
    return " ".join(text.split())


def test_figures_are_printed_and_written(report, tree):
    code, said, _, found = report("good")
    assert code == 0
    run = found["runs"][0]
    assert (run["restorer"], run["images"]) == ("good", 8)
    assert f"{run['psnr']:.2f}" in said
    assert said.splitlines()[-1].endswith("with results.json and results.csv")
    with (tree / "REPORT" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["psnr"]) for row in rows] == [row["psnr"] for row in found["images"]]
    assert "no psnr_missing: no value is marked as missing" in flat(said)
    assert "sigma" not in said.splitlines()[1]


def test_what_is_not_there_to_be_held_against_is_wrong_usage(report, tree):
    code, _, err, found = report("bad", "--against", tree / "nowhere")
    assert (code, found) == (2, None)
    assert "there is no file or folder" in err


def test_the_worse_run_is_said_to_be_worse_at_the_top_and_the_better_one_to_be_better(report, tree):
    code, said, _, found = report("bad", "--against", tree / "good")
    assert code == 0
    top = said.splitlines()[0]
    assert top.startswith("worse than good: PSNR 3.")
    assert "dB lower (95 % interval -3." in top
    assert top.endswith("worse on 8 of 8 images, better on 0, equal on 0")
    first = found["comparisons"][0]
    assert (first["metric"], first["restorer"], first["against"]) == ("psnr", "bad", "good")
    assert first["low"] < first["difference"] < first["high"] < 0
    assert first["worse"][0] == first["differences"][0]["image"]
    assert {c["metric"] for c in found["comparisons"]} >= {"psnr", "ssim", "nrmse"}  # and of plugins that are there
    for row, other in zip(found["images"], report("good", out="G")[3]["images"], strict=True):
        assert row["psnr_difference"] == pytest.approx(row["psnr"] - other["psnr"])
    assert f"worse than good by psnr: {first['worse'][0]} -" in said
    better = report("good", "--against", tree / "bad", out="B")
    assert better[1].startswith("better than bad: PSNR 3.")
    assert "worse than" not in better[1]
    assert better[3]["comparisons"][0]["wins"] == 8


def test_what_the_other_tool_did_not_do_is_told_with_its_name(report, tree):
    (tree / "good" / "a.png").unlink()
    write(tree / "good" / "b.png", clean_image(1)[:9])
    code, said, _, found = report("bad", "--against", tree / "good")
    assert code == 0
    assert "good: 1 of 8 clean image(s) have no restoration: a.png" in said
    assert "good: failed: b.png: b.png is 48 x 9 pixels" in said
    assert {c["images"] for c in found["comparisons"]} == {6}


def test_results_of_an_earlier_report_or_evaluation_can_be_held_against(report, tree, run):
    whole = report("bad", "--against", tree / "good")[3]["comparisons"]
    report("good", out="G")
    for other in (tree / "G", tree / "G" / "results.json"):
        found = report("bad", "--against", other)[3]["comparisons"]
        assert [c["difference"] for c in found] == pytest.approx([c["difference"] for c in whole])
    words = ("--corruption", "gaussian:sigma=30/255", "--model", "tv", "--baseline", "median", "--metric", "psnr")
    assert run("evaluate", tree / "clean", tree / "E", *words)[0] == 0
    found = report("bad", "--against", tree / "E")[3]
    assert {(c["against"], c["corruption"]) for c in found["comparisons"]} == {
        ("tv", "gaussian:sigma=30/255"),
        ("median", "gaussian:sigma=30/255"),
    }
    assert {c["metric"] for c in found["comparisons"]} == {"psnr"}


def test_runs_that_were_measured_in_another_way_are_told_of(report, tree):
    report("good", out="G")
    path = tree / "G" / "results.json"
    found = json.loads(path.read_text())
    found["protocol"]["result"] = "as it is"
    path.write_text(json.dumps(found))
    assert "not measured alike: result was 'as it is' there and is 'clamped" in report("bad", "--against", path)[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "cannot be read as JSON"), ("[]", "no results.json of schema 1"), ('{"schema": 9}', "no results.json")],
)
def test_what_is_no_result_is_wrong_usage(report, tree, text, told):
    (tree / "other.json").write_text(text)
    code, _, err, found = report("good", "--against", tree / "other.json")
    assert (code, found) == (2, None)
    assert told in err


def test_results_of_other_images_are_wrong_usage_before_the_work(report, tree, run):
    folder(tree / "clean2", 0, ("x", "y"))
    folder(tree / "out2", 5, ("x", "y"))
    assert run("report", tree / "out2", tree / "R2", "--reference", tree / "clean2")[0] == 0
    code, _, err, found = report("good", "--against", tree / "R2")
    assert (code, found) == (2, None)
    assert "none of these images: expected names such as a.png, got x.png" in err


def test_what_was_given_tells_what_was_gained_and_what_was_harmed(report, tree):
    write(tree / "seen" / "c.png", clean_image(2) // 2 * 2)
    _, said, _, found = report("good", "--observed", tree / "seen")
    assert said.splitlines()[0].startswith("1 of 8 images is worse than the observation, by up to ")
    assert said.splitlines()[0].endswith(": c.png")
    assert found["runs"][0]["psnr_gain"] > 5
    assert "before" in said
    assert "gained" in said


def test_what_does_not_fit_is_a_failure_and_what_is_alone_is_told_first(report, tree):
    write(tree / "good" / "a.png", clean_image(0)[:, :40])
    (tree / "good" / "b.png").rename(tree / "good" / "z.png")
    code, said, err, found = report("good")
    assert code == 1
    assert said.splitlines()[:2] == [
        "1 of 8 clean image(s) have no restoration: b.png",
        "1 of 8 restored image(s) have no clean one: z.png",
    ]
    assert "failed: a.png: a.png is 40 x 48 pixels" in said
    assert "a.png is 40 x 48" in err
    assert found["runs"][0]["images"] == 6
    assert [f["image"] for f in found["failures"]] == ["a.png"]


def test_machines_get_json_alone_and_pipelines_an_exit_code(report):
    code, said, _, found = report("good", "--json", "--fail-under", "psnr=20")
    assert code == 0
    assert json.loads(said) == found
    code, _, err, _ = report("good", "--fail-under", "psnr=60")
    assert (code, "--fail-under psnr=60 is missed by good: 3" in err) == (1, True)
    assert report("good", "--fail-under", "nrmse=0.001")[0] == 1
    code, _, err, _ = report("good", "--metric", "ssim", "--fail-under", "psnr=20")
    assert (code, "--metric psnr" in err) == (2, True)


def test_only_the_metrics_that_are_asked_for(report):
    found = report("good", "--metric", "nrmse", "--metric", "ssim")[3]
    assert [metric["name"] for metric in found["metrics"]] == ["nrmse", "ssim"]


@pytest.mark.parametrize("out", ["good/REPORT", "clean/REPORT", "."])
def test_a_report_never_goes_among_the_images(report, out):
    code, _, err, _ = report("good", out=out)
    assert code == 2
    assert "never written to" in err


def test_a_report_does_not_replace_what_it_is_held_against(report, tree):
    report("good", out="G")
    code, _, err, _ = report("bad", "--against", tree / "G" / "results.json", out="G")
    assert code == 2
    assert "choose another folder" in err


def test_two_tools_of_one_folder_name_are_told_apart(report, tree):
    folder(tree / "other" / "good", 8, NAMES, seed=40)
    found = report("good", "--against", tree / "other" / "good")[3]
    (first, *_) = found["comparisons"]
    assert first["restorer"] == str(tree / "good")
    assert first["against"] == str(tree / "other" / "good")


def test_the_command_that_is_kept_does_it_again(report, tree, run):
    first = report("good", "--against", tree / "bad", "--metric", "psnr", "--metric", "ssim", "--json")[3]
    words = shlex.split(first["command"])
    assert words[:2] == ["restorekit", "report"]
    assert words.count("--metric") == 2
    (tree / "REPORT" / "results.json").unlink()
    assert run(*words[1:])[0] == 0
    again = json.loads((tree / "REPORT" / "results.json").read_text())
    assert again == first


def test_files_of_float_numbers_whose_range_is_guessed_are_told_of(tmp_path, run):
    for name in ("clean", "out"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", np.linspace(0, 9, 48 * 48, dtype=np.float32).reshape(48, 48))
    words = ("report", tmp_path / "out", tmp_path / "R", "--reference", tmp_path / "clean")
    assert "--range" in run(*words)[2]
    assert "--range" not in run(*words, "--range", "0..9")[2]
