"""Figures of the architecture and their bars, measured from the source tree."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import duplicates, functions, imports, story, surface, words
from .tree import Repository


class Bar(NamedTuple):
    """A limit of a criterion: its sign (``<=``, ``>=`` or ``=``) and its value."""

    sign: str
    value: float

    def holds(self, value: float | None) -> bool:
        """Return whether a value is within the limit; None, which could not be measured, is not."""
        if value is None:
            return False
        return {"<=": value <= self.value, ">=": value >= self.value, "=": value == self.value}[self.sign]

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


class Measured(NamedTuple):
    """A value and what it is made of.

    Attributes
    ----------
    value : float or None
        None if the tree does not have what is measured.
    places : list of str
        What an engineer has to work through, each with ``path:line`` where it has one.
    """

    value: float | None
    places: list[str]


@dataclass(frozen=True)
class Criterion:
    """One line of the table.

    Attributes
    ----------
    title : str
        What is counted.
    bar : Bar or None
        None for a figure that is shown but has no limit.
    measure : callable
        Measures it in a repository.
    unit : str
        Behind the value.
    """

    title: str
    bar: Bar | None
    measure: Callable[[Repository], Measured]
    unit: str = ""


def _count(places: list[str]) -> Measured:
    return Measured(len(places), places)


def _share(wrong: list[str], total: int) -> Measured:
    """Return in percent how many of a total are not wrong."""
    return Measured(round(100 * (total - len(wrong)) / total, 1) if total else None, wrong)


def _loose(r: Repository) -> Measured:
    return _count([m.path.as_posix() for m in r.loose()])


def _layer_lines(r: Repository) -> Measured:
    lines = imports.layers(r)
    return Measured(None, []) if lines is None else _count([" | ".join(line.rooms) for line in lines])


def _room_arrows(r: Repository) -> Measured:
    pairs = sorted(imports.room_arrows(r).items())
    return _count([f"{source} -> {target}: {len(a)}, first {a[0].place}" for (source, target), a in pairs])


def _upward(r: Repository) -> Measured:
    wrong = imports.upward(r)
    return Measured(None, []) if wrong is None else _count([f"{a.place}: {a.source} -> {a.target}" for a in wrong])


def _circles(deferred: bool) -> Callable[[Repository], Measured]:
    return lambda r: _count([" <-> ".join(group) for group in imports.circles(r, deferred)])


def _story_files(r: Repository) -> Measured:
    return _count(list(story.restore_one_picture(r.root).files))


def _story_frames(r: Repository) -> Measured:
    return _count(list(story.restore_one_picture(r.root).frames))


def _called_once(r: Repository) -> Measured:
    found = functions.private_functions(r)
    once = [f"{p.place}: {p.name}, used by {p.callers[0]}" for p in found if len(p.callers) == 1]
    return Measured(round(100 * len(once) / len(found), 1) if found else None, once)


def _duplicate_classes(r: Repository) -> Measured:
    return _count([f"{name}: {', '.join(places)}" for name, places in duplicates.duplicate_classes(r).items()])


def _files_of(find: Callable[[Repository], list[duplicates.Place]]) -> Callable[[Repository], Measured]:
    """Count the files that hold an implementation, and list its functions."""

    def measure(r: Repository) -> Measured:
        found = find(r)
        return Measured(len({place.module for place in found}), [str(place) for place in found])

    return measure


def _indexes(r: Repository) -> Measured:
    return _count([str(place) for place in duplicates.observation_indexing(r)])


def _retired(r: Repository) -> Measured:
    uses = words.retired_uses(r)
    listed = [f"{use.place}: {use.word} ({use.instead}): {use.line[:120]}" for use in uses]
    return Measured(len(uses), [*words.by_word(uses), *listed])


def _function_lines(share: float | None) -> Callable[[Repository], Measured]:
    """Measure a percentile of the lengths of functions; None = the greatest."""

    def measure(r: Repository) -> Measured:
        sizes = functions.function_sizes(r)
        lines = [size.lines for size in sizes]
        value = functions.percentile(lines, share) if share is not None else float(max(lines, default=0))
        return Measured(value, [f"{s.place}: {s.name} {s.lines}" for s in sizes if share is None and s.lines > 40])

    return measure


def _file_lines(r: Repository) -> Measured:
    sizes = functions.file_sizes(r)
    return Measured(functions.percentile([s.lines for s in sizes], 0.5), [])


def _largest_file(r: Repository) -> Measured:
    sizes = functions.file_sizes(r)
    return Measured(sizes[0].lines if sizes else None, [f"{s.place}: {s.lines}" for s in sizes if s.lines > 400])


def _typed(r: Repository) -> Measured:
    public = list(functions.public_functions(r))
    wrong = [
        f"{module.place(node)}: {node.name}: {', '.join(missing)}"
        for module, node, method in public
        if (missing := functions.untyped(node, method))
    ]
    return _share(wrong, len(public))


def _documented(r: Repository) -> Measured:
    public = list(functions.public_functions(r))
    wrong = [f"{m.place(node)}: {node.name}" for m, node, _ in public if ast.get_docstring(node) is None]
    return _share(wrong, len(public))


def _words_of(name: str) -> Callable[[Repository], Measured]:
    """Count the words of a text file, those of code included."""

    def measure(r: Repository) -> Measured:
        path = r.root / name
        return Measured(len(path.read_text(encoding="utf-8").split()) if path.is_file() else None, [])

    return measure


def at_most(value: float) -> Bar:
    """Return an upper limit."""
    return Bar("<=", value)


def at_least(value: float) -> Bar:
    """Return a lower limit."""
    return Bar(">=", value)


ONE = Bar("=", 1)  # none would mean that the idea is no longer recognised

CRITERIA: dict[str, Criterion] = {
    "loose": Criterion("modules loose in the root", at_most(0), _loose),
    "rooms": Criterion("rooms", at_most(13), lambda r: _count(r.rooms())),
    "files": Criterion("files of the package", None, lambda r: Measured(len(r.importable), [])),
    "layers": Criterion("layer lines of the import-linter contract", at_most(9), _layer_lines),
    "arrows": Criterion("arrows between rooms", at_most(60), _room_arrows),
    "upward": Criterion("imports that point upward or across a line", at_most(0), _upward),
    "circles": Criterion("circles of files, by imports of modules", at_most(0), _circles(False)),
    "circles-deferred": Criterion("circles of files, imports in functions included", at_most(0), _circles(True)),
    "story-files": Criterion("restoring one PNG: files entered", at_most(40), _story_files),
    "story-frames": Criterion("restoring one PNG: frames from command to network", at_most(14), _story_frames),
    "called-once": Criterion("private functions used from one place", at_most(40), _called_once, "%"),
    "duplicate-classes": Criterion("public class names defined more than once", at_most(0), _duplicate_classes),
    "corruption-names": Criterion(
        "corruptions recognised by name outside their room",
        at_most(0),
        lambda r: _count(duplicates.corruptions_by_name(r)),
    ),
    "take": Criterion("implementations of taking images of an observation", ONE, _indexes),
    "parsing": Criterion("files that parse values", ONE, _files_of(duplicates.value_parsers)),
    "arrays": Criterion("files that read arrays of images", ONE, _files_of(duplicates.array_readers)),
    "psnr": Criterion("files that compute PSNR", ONE, _files_of(duplicates.psnr_formulas)),
    "digest": Criterion("files that compute SHA-256", ONE, _files_of(duplicates.digests)),
    "riddles": Criterion(
        "summaries that open with What/How/Which/Whose/Where", at_most(0), lambda r: _count(functions.riddles(r))
    ),
    "retired": Criterion("uses of retired words", at_most(0), _retired),
    "vague-verbs": Criterion("texts that say, tell or ask", None, lambda r: _count(words.vague_verbs(r))),
    "function-median": Criterion("function length, median", at_most(10), _function_lines(0.5), "lines"),
    "function-p90": Criterion("function length, 90th percentile", at_most(30), _function_lines(0.9), "lines"),
    "function-longest": Criterion("function length, longest", at_most(40), _function_lines(None), "lines"),
    "file-median": Criterion("file length, median", None, _file_lines, "lines"),
    "file-longest": Criterion("file length, longest", None, _largest_file, "lines"),
    "loose-mappings": Criterion(
        "dict[str, Any] and Mapping[str, Any]", at_most(25), lambda r: _count(functions.loose_mappings(r))
    ),
    "typed": Criterion("public functions with types", at_least(100), _typed, "%"),
    "documented": Criterion("public functions with a docstring", at_least(100), _documented, "%"),
    "closed-doors": Criterion(
        "public modules missing or without __all__", at_most(0), lambda r: _count(surface.closed_doors(r))
    ),
    "side-imports": Criterion(
        "imports of plugins from other modules than the public ones",
        at_most(0),
        lambda r: _count(surface.side_imports(r)),
    ),
    "readme": Criterion("README", at_most(700), _words_of("README.md"), "words"),
    "contributing": Criterion("CONTRIBUTING", at_most(600), _words_of("CONTRIBUTING.md"), "words"),
}

HERE = Repository(Path(__file__).resolve().parents[2])
