"""What the README says can be typed and run."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from restorekit import testing
from restorekit.cli import COMMANDS, group
from restorekit.plugins import Plugin, Plugins

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    return [line.partition("restorekit ")[2].partition("  #")[0] for line in lines if "restorekit " in line]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_with_options_it_has(line):
    name, *words = shlex.split(line)
    assert name in COMMANDS
    command = group.get_command(click.Context(group), name)
    command.make_parser(click.Context(command)).parse_args(words)


def test_the_plugin_keeps_the_promises_of_a_corruption(monkeypatch):
    code = next(block for block in blocks("python") if "hookimpl" in block)
    module = ModuleType("my_stripes")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    exec(compile(code, "README.md", "exec"), module.__dict__)
    plugins = Plugins()
    plugins.add(module, Plugin("stripes", "my-stripes", "1"))
    (entry,) = plugins.entries("corruptions").values()
    testing.check_corruption(entry.value())


def test_pictures_and_files_it_shows_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).is_file(), target


def test_the_commands_marked_for_people_and_ci_are_there():
    for mark in ("restore", "tests"):
        assert re.search(rf"<!-- {mark} -->\n```bash\n.+?```", TEXT, re.DOTALL)
