"""A metric of a stranger's package appears wherever figures do, with its unit, its direction and its reasons."""

import csv
import json

import cv2
import pytest

from restorekit.evaluation.head_to_head import load
from restorekit.report.pages.compared import page_of
from restorekit.report.tables import columns
from tests._helpers.broken_plugin import forget, install
from tests._helpers.restored_folders import folder, write

SOURCE = '''
from restorekit import Metric, hookimpl
from restorekit.core.errors import UndefinedMetricError


class Glow(Metric):
    """Mean brightness that was lost. More is to be said of it."""

    name, unit, better = "glow", "cd", "lower"

    def __call__(self, restoration, reference, observation):
        if reference.shape[-1] < 20:
            raise UndefinedMetricError(f"it takes 20 pixels, got {reference.shape[-1]}")
        return float((reference - restoration.mmse).abs().mean())


@hookimpl
def restorekit_register_metrics():
    return [Glow]
'''
NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Clean and restored pictures of which one is small, and the package, installed."""
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", monkeypatch, SOURCE)
    for name, sigma in (("clean", 0), ("good", 5), ("bad", 9)):
        path = folder(tmp_path / name, sigma, NAMES)
        write(path / "c.png", cv2.imread(str(path / "c.png"))[:, :16, ::-1])
    yield tmp_path
    forget()


def looked_at(folder, said, restorers):
    """Expect the metric in the table on the terminal, in both files, and in the columns of a page."""
    found = json.loads((folder / "results.json").read_text())
    told = {"name": "glow", "unit": "cd", "better": "lower", "goal": None, "meaning": "Mean brightness that was lost."}
    assert told in found["metrics"]
    assert [run["glow"] is not None for run in found["runs"]] == [True] * restorers
    (small,) = {row["reasons"].get("glow") for row in found["images"] if row["image"] == "c.png"}
    assert small == "it takes 20 pixels, got 16"
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["glow"] == "" for row in rows) == restorers
    said = " ".join(said.split())
    assert " glow " in said
    assert f"{found['runs'][0]['glow']:.3f}" in said
    assert "no glow of 1 image, c.png: it takes 20 pixels, got 16" in said
    assert any("glow" in part for part in said.split(";") if "lower is better" in part)
    return found


def test_it_is_in_every_table_of_an_evaluation(tree, run):
    words = ("--corruption", "gaussian", "--model", "tv", "--model", "median", "--baseline", "none")
    code, said, _ = run("evaluate", tree / "clean", tree / "R", *words)
    assert code == 0
    looked_at(tree / "R", said, 2)


def test_it_is_in_every_table_of_a_report_and_of_a_comparison(tree, run):
    words = ("--reference", tree / "clean", "--against", tree / "good", "--fail-under", "glow=0.001")
    code, said, _ = run("report", tree / "bad", tree / "R", *words)
    assert code == 1
    found = looked_at(tree / "R", said, 1)
    (duel,) = [one for one in found["comparisons"] if one["metric"] == "glow"]
    assert (duel["images"], duel["wins"], duel["losses"]) == (5, 0, 5)
    results = load(tree / "R" / "results.json")
    (column,) = [column for column in columns(results) if column.name == "glow"]
    assert (column.title, column.unit, column.better) == ("glow", "cd", "lower")
    rows = {row.image: row for row in page_of(results).rows}
    assert rows["a.png"].values["glow"] > 0
    assert rows["c.png"].reasons["glow"] == "it takes 20 pixels, got 16"
