"""Facts about the curves of a training."""

import math

import pytest

from restorekit.report.pages.trained.charts import charts, throughput, without_beginning
from tests._helpers.training_logs import LAST, good, log_of, start, step, validation


def drawn(lines, **recipe):
    return {chart.title: chart for chart in charts(log_of(lines), {"batch": 8, **recipe})}


def test_a_training_has_the_charts_that_it_tells_of():
    assert list(drawn(good())) == [
        "PSNR on the validation images",
        "nelbo",
        "rate",
        "Information in each level of the latents",
        "Active units",
        "Learning rate",
        "Gradient norm",
        "Throughput",
    ]


def test_training_and_validation_stand_in_one_chart_and_its_table_has_every_validation():
    chart = drawn(good())["nelbo"]
    assert list(chart.head) == ["step", "training images", "validation images"]
    rows = {row[0]: row[1:] for row in chart.table}
    assert [rows[at] for at in (500, 1000, 1500, LAST)] == [(90.0, 91.0), (80.0, 81.0), (70.0, 71.0), (60.0, 61.0)]
    assert "<svg" in chart.svg
    assert "Lower is better." in chart.caption


def test_crops_and_whole_images_have_charts_of_their_own():
    found = drawn(good(), crop=32)
    assert list(found["nelbo, training images"].head) == ["step", "crops of 32 pixels"]
    assert list(found["nelbo, validation images"].table)[-1] == (LAST, 61.0)
    assert "nelbo" not in found
    assert "nelbo" in drawn([step(50), step(100)], crop=32)


def test_the_psnr_of_every_corruption_has_a_curve_but_that_of_the_only_one():
    lone = {"psnr": 20.0, "psnr missing:rate=0.5": 20.0}
    assert list(drawn([validation(4, **lone), validation(9, **lone)])["PSNR on the validation images"].head) == [
        "step",
        "missing:rate=0.5",
    ]
    both = {**lone, "psnr gaussian:sigma=0.1": 21.0}
    head = drawn([validation(4, **both), validation(9, **both)])["PSNR on the validation images"].head
    assert list(head) == ["step", "mean", "missing:rate=0.5", "gaussian:sigma=0.1"]


def test_levels_are_lines_of_one_chart_whether_validation_or_training_tells_them():
    lines = [step(50, rate_lines=1.0), *(validation(at, rate_lines=2.0, kl_1=3.0) for at in (50, 90))]
    found = drawn(lines)
    assert list(found["Information in each level of the latents"].table) == [(50, 2.0, 3.0), (90, 2.0, 3.0)]
    assert "rate_lines" not in found


def test_what_only_validations_tell_has_a_chart_of_its_own():
    lines = [step(50), validation(50, told_apart=0.9), validation(90, told_apart=0.8)]
    assert list(drawn(lines)["told_apart"].table) == [(50, 0.9), (90, 0.8)]


def test_skipped_updates_are_drawn_where_there_are_any():
    assert list(drawn([step(50), step(100, skipped=2.0)])["Skipped updates"].table) == [(50, 0.0), (100, 2.0)]
    assert "Skipped updates" not in drawn([step(50), step(100)])


def test_a_training_too_short_for_lines_of_its_own_is_told_by_its_epochs():
    lines = [{"event": "epoch", "step": 4 * i, "seconds": i, "epoch": i, "nelbo": 6.0 - i} for i in (1, 2)]
    found = drawn([*lines, validation(9, nelbo=4.0)])
    assert list(found["nelbo"].table) == [(4, 5.0, None), (8, 4.0, None), (9, None, 4.0)]
    assert "epoch" not in found


@pytest.mark.parametrize(
    "lines", [[validation(29, psnr=20.0, nelbo=4.0)], [step(29)], [step(20), validation(29, nelbo=4.0, rate=1.0)]]
)
def test_one_point_is_no_curve(lines):
    assert drawn(lines) == {}


def test_nothing_told_nothing_drawn():
    assert drawn([]) == drawn([start(0)]) == {}
    assert "nelbo" not in drawn([step(50, nelbo=math.nan)])


def test_the_pace_between_two_lines_is_that_of_the_time():
    lines = [{**step(50), "seconds": 10.0}, {**step(100), "seconds": 15.0}, {**step(150), "seconds": 40.0}]
    assert throughput(log_of(lines), batch=8)["at the time"] == [(100, 80.0), (150, 16.0)]
    assert throughput(log_of(lines), batch=None)["at the time"] == []


def test_a_beginning_that_would_hide_the_rest_is_left_out_and_told():
    series = {"a": [(at, 1000.0 if at <= 100 else float(at % 7)) for at in range(50, 2001, 50)], "b": [(1000, 3.0)]}
    shown, told = without_beginning(series)
    assert shown == {"a": series["a"][2:], "b": series["b"]}
    assert told == "Left out are the first 100 updates, with values as far off as 1000."


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"a": [(at, float(at % 70)) for at in range(50, 2001, 50)]},  # the beginning is like the rest
        {"a": [(50, 1000.0), (1000, 1.0), (2000, 2.0)]},  # too few
        {"a": [(at, 1000.0 / at) for at in range(50, 2001, 50)], "b": [(50, 3.0)]},  # a curve that would vanish
    ],
)
def test_a_curve_is_drawn_whole_where_it_can_be(series):
    assert without_beginning(series) == (series, "")


def test_a_log_of_a_many_lines_makes_small_drawings():
    lines = [step(at, nelbo=100.0 + at % 100) for at in range(20_000)]
    lines[12_345] = step(12_345, nelbo=-5.0)
    chart = drawn(lines)["nelbo"]
    assert len(chart.svg) < 60_000
    assert len(chart.table) <= 80
