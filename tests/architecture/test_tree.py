from tests.architecture.tree import functions


def test_loose_modules_and_rooms(repository):
    r = repository({"pkg/a.py": "", "pkg/__main__.py": "", "pkg/core/types.py": "", "pkg/images/png/read.py": ""})
    assert [m.top for m in r.loose()] == ["a"]
    assert r.rooms() == ["core", "images"]


def test_a_public_package_with_modules_is_a_room(repository):
    assert repository({"pkg/testing/model.py": ""}).rooms() == ["testing"]


def test_scaffold_files_are_read_but_cannot_be_imported(repository):
    r = repository({"pkg/cli/scaffold/model.py": "import pkg\n", "pkg/cli/a.py": ""})
    assert "pkg.cli.scaffold.model" not in r.by_name
    assert "pkg.cli.scaffold.model" in {m.name for m in r.modules}


def test_nested_functions_are_left_out_and_methods_come_with_their_class(repository):
    r = repository({"pkg/a.py": "class A:\n    def m(self):\n        def inner(): ...\n\ndef f(): ...\n"})
    assert [(f.name, owner and owner.name) for f, owner in functions(r.by_name["pkg.a"])] == [("m", "A"), ("f", None)]


def test_build_products_are_not_read(repository):
    r = repository({"plugins/x/build/lib/a.py": "", "plugins/x/a.py": "", "docs/_build/b.md": "", "docs/b.md": ""})
    assert [m.path.as_posix() for m in r.plugins] == ["plugins/x/a.py"]
    assert [path.as_posix() for path, _ in r.texts()] == ["docs/b.md"]
