"""Packages that `restorekit plugin new` writes work as they are; their templates are clean code."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from restorekit import __version__
from restorekit.cli import scaffold
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Plugin, Plugins

WORDS = ("YourName", "your_name", "your-name", "0.0.0")


@pytest.fixture(scope="module", params=scaffold.KINDS)
def written(request, tmp_path_factory):
    """The kind, and the folder of a package of it."""
    folder, *_ = scaffold.write("sun-glare", request.param, tmp_path_factory.mktemp("plugins"))
    return request.param, folder


def test_the_package_has_the_layout_that_all_have(written):
    _, folder = written
    assert folder.name == "restorekit-sun-glare"
    expected = ["README.md", "pyproject.toml", "restorekit_sun_glare.py", "test_restorekit_sun_glare.py"]
    assert sorted(path.name for path in folder.iterdir()) == expected


def test_no_word_of_the_templates_is_left(written):
    for path in written[1].iterdir():
        text = path.read_text(encoding="utf-8")
        assert not [word for word in WORDS if word in text], path
        assert "sun" in text.lower()


def test_the_entry_point_names_the_module(written):
    project = tomllib.loads((written[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["restorekit"] == {"sun-glare": "restorekit_sun_glare"}
    assert project["project"]["name"] == "restorekit-sun-glare"
    assert project["project"]["dependencies"] == [f"restorekit>={__version__}"]
    assert project["tool"]["setuptools"]["py-modules"] == ["restorekit_sun_glare"]


def test_the_readme_is_short_and_its_lines_name_the_package(written):
    lines = (written[1] / "README.md").read_text(encoding="utf-8").splitlines()
    assert 12 <= len(lines) <= 40
    assert "pip install restorekit-sun-glare" in lines


@pytest.mark.slow
def test_its_own_tests_pass(written):
    found = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
        cwd=written[1], env={**os.environ, "PYTHONPATH": str(written[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout
    assert "passed" in found.stdout


def test_the_module_registers_one_class_of_that_name(written, monkeypatch):
    kind, folder = written
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "restorekit_sun_glare", raising=False)
    module = __import__("restorekit_sun_glare")
    monkeypatch.delitem(sys.modules, "restorekit_sun_glare")
    found = Plugins()
    found.add(module, Plugin("sun-glare", "restorekit-sun-glare", "0.1.0"))
    entries = {one: list(found.entries(one)) for one in registry.KINDS}
    assert entries == {one: ["sun-glare"] if one == f"{kind}s" else [] for one in registry.KINDS}
    assert found.entries(f"{kind}s")["sun-glare"].value.__name__ == "SunGlare"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sun Glare", "'sun-glare' would do"),
        ("sun_glare", "'sun-glare' would do"),
        ("9lives", "'lives' would do"),
        ("--", "begins with a letter, got '--'"),
        ("", "begins with a letter, got ''"),
        ("../away", "'away' would do"),
        ("none", "would be a class None"),
        ("tensor", "would be a class Tensor"),
        ("missing", "is taken among the corruptions by 'corruptions' (restorekit)"),
        ("vae", "is taken among the models by 'models'"),
        ("default", "is taken among the weights"),
        ("certainty", "is installed already"),
    ],
)
def test_a_name_that_will_not_do_is_answered_in_a_sentence(name, said, tmp_path):
    with pytest.raises(UsageError) as error:
        scaffold.write(name, "model", tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_as_it_is(tmp_path):
    (mine := tmp_path / "restorekit-mine").mkdir()
    (mine / "notes.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not written over"):
        scaffold.write("mine", "model", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["restorekit-mine", "notes.txt"]


def test_what_is_broken_off_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(ImageError, match="the disk is full"):
        scaffold.write("mine", "model", tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_package_stands_beside_another_in_a_folder_that_is_made(tmp_path):
    for name, kind in (("one", "model"), ("two", "sampler")):
        folder, *files = scaffold.write(name, kind, tmp_path / "deep" / "down")
        assert folder == tmp_path / "deep" / "down" / f"restorekit-{name}"
        assert len(files) == 4
    assert len(list((tmp_path / "deep" / "down").iterdir())) == 2
