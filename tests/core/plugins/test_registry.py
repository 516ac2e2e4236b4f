import textwrap
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from restorekit import hookimpl
from restorekit.core.contracts import Corruption, Metric, Restorer
from restorekit.core.devices import Compute
from restorekit.core.errors import PluginError, UsageError
from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Plugin, Plugins
from restorekit.corruptions import Missing
from restorekit.restoration.loading import open_restorer


class Stripes(Missing):
    """Lose columns."""

    name = "streaks"


class Gaps(Missing):
    """Lose rows."""

    name = "gaps"


def _module(**members):
    """A module whose functions are hooks."""
    module = ModuleType("strange")
    for name, value in members.items():
        setattr(module, name, hookimpl(value) if callable(value) else value)
    return module


def _plugin(name):
    return Plugin(name, f"restorekit-{name}", "1.0")


def _returning(value):
    return lambda: value


@pytest.fixture
def one():
    found = Plugins()
    found.add(_module(restorekit_register_corruptions=_returning([Stripes])), _plugin("one"))
    return found


def _contents(found):
    return {kind: list(found.entries(kind)) for kind in registry.KINDS}


def _refused(found, module, name="two"):
    """Add a module that must be refused; return the sentence, and see that nothing has changed."""
    before, loaded = _contents(found), list(found.loaded)
    with pytest.raises(PluginError) as error:
        found.add(module, _plugin(name))
    assert _contents(found) == before
    assert found.loaded == loaded
    return str(error.value)


def test_what_a_plugin_registers_is_found_with_who_provides_it(one):
    entry = one.entries("corruptions")["streaks"]
    assert entry.value is Stripes
    assert entry.plugin == _plugin("one")


def test_a_name_that_is_taken_is_an_error_that_names_both_and_leaves_all_as_it_was(one):
    module = _module(
        restorekit_register_corruptions=_returning([Gaps, Stripes]),
        restorekit_register_weights=_returning({"new": "a"}),
    )
    text = _refused(one, module)
    assert "'streaks'" in text
    assert "'one' (restorekit-one 1.0)" in text
    assert "'two' (restorekit-two 1.0)" in text


def test_a_name_given_twice_by_one_plugin_is_an_error(one):
    assert "twice" in _refused(one, _module(restorekit_register_corruptions=_returning([Gaps, Gaps])))


def test_a_misspelt_hook_is_an_error_that_names_it(one):
    text = _refused(one, _module(restorekit_register_corruption=_returning([Gaps])))
    assert "restorekit_register_corruption" in text
    assert "'two'" in text


def test_a_hook_with_an_argument_too_many_is_an_error(one):
    module = ModuleType("strange")
    module.restorekit_register_corruptions = hookimpl(lambda registry: [Gaps])
    assert "registry" in _refused(one, module)


def test_a_hook_that_raises_is_named_with_its_plugin(one):
    def fail():
        raise OSError("no licence server")

    text = _refused(one, _module(restorekit_register_models=fail))
    assert "'two'" in text
    assert "restorekit_register_models" in text
    assert "no licence server" in text


@pytest.mark.parametrize(
    "value",
    [[Stripes()], [int], [Metric], Stripes, [type("Nameless", (Missing,), {"name": None})], None, 3],
    ids=["instance", "other class", "other contract", "not a list", "no name", "None", "number"],
)
def test_what_a_hook_returns_is_checked(one, value):
    text = _refused(one, _module(restorekit_register_corruptions=_returning(value)))
    assert "restorekit_register_corruptions" in text


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_hook_that_returns_none_is_an_error(one, kind):
    hook = "restorekit_report_sections" if kind == "sections" else f"restorekit_register_{kind}"
    text = _refused(one, _module(**{hook: _returning(None)}))
    assert hook in text
    assert "got None" in text


class Loose(Corruption):
    name = "loose"

    def __call__(self, x, rng):
        raise AssertionError("nothing here asks for it")


@pytest.mark.parametrize("cls", [Loose, dataclass(type("Thawed", (Loose,), {"name": "thawed"}))], ids=["no", "thawed"])
def test_a_corruption_that_is_no_frozen_dataclass_is_an_error(one, cls):
    assert "frozen=True" in _refused(one, _module(restorekit_register_corruptions=_returning([Gaps, cls])))


class Mine(Restorer):
    name = "mine"

    def __call__(self, observation, corruption, n, rng):
        raise AssertionError("nothing here asks for it")


