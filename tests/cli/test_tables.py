"""What the table of an evaluation shows."""

from dataclasses import replace

import pytest

from restorekit.cli.tables import print_compared, print_results
from restorekit.core.records import decode
from restorekit.evaluation.bootstrap import compare
from restorekit.evaluation.head_to_head import PairedComparison
from restorekit.evaluation.metric_values import MetricInfo
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.rows import Failure, RunRow


def _run(restorer="tv", corruption="clean", **values):
    told = {"images": 3, "sigma": "true", "draws": 0, "learned": False, "estimate": "", "reasons": {}}
    return decode(RunRow, {"corruption": corruption, "restorer": restorer, **told, "psnr": 20.0, **values})


@pytest.fixture
def shown(capsys, monkeypatch):
    """A function that returns what is printed of some runs, line by line."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def show(*runs, failures=()):
        print_results(Results(Protocol("IN", 7, 3, "cpu", {}), list(runs), [], list(failures)))
        return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]

    return show


def _rows(lines):
    """The cells of the first table, heads first."""
    return [line.split() for line in [lines[1], *lines[3:]]]


def test_every_corruption_has_a_table_best_first(shown):
    lines = shown(_run("a", psnr=20.0), _run("b", psnr=30.0), _run("c", "poisson"), _run("d", psnr=25.0))
    assert [line for line in lines if "images)" in line] == ["clean   (3 images)", "poisson   (3 images)"]
    assert [row[0] for row in _rows(lines)[1:4]] == ["b", "d", "a"]


def test_one_image_is_one(shown):
    assert shown(_run(images=1))[0] == "clean   (1 image)"


def test_columns_are_short_and_those_without_a_figure_are_left_out(shown):
    rows = _rows(shown(_run(ssim=0.98765, coverage90=None, mine=1.5), _run("b", psnr=2.0, ssim=None, mine=None)))
    assert rows[0] == ["restorer", "sigma", "psnr", "ssim", "mine"]
    assert rows[1:3] == [["tv", "true", "20.00", "0.988", "1.500"], ["b", "true", "2.00", "-", "-"]]


def test_a_table_without_psnr_keeps_the_order_given(shown):
    runs = [RunRow("clean", name, 3, "true", metrics={"nrmse": 0.5}) for name in "cab"]
    rows = _rows(shown(*runs))
    assert rows[0] == ["restorer", "sigma", "nrmse"]
    assert [row[0] for row in rows[1:4]] == ["c", "a", "b"]


def test_a_table_of_what_nobody_was_told_has_no_column_for_it(shown):
    lines = shown(replace(_run("another tool", ssim=0.5), corruption="", sigma=None))
    assert lines[0] == "files as they are   (3 images)"
    assert _rows(lines)[0] == ["restorer", "psnr", "ssim"]


def test_what_must_be_seen_first_stands_first(capsys):
    print_results(Results(Protocol("IN", 7, 3, "cpu", {}), [_run()], [], []), ["a loses to [b] on c"])
    assert capsys.readouterr().out.splitlines()[0] == "a loses to [b] on c"


def test_which_values_are_good_ones_is_said_of_the_figures_that_are_there(capsys):
    figures = [
        MetricInfo("psnr", "dB", "higher"),
        MetricInfo("coverage90", "", "", 0.9),
        MetricInfo("mine", "", "lower"),
    ]
    runs = [_run(coverage90=0.8, mine=1.0)]
    print_results(Results(Protocol("IN", 7, 3, "cpu", {}), runs, [], [], [*figures, MetricInfo("gone", "", "lower")]))
    said = " ".join(capsys.readouterr().out.split())
    assert "higher is better: psnr; lower is better: mine; cover is best at 0.9; noise" in said


def test_a_comparison_has_a_line_for_each_figure_and_names_what_got_worse(capsys):
    psnr, nrmse = MetricInfo("psnr", "dB", "higher"), MetricInfo("nrmse", "", "lower")
    ours = {f"{i}.png": 30.0 + i for i in range(8)}
    theirs = {**dict.fromkeys(ours, 31.0), "7.png": 33.0}
    found = [PairedComparison("", "a[1]", "b", figure, compare(ours, theirs, figure)) for figure in (psnr, nrmse)]
    print_compared(found)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0][:2] == ["a[1]", "b"]
    assert lines[2][:4] == ["psnr", "33.50", "31.25", "+2.25"]
    assert lines[2][-3:] == ["6", "1", "1"]
    assert lines[3][-3:] == ["1", "6", "1"]
    assert lines[4] == ["worse", "than", "b", "by", "psnr:", "0.png", "-1.000"]


def test_a_model_file_is_called_by_its_own_name_or_its_folders(shown):
    names = ("runs/faces/model.safetensors", "runs/best.safetensors", "model.safetensors", "default")
    rows = _rows(shown(*(_run(name) for name in names)))
    assert [row[0] for row in rows[1:5]] == ["faces", "best", "model", "default"]


def test_the_protocol_says_what_the_estimate_of_each_model_is_and_no_other_s(shown):
    learned = _run("runs/best.safetensors", learned=True, estimate="one-pass estimate")
    said = " ".join(shown(learned, _run(estimate="total variation")))
    assert "best: one-pass estimate" in said
    assert "total variation" not in said
    assert "seed 7; best" in said


def test_failures_are_named_whole(shown):
    long = "sub/" * 60 + "[a].png"
    lines = shown(_run(), failures=[Failure(long, "is empty")])
    assert lines[-1] == f"failed: {long}: is empty"


def test_brackets_in_names_stand_as_they_are(capsys):
    print_results(Results(Protocol("IN", 7, 3, "cpu", {}), [_run("best[old].safetensors")], [], []))
    assert "best[old]" in capsys.readouterr().out


def test_the_coverage_is_shown_by_image_and_by_width(shown):
    spread = {"coverage90_images": [0.85, 0.9, 0.95], "coverage_by_width": [0.8 + i / 50 for i in range(10)]}
    said = " ".join(shown(_run("own", **spread)))
    assert "own, within the 90 % interval: median image 90% (5 to 95 % of images: 85% to 95%)" in said
    assert "narrowest tenth first: 80% 82% 84% 86% 88% 90% 92% 94% 96% 98%" in said
