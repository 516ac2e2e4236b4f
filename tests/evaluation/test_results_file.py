"""Facts about restorekit.evaluation.results_file."""

from __future__ import annotations

import csv
import json
import math

from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.results_file import finite, prepare, write_results
from restorekit.evaluation.rows import ImageRow, RunRow


def test_numbers_that_json_lacks_become_null():
    assert finite({"a": [math.inf, 1.0, (math.nan,)], "b": "x"}) == {"a": [None, 1.0, [None]], "b": "x"}


def test_a_folder_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        prepare(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())


def test_json_and_csv_hold_the_rows(tmp_path):
    row = ImageRow("clean", "r", "ä b.png", {"psnr": math.inf, "draw_psnr": None})
    write_results(Results(Protocol("s", 0, 1, "cpu", {}), [RunRow("clean", "r", 1)], [row], []), tmp_path)
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert found["images"][0]["psnr"] is None
    assert found["protocol"]["seed"] == 0
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"corruption": "clean", "restorer": "r", "image": "ä b.png", "psnr": "inf", "draw_psnr": ""}]


def test_rows_of_an_earlier_run_do_not_stay_where_there_are_none(tmp_path):
    protocol, row = Protocol("s", 0, 1, "cpu", {}), ImageRow("", "m", "a.png", {"psnr": 1.0}, {"a": "b"}, notes=[])
    write_results(Results(protocol, [], [row], []), tmp_path)
    assert (tmp_path / "results.csv").read_text().splitlines() == ["corruption,restorer,image,psnr", ",m,a.png,1.0"]
    write_results(Results(protocol, [], [], []), tmp_path)
    assert not (tmp_path / "results.csv").exists()
