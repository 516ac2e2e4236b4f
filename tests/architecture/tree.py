"""Parsed source files of a repository: the package, its plugins, and its other texts."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef
DOORS = ("", "models", "corruptions", "samplers", "testing")  # public modules below the root; "" is itself


@dataclass(frozen=True, eq=False)
class Module:
    """One Python file.

    Attributes
    ----------
    name : str
        Dotted name, a package without ``__init__``.
    path : Path
        Relative to the repository.
    text : str
        Source text.
    tree : ast.Module
        Syntax tree.
    importable : bool
        False for files in a folder that is not a package, such as the files of a scaffold.
    """

    name: str
    path: Path
    text: str
    tree: ast.Module
    importable: bool = True

    @property
    def is_package(self) -> bool:
        """Whether the file is the ``__init__`` of a package."""
        return self.path.name == "__init__.py"

    @property
    def top(self) -> str:
        """First name below the root package; "" for the root package itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    def place(self, node: ast.AST | int) -> str:
        """Return ``path:line`` of a node or a line number."""
        return f"{self.path.as_posix()}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}"


@dataclass(frozen=True, eq=False)
class Repository:
    """A checkout that holds one package, plugins and documentation.

    Attributes
    ----------
    root : Path
        Folder of ``pyproject.toml``.
    package : str
        Name of the package.
    """

    root: Path
    package: str = "restorekit"

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """All Python files of the package, scaffold files included."""
        return tuple(self._parsed(sorted((self.root / self.package).rglob("*.py")), self.root))

    @cached_property
    def importable(self) -> tuple[Module, ...]:
        """Python files of the package that can be imported."""
        return tuple(module for module in self.modules if module.importable)

    @cached_property
    def plugins(self) -> tuple[Module, ...]:
        """All Python files below ``plugins``, tests included."""
        folder = self.root / "plugins"
        return tuple(self._parsed(sorted(folder.rglob("*.py")), folder))

    @cached_property
    def scripts(self) -> tuple[Module, ...]:
        """All Python files below ``docs``: its configuration and the scripts of the gallery."""
        return tuple(self._parsed(sorted((self.root / "docs").rglob("*.py")), self.root))

    @property
    def sources(self) -> tuple[Module, ...]:
        """Python files of package and plugins."""
        return self.modules + self.plugins

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """Importable modules of the package by dotted name."""
        return {module.name: module for module in self.importable}

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """Parsed ``pyproject.toml``; empty if there is none."""
        path = self.root / "pyproject.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def rooms(self) -> list[str]:
        """Return the names of the packages directly below the root package."""
        return sorted({m.top for m in self.importable if m.is_package and m.name.count(".") == 1})

    def loose(self) -> list[Module]:
        """Return the modules directly below the root package, without ``__main__``."""
        found = [m for m in self.importable if not m.is_package and m.name.count(".") == 1]
        return [m for m in found if m.top != "__main__"]

    def texts(self) -> Iterator[tuple[Path, str]]:
        """Yield path and text of documentation, scripts, styles and templates, which are not Python."""
        kinds = {"plugins": "md toml", "docs": "md rst", "samples": "md", self.package: "md js css html j2 toml json"}
        paths = [*self.root.glob("*.md"), self.root / "pyproject.toml"]
        for folder, suffixes in kinds.items():
            paths += [path for suffix in suffixes.split() for path in (self.root / folder).rglob(f"*.{suffix}")]
        for path in sorted(set(paths)):
            if path.is_file() and not _is_generated(path.relative_to(self.root)):
                yield path.relative_to(self.root), path.read_text(encoding="utf-8")

    def _parsed(self, paths: Iterable[Path], base: Path) -> Iterator[Module]:
        for path in paths:
            if not _is_generated(path.relative_to(base)):
                text = path.read_text(encoding="utf-8")
                parts = path.relative_to(base).with_suffix("").parts
                folders = [base.joinpath(*parts[:depth]) for depth in range(1, len(parts))]
                importable = all((folder / "__init__.py").is_file() for folder in folders)
                name = ".".join(parts).removesuffix(".__init__")
                yield Module(name, path.relative_to(self.root), text, ast.parse(text), importable)


def functions(module: Module) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Yield the functions of a module and the methods of its classes, with the class; nested functions are left out."""
    yield from _functions(module.tree.body, None)


def _functions(body: list[ast.stmt], owner: ast.ClassDef | None) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    for node in body:
        if isinstance(node, Function):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, node)
        elif isinstance(node, ast.If | ast.Try):
            yield from _functions([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)], owner)


def is_public(name: str) -> bool:
    """Return whether a name has no leading underscore."""
    return not name.startswith("_")


def _is_generated(path: Path) -> bool:
    """Return whether a file is a build product or lies in a hidden folder."""
    return any(
        p.startswith(".")
        or p in ("__pycache__", "build", "_build", "dist", "generated", "gallery")
        or p.endswith(".egg-info")
        for p in path.parts
    )
