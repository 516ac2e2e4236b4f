"""Facts about checking all that a plugin registers."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint
from types import ModuleType

import pytest

from restorekit import hookimpl
from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Entry, Plugin, Plugins
from restorekit.core.types import Ranged
from restorekit.corruptions import Missing
from restorekit.samplers import Gibbs
from restorekit.testing import CORRUPTION_CHECKS, MODEL_CHECKS, SAMPLER_CHECKS
from restorekit.testing import registry as conformance
from restorekit.testing.registry import CheckCase, cases, made
from tests._helpers.tiny_model import Tiny


@dataclass(frozen=True)
class Gaps(Missing):
    """Lose pixels."""

    name = "gaps"


@dataclass(frozen=True)
class Wide(Missing):
    """Lose pixels, a range of them from the start."""

    name = "wide"
    rate: Ranged = field(default=(0.2, 0.4), metadata={"low": 0.0, "high": 1.0})


@dataclass(frozen=True)
class Needy(Missing):
    """Lose pixels, but say how."""

    name = "needy"
    how: str = field(kw_only=True)


@dataclass(frozen=True)
class Exploding(Missing):
    """Cannot be called."""

    name = "exploding"

    def __call__(self, x, rng):
        raise ZeroDivisionError("nobody knows")


@dataclass(frozen=True)
class Mine(Gibbs):
    """Gibbs."""

    name = "mine"
    sweeps: int = 2


@pytest.fixture
def install(monkeypatch):
    """A function that makes classes look like those of an installed plugin, all else being the built-ins."""
    found = Plugins()
    for name, home in registry.BUILT_IN.items():
        found.add(registry.import_module(f"restorekit.{home}"), Plugin(name, "restorekit", "0"))
    monkeypatch.setattr(registry, "installed", lambda: found)

    def make(name, **classes):
        module = ModuleType(name)
        for kind, some in classes.items():
            setattr(module, f"restorekit_register_{kind}", hookimpl(lambda some=some: some))
        found.add(module, Plugin(name, f"restorekit-{name}", "1.0"))
        return found

    return make


def _seen(name):
    """The things of a plugin, with the names of their checks."""
    seen = {}
    for case in cases(name):
        seen.setdefault(case.thing, []).append(case.check)
    return seen


def _names(checks):
    return [check.__name__ for check in checks]


@pytest.mark.parametrize("name", ["three", "restorekit-three", "Restorekit_Three"])
def test_everything_that_a_plugin_registers_is_checked(install, name):
    install("three", models=[Tiny], corruptions=[Gaps], samplers=[Mine])
    assert _seen(name) == {
        "plugin three": ["is_in_use"],
        "model tiny, gray": _names(MODEL_CHECKS),
        "corruption gaps:rate=0.5,per_channel=false": _names(CORRUPTION_CHECKS),
        "corruption gaps:rate=0.25..0.5,per_channel=false": _names(CORRUPTION_CHECKS),
        "sampler mine": _names(SAMPLER_CHECKS),
    }


def test_a_model_that_follows_the_images_is_checked_in_gray_and_in_colour(install):
    install("none")
    assert {"model vae, gray", "model vae, colour"} == set(_seen("vae"))


def test_one_thing_of_a_plugin_is_checked_alone(install):
    install("three", models=[Tiny], corruptions=[Gaps, Wide])
    assert list(_seen("wide")) == ["corruption wide:rate=0.2..0.4,per_channel=false"]
    assert list(_seen("tiny")) == ["model tiny, gray"]


def test_a_sound_plugin_passes(install):
    install("sound", corruptions=[Gaps, Wide], samplers=[Mine])
    assert [made(case) for case in cases("sound") if made(case).fault] == []


def test_a_check_that_crashes_is_a_failure_and_the_rest_goes_on(install):
    install("odd", corruptions=[Exploding, Gaps, Needy])
    found = [made(case) for case in cases("odd")]
    faults = {(one.thing.partition(":")[0], one.fault) for one in found if one.fault}
    assert any("ZeroDivisionError: nobody knows" in fault for thing, fault in faults if thing == "corruption exploding")
    assert {thing for thing, _ in faults} == {"corruption exploding", "corruption needy"}
    (needy,) = (one for one in found if one.thing == "corruption needy")
    assert needy.check == "is_made_with_defaults"
    assert "TypeError" in needy.fault
    assert "'how'" in needy.fault
    assert sum(one.fault is None for one in found) > len(CORRUPTION_CHECKS)


def _raising(error):
    def make():
        raise error

    return made(CheckCase("thing", "check", make)).fault


def test_a_sentence_stays_as_it_is_and_anything_else_gets_its_type():
    assert _raising(AssertionError("y must be 0")) == "y must be 0"
    assert "AssertionError" in _raising(AssertionError())
    assert "SystemExit: 3" in _raising(SystemExit(3))
    with pytest.raises(KeyboardInterrupt):
        _raising(KeyboardInterrupt())


def test_a_plugin_that_was_left_out_says_why(install):
    install("good").problems["broken"] = "the plugin 'broken' could not be imported: ImportError: no cuda"
    (found,) = (made(case) for case in cases("broken"))
    assert (found.thing, found.check) == ("plugin broken", "is_in_use")
    assert "no cuda" in found.fault


def test_a_package_whose_plugin_was_left_out_is_known_by_its_name(install, monkeypatch):
    known = install("good")
    point = EntryPoint("broken", "broken_module", "restorekit")
    monkeypatch.setattr(Distribution, "name", "restorekit-broken", raising=False)
    vars(point)["dist"] = Distribution.__new__(type("Fake", (Distribution,), {"read_text": None, "locate_file": None}))
    monkeypatch.setattr(conformance, "entry_points", lambda group: [point])
    assert "RESTOREKIT_PLUGINS" in made(cases("restorekit-broken")[0]).fault
    known.problems["broken"] = "it fell"
    assert made(cases("restorekit-broken")[0]).fault == "it fell"


def test_weights_that_cannot_be_read_are_a_failure(install):
    known = install("heavy", corruptions=[Gaps])
    known.unreadable["big"] = Entry("its weights 'big' cannot be used: cut", known.loaded[-1])
    faults = {made(case).thing: made(case).fault for case in cases("heavy") if case.thing == "weights big"}
    assert faults == {"weights big": "its weights 'big' cannot be used: cut"}


def test_an_unknown_name_is_answered_with_near_ones(install):
    install("three", corruptions=[Gaps])
    for wrong, near in (("thre", "three"), ("gasp", "gaps"), ("vea", "vae")):
        with pytest.raises(UsageError, match=f"did you mean.*{near}"):
            cases(wrong)
