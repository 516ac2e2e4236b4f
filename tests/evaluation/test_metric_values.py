"""Figures, their reasons, and their means."""

import math

from restorekit.core.contracts import Metric
from restorekit.core.errors import UndefinedMetricError
from restorekit.core.types import Restoration
from restorekit.evaluation.metric_values import INFINITE, NO_REASON, means, measure, metric_infos
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.evaluation.metrics.uncertainty import Coverage90
from restorekit.evaluation.rows import ImageRow
from tests._helpers.observations import draw, seen


class Mute(Metric):
    """Says
    nothing, at length. And more of it.

    Parameters
    """

    name, unit, better = "mute", "cd", "lower"

    def __call__(self, restoration, reference, observation):
        return None


class Reasoned(Mute):
    """Says why not."""

    name = "reasoned"

    def __call__(self, restoration, reference, observation):
        raise UndefinedMetricError("it is Sunday")


class Undefined(Mute):
    """Is no number."""

    name = "undefined"

    def __call__(self, restoration, reference, observation):
        return math.nan


def test_a_figure_tells_unit_direction_goal_and_the_first_sentence_of_its_metric():
    mute, psnr, coverage = metric_infos([Mute(), PSNR(), Coverage90()])
    assert (mute.name, mute.unit, mute.better, mute.goal) == ("mute", "cd", "lower", None)
    assert mute.meaning == "Says nothing, at length."
    assert (psnr.unit, psnr.better) == ("dB", "higher")
    assert (coverage.better, coverage.goal) == ("", 0.9)


def test_every_figure_that_is_not_there_has_a_reason():
    x = draw(1, 1, 8, 8)
    found = measure([PSNR(), Mute(), Reasoned(), Undefined()], Restoration(x), x, seen(x))
    assert found.values == {"psnr": math.inf, "mute": None, "reasoned": None, "undefined": None}
    assert found.reasons["psnr"] == INFINITE
    assert found.reasons["mute"] == NO_REASON
    assert found.reasons["reasoned"] == "it is Sunday"
    assert "NaN" in found.reasons["undefined"]
    assert found.faults == []
    assert measure([PSNR()], Restoration(x + 0.1), x, seen(x)).reasons == {}


def test_means_are_over_the_images_that_have_a_figure_and_else_say_why_there_is_none():
    rows = [
        ImageRow("", "m", "x", {"a": 1.0, "b": None, "c": math.inf}, {"b": "it rains"}),
        ImageRow("", "m", "y", {"a": None, "b": None, "c": 2.0}, {"a": "no", "b": "it rains"}),
        ImageRow("", "m", "z", {"a": 3.0, "b": None, "c": 3.0}, {"b": "it snows"}),
    ]
    values, reasons = means(rows, ["a", "b", "c"])
    assert values == {"a": 2.0, "b": None, "c": math.inf}
    assert reasons == {"b": "it rains; and 1 other reason(s)", "c": f"{INFINITE}: on 1 of 3 image(s)"}
    assert means([], ["a"]) == ({"a": None}, {"a": "no image was measured"})
