"""Runs that one run is held against."""

import json
from dataclasses import replace

import pytest

from restorekit.core.errors import UsageError
from restorekit.evaluation.head_to_head import (
    check_common_images,
    compare_runs,
    load,
    other_runs,
    protocol_differences,
    results_file,
    strongest,
    with_differences,
)
from restorekit.evaluation.metric_values import OF_A_RUN, MetricInfo
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.results_file import write_results
from restorekit.evaluation.rows import ImageRow, RunRow
from tests._helpers.mutations import mutations

METRICS = [
    MetricInfo("ssim", "", "higher"),
    MetricInfo("psnr", "dB", "higher"),
    MetricInfo("cover", "", "", 0.9),
    *OF_A_RUN,
]


def results(restorer, suffix=".png", corruption="", **values):
    """Results of one method: lists of values by metric."""
    count = len(next(iter(values.values())))
    rows = [ImageRow(corruption, restorer, f"{i}{suffix}", {k: v[i] for k, v in values.items()}) for i in range(count)]
    metrics = [f for f in METRICS if f.name in values]
    return Results(Protocol("IN", 0, 3, "cpu", {}), [RunRow(corruption, restorer, count)], rows, [], metrics)


def other(*args, **values):
    (found,) = other_runs(results(*args, **values))
    return found


def test_images_are_the_same_whatever_their_suffix_and_the_deciding_figure_comes_first():
    ours = results("a", ssim=[0.9, 0.8], psnr=[30, 31], cover=[0.9, 0.8], seconds=[1, 1])
    found = compare_runs(ours, other("b", ".tif", ssim=[0.8, 0.9], psnr=[29, 29], cover=[0.7, 0.9], seconds=[2, 2]))
    assert [pair.metric.name for pair in found] == ["psnr", "ssim", "cover"]
    assert [(d.result.wins, d.result.losses) for d in found] == [(2, 0), (1, 1), (1, 1)]
    assert found[0].result.differences == (("0.png", 1.0), ("1.png", 2.0))


def test_figures_that_only_one_run_has_are_passed_over():
    assert compare_runs(results("a", psnr=[1]), other("b", ssim=[1])) == []


def test_rows_and_the_run_get_the_difference_to_the_strongest_other_run():
    ours = results("a", psnr=[30, 31])
    compared = [compare_runs(ours, other(name, psnr=values)) for name, values in (("b", [29, 29]), ("c", [32, None]))]
    best = strongest([*compared, []])
    assert best[0].against == "c"
    found = with_differences(ours, best)
    assert [row.metrics["psnr_difference"] for row in found.images] == [-2.0, None]
    assert found.images[1].reasons["psnr_difference"] == "one of both values is infinite, or missing"
    assert found.runs[0].metrics["psnr_difference"] == -2.0
    assert (found.metrics[-1].name, found.metrics[-1].better) == ("psnr_difference", "higher")
    assert found.metrics[-1].meaning == "psnr minus that of c."
    assert strongest([[], []]) == []


def test_the_difference_of_a_figure_with_a_goal_is_of_the_distances_and_less_is_better():
    ours = results("a", cover=[0.9, 0.5])
    found = with_differences(ours, compare_runs(ours, other("b", cover=[0.8, 0.8])))
    assert [row.metrics["cover_difference"] for row in found.images] == pytest.approx([-0.1, 0.3])
    assert found.metrics[-1].better == "lower"
    assert "Distance of cover from 0.9" in found.metrics[-1].meaning


def test_the_file_is_found_by_itself_and_in_its_folder(tmp_path):
    path = tmp_path / "results.json"
    assert results_file(tmp_path) is None
    path.write_text(json.dumps(results("a", psnr=[1]).to_json()))
    assert results_file(tmp_path) == results_file(path) == path
    assert load(path) == results("a", psnr=[1])


def test_every_damaged_file_is_refused_with_a_sentence_or_compared(tmp_path):
    ours, path, refused = results("a", psnr=[30, 31]), tmp_path / "results.json", 0
    write_results(results("b", psnr=[29, 32]), tmp_path)
    for data in mutations(json.loads(path.read_text())):
        path.write_bytes(data)
        try:
            found = load(path)
        except UsageError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            for one in other_runs(found):
                with_differences(ours, strongest([compare_runs(ours, one)]))
    assert refused > 500


def test_images_in_common_are_looked_for_before_the_work(tmp_path):
    found = results("a", psnr=[1, 2])
    check_common_images(found, ["7.png", "1.tif"], tmp_path)
    with pytest.raises(UsageError, match=r"expected names such as x\.png, got 0\.png"):
        check_common_images(found, ["x.png"], tmp_path)
    with pytest.raises(UsageError, match="got no image at all"):
        check_common_images(replace(found, images=[]), ["x.png"], tmp_path)


def test_a_run_without_an_image_is_none():
    found = results("a", psnr=[1])
    assert other_runs(replace(found, images=[])) == []


def test_what_was_done_otherwise_is_said():
    ours = results("a", psnr=[1])
    assert protocol_differences(ours, ours) == []
    theirs = replace(ours, protocol=replace(ours.protocol, ssim="of luma"))
    (sentence,) = protocol_differences(theirs, ours)
    assert sentence.startswith("not measured alike: ssim was 'of luma' there and is 'Gaussian")
