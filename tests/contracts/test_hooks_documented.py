"""Every hook is in docs/reference/plugin_api.md with its arguments and the sentence that it has in the code."""

import inspect
from pathlib import Path

import pytest

from restorekit.core.plugins import hookspecs

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "plugin_api.md"
HOOKS = {name: f for name, f in vars(hookspecs).items() if hasattr(f, "restorekit_spec")}


def _signature(name):
    return f"{name}({', '.join(inspect.signature(HOOKS[name]).parameters)})"


def test_there_are_hooks():
    assert len(HOOKS) >= 7
    assert all(name.startswith("restorekit_") for name in HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_documented_with_its_arguments(name):
    assert f"`{_signature(name)}`" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_one_sentence_of_its_own(name):
    sentence = inspect.getdoc(HOOKS[name])
    assert sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence


@pytest.mark.parametrize("name", HOOKS)
def test_the_document_says_what_the_hook_returns(name):
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if f"`{_signature(name)}`" in line]
    assert any(inspect.getdoc(HOOKS[name]) in line for line in lines)


def test_every_hook_named_in_the_document_exists():
    words = {w.strip("`|()., ") for w in DOCUMENT.read_text(encoding="utf-8").split() if "restorekit_register" in w}
    assert words <= set(HOOKS)
