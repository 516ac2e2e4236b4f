"""No check of the kit is there that was not seen to fail on a class made for it, in the tables of the files beside."""

import importlib.util
import pkgutil
import sys
from pathlib import Path

import pytest

from restorekit import testing

HERE = Path(__file__)
TUPLES = {
    f"{name}.{attribute}": value
    for name in (module.name for module in pkgutil.iter_modules(testing.__path__))
    for attribute, value in vars(importlib.import_module(f"restorekit.testing.{name}")).items()
    if attribute.endswith("_CHECKS")
}
EVERY = dict.fromkeys(check for checks in TUPLES.values() for check in checks)


def _broken(monkeypatch):
    """Yield (check, what it fails on) of every table."""
    for path in sorted(HERE.parent.glob("test_*.py")):
        if path == HERE:
            continue
        spec = importlib.util.spec_from_file_location(f"tables_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield from getattr(module, "BROKEN", ())


def test_every_check_has_a_class_that_it_fails_on(monkeypatch):
    seen_to_fail = {check for check, _ in _broken(monkeypatch)}
    without = [f"{check.__module__}.{check.__name__}" for check in EVERY if check not in seen_to_fail]
    assert not without, f"put a class that breaks them into BROKEN of tests/testing: {without}"


def test_every_tuple_that_authors_use_is_looked_at():
    public = {name for name in testing.__all__ if name.endswith("_CHECKS")}
    assert public <= {name.rpartition(".")[2] for name in TUPLES}
    assert {check for name in public for check in getattr(testing, name)} == set(EVERY)


@pytest.mark.parametrize("check", EVERY, ids=lambda check: f"{check.__module__.rpartition('.')[2]}-{check.__name__}")
def test_a_check_says_what_it_expects_and_turns_errors_into_a_sentence(check):
    assert check.__doc__.startswith("Expect ")

    class Nothing:
        def __getattribute__(self, name):
            raise RuntimeError("no\nsuch thing")

    with pytest.raises(AssertionError, match=r"^Nothing.* must ") as raised:
        check(Nothing())
    assert "\n" not in str(raised.value)
