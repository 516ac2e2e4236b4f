"""Facts about `restorekit plugin`."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from restorekit.cli import plugin
from restorekit.testing import registry
from restorekit.testing.registry import CheckCase


def _fail():
    raise AssertionError("y must be 0\nwhere it is [missing]")


@pytest.fixture
def two(monkeypatch):
    """One check that passes and one that fails, whatever is asked for."""
    found = [
        CheckCase("corruption gaps", "is_finite", lambda: None),
        CheckCase("corruption gaps", "is_zero_where_missing", _fail),
    ]
    monkeypatch.setattr(registry, "cases", lambda name: found)


@pytest.mark.parametrize("words", [(), ("new",), ("check",)])
def test_help_has_an_example_at_80_columns(run, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("plugin", *words, "--help")
    assert code == 0
    assert "Example:" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_package_is_written_and_the_next_lines_are_told(run, tmp_path):
    code, out, _ = run("plugin", "new", "sun-glare", "--kind", "corruption", "--into", tmp_path)
    assert code == 0
    first, install, check, use = out.splitlines()
    assert "restorekit_sun_glare.py" in first
    assert install.strip() == f"pip install -e {tmp_path / 'restorekit-sun-glare'}"
    assert check.strip() == "restorekit plugin check sun-glare"
    assert "--corruption sun-glare" in use
    code, out, err = run("plugin", "new", "sun-glare", "--kind", "corruption", "--into", tmp_path)
    assert (code, out) == (2, "")
    assert "is not written over" in err


@pytest.mark.parametrize("words", [("new", "x"), ("new", "x", "--kind", "metric"), ("check",), ("nwe", "x")])
def test_a_mistyped_line_is_wrong_usage(run, words):
    assert run("plugin", *words)[0] == 2


def test_without_a_terminal_each_check_is_one_line(run, two):
    code, out, err = run("plugin", "check", "gaps")
    assert (code, err) == (1, "")
    passed, failed, total = out.splitlines()
    assert passed.split() == ["passed", "corruption", "gaps", "is_finite"]
    assert failed == "FAILED  corruption gaps  is_zero_where_missing: y must be 0 where it is [missing]"
    assert total == "1 of 2 checks passed, 1 failed"


def test_on_a_terminal_there_is_a_table(run, two, monkeypatch):
    wide = Console(width=200, force_terminal=True, no_color=True)
    monkeypatch.setattr(plugin, "Console", lambda: wide)
    code, out, _ = run("plugin", "check", "gaps")
    assert code == 1
    row = next(line for line in out.splitlines() if "is_zero_where_missing" in line)
    assert "failed: y must be 0" in row
    assert "[missing]" in out
    assert out.count("corruption gaps") == 1


def test_machines_get_one_object(run, two):
    code, out, err = run("plugin", "check", "gaps", "--json")
    found = json.loads(out)
    assert (code, err) == (1, "")
    assert (found["name"], found["passed"], found["failed"]) == ("gaps", 1, 1)
    assert [one["check"] for one in found["checks"]] == ["is_finite", "is_zero_where_missing"]
    assert found["checks"][0] == {"thing": "corruption gaps", "check": "is_finite", "fault": None}


def test_a_built_in_is_checked_like_any_other_and_passes(run):
    code, out, _ = run("plugin", "check", "missing")
    assert code == 0
    assert out.splitlines()[-1].endswith("checks passed")
    assert "failed" not in out


def test_what_is_not_there_is_answered_with_near_ones(run):
    code, _, err = run("plugin", "check", "mising")
    assert code == 2
    assert "did you mean missing" in err
