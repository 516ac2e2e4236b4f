"""Public surface: the modules that plugins may import from, and what plugins import."""

from __future__ import annotations

import ast

from .imports import imported_names
from .tree import DOORS, Module, Repository


def doors(repository: Repository) -> list[str]:
    """Return the dotted names of the modules that plugins may import from."""
    return [f"{repository.package}.{door}".removesuffix(".") for door in DOORS]


def closed_doors(repository: Repository) -> list[str]:
    """Return the public modules that are missing or have no ``__all__``."""
    wrong = []
    for name in doors(repository):
        module = repository.by_name.get(name)
        if module is None:
            wrong.append(f"{name}: missing")
        elif not _has_all(module):
            wrong.append(f"{name}: no __all__")
    return wrong


def _has_all(module: Module) -> bool:
    targets = [t for n in module.tree.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in module.tree.body if isinstance(n, ast.AnnAssign)]
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)


def side_imports(repository: Repository) -> list[str]:
    """Return the imports of plugins and scaffold files from modules of the package that are not public.

    A statement counts once for each name, under ``if TYPE_CHECKING`` too.
    """
    allowed, wrong = doors(repository), []
    scaffold = [module for module in repository.modules if not module.importable]
    for module in (*repository.plugins, *scaffold):
        for name, node, _ in imported_names(module, typing=True):
            if name.partition(".")[0] == repository.package and not _is_allowed(name, allowed, node, repository):
                wrong.append(f"{module.place(node)}: {name}")
    return wrong


def _is_allowed(name: str, allowed: list[str], node: ast.AST, repository: Repository) -> bool:
    """Return whether a name is a public module or is imported from one, and is not a module behind it."""
    if name in allowed:
        return True
    return isinstance(node, ast.ImportFrom) and node.module in allowed and name not in repository.by_name
