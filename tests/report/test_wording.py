"""Results in sentences."""

import pytest

from restorekit.evaluation.bootstrap import clear, compare
from restorekit.evaluation.metric_values import OF_A_RUN, MetricInfo
from restorekit.evaluation.protocol import Protocol, Results, failed
from restorekit.evaluation.rows import Failure, ImageRow
from restorekit.images.views import Views
from restorekit.report.page import Row
from restorekit.report.wording import absent, count, difference, list_names, method_names, pictured

DB, COVER = MetricInfo("psnr", "dB", "higher"), MetricInfo("coverage90", "", "", 0.9)


def row(restorer, image, reasons=None, **values):
    return ImageRow("c", restorer, image, values, reasons or {})


def results(rows, *names):
    figures = [*(MetricInfo(name, "", "higher") for name in names), *OF_A_RUN]
    return Results(Protocol("IN", 7, 3, "cpu", {}), [], rows, [], figures)


def test_a_model_file_is_called_by_its_own_name_or_its_folders_unless_two_were_called_alike():
    assert method_names(["a/faces/model.safetensors", "b/best.safetensors", "tv"]) == {
        "a/faces/model.safetensors": "faces",
        "b/best.safetensors": "best",
        "tv": "tv",
    }
    twins = ["a/model.safetensors", "b/a/model.safetensors"]
    assert method_names(twins) == dict(zip(twins, twins, strict=True))


def test_figures_that_none_has_for_one_reason_are_one_sentence():
    rows = [row("tv", image, {"a": "no spread", "b": "no spread"}, a=None, b=None, c=1.0) for image in "xy"]
    assert absent(results(rows, "a", "b", "c")) == ["no a, b: no spread"]


def test_figures_that_one_method_lacks_name_it_and_those_of_some_images_name_these():
    rows = [
        row("tv", "x", {"a": "no spread"}, a=None, b=1.0),
        row("tv", "y", {"a": "no spread", "b": "got 9 x 6"}, a=None, b=None),
        row("own", "x", a=1.0, b=1.0),
        row("own", "y", {"b": "got 9 x 8"}, a=1.0, b=None),
    ]
    assert absent(results(rows, "a", "b")) == ["no a of tv: no spread", "no b of 1 image, y: got 9 x 6"]


def test_how_long_it_took_and_what_no_model_has_is_no_loss():
    rows = [row("tv", "x", {"nelbo": "it is no model"}, nelbo=None, seconds=1.0, seconds_per_megapixel=1.0, a=1.0)]
    assert absent(results(rows, "a")) == []
    assert absent(results([], "a")) == []


def test_what_failed_of_many_for_the_same_reason_is_said_once():
    failures = [Failure(i, "is odd", "c", "r") for i in "abc"]
    failures.append(Failure("d", "is empty"))
    assert failed(failures) == ["failed: r on c of a and 2 more: is odd", "failed: d: is empty"]


def test_pictures_that_some_images_lack_are_told_of():
    views = Views(4, 4, "t.jpg", "b.png", "a.png")
    rows = [Row(f"{i}.png", restorer=name, views=views if i < 2 else None) for i in range(3) for name in "ab"]
    failed_one = Row("x.png", "failed")
    assert pictured([*rows, failed_one]) == "Pictures of 2 of 3 images; --pictures N keeps more."
    assert pictured([*rows[:4], failed_one]) == ""
    assert pictured(rows[4:]) == "Pictures of 0 of 1 image; --pictures N keeps more."


def test_counts_have_plurals():
    assert [count(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert [count(n, "loss", "losses") for n in (1, 2)] == ["1 loss", "2 losses"]


def pairs(*differences):
    return {str(i): 30 + d for i, d in enumerate(differences)}, {str(i): 30.0 for i in range(len(differences))}


@pytest.mark.parametrize(("sign", "way"), [(1, "higher"), (-1, "lower")])
def test_a_difference_beyond_doubt(sign, way):
    found = compare(*pairs(*(sign * d for d in (0.4, 0.5, 0.6, 0.5, 0.4, 0.6))), DB)
    assert difference(found, DB).startswith(f"0.500 dB {way} (95 % interval {'+' if sign > 0 else '-'}0.")
    assert clear(found, DB) == sign


def test_a_difference_in_doubt_and_one_without_an_interval():
    doubtful = compare(*pairs(1, -1, 1.1, -1, 0.9, -0.9), DB)
    assert clear(doubtful, DB) == 0
    alone = compare(*pairs(1.0), DB)
    assert difference(alone, DB) == f"1.000 dB higher ({alone.reason})"
    assert clear(alone, DB) == 0
    assert difference(compare(*pairs(1.0, -1.0), DB), DB) == "the same on average"
    assert difference(compare({}, {}, DB), DB) == "has no finite difference"


def test_a_figure_with_a_goal_is_nearer_to_it_or_further_from_it():
    near = compare({"a": 0.89}, {"a": 0.5}, COVER)
    assert difference(near, COVER).startswith("0.390 nearer to 0.9")


def test_the_first_of_many_names():
    assert list_names(["a", "b"]) == "a, b"
    assert list_names(["a", "b", "c", "d"]) == "a, b, c, ..."
