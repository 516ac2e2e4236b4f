"""The author's guide, plugins/README.md, works as it is written."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from restorekit.cli import COMMANDS, group
from tests._helpers.wheel_environment import ROOT, fresh, photos

TEXT = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"([^\n]*\n[^\n]*\n)```(\w+)\n(.*?)```", TEXT, re.DOTALL)
LEFT_OUT = ("python3 -m venv", "pip install twine", "FIT=")  # what needs the package index or an hour, as the text says


def _file(before: str) -> str | None:
    """Return the file that the line before a block says to put it into."""
    found = re.search(r"`([\w/.-]+\.py)`:\n\n$", before)
    return found and found[1]


FILES = {_file(before): code for before, language, code in BLOCKS if language == "python"}
SCRIPTS = [(before, code) for before, language, code in BLOCKS if language == "bash"]


@pytest.mark.slow
def test_every_block_does_what_the_guide_says(tmp_path):
    env = fresh(tmp_path)
    photos(env.work / "photos")
    checked = 0
    for before, language, code in BLOCKS:
        if language == "python":
            assert (env.work / _file(before)).is_file(), "what a block replaces was written by plugin new"
            (env.work / _file(before)).write_text(code, encoding="utf-8")
        elif not code.startswith(LEFT_OUT):
            checked += len(re.findall(r"(\d+) of \1 checks passed", env.must(code)))
    assert checked == 3
    made = ("RUN/model.safetensors", "REPORT/results.json", "dist/restorekit_moire-0.1.0-py3-none-any.whl", "HAZY")
    assert all((env.work / name).exists() for name in made)


def test_only_what_needs_the_package_index_or_an_hour_is_left_out_and_the_text_says_so():
    marked = [code.startswith(LEFT_OUT) for before, code in SCRIPTS if "<!-- not run by the test: " in before]
    unmarked = [code.startswith(LEFT_OUT) for before, code in SCRIPTS if "<!-- not run by the test: " not in before]
    assert marked == [True, True, True]
    assert len(unmarked) > 6
    assert not any(unmarked)


def test_every_block_of_python_says_where_it_goes():
    assert None not in FILES
    assert len(FILES) == sum(language == "python" for _, language, _ in BLOCKS) >= 3


def test_the_corruption_is_under_30_lines_and_the_model_about_100():
    lines = {name.rpartition("/")[2]: len(code.splitlines()) for name, code in FILES.items()}
    assert lines["restorekit_haze.py"] < 30
    assert lines["restorekit_two_storeys.py"] < 130


@pytest.mark.parametrize(
    "line", [line for _, code in SCRIPTS for line in code.splitlines() if line.startswith("restorekit ")]
)
def test_every_command_is_one_with_options_it_has(line):
    name, *words = shlex.split(line)[1:]
    assert name in COMMANDS
    command = group.get_command(click.Context(group), name)
    if isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(click.Context(command), name)
    command.make_parser(click.Context(command)).parse_args(words)


def test_checks_that_are_named_exist():
    from restorekit import testing

    names = {check.__name__ for check in (*testing.MODEL_CHECKS, *testing.CORRUPTION_CHECKS, *testing.SAMPLER_CHECKS)}
    table = TEXT.partition("| where it often lies")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert len(named) > 5
    assert named <= names
