"""Commands, links and pictures in the READMEs and in the documentation exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from restorekit.cli import COMMANDS, group

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "plugins").glob("**/README.md")), *DOCS]


def commands() -> list[str]:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    blocks = [block for text in texts for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)]
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    own = [line for line in lines if re.match(r"(\.venv/bin/)?restorekit ", line)]
    return [line.partition("restorekit ")[2].partition("  #")[0] for line in own]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_with_options_it_has(line):
    name, *words = shlex.split(line)
    assert name in COMMANDS
    command = group.get_command(click.Context(group), name)
    command.make_parser(click.Context(command)).parse_args(words)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pictures_and_files_it_shows_are_there(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_commands_marked_for_people_and_ci_are_there():
    for mark in ("restore", "tests"):
        assert re.search(rf"<!-- {mark} -->\n```bash\n.+?```", TEXT, re.DOTALL)
