"""Facts about options that several commands share."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

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


FAULTS = """
import resource
from restorekit.cli.options import set_up_process
set_up_process(None)
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b'x' * 2**27
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries choose for themselves")
def test_freed_memory_is_used_again_without_a_fault_for_each_page():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    faults = [
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS], env=environment | more, capture_output=True, check=True
            ).stdout
        )
        for more in ({}, {"MALLOC_ARENA_MAX": "8"})  # who sets any of these variables chooses
    ]
    assert faults[0] < 100 < faults[1]
