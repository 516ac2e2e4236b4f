import ast

import pytest

from tests.architecture.functions import (
    body_lines,
    file_sizes,
    function_sizes,
    loose_mappings,
    percentile,
    private_functions,
    public_functions,
    riddles,
    untyped,
)


def test_decorators_signature_and_docstring_do_not_count():
    text = '@a\n@b\ndef f(\n    x,\n    y,\n):\n    """Do it.\n\n    Twice.\n    """\n    x = 1\n\n    return x\n'
    assert body_lines(ast.parse(text).body[0]) == 3


def test_a_function_of_a_docstring_alone_has_no_lines():
    assert body_lines(ast.parse('def f():\n    """Do nothing."""\n').body[0]) == 0


def test_functions_and_files_come_longest_first(repository):
    r = repository({"pkg/a.py": "def f():\n    return 1\n\n\ndef g():\n    x = 1\n    return x\n"})
    assert [(s.name, s.lines) for s in function_sizes(r)] == [("g", 2), ("f", 1)]
    assert [s.lines for s in file_sizes(r)] == [7, 0]


def test_a_percentile_is_a_value_of_the_list():
    assert percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9) == 10
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile([], 0.5) == 0


CALLERS = """
    def _twice(): ...
    def _once(): ...
    def _never(): _never()

    def f():
        _twice()
        _once()
        _once()

    def g():
        _twice()
"""


def test_callers_count_once_and_a_function_does_not_call_itself(repository):
    r = repository({"pkg/a.py": CALLERS})
    assert {p.name: len(p.callers) for p in private_functions(r)} == {"_twice": 2, "_once": 1, "_never": 0}


def test_use_in_a_module_body_and_in_another_file_counts(repository):
    r = repository(
        {"pkg/a.py": "def _f(): ...\nTABLE = [_f]\n", "pkg/b.py": "from pkg import a\n\ndef g():\n    a._f()\n"}
    )
    assert [len(p.callers) for p in private_functions(r)] == [2]


def test_equal_names_of_other_files_are_not_callers(repository):
    r = repository({"pkg/a.py": "def _f(): ...\n", "pkg/b.py": "def _f(): ...\n\ndef g():\n    _f()\n"})
    assert [len(p.callers) for p in private_functions(r)] == [0, 1]


def test_private_methods_are_used_by_attribute(repository):
    text = "class A:\n    def _m(self): ...\n    def __len__(self): ...\n    def f(self):\n        self._m()\n"
    assert [(p.name, len(p.callers)) for p in private_functions(repository({"pkg/a.py": text}))] == [("_m", 1)]


def test_mappings_with_any_values_are_found(repository):
    text = "a: dict[str, Any]\nb: Mapping[str, typing.Any]\nc: dict[str, int]\nd: list[dict[str, Any]]\n"
    assert len(loose_mappings(repository({"pkg/a.py": text}))) == 3


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("def f(a: int, *b: int, c: int, **d: int) -> int: ...", []),
        ("def f(a, *b, c, **d): ...", ["a", "c", "b", "d", "return"]),
        ("def f(a: int): ...", ["return"]),
    ],
)
def test_arguments_without_types_are_named(text, missing):
    assert untyped(ast.parse(text).body[0], method=False) == missing


def test_self_needs_no_type():
    assert untyped(ast.parse("def f(self, a: int) -> int: ...").body[0], method=True) == []
    assert untyped(ast.parse("@staticmethod\ndef f(a) -> int: ...").body[0], method=True) == ["a"]


def test_public_functions_leave_out_private_classes_and_overloads(repository):
    text = """
        class _A:
            def f(self): ...

        class B:
            def g(self): ...
            def _h(self): ...

        @overload
        def k(): ...
    """
    assert [node.name for _, node, _ in public_functions(repository({"pkg/a.py": text}))] == ["g"]


@pytest.mark.parametrize(
    "opening", ["What it is.", "How to go on.", "Whose fault it is.", "Where: here.", "What's left."]
)
def test_a_summary_that_is_a_riddle_is_found(repository, opening):
    r = repository(
        {
            "plugins/p/p.py": f'"""{opening}"""\n',
            "pkg/a.py": '"""Whatever."""\n\ndef f():\n    """Return what is left."""\n',
        }
    )
    assert riddles(r) == [f"plugins/p/p.py:1: {opening}"]
