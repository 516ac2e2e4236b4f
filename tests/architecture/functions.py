"""Measures of functions and files: length, callers, annotations and docstrings."""

from __future__ import annotations

import ast
import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from .tree import Function, Module, Repository, functions, is_public

MAPPINGS = ("dict", "Mapping", "MutableMapping")
RIDDLES = ("What", "How", "Which", "Whose", "Where")


class Sized(NamedTuple):
    """A named place with a number of lines."""

    lines: int
    name: str
    place: str


def function_sizes(repository: Repository) -> list[Sized]:
    """Return the length of every function body in lines, without decorators, signature and docstring; longest first."""
    found = []
    for module in repository.importable:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                found.append(Sized(body_lines(node), node.name, module.place(node)))
    return sorted(found, reverse=True)


def body_lines(node: Function) -> int:
    """Return the number of lines from the first statement after the docstring to the last; 0 without statements."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def percentile(values: list[int], share: float) -> float:
    """Return a percentile as the nearest rank from above; 0 of nothing."""
    ordered = sorted(values)
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) if ordered else 0.0


def file_sizes(repository: Repository) -> list[Sized]:
    """Return the length of every importable file in lines, longest first."""
    sizes = [Sized(len(m.text.splitlines()), m.name, m.path.as_posix()) for m in repository.importable]
    return sorted(sizes, reverse=True)


def median(values: list[int]) -> float:
    """Return the median; 0 of nothing."""
    return float(statistics.median(values)) if values else 0.0


class Private(NamedTuple):
    """A private function and the places that use it: functions, or bodies of modules."""

    name: str
    place: str
    callers: tuple[str, ...]


def private_functions(repository: Repository) -> list[Private]:
    """Return the private functions and methods of the package with the places that use them.

    A place is a function of a module or a method, nested functions included, or the rest of a module's body; it counts
    once, however often it mentions the name. A function of a module is used by its bare name in the same module, and as
    ``module._name`` or ``from module import _name`` anywhere. A method is used as ``anything._name`` in the same module
    or, if there is no such use, anywhere in the package. Special and nested functions are left out.
    """
    mentioned = _mentioned(repository)
    found = []
    for module in repository.importable:
        for node, owner in functions(module):
            if is_public(node.name) or node.name.endswith("__"):
                continue
            callers = mentioned["attribute", node.name]
            if owner is None:
                callers = callers | mentioned[module.name, node.name] | mentioned["import", node.name]
            else:
                callers = {c for c in callers if c.startswith(f"{module.path.as_posix()}:")} or callers
            own = module.place(node)
            found.append(Private(node.name, own, tuple(sorted(callers - {own}))))
    return found


def _mentioned(repository: Repository) -> dict[tuple[str, str], set[str]]:
    """Return where names are mentioned, by kind of mention (a module's name for bare names) and name."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)

    def collect(node: ast.AST, module: Module, place: str | None) -> None:
        for child in ast.iter_child_nodes(node):
            inner = module.place(child) if place is None and isinstance(child, Function) else place
            where = inner or f"{module.path.as_posix()}:body"
            if isinstance(child, ast.Name):
                found[module.name, child.id].add(where)
            elif isinstance(child, ast.Attribute):
                found["attribute", child.attr].add(where)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    found["import", alias.name].add(where)
            collect(child, module, inner)

    for module in repository.importable:
        collect(module.tree, module, None)
    return found


def loose_mappings(repository: Repository) -> list[str]:
    """Return the places of ``dict[str, Any]`` and ``Mapping[str, Any]``, whose keys no type checker knows."""
    found = []
    for module in repository.importable:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Subscript) and ast.unparse(node.slice).strip("()") in (
                "str, Any",
                "str, typing.Any",
            ):
                found += [module.place(node)] if ast.unparse(node.value).rpartition(".")[2] in MAPPINGS else []
    return found


def public_functions(repository: Repository) -> Iterator[tuple[Module, Function, bool]]:
    """Yield the public functions and methods of the package, and whether each is a method.

    Methods of private classes, special methods, and overloads are not public.
    """
    for module in repository.importable:
        for node, owner in functions(module):
            hidden = owner is not None and not is_public(owner.name)
            overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
            if is_public(node.name) and not hidden and not overload:
                yield module, node, owner is not None


def untyped(node: Function, method: bool) -> list[str]:
    """Return the arguments of a function that have no annotation, and "return" if its result has none."""
    static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    plain = [*node.args.posonlyargs, *node.args.args][int(method and not static) :]
    every = [*plain, *node.args.kwonlyargs, *(a for a in (node.args.vararg, node.args.kwarg) if a)]
    return [a.arg for a in every if a.annotation is None] + ["return"] * (node.returns is None)


def docstrings(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield every documented module, class and function with its docstring."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and (text := ast.get_docstring(node)):
            yield node, text


def riddles(repository: Repository) -> list[str]:
    """Return the docstring summaries of package and plugins that open with What, How, Which, Whose or Where."""
    found = []
    for module in repository.sources:
        for node, text in docstrings(module):
            summary = text.split("\n")[0]
            if summary.replace("'", " ").split(" ")[0].rstrip(",:;") in RIDDLES:
                found.append(f"{module.place(node)}: {summary}")
    return found
