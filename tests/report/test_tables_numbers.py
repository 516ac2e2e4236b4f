"""Facts about restorekit.report.tables."""

from __future__ import annotations

import math

import pytest

from restorekit.report.page import Column
from restorekit.report.tables import best, digits, known, written


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([31.2, 28.456], "", 2),
        ([0.97, 0.5], "", 4),
        ([8.123, None], "dB", 2),
        ([1234.5, 0.1], "", 0),
        ([3.0, 12.0], "dB", 2),
        ([3.0, 12.0], "", 0),
        ([0.0000123], "", 6),
        ([], "", 0),
        ([math.inf, 30.25, None], "dB", 2),
    ],
)
def test_a_column_has_four_digits_in_its_largest_value(values, unit, expected):
    assert digits(values, unit) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [(31.256, 2, "31.26"), (-0.5, 1, "-0.5"), (0.00001, 2, "1.0e-05"), (0, 2, "0.00"), (math.inf, 2, "∞")],
)
def test_numbers_line_up_and_small_ones_do_not_vanish(value, decimals, expected):
    assert written(value, decimals) == expected.replace("-", "\N{MINUS SIGN}")


def test_what_is_not_a_number_is_unknown():
    assert known(math.nan) is None
    assert known(None) is None
    assert known(2) == 2.0


@pytest.mark.parametrize(
    ("better", "goal", "expected"), [("higher", None, 0.99), ("lower", None, 0.5), ("", 0.9, 0.88), ("", None, None)]
)
def test_the_best_is_the_highest_the_lowest_or_the_nearest_to_the_goal(better, goal, expected):
    assert best(Column("c", "C", better=better, goal=goal), [0.5, None, 0.88, 0.99]) == expected


def test_one_value_and_equal_values_have_no_best():
    column = Column("c", "C", better="higher")
    assert best(column, [1.0, None]) is None
    assert best(column, [1.0, 1.0]) is None
