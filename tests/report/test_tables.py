"""Facts about restorekit.report.tables."""

from __future__ import annotations

import math

from restorekit.report.page import Column, Run
from restorekit.report.tables import tables

PSNR = Column("psnr", "PSNR", "dB", "higher")
TIME = Column("time", "Time", "s", "lower")


def test_there_is_a_table_for_each_damage_with_the_columns_that_it_has():
    runs = [Run("a", "m", 2, values={"psnr": 30.0}), Run("b", "m", 2, values={"time": 1.0}), Run("a", "n", 2)]
    first, second = tables(runs, [PSNR, TIME])
    assert (first.corruption, [c.name for c in first.columns], len(first.lines)) == ("a", ["psnr"], 2)
    assert (second.corruption, [c.name for c in second.columns], len(second.lines)) == ("b", ["time"], 1)


def test_all_that_read_like_the_best_are_marked_and_what_is_missing_is_not():
    values = (30.001, 30.0012, 29.0, None, math.nan)
    runs = [Run("a", f"m{i}", 2, values={"psnr": v}, reasons={"psnr": "why"}) for i, v in enumerate(values)]
    (table,) = tables(runs, [PSNR])
    cells = [line.cells[0] for line in table.lines]
    assert [cell.best for cell in cells] == [True, True, False, False, False]
    assert [cell.text for cell in cells] == ["30.00", "30.00", "29.00", "", ""]
    assert cells[4].order is None
    assert cells[3].reason == "why"


def test_none_is_the_best_where_the_means_are_not_over_the_same_images():
    values = ((6, 30.0), (4, 31.0))
    (table,) = tables([Run("a", f"m{n}", n, values={"psnr": v}) for n, v in values], [PSNR])
    assert [line.cells[0].best for line in table.lines] == [False, False]
    assert not table.alike
    (table,) = tables([Run("a", f"m{v}", 4, values={"psnr": v}) for _, v in values], [PSNR])
    assert [line.cells[0].best for line in table.lines] == [False, True]
    assert table.alike


def test_wins_are_shown_where_they_were_counted():
    counted = Run("a", "m", 3, wins=2, losses=1, ties=0, against="bm3d")
    (table,) = tables([counted, Run("a", "bm3d", 3)], [])
    assert table.contested
    assert [line.lead for line in table.lines] == [1, None]
    assert table.lines[0].record == "2 wins, 1 loss, 0 ties"
    assert not tables([Run("a", "bm3d", 3)], [])[0].contested


def test_a_column_without_any_figure_is_told_of_and_not_shown():
    runs = [Run("a", name, 2, values={"psnr": 30.0, "time": None}, reasons={"time": "no clock"}) for name in "mn"]
    (table,) = tables(runs, [PSNR, TIME])
    assert [c.name for c in table.columns] == ["psnr"]
    assert list(table.absent) == [("Time", "no clock")]
