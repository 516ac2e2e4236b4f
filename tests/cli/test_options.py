"""Facts about options that several commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from restorekit.cli import group
from restorekit.cli.options import parse_settings


def test_settings_are_keys_and_values():
    assert parse_settings(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(click.UsageError, match="KEY=VALUE"):
            parse_settings([wrong])


def test_the_range_of_the_files_is_told_alike_everywhere_and_truly():
    runner, wanted = (
        CliRunner(),
        ("for floats 0..1, or their 0.1 and 99.9 percentiles if values are outside of it", "auto: "),
    )
    for name in ("restore", "train", "evaluate", "corrupt"):
        said = " ".join(runner.invoke(group, [name, "--help"]).output.split())
        assert all(words in said for words in wanted), name
