import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from restorekit.evaluation.head_to_head import against_baselines
from restorekit.evaluation.metric_values import OF_A_RUN, MetricInfo
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.rows import Failure, ImageCoverage, ImageRow, RunRow
from restorekit.images.views import Views
from restorekit.report.pages.evaluated import page_of
from restorekit.report.tables import tables

METRICS = [MetricInfo("psnr", "dB", "higher"), MetricInfo("coverage90", "", "", 0.9), *OF_A_RUN]
TIMES = {"seconds_per_megapixel": 0.5, "seconds": 1.0}


def _results(psnr, failures=()):
    """Results of {corruption: {restorer: PSNR of each image}}; a capital letter is a model."""
    runs, rows = [], []
    for spec, by_restorer in psnr.items():
        for name, values in by_restorer.items():
            learned, mean = name.isupper(), sum(values) / len(values)
            coverage = ImageCoverage(
                calibration=[0.5, 0.6, 0.7, 0.8, 0.93, None], sparsification=[[1.0] * 20, [0.5] * 20]
            )
            metrics = {**TIMES, "coverage90": 0.93 if learned else None}
            reasons = {} if learned else {"coverage90": "its spread is not known"}
            means = {**metrics, "psnr": mean}
            run = RunRow(spec, name, len(values), "blind", 0, learned, "one pass", metrics=means, reasons=reasons)
            runs.append(run)
            rows += [
                ImageRow(spec, name, f"{i}.png", {**metrics, "psnr": v}, reasons, coverage if learned else None)
                for i, v in enumerate(values)
            ]
    return Results(
        Protocol("IN", 0, 2, "cpu", {"torch": "9"}), runs, rows, list(failures), METRICS, command="restorekit x"
    )


def _page(psnr, failures=()):
    results = _results(psnr, failures)
    return page_of(results, against_baselines(results))


def test_a_model_that_loses_is_told_of_first_and_who_is_best_in_the_summary():
    page = _page({"gaussian:sigma=0.1": {"M": [30.0, 31.0], "bm": [32.0, 33.0]}})
    assert page.alarms[0].startswith("M loses to bm on gaussian:sigma=0.1: PSNR 2.00 dB lower")
    assert any("bm is best, PSNR 32.50 dB" in sentence for sentence in page.summary)
    won = _page({"gaussian:sigma=0.1": {"M": [34.0, 35.0], "bm": [32.0, 33.0]}})
    assert list(won.alarms) == []
    assert any("M is best, PSNR 34.50 dB; its 90 % intervals hold 93.0 %" in sentence for sentence in won.summary)


def test_a_mean_over_other_images_makes_nobody_the_best():
    page = _page({"a": {"M": [34.0, 35.0], "bm": [32.0]}})
    assert any("a: M has the best mean, though over other images, PSNR 34.50 dB" in text for text in page.summary)
    assert not tables(page.runs, page.columns)[0].alike
    results = _results({"a": {"M": [34.0, 35.0], "bm": [32.0, 33.0]}})
    assert tables(page_of(results, []).runs, page.columns)[0].alike
    results.images[0] = replace(results.images[0], image="2.png")  # as many, but others
    assert not tables(page_of(results, []).runs, page.columns)[0].alike


def test_failures_stand_before_all_else_and_have_rows():
    failure = Failure("bad.png", "it cannot be read")
    page = _page({"a": {"M": [1.0, 2.0], "b": [5.0, 6.0]}}, [failure])
    assert "bad.png" in page.alarms[0] and "loses" in page.alarms[1]
    assert (page.rows[0].image, page.rows[0].status, page.rows[0].error) == ("bad.png", "failed", "it cannot be read")


def test_every_row_of_a_model_says_what_it_gains_over_the_classical_method():
    page = _page({"a": {"M": [30.0, 31.0], "bm": [29.0, 33.0]}})
    gains = {(row.restorer, row.image): row.values["gain"] for row in page.rows}
    assert gains == {("M", "0.png"): 1.0, ("M", "1.png"): -2.0, ("bm", "0.png"): None, ("bm", "1.png"): None}
    names = [column.name for column in page.columns]
    assert names[: names.index("gain") + 1] == ["psnr", "gain"]
    assert [row.reasons for row in page.rows if row.restorer == "bm"] == [{"coverage90": "its spread is not known"}] * 2


