"""The scripts of a report: each uses only its arguments, its own names and the browser's."""

from __future__ import annotations

import re

import pytest

from restorekit.report import render
from tests._helpers.script_scopes import (
    factory_of,
    has_result,
    parameters_of,
    read_script,
    returned_by,
    taken_from,
    text_of,
    walk,
)

FILES = sorted(path.stem for path in render.VIEWER.glob("*.js"))
BROWSER = {
    *("Array", "Blob", "Boolean", "Float64Array", "HTMLElement", "Image", "Intl", "JSON", "Map", "Math", "NaN"),
    *("Number", "Object", "ResizeObserver", "Set", "String", "URL", "URLSearchParams", "Uint8Array", "WheelEvent"),
    *("clearInterval", "clearTimeout", "decodeURIComponent", "document", "history", "location", "navigator"),
    *("setInterval", "setTimeout", "window"),
}


@pytest.fixture(scope="module")
def scripts():
    """The scripts by name."""
    return {name: read_script((render.VIEWER / f"{name}.js").read_text(encoding="utf-8")) for name in FILES}


def test_the_reader_finds_names_that_a_script_does_not_declare():
    source = """
    function createPart({ byId, rows: [first] }, size = fallback) {
      const { a, b: { c = preset }, ...rest } = byId(first, size);
      for (const i of rest) { let inner = i; label: while (inner) break label; }
      try { later(inner); } catch (error) { report(error, `${missing} ${a}`); }
      ({ taken: lost, gone } = rest);
      const after = (x) => x.property?.other ?? { shorthand, key: c, [computed]: 1 };
      return { after, later, unknown };
      function later(y) { return y; }
    }
    """
    script = read_script(source)
    assert script.declared == ["createPart"]
    # inner is declared in another block; other names of properties, keys and labels are no uses
    assert script.free == {
        *("fallback", "preset", "inner", "lost", "gone", "report", "missing", "shorthand", "computed", "unknown"),
    }
    assert script.unused == set()
    assert parameters_of(factory_of(script)) == ["byId", "first", "size"]


def test_the_reader_finds_unused_names_and_what_is_no_script():
    assert read_script("function f(used, unused) { const local = 1; return used; }").unused == {"unused", "local"}
    with pytest.raises(SyntaxError, match="line 2"):
        read_script("function f() {\n  return {;\n}")


@pytest.mark.parametrize("name", FILES)
def test_a_script_uses_only_its_arguments_its_own_names_and_the_browser(scripts, name):
    script = scripts[name]
    assert script.declared == [f"create{name.capitalize()}"]
    assert text_of(factory_of(script).child_by_field_name("name")) == script.declared[0]
    assert script.free <= BROWSER
    assert script.unused <= {"_"}


def test_a_script_that_uses_a_name_of_another_one_is_found(scripts):
    for name, script in scripts.items():
        for other in FILES:
            used = f"create{other.capitalize()}"
            source = text_of(script.tree).replace("  const ", f"  {used}();\n  const ", 1)
            available = {name, *(render.PARTS if name == "page" else ())}
            assert (used in read_script(source).free) == (other not in available)


def test_page_connects_every_part_and_parts_return_what_others_take(scripts):
    factories = {name: factory_of(script) for name, script in scripts.items()}
    assert parameters_of(factories["page"]) == [f"create{part.capitalize()}" for part in render.PARTS]
    calls = [node for node in walk(factories["page"]) if node.type == "call_expression"]
    arguments = {}
    for call in calls:
        called = text_of(call.child_by_field_name("function"))
        if called in parameters_of(factories["page"]):
            passed = call.child_by_field_name("arguments").named_children
            arguments[called.removeprefix("create").lower()] = [text_of(node) for node in passed]
    assert arguments == {name: parameters_of(factories[name]) for name in render.PARTS}
    taken = {part: set() for part in render.PARTS}
    for name, factory in factories.items():
        for part in render.PARTS if name == "page" else arguments[name]:
            taken.get(part, set()).update(taken_from(factory, part))
    assert {part: sorted(names) for part, names in taken.items()} == {
        part: sorted(returned_by(factories[part])) for part in render.PARTS
    }


@pytest.mark.parametrize("name", FILES)
def test_functions_that_others_call_have_typed_comments(scripts, name):
    factory = factory_of(scripts[name])
    own = [node for node in factory.child_by_field_name("body").named_children if node.type == "function_declaration"]
    exported = [node for node in own if text_of(node.child_by_field_name("name")) in returned_by(factory)]
    for function in (factory, *exported):
        comment = text_of(function.prev_named_sibling)
        what = text_of(function.child_by_field_name("name"))
        assert comment.startswith("/**"), what
        documented = [n for n in re.findall(r"@param {.+?} \[?([\w.]+)", comment) if "." not in n]
        parameters = function.child_by_field_name("parameters").named_children
        assert len(documented) == len(parameters), what
        assert has_result(function) == ("@returns" in comment), what
        summary = re.sub(r"[\s*/]+", " ", comment.partition("@")[0]).strip().partition(".")[0].partition(":")[0]
        assert summary.split()[0] not in ("What", "How", "Which", "Whose", "Where"), what