def test_weights_and_restorers_share_their_names(tmp_path):
    restorers = _module(restorekit_register_restorers=_returning([Mine]))
    weights = _module(restorekit_register_weights=_returning({"mine": weights_file(tmp_path / "w")}))
    for first, second in ((restorers, weights), (weights, restorers)):
        found = Plugins()
        found.add(first, _plugin("one"))
        assert "'mine'" in _refused(found, second)
    both = _module(
        restorekit_register_restorers=restorers.restorekit_register_restorers,
        restorekit_register_weights=weights.restorekit_register_weights,
    )
    assert "restorers" in _refused(Plugins(), both)


def weights_file(path, card="{}"):
    save_file({"w": torch.zeros(2)}, path, {} if card is None else {"restorekit": card})
    return path


def test_weights_that_cannot_be_read_are_set_apart_and_the_rest_is_used(one, tmp_path, monkeypatch, run):
    (tmp_path / "text").write_text("nothing of the kind")
    whole = weights_file(tmp_path / "whole")
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-1])
    names = {"gone": tmp_path / "gone", "text": tmp_path / "text", "folder": tmp_path, "cut": tmp_path / "cut"}
    names |= {"bare": weights_file(tmp_path / "bare", card=None), "good": whole}
    hooks = {"corruptions": [Gaps], "weights": names}
    one.add(
        _module(**{f"restorekit_register_{kind}": _returning(value) for kind, value in hooks.items()}), _plugin("two")
    )
    assert list(one.entries("weights")) == ["good"]
    assert set(one.unreadable) == set(names) - {"good"}
    assert "gaps" in one.entries("corruptions")
    monkeypatch.setattr(registry, "installed", lambda: one)
    assert registry.weights() == {"good": whole}
    _, said, _ = run("list", "plugins")
    assert "'gone' cannot be used" in said
    with pytest.raises(UsageError, match=r"restorekit-two.*'cut' cannot be used"):
        open_restorer("cut", compute=Compute("cpu"))


def test_weights_and_sections_are_registered_too(one, tmp_path):
    class Section:
        title = "Time"

    one.add(
        _module(
            restorekit_register_weights=_returning({"w": str(weights_file(tmp_path / "w"))}),
            restorekit_report_sections=_returning([Section]),
        ),
        _plugin("two"),
    )
    assert one.entries("weights")["w"].value == tmp_path / "w"
    assert one.entries("sections")["Time"].value is Section


def test_nothing_depends_on_the_order_of_plugins():
    modules = {
        "one": _module(restorekit_register_corruptions=_returning([Stripes])),
        "two": _module(restorekit_register_corruptions=_returning([Gaps])),
    }
    found = []
    for order in (("one", "two"), ("two", "one")):
        both = Plugins()
        for name in order:
            both.add(modules[name], _plugin(name))
        found.append(list(both.entries("corruptions")))
    assert found[0] == found[1] == ["gaps", "streaks"]


# ------------------------------------------------------------------------ what is installed


def _installed(monkeypatch, **loaders):
    """Make plugins look installed: each is a module, or an exception that its import raises."""

    def load(self):
        value = loaders[self.name]
        if isinstance(value, BaseException):
            raise value
        return value

    points = [EntryPoint(name, f"{name}.plugin", "restorekit") for name in loaders]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "restorekit" else [])
    monkeypatch.setattr(EntryPoint, "load", load)


def _stripes():
    return _module(restorekit_register_corruptions=_returning([Stripes]))


@pytest.mark.parametrize(
    "error", [ImportError("no cuda"), SyntaxError("odd"), ZeroDivisionError(), SystemExit(3)], ids=repr
)
def test_a_broken_import_is_reported_by_name_and_stops_nothing(monkeypatch, error):
    monkeypatch.delenv("RESTOREKIT_PLUGINS", raising=False)
    _installed(monkeypatch, broken=error, good=_stripes())
    found = registry.load()
    assert "'broken'" in found.problems["broken"]
    assert type(error).__name__ in found.problems["broken"]
    assert "\n" not in found.problems["broken"]
    assert "streaks" in found.entries("corruptions")
    assert "gaussian" in found.entries("corruptions")


