"""The page of a measured folder, as values."""

import math

import pytest

from restorekit.evaluation.head_to_head import OtherRun, compare_runs, with_differences
from restorekit.evaluation.metric_values import BEFORE, MetricInfo
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.rows import Failure, ImageRow, RunRow
from restorekit.images.views import Views
from restorekit.report.pages.compared import harm, page_of
from restorekit.report.tables import tables

METRICS = [MetricInfo("glow", "cd", "lower", meaning="How it glows."), MetricInfo("psnr", "dB", "higher"), *BEFORE]


@pytest.fixture
def results():
    """Eight measured images, of which one is worse than before and one is exact, and one that failed."""
    after = [30.0, 31.0, 29.0, 32.0, 30.5, 19.0, 28.0, math.inf]
    rows = [
        ImageRow(
            "", "tool", f"{i}.png",
            {"psnr": value, "psnr_before": 20.0, "psnr_gain": None if math.isinf(value) else value - 20,
             "glow": None if i else 0.5},
            {"glow": "it is dark"} if i else {}, notes=["odd"] if i == 2 else [],
        )
        for i, value in enumerate(after)
    ]  # fmt: skip
    run = RunRow("", "tool", 8, metrics={"psnr": math.inf, "psnr_before": 20.0, "psnr_gain": 8.5, "glow": 0.5})
    failures = [Failure("x.png", "x.png is empty")]
    return Results(Protocol("clean", 0, 9, "cpu", {"torch": "2"}), [run], rows, failures, METRICS, command="do it")


def test_rows_have_every_figure_or_a_reason_and_what_a_person_should_look_at(results):
    page = page_of(results)
    assert [column.name for column in page.columns] == ["psnr", "psnr_before", "psnr_gain", "glow"]
    assert page.columns[-1].meaning == "How it glows."
    assert (page.rows[0].values["glow"], page.rows[1].values["glow"]) == (0.5, None)
    assert page.rows[1].reasons == {"glow": "it is dark"}
    assert page.rows[2].notes == ["odd"]
    assert [row.image for row in page.rows if row.flags] == ["5.png"]
    assert page.rows[5].flags == ["worse than the observation, by 1.000 dB"]
    assert (page.rows[-1].image, page.rows[-1].status, page.rows[-1].error) == ("x.png", "failed", "x.png is empty")
    assert len(page.rows) == 9


def test_rows_have_the_pictures_that_there_are(results):
    views = Views(4, 4, "t.jpg", "b.png", "a.png")
    page = page_of(results, views={"3.png": views})
    assert [row.image for row in page.rows if row.views is views] == ["3.png"]
    assert page.pictured == "Pictures of 1 of 8 images; --pictures N keeps more."


def test_failures_come_first_then_what_is_alone_then_what_was_harmed(results):
    page = page_of(results, notes=["3 of 9 clean image(s) have no restoration: a, b, c"])
    assert page.alarms == [
        "failed: x.png: x.png is empty",
        "3 of 9 clean image(s) have no restoration: a, b, c",
        "1 of 8 images is worse than the observation, by up to 1.000 dB: 5.png",
    ]


def test_the_summary_says_to_how_many_how_well_and_how_sure(results):
    first, second, gained = page_of(results).summary
    assert first == "8 images of tool measured against clean."
    assert second.startswith("PSNR 28.50 dB on average (95 % interval ")
    assert second.endswith("from 19.00 (5.png) to 32.00 (3.png); 1 more equal the clean image.")
    assert gained.startswith("PSNR gained 8.50 dB on average")
    dark, exact = (text for name, text in page_of(results).protocol if name == "no value")
    assert dark == "no glow of 7 images, 1.png, 2.png, 3.png, ...: it is dark"
    assert exact.startswith("no psnr_gain of 1 image, 7.png: ")


def test_all_images_that_equal_the_clean_ones_are_said_to(results):
    for row in results.images:
        row.metrics["psnr"] = math.inf
    assert "PSNR: infinite on every image: each equals the clean one." in page_of(results).summary