def test_charts_are_drawn_of_what_there_is():
    titles = [chart.title for chart in _page({"a": {"M": [30.0, 31.0]}}).charts]
    assert titles == ["PSNR over images, a", "Calibration of intervals", "Sparsification"]
    swept = {f"gaussian:sigma={s}": {"M": [30.0, 31.0], "bm": [29.0, 28.0]} for s in ("0.1", "0.2")}
    titles = [chart.title for chart in _page(swept).charts]
    assert "PSNR against sigma of gaussian:sigma=*" in titles
    assert sum("PSNR against time" in title for title in titles) == 2
    (chart,) = (c for c in _page(swept).charts if c.title.startswith("PSNR against sigma"))
    assert [[float(v) for v in row] for row in chart.table] == [[0.1, 30.5, 28.5], [0.2, 30.5, 28.5]]
    texts = [text.text for text in ET.fromstring(chart.svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "sigma" in texts and "PSNR, dB" in texts  # a level on the scale of images has no unit


def test_curves_that_pool_corruptions_say_over_how_many():
    page = _page({"a": {"M": [30.0, 31.0]}, "b": {"M": [30.0, 31.0]}})
    titles = [chart.title for chart in page.charts][2:]
    assert titles == ["Calibration of intervals, over all 2 corruptions", "Sparsification, over all 2 corruptions"]
    page = _page({"a": {"M": [30.0, 31.0]}, "b": {"bm": [30.0, 31.0]}})
    assert page.charts[2].title == "Calibration of intervals, over 1 of 2 corruptions"


def test_a_calibration_curve_leaves_out_what_was_not_measured():
    (chart,) = (c for c in _page({"a": {"M": [30.0, 31.0]}}).charts if c.title.startswith("Calibration"))
    assert [float(row[1]) for row in chart.table if row[1] is not None][:5] == [0.5, 0.6, 0.7, 0.8, 0.93]


def test_the_summary_counts_the_methods_of_each_corruption():
    def first(psnr):
        return _page(psnr).summary[0]

    same = "on the same corrupted images."
    assert first({"a": {"M": [1.0]}}) == "2 images of IN, corrupted in 1 way and restored by 1 method."
    both = {"M": [1.0], "b": [2.0]}
    assert first({"a": both, "c": both}).endswith(f"corrupted in 2 ways and restored by 2 methods, each {same}")
    different = {"a": both, "c": {"M": [1.0], "d": [2.0]}}
    assert first(different).endswith(f"by 3 methods, 2 of them for each corruption, {same}")
    assert first({**different, "e": {"M": [1.0]}}).endswith(f"by 3 methods, 1 to 2 of them for each corruption, {same}")


def test_images_without_pictures_are_told_of():
    results = _results({"a": {"bm": [1.0, 2.0]}})
    assert page_of(results, []).pictured == "Pictures of 0 of 2 images; --pictures N keeps more."
    views = Views(2, 2, "t.jpg", "b.png", "a.png")
    results = replace(results, images=[replace(row, views=views) for row in results.images])
    assert page_of(results, []).pictured == ""


def test_the_command_and_the_protocol_are_there():
    page = _page({"a": {"M": [1.0, 2.0]}})
    assert page.command == "restorekit x"
    assert dict(page.protocol)["torch"] == "9"
    assert not any(word.startswith("model ") for word, _ in page.protocol)
    assert re.search("neither clipped nor quantised", dict(page.protocol)["noise"])


def test_the_protocol_tells_which_model_file_it_was():
    results = _results({"a": {"M": [1.0, 2.0], "bm": [0.5, 0.5]}, "b": {"M": [1.0, 2.0]}})
    runs = [replace(run, digest="0123456789abcdef" if run.learned else "") for run in results.runs]
    results = replace(results, runs=runs)
    told = [pair for pair in page_of(results, []).protocol if pair[0].startswith("model ")]
    assert told == [("model M", "file 0123456789abcdef")]


def test_images_on_which_a_model_loses_are_flagged_and_their_pairs_come_first():
    results = _results({"a": {"MODEL": [30.0, 20.0, 28.0], "plain": [29.0, 22.0, 28.0]}})
    views = Views(4, 4, "t.jpg", "b.png", "a.png")
    results = replace(results, images=[replace(row, views=views) for row in results.images])
    page = page_of(results, against_baselines(results))
    assert [row.verdict for row in page.rows[:3]] == ["cleaned", "check this one", "cleaned"]
    assert page.rows[1].flags == ["PSNR of plain is higher, by 2.00 dB"]
    assert [(page.rows[i].restorer, page.rows[i].image) for i in page.pairs] == [
        *(("MODEL", "1.png"), ("MODEL", "2.png"), ("MODEL", "0.png")),  # then by the gain
    ]
    assert page.headline == ("psnr", "gain")


def test_without_a_model_the_pairs_are_those_of_every_method():
    results = _results({"a": {"one": [30.0], "two": [29.0]}})
    views = Views(4, 4, "t.jpg", "b.png", "a.png")
    results = replace(results, images=[replace(row, views=views) for row in results.images])
    page = page_of(results, against_baselines(results))
    assert [page.rows[i].restorer for i in page.pairs] == ["two", "one"]  # the worst first
