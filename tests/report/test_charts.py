"""Facts about charts: what is drawn, its numbers, and that both are the same whenever they are made."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from restorekit.report import charts
from restorekit.report.plotting import SERIES, style

HOSTILE = "<script>alert(1)</script> $x$ & _under_"
SVG = "{http://www.w3.org/2000/svg}"


def _all(name="m"):
    values = np.random.default_rng(0).normal(30, 2, 80)
    return {
        "distribution": charts.distribution("PSNR", "dB", {name: values, "few": [1.0, None, math.inf]}),
        "calibration": charts.calibration({name: [(0.5, 0.4), (0.9, 0.85)], "other": [(0.5, 0.6), (0.9, 0.97)]}),
        "sparsification": charts.sparsification({name: ([0, 0.5], [0.1, 0.05])}, {name: ([0, 0.5], [0.1, 0.02])}),
        "strength": charts.strength("PSNR against sigma", "sigma", {name: [(5, 38.0), (25, 30.0)]}, "/255"),
        "speed": charts.speed("Quality and time", {name: (0.5, 30.0), "slow": (70.0, 31.0), "_hidden": (1.0, 29.0)}),
        "curves": charts.curves("Loss", {name: [(i, 1 / (i + 1)) for i in range(3000)]}, "nats", log=True),
    }


NAMES = ("distribution", "calibration", "sparsification", "strength", "speed", "curves")


@pytest.fixture(scope="module")
def made():
    """One chart of each sort."""
    return _all()


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_one_element_with_a_title_and_a_description(made, name):
    root = ET.fromstring(made[name].svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("viewBox")
    assert root.get("width") is None
    assert root.find(f"{SVG}title").text == made[name].title
    assert root.find(f"{SVG}desc").text == made[name].caption


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_has_the_colours_and_the_type_of_the_page_and_no_date(made, name):
    svg = made[name].svg
    assert "var(--series-1, #" in svg
    assert not re.findall(r"#000[12]0\d", svg)
    assert "font-family: inherit" in svg
    assert "DejaVu" not in svg
    assert "metadata" not in svg


def test_the_same_values_give_the_same_drawing(made):
    assert _all() == made


def test_names_are_text_in_drawings():
    for chart in _all(HOSTILE).values():
        assert "<script" not in chart.svg
        ET.fromstring(chart.svg)
    drawn = ET.fromstring(charts.speed("Quality and time", {"_a$b$": (1, 2), "c": (2, 3)}).svg)
    assert [text.text for text in drawn.iter(f"{SVG}text") if "$" in (text.text or "")] == ["\u200b_a$b$"]


def test_tables_hold_the_numbers(made):
    assert list(made["calibration"].table) == [(0.5, 0.4, 0.6), (0.9, 0.85, 0.97)]
    assert made["sparsification"].head == ("left out", "m", "m, by true error")
    assert made["speed"].table[1] == ("slow", 70.0, 31.0)
    name, count, mean, *quantiles = made["distribution"].table[1]
    assert (name, count, mean, quantiles) == ("few", 1, 1.0, [1.0] * 5)


def test_quantiles_are_those_of_numpy():
    values = np.arange(101.0)
    row = charts.distribution("x", "", {"m": values}).table[0]
    assert row[2:] == (50.0, 5.0, 25.0, 50.0, 75.0, 95.0)


def test_a_long_curve_is_thinned_and_keeps_its_ends(made):
    steps = [row[0] for row in made["curves"].table]
    assert (steps[0], steps[-1]) == (0, 2999)
    assert len(steps) == charts.MOST_LINES
    assert len(made["curves"].svg) < 100_000


def test_values_that_cannot_be_drawn_are_left_out():
    chart = charts.curves("Loss", {"m": [(0, 1.0), (1, math.nan), (2, -1.0)], "gone": [(0, math.inf)]}, "", log=True)
    assert chart.head == ("step", "m")
    assert list(chart.table) == [(0, 1.0)]


def test_no_values_make_an_empty_chart():
    for chart in (
        charts.distribution("x", "", {}),
        charts.calibration({}),
        charts.curves("t", {}, "", log=True),
    ):
        assert not chart.table
        ET.fromstring(chart.svg)
    assert not charts.speed("Quality and time", {"m": (0.0, 30.0)}).table


def test_the_first_series_differ_in_colour_marker_and_dash():
    for key in ("color", "marker", "linestyle"):
        assert len({str(style(i)[key]) for i in range(5)}) == 5
    assert style(0)["color"] == style(len(SERIES))["color"]
    assert style(0) != style(len(SERIES))
