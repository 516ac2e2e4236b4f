"""The documentation's sources: length, completeness, examples that run, and words."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import re
from pathlib import Path

import pytest

import restorekit
from restorekit.cli import COMMANDS
from restorekit.core.plugins import registry
from restorekit.testing import __all__ as kit
from tests.architecture.criteria import HERE
from tests.architecture.words import retired_uses

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
SCRIPTS = sorted((DOCS / "examples").glob("*.py"))
DOCTESTED = sorted(
    p for p in (ROOT / "restorekit").rglob("*.py") if re.search(r"^ *>>> ", p.read_text("utf-8"), re.MULTILINE)
)
RETIRED_USES = retired_uses(HERE)
EXAMPLES = {page: re.findall(r"```python\n(>>> .*?)```", page.read_text("utf-8"), re.DOTALL) for page in PAGES}


def text(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize(("name", "most"), [("README.md", 700), ("CONTRIBUTING.md", 600)])
def test_a_top_level_page_is_short(name, most):
    assert len((ROOT / name).read_text("utf-8").split()) <= most


@pytest.mark.parametrize("page", [page for page in PAGES if EXAMPLES[page]], ids=lambda page: page.stem)
def test_examples_of_a_page_print_what_it_shows(page):
    found = doctest.DocTestParser().get_doctest("".join(EXAMPLES[page]), {}, page.name, str(page), 0)
    printed: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(found, out=printed.append).failed == 0, "".join(printed)


def test_pages_have_examples():
    assert sum(block.count(">>> ") for blocks in EXAMPLES.values() for block in blocks) >= 15


def test_every_prompt_of_a_page_is_in_a_block_that_runs():
    for page in PAGES:
        assert page.read_text("utf-8").count("\n>>> ") == sum(f"\n{b}".count("\n>>> ") for b in EXAMPLES[page]), page


@pytest.mark.parametrize("path", DOCTESTED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_of_docstrings_return_what_they_show(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert (done.attempted > 0, done.failed) == (True, 0)


def test_some_docstrings_have_examples():
    assert {"check.py", "__init__.py"} <= {path.name for path in DOCTESTED}


def test_the_reference_of_commands_comes_from_the_command_line_and_nests():
    assert re.search(
        r"\.\. click:: restorekit\.cli:group\n +:prog: restorekit\n +:nested: full\n", text("reference/commands.md")
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_used_in_a_page(name):
    blocks = [b for page in PAGES for b in re.findall(r"```bash\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    assert any(re.search(rf"^(\.venv/bin/)?restorekit {name}\b", block, re.MULTILINE) for block in blocks)


@pytest.mark.parametrize("name", restorekit.__all__)
def test_a_public_name_has_an_entry(name):
    assert re.search(rf"^\.\. \w+:: restorekit\.{name}$", text("reference/python.md"), re.MULTILINE)


def test_the_conformance_kit_has_an_entry_for_each_name():
    assert ".. automodule:: restorekit.testing\n   :members:\n   :imported-members:" in text("reference/python.md")
    assert {"check_model", "check_corruption", "check_sampler", "check_restorer", "check_metric"} <= {*kit}


def builtin_corruptions() -> list[str]:
    return [name for name, cls in registry.corruptions().items() if cls.__module__.startswith("restorekit.")]


@pytest.mark.parametrize("name", builtin_corruptions())
def test_a_corruption_is_in_the_table_with_its_keys(name):
    table = text("reference/corruption_specs.md").partition("## Built-in corruptions")[2]
    rows = re.search(rf"^\| `{name}` \|.*\n(?:\| \| `.*\n)*", table, re.MULTILINE)
    assert rows is not None
    keys = [field.name for field in dataclasses.fields(registry.corruptions()[name])]
    assert set(re.findall(r"^\| [^|]*\| `(\w+)` \|", rows[0], re.MULTILINE)) == set(keys)


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in PAGES:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            listed |= {(page.parent / line).resolve() for line in block.splitlines() if line and line[0] != ":"}
    assert {page.with_suffix("") for page in PAGES} - {DOCS / "index"} <= listed


def test_the_gallery_has_ten_scripts_that_start_with_a_title_and_plot():
    assert len(SCRIPTS) >= 10
    for script in SCRIPTS:
        code = script.read_text("utf-8")
        assert re.match(r'"""\n[^\n]+\n=+\n\n', code), script
        assert "plt." in code, script


@pytest.mark.parametrize("page", [*PAGES, *SCRIPTS], ids=lambda page: page.stem)
def test_a_page_uses_no_retired_word(page):
    path = page.relative_to(ROOT).as_posix()
    assert [
        f"{use.place}: {use.word} ({use.instead})" for use in RETIRED_USES if use.place.startswith(f"{path}:")
    ] == []


def test_architecture_names_every_module_in_its_folder():
    package, page = ROOT / "restorekit", text("development/architecture.md")
    tree = page.partition("## Tree")[2].partition("```")[2].partition("```")[0]
    listed, room = set[str](), ""
    for line in filter(None, tree.splitlines()):
        folder, *names = line.split()
        room, inner = (room, folder) if line[0] == " " else (folder, "")
        listed |= {f"{room}{inner}{name}" for name in names}
    modules = {path.relative_to(package) for path in package.rglob("*.py") if "scaffold" not in path.parts}
    named = {path.with_suffix("").as_posix() for path in modules if path.stem not in ("__init__", "__main__")}
    assert sorted(named - listed) == []
    others = r"(?!tests|cli/scaffold|models/weights)[\w/]+"
    assert sorted(name for name in listed - named if re.fullmatch(others, name)) == []