def test_a_lost_comparison_is_an_alarm_a_won_one_is_not_and_both_runs_stand_in_the_table(results):
    rows = {str(i): {"psnr": 31.5 + i % 2} for i in range(7)}
    found = compare_runs(results, OtherRun("rival", "gaussian", rows))
    page = page_of(with_differences(results, found), [found])
    assert page.alarms[-1].startswith("worse than rival on gaussian: PSNR ")
    assert not any("rival" in text for text in page.summary)
    ours, theirs = page.runs
    assert (ours.restorer, ours.against, ours.wins, ours.losses, ours.ties) == ("tool", "rival", 0, 7, 0)
    assert (theirs.restorer, theirs.images) == ("rival", 7)
    assert theirs.values["psnr"] == pytest.approx((4 * 31.5 + 3 * 32.5) / 7)
    assert page.rows[0].values["psnr_difference"] == -1.5
    assert ours.values["psnr_difference"] == pytest.approx(found[0].result.difference)
    worse = compare_runs(results, OtherRun("rival", "", {key: {"psnr": 10.0} for key in rows}))
    page = page_of(results, [worse])
    assert not [text for text in page.alarms if "rival" in text]
    assert any(text.startswith("Better than rival: PSNR ") for text in page.summary)


def test_a_run_that_is_equal_is_said_to_be(results):
    def said(change):
        rows = {row.image[0]: {"psnr": row.metrics["psnr"] + change(i)} for i, row in enumerate(results.images)}
        page = page_of(results, [compare_runs(results, OtherRun("twin", "", rows))])
        assert not any("twin" in text for text in page.alarms)
        return page.summary[-1]

    assert said(lambda i: 0) == "Equal to twin: PSNR the same on every one of 8 images."
    results.images.pop()  # the infinite one
    results.images.pop()
    apart = "worse on 3 of 6 images, better on 3, equal on 0"
    assert said(lambda i: (-1) ** i) == f"Equal to twin: PSNR the same on average; {apart}."


def test_none_is_best_where_the_other_run_has_some_of_the_images_alone(results):
    for row in results.images:
        row.metrics["psnr"] = 30.0
    for count, best in ((8, [False, True]), (4, [False, False])):
        found = compare_runs(results, OtherRun("rival", "", {str(i): {"psnr": 31.0} for i in range(count)}))
        results.runs[0].metrics["psnr"] = 30.0
        page = page_of(results, [found])
        (table,) = tables(page.runs, page.columns[:1])
        assert [line.cells[0].best for line in table.lines] == best


def test_charts_show_the_figure_over_images_and_the_differences_to_every_other_run(results):
    (alone,) = page_of(results).charts
    assert (alone.title, alone.table[0][:2]) == ("PSNR over images", ("tool", 7))  # of 8 one is infinite
    rows = {str(i): {"psnr": 31.5} for i in range(7)}
    found = [compare_runs(results, OtherRun(name, "g", rows)) for name in ("rival", "other")]
    _, apart = page_of(results, found[:1]).charts
    assert apart.title == "PSNR minus that of rival on g, image by image"
    assert apart.table[0][2] == pytest.approx(found[0][0].result.difference)
    _, apart = page_of(results, found).charts
    assert [row[:2] for row in apart.table] == [("rival on g", 7), ("other on g", 7)]


def test_without_a_finite_figure_there_is_no_chart(results):
    for row in results.images:
        row.metrics["psnr"] = math.inf
    assert page_of(results).charts == []


def test_the_protocol_tells_how_and_the_command_does_it_again(results):
    page = page_of(results)
    assert page.command == "do it"
    assert (page.kind, page.title) == ("report", "tool against the clean images of clean")
    found = dict(page.protocol)
    assert found["images"] == "9 of clean"
    assert found["torch"] == "2"
    assert "8 bits" in found["result"]


def test_what_rounding_makes_is_no_harm():
    assert harm(ImageRow("", "m", "x", {"psnr": 40.0, "psnr_before": 40.03})) is None
    assert harm(ImageRow("", "m", "x", {"psnr": 40.0, "psnr_before": 40.5})) == pytest.approx(0.5)
    assert harm(ImageRow("", "m", "x", {"psnr": 40.0, "psnr_before": math.inf})) == math.inf
    assert harm(ImageRow("", "m", "x", {"psnr": None, "psnr_before": 1.0})) is None
    assert harm(ImageRow("", "m", "x", {"psnr": 40.0})) is None


def test_pairs_begin_with_what_is_worse_than_before_and_verdicts_are_plain(results):
    pictured = {f"{i}.png": Views(4, 4, "t.jpg", "b.png", "a.png") for i in (1, 5, 6)}
    page = page_of(results, views=pictured)
    assert [page.rows[i].image for i in page.pairs] == ["5.png", "6.png", "1.png"]
    assert [page.rows[i].verdict for i in page.pairs] == ["check this one", "cleaned", "cleaned"]
    assert page.rows[7].verdict == ""  # its gain is not finite
