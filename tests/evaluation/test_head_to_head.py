"""A model beside the best classical method on the same input."""

import pytest

from restorekit.core.records import encode
from restorekit.evaluation.head_to_head import against_baselines, deciding
from restorekit.evaluation.metric_values import OF_A_RUN, MetricInfo
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.rows import ImageRow, RunRow
from restorekit.report.tables import columns, page_runs
from restorekit.report.wording import lost

FIGURES = [MetricInfo("psnr", "dB", "higher"), MetricInfo("coverage90", "", "", 0.9), *OF_A_RUN]


def results(values, figures=FIGURES, name="psnr"):
    """Results of {corruption: {restorer: list of figures}}; a capital letter is a model."""
    rows, runs = [], []
    for spec, by_restorer in values.items():
        for restorer, found in by_restorer.items():
            own = [ImageRow(spec, restorer, f"{i}.png", {name: value}) for i, value in enumerate(found)]
            known = [value for value in found if value is not None]
            mean = {name: sum(known) / len(known) if known else None}
            runs.append(RunRow(spec, restorer, len(own), "blind", 0, restorer.isupper(), "one pass", metrics=mean))
            rows += own
    return Results(Protocol("IN", 0, 3, "cpu", {}), runs, rows, [], list(figures))


def test_a_model_is_held_against_the_classical_method_of_the_best_mean_on_each_damage():
    found = against_baselines(results({"g": {"M": [30, 31], "a": [29, 29], "b": [28, 31]}, "h": {"M": [9], "a": [8]}}))
    assert [(d.corruption, d.restorer, d.against) for d in found] == [("g", "M", "b"), ("h", "M", "a")]
    assert (found[0].result.wins, found[0].result.losses, found[0].result.ties) == (1, 0, 1)


def test_what_is_no_model_and_what_has_no_rival_is_held_against_nothing():
    assert against_baselines(results({"g": {"a": [1], "b": [2]}})) == []
    assert against_baselines(results({"g": {"M": [1]}})) == []
    assert against_baselines(results({"g": {"M": [None], "a": [2]}})) == []


def test_only_images_that_both_restored_count():
    (found,) = against_baselines(results({"g": {"M": [30, None, 28], "a": [29, 40, None]}}))
    assert (found.result.images, found.result.wins) == (1, 1)


def test_where_a_model_loses_it_is_said_worst_first():
    pairs = against_baselines(
        results({"g": {"M": [30.0] * 6, "a": [30.4, 30.5, 30.6, 30.5, 30.4, 29.0]}, "h": {"M": [5], "a": [9]}})
    )
    first, second = lost(pairs)
    assert first.startswith("M loses to a on h: PSNR 4.00 dB lower (no interval: it takes 5 images or more, got 1")
    assert "M loses to a on g: PSNR 0.233 dB lower (95 % interval " in second
    assert second.endswith("which may be chance; worse on 5 of 6 images, better on 1, equal on 0")
    assert lost(against_baselines(results({"g": {"M": [3.0], "a": [2.0]}}))) == []


def test_lower_is_better_where_psnr_was_not_measured_and_the_figure_says_so():
    figures = [MetricInfo("coverage90", "", "", 0.9), MetricInfo("gmsd", "", "lower"), *OF_A_RUN]
    assert deciding(figures).name == "gmsd"
    (found,) = against_baselines(results({"g": {"M": [0.2], "a": [0.1], "b": [0.4]}}, figures, "gmsd"))
    assert (found.against, found.result.losses) == ("a", 1)
    assert len(lost([found])) == 1
    assert deciding(OF_A_RUN) is None


def test_a_page_has_the_counts_beside_the_model_and_none_beside_the_others():
    found = results({"g": {"M": [30, 31], "a": [29, 32]}})
    model, other = page_runs(found, against_baselines(found), columns(found))
    assert (model.learned, model.against, model.wins, model.losses, model.ties) == (True, "a", 1, 1, 0)
    assert model.values == {"psnr": 30.5}
    assert model.note == "noise level unknown; one pass"
    assert (other.against, other.wins) == ("", None)


def test_json_holds_the_names_the_figures_and_every_difference():
    (pair,) = against_baselines(results({"g": {"M": [30, 31], "a": [29, 33]}}))
    found = encode(pair.row())
    assert (found["restorer"], found["against"], found["metric"]) == ("M", "a", "psnr")
    assert (found["mean"], found["mean_against"], found["difference"]) == (30.5, 31.0, -0.5)
    assert found["differences"] == [{"image": "1.png", "difference": -2.0}, {"image": "0.png", "difference": 1.0}]
    assert found["worse"] == ["1.png"]


@pytest.mark.parametrize("name", ["psnr", "seconds"])
def test_columns_are_there_for_figures_that_are_there(name):
    found = results({"g": {"M": [30.0]}}, name=name)
    assert [column.name for column in columns(found)] == [name]