def test_a_plugin_that_takes_a_built_in_name_is_left_out_and_reported(monkeypatch):
    monkeypatch.delenv("RESTOREKIT_PLUGINS", raising=False)
    thief = type("Thief", (Missing,), {"name": "missing"})
    _installed(monkeypatch, thief=_module(restorekit_register_corruptions=_returning([thief, Gaps])))
    found = registry.load()
    assert "'missing'" in found.problems["thief"]
    assert found.entries("corruptions")["missing"].value is Missing
    assert "gaps" not in found.entries("corruptions")


@pytest.mark.parametrize(
    ("chosen", "expected", "absent"),
    [
        (None, {"a", "b"}, set()),
        ("", set(), set()),
        ("a", {"a"}, set()),
        ("b, a", {"a", "b"}, set()),
        ("a,c", {"a"}, {"c"}),
    ],
)
def test_the_environment_chooses_plugins(monkeypatch, chosen, expected, absent):
    if chosen is None:
        monkeypatch.delenv("RESTOREKIT_PLUGINS", raising=False)
    else:
        monkeypatch.setenv("RESTOREKIT_PLUGINS", chosen)
    _installed(monkeypatch, a=_stripes(), b=_module(restorekit_register_corruptions=_returning([Gaps])))
    found = registry.load()
    assert {p.name for p in found.loaded} - set(registry.BUILT_IN) == expected
    assert set(found.problems) == absent
    assert all(name in found.problems[name] for name in absent)


def test_built_ins_that_need_an_absent_package_are_reported_and_the_others_work(monkeypatch):
    importing = registry.import_module

    def without_opencv(name):
        if name == "restorekit.restoration.classical":
            raise ModuleNotFoundError("No module named 'cv2'", name="cv2")
        return importing(name)

    monkeypatch.setattr(registry, "import_module", without_opencv)
    monkeypatch.setenv("RESTOREKIT_PLUGINS", "")
    found = registry.load()
    assert "'cv2'" in found.problems["restorers"]
    assert not found.entries("restorers")
    assert {"vae", "cvae"} <= set(found.entries("models"))


def test_a_fault_of_our_own_is_not_taken_for_an_absent_package(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'restorekit.nowhere'", name="restorekit.nowhere")

    monkeypatch.setattr(registry, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        registry.load()


def test_built_ins_are_plugins_like_any_other():
    found = registry.installed()
    assert {p.name for p in found.loaded} >= set(registry.BUILT_IN)
    assert {"gaussian", "missing", "clean"} <= set(registry.corruptions())
    assert {"vae", "cvae"} <= set(registry.models())
    assert set(registry.samplers()) >= {"gibbs"}
    assert all(issubclass(cls, Restorer) for cls in registry.restorers().values())


@pytest.mark.parametrize(("kind", "name"), [("models", "cvea"), ("corruptions", "gausian"), ("metrics", "pnsr")])
def test_an_unknown_name_is_answered_with_near_ones(kind, name):
    near = {"cvea": "cvae", "gausian": "gaussian", "pnsr": "psnr"}[name]
    with pytest.raises(UsageError, match=rf"{kind.removesuffix('s')} named '{name}'; did you mean.*{near}"):
        registry.lookup(kind, name)


def test_an_unknown_name_like_no_other_is_answered_with_all_of_them():
    with pytest.raises(UsageError, match=r"known ones are .*gibbs"):
        registry.lookup("samplers", "zzz")


def test_a_package_with_an_entry_point_is_found(tmp_path, monkeypatch):
    (tmp_path / "stripesplugin.py").write_text(
        textwrap.dedent("""
        from dataclasses import dataclass
        from restorekit import Corruption, hookimpl
        from restorekit.corruptions.missing import Missing

        @dataclass(frozen=True)
        class Stripes(Missing):
            name = "streaks"

        @hookimpl
        def restorekit_register_corruptions():
            return [Stripes]
        """)
    )
    info = tmp_path / "restorekit_stripes-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: restorekit-stripes\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[restorekit]\nstripes = stripesplugin\nbroken = nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("RESTOREKIT_PLUGINS", raising=False)
    found = registry.load()
    entry = found.entries("corruptions")["streaks"]
    assert (entry.plugin.name, entry.plugin.package, entry.plugin.version) == ("stripes", "restorekit-stripes", "1.2")
    assert entry.value().rate == 0.5
    assert "nowhere_to_be_found" in found.problems["broken"]


def test_contracts_of_the_registry_are_abstract():
    with pytest.raises(TypeError):
        Corruption()
