"""Import graph of the package: rooms, layers, upward arrows and circles."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .tree import Module, Repository


@dataclass(frozen=True)
class Arrow:
    """One import statement between two modules of the package.

    Attributes
    ----------
    source, target : str
        Dotted names of modules.
    place : str
        ``path:line`` of the statement.
    deferred : bool
        True inside a function, where it runs only when the function is called.
    """

    source: str
    target: str
    place: str
    deferred: bool


def imported_names(module: Module, typing: bool = False) -> Iterator[tuple[str, ast.AST, bool]]:
    """Yield every imported dotted name, its node, and whether a function holds it.

    ``from a import b`` yields ``a.b``, and ``import_module("a.b")`` with a text constant ``a.b`` too.

    Parameters
    ----------
    module : Module
        Where to look.
    typing : bool
        Whether imports under ``if TYPE_CHECKING`` count.
    """
    yield from _imported(module.tree.body, module, typing, False)


def _imported(
    nodes: Iterable[ast.AST], module: Module, typing: bool, deferred: bool
) -> Iterator[tuple[str, ast.AST, bool]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            yield from ((f"{base}.{alias.name}", node, deferred) for alias in node.names)
        elif isinstance(node, ast.Call) and (name := _dynamic(node)):
            yield name, node, deferred
        inside: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and _is_type_checking(node.test) and not typing:
            inside = node.orelse
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imported(inside, module, typing, deferred or function)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    """Return the dotted name that a ``from`` statement starts with, relative imports resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _dynamic(call: ast.Call) -> str | None:
    """Return the text constant that ``import_module`` is called with."""
    first = call.args[0] if call.args and ast.unparse(call.func).endswith("import_module") else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def arrows(repository: Repository) -> list[Arrow]:
    """Return the imports between modules of the package, each resolved to the file that it names."""
    found = []
    for module in repository.importable:
        for name, node, deferred in imported_names(module):
            target = _resolved(name, repository.by_name)
            if target and target != module.name:
                found.append(Arrow(module.name, target, module.place(node), deferred))
    return found


def _resolved(name: str, known: Mapping[str, Module]) -> str | None:
    """Return the longest prefix that is a module."""
    parts = name.split(".")
    return next((p for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in known), None)


def room_arrows(repository: Repository) -> dict[tuple[str, str], list[Arrow]]:
    """Return the arrows between top-level names, by pair.

    The root package and ``__main__`` have none.
    """
    found: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in arrows(repository):
        source, target = repository.by_name[arrow.source].top, repository.by_name[arrow.target].top
        if source not in ("", "__main__") and target and source != target:
            found.setdefault((source, target), []).append(arrow)
    return found


class Layer(NamedTuple):
    """A line of the contract: its rooms, and whether they may import from one another."""

    rooms: tuple[str, ...]
    mutual: bool


def layers(repository: Repository) -> list[Layer] | None:
    """Return the lines of the import-linter contract of type ``layers``, top first; None if there is none.

    Of several such contracts the one about the root package counts: its entries are ``room`` in the container
    ``package``, or ``package.room`` without a container.
    """
    contracts = repository.configuration.get("tool", {}).get("importlinter", {}).get("contracts", [])
    for contract in contracts:
        containers = contract.get("containers", [])
        if contract.get("type") == "layers" and containers in ([], [repository.package]):
            prefix = "" if containers else f"{repository.package}."
            return [_layer(line, prefix) for line in contract["layers"]]
    return None


def _layer(line: str, prefix: str) -> Layer:
    """Read ``a | b`` (independent), ``a : b`` (mutual) or ``(a)`` (optional)."""
    names = [name.strip().removeprefix("(").removesuffix(")") for name in line.replace("|", ":").split(":")]
    return Layer(tuple(name.removeprefix(prefix) for name in names), ":" in line)


def upward(repository: Repository) -> list[Arrow] | None:
    """Return the imports that do not point to a lower line of the contract; None without a contract.

    A room that the contract does not name may neither import nor be imported, so that none can be forgotten.
    """
    lines = layers(repository)
    if lines is None:
        return None
    row = {name: i for i, line in enumerate(lines) for name in line.rooms}
    wrong = []
    for (source, target), found in room_arrows(repository).items():
        known = source in row and target in row
        allowed = known and (row[source] < row[target] or (row[source] == row[target] and lines[row[source]].mutual))
        wrong += [] if allowed else found
    return wrong


def circles(repository: Repository, deferred: bool) -> list[list[str]]:
    """Return groups of modules that import one another, by strongly connected components.

    Parameters
    ----------
    repository : Repository
        Where to look.
    deferred : bool
        Whether imports inside functions count too.
    """
    graph: dict[str, set[str]] = {module.name: set() for module in repository.importable}
    for arrow in arrows(repository):
        if deferred or not arrow.deferred:
            graph[arrow.source].add(arrow.target)
    return sorted(sorted(group) for group in components(graph) if len(group) > 1)


def components(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return the strongly connected components of a directed graph (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            found.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return found
