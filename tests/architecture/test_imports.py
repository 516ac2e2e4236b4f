import pytest

from tests.architecture.imports import arrows, circles, components, layers, room_arrows, upward

CONTRACT = """
    [[tool.importlinter.contracts]]
    type = "forbidden"
    [[tool.importlinter.contracts]]
    type = "layers"
    containers = ["pkg"]
    layers = ["cli", "(restoration) | training", "core"]
"""


def test_an_import_of_a_name_is_an_arrow_to_its_file(repository):
    r = repository({"pkg/a/x.py": "from pkg.b import y\nfrom pkg.b.y import f\n", "pkg/b/y.py": "def f(): ...\n"})
    assert {(a.source, a.target) for a in arrows(r)} == {("pkg.a.x", "pkg.b.y")}


@pytest.mark.parametrize("text", ["from ..b import y\n", "from ..b.y import f\n", "from .. import b\n"])
def test_relative_imports_are_resolved(repository, text):
    r = repository({"pkg/a/x.py": text, "pkg/b/y.py": ""})
    assert set(room_arrows(r)) == {("a", "b")}


def test_imports_in_functions_are_deferred(repository):
    r = repository({"pkg/a/x.py": "def f():\n    import pkg.b.y\n", "pkg/b/y.py": ""})
    assert [a.deferred for a in arrows(r)] == [True]


def test_a_dynamic_import_counts(repository):
    r = repository({"pkg/a/x.py": "def f():\n    return import_module('pkg.b.y').g\n", "pkg/b/y.py": ""})
    assert set(room_arrows(r)) == {("a", "b")}


def test_imports_for_the_type_checker_are_left_out(repository):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pkg.b.y\nelse:\n    import pkg.c.z\n"
    r = repository({"pkg/a/x.py": text, "pkg/b/y.py": "", "pkg/c/z.py": ""})
    assert set(room_arrows(r)) == {("a", "c")}


def test_layers_are_read_from_the_contract(repository):
    lines = layers(repository({"pyproject.toml": CONTRACT}))
    assert [line.rooms for line in lines] == [("cli",), ("restoration", "training"), ("core",)]
    assert not any(line.mutual for line in lines)


def test_without_a_contract_there_are_no_layers(repository):
    r = repository({})
    assert layers(r) is None
    assert upward(r) is None


@pytest.mark.parametrize(
    ("source", "target", "wrong"),
    [
        ("cli", "core", 0),
        ("core", "cli", 1),
        ("training", "restoration", 1),
        ("cli", "unnamed", 1),
        ("unnamed", "core", 1),
    ],
)
def test_an_arrow_that_does_not_point_down_is_found(repository, source, target, wrong):
    r = repository(
        {f"pkg/{source}/a.py": f"import pkg.{target}.b\n", f"pkg/{target}/b.py": "", "pyproject.toml": CONTRACT}
    )
    assert len(upward(r)) == wrong


def test_rooms_of_one_line_may_import_one_another_behind_a_colon(repository):
    contract = CONTRACT.replace("|", ":")
    r = repository(
        {"pkg/training/a.py": "import pkg.restoration.b\n", "pkg/restoration/b.py": "", "pyproject.toml": contract}
    )
    assert upward(r) == []


def test_a_circle_of_modules_is_found(repository):
    r = repository(
        {
            "pkg/a.py": "import pkg.b\n",
            "pkg/b.py": "import pkg.c\n",
            "pkg/c.py": "import pkg.a\n",
            "pkg/d.py": "import pkg.a\n",
        }
    )
    assert circles(r, deferred=False) == [["pkg.a", "pkg.b", "pkg.c"]]


def test_a_circle_through_a_function_needs_deferred_imports(repository):
    r = repository({"pkg/a.py": "import pkg.b\n", "pkg/b.py": "def f():\n    import pkg.a\n"})
    assert circles(r, deferred=False) == []
    assert circles(r, deferred=True) == [["pkg.a", "pkg.b"]]


def test_components_of_a_graph_with_two_circles_that_share_an_arrow():
    graph = {1: [2], 2: [3], 3: [1, 4], 4: [5], 5: [4], 6: [5]}
    assert sorted(sorted(group) for group in components(graph)) == [[1, 2, 3], [4, 5], [6]]
