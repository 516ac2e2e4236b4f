"""Retired words in names, docstrings, comments, messages and documentation.

One list says which words are retired, what replaces them, and where they count:

* ``text``: docstrings, comments, string constants, and files that are not Python;
* ``name``: identifiers of Python code, split at underscores and capitals, so that ``SeenBefore`` holds ``seen``;
* ``class`` and ``module``: the complete name of a class or of a module file.

A word that plain English or a library needs is retired as a name only. Names of formats that must stay readable may be
kept in string constants assigned to a name that starts with ``LEGACY_``; CHANGELOG and glossary may quote retired
words in backticks; `ALLOWED` lists everything else.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .tree import Function, Module, Repository


class Retired(NamedTuple):
    """Forms of a retired word, what to write instead, and the kinds of places where it counts."""

    forms: str
    instead: str
    kinds: frozenset[str] = frozenset({"text", "name"})


_NAME = frozenset({"name"})
_CLASS = frozenset({"class"})
_MODULE = frozenset({"module"})

RETIRED = (
    Retired("told", "diagnostics, provenance (weights), noise_policy (sigma), known"),
    Retired("seen", "observed, conditions, training data"),
    Retired("unseen", "held-out, self_supervised"),
    Retired("given", "passed, known, self_supervised, conditional on"),
    Retired("apart", "separately, except, distinguish"),
    Retired("beside", "next to, in addition to"),
    Retired("stranger strangers", "third-party plugin"),
    Retired("asking", "calling"),
    Retired("blame blames blamed blaming", "attribute_errors, the plugin that raised"),
    Retired("whole wholes", "untiled, entire, integer"),
    Retired("glance glances", "preview"),
    Retired("jury juries", "image evaluator"),
    Retired("damage damages damaged damaging", "degradation, degraded (prose), corruption (API)"),
    Retired("contender contenders", "method"),
    Retired("band bands", "strips (rows), channels (colours)"),
    Retired("figure figures", "metric value, statistic, chart"),
    Retired("subject subjects", "test image", _NAME),
    Retired("trial trials", "scenario", _NAME),
    Retired("around", "error model", _NAME),
    Retired("grain", "noise model", _NAME),
    Retired("octave octaves", "spectral", _NAME),
    Retired("finish", "quantise_8bit", _NAME),
    Retired("suits", "is_applicable", _NAME),
    Retired("takes", "accepts", _NAME),
    Retired("guess guesses", "initial_estimate"),
    Retired("mwg", "metropolis_gibbs", _NAME),
    Retired("pnp", "plug_and_play", _NAME),
    Retired("LEAST MOST FEW", "the quantity and its unit, such as MIN_TILE_PX", frozenset({"constant"})),
    Retired("Noise", "Rng", _CLASS),
    Retired("Figure Generator Path Level", "a name that no library uses for something else", _CLASS),
    Retired("Seen Subject Trial Contender Jury", "Conditions, TestImage, Scenario, Method, ImageEvaluator", _CLASS),
    Retired(
        "bench certainty drawing enclose exchange masking measured offers opening pixels pool recipe risk scoring"
        " spelling start stopping sweep watching pick hiding enclosing storing computing checking",
        "a noun of the field that says what the module holds",
        _MODULE,
    ),
)
VAGUE_VERBS = frozenset({"say", "says", "said", "tell", "tells", "ask", "asks", "asked"})


class Allowed(NamedTuple):
    """Permission for a word where the line matches one pattern and the file another, with the reason."""

    word: str
    line: str
    file: str
    reason: str


_STORED = "name in model files (settings and state dicts), which stay readable"
ALLOWED = (
    Allowed("grain", r"\.grain\b|\bgrain: str\b", "", _STORED),
    Allowed("around", r"\b(self|model)\.around\b|\bfilling_around\b", "", _STORED),
    Allowed("octaves", r"\.octaves\b|\boctaves: float\b", "", _STORED),
    Allowed("takes", r"\bself\.takes\b", r"class Posterior\b", _STORED),
    Allowed("whole", r"\bself\.whole\b", r"nn\.GRU\b", _STORED),
    Allowed("damaged", r"samples/damaged|/ \"damaged/", "", "name of the folder of samples"),
    Allowed(
        "damaged",
        r"(?i)\b(files?|truncated|packed image|journals)\b",
        "",
        "plain English for a broken file, in a line that names the file or its truncation",
    ),
    Allowed("figure", r"(?i)\bfigure \d", "", "a figure of a paper"),
    Allowed("figure", "", r"(?m)</figure>|\.querySelector\(|^figure \{", "the HTML element <figure>"),
    Allowed("figure", "", r"\bmatplotlib\b", "a chart is a Figure in matplotlib"),
    Allowed("figures", "", r"\bmatplotlib\b", "a chart is a Figure in matplotlib"),
    Allowed("band", r"(?i)frequency[ -]band", "", "the field's term in a spectrum"),
    Allowed("bands", r"(?i)frequency[ -]bands", "", "the field's term in a spectrum"),
    Allowed("band", r"#band", "", "part of the key of a channel's random stream; another key would change the draws"),
    Allowed("grain", "", r"\brestorekit_vintage\b", "the grain of photographic film"),
    Allowed("band", "", r"\bfft\b", "frequency bands of a Fourier transform"),
    Allowed("bands", "", r"\bfft\b", "frequency bands of a Fourier transform"),
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_QUOTING = re.compile(r"(?i)changelog|glossary")
_BACKTICKS = re.compile(r"(`+)[^`]+?\1")


@dataclass(frozen=True)
class Use:
    """One use of a retired word.

    Attributes
    ----------
    word, instead : str
        What is used, and what to write instead.
    room : str
        Top-level name of the package, or the first folder or file of another path.
    place : str
        ``path:line``.
    line : str
        The text of that line.
    """

    word: str
    instead: str
    room: str
    place: str
    line: str


class Mention(NamedTuple):
    """A piece of text to be searched: its kind, its first line's number, and the text."""

    kind: str
    line: int
    text: str


def retired_uses(repository: Repository) -> list[Use]:
    """Return every use of a retired word in package, plugins and documentation."""
    found: list[Use] = []
    for module in (*repository.sources, *repository.scripts):
        room = _room(module.path.parts, repository.package)
        found += _uses(mentions(module), module.text, module.path.as_posix(), room)
    for path, text in repository.texts():
        plain = (
            _BACKTICKS.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text) if _QUOTING.search(path.as_posix()) else text
        )
        found += _uses([Mention("text", 1, plain)], text, path.as_posix(), _room(path.parts, repository.package))
    return found


def _room(parts: tuple[str, ...], package: str) -> str:
    return parts[1].removesuffix(".py") if parts[0] == package and len(parts) > 1 else parts[0]


def mentions(module: Module) -> Iterator[Mention]:
    """Yield names, text constants and comments of a Python file."""
    yield Mention("module", 1, module.name.rpartition(".")[2])
    legacy = {id(n) for node in module.tree.body for n in ast.walk(node) if _is_legacy(node)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in legacy:
            yield Mention("text", node.lineno, node.value)
        yield from (Mention(kind, getattr(node, "lineno", 1), name) for kind, name in _names(node))
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield Mention("text", token.start[0], token.string)


def _is_legacy(node: ast.stmt) -> bool:
    """Return whether a statement assigns to a constant of old names."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(t, ast.Name) and t.id.lstrip("_").startswith("LEGACY_") for t in targets)


def _names(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the identifiers of one node with their kinds."""
    if isinstance(node, ast.Name):
        yield "name", node.id
        if isinstance(node.ctx, ast.Store):
            yield "constant", node.id.lstrip("_")
    elif isinstance(node, ast.Attribute):
        yield "name", node.attr
    elif isinstance(node, ast.arg | ast.keyword) and node.arg:
        yield "name", node.arg
    elif isinstance(node, ast.ClassDef):
        yield from (("name", node.name), ("class", node.name))
    elif isinstance(node, Function):
        yield "name", node.name
    elif isinstance(node, ast.ImportFrom):
        yield from (("name", part) for part in (node.module or "").split("."))
    elif isinstance(node, ast.alias):
        yield from (("name", part) for part in (*node.name.split("."), node.asname or ""))


def _uses(found: Iterator[Mention] | list[Mention], text: str, path: str, room: str) -> Iterator[Use]:
    lines = text.splitlines()
    for mention in found:
        for offset, piece in enumerate(mention.text.split("\n")):
            for word in _words(mention.kind, piece):
                instead = _RETIRED_BY_KIND.get((mention.kind, word))
                number = min(mention.line + offset, len(lines) or 1)
                line = lines[number - 1].strip() if lines else ""
                if instead and not _allowed(word, line, text):
                    yield Use(word, instead, room, f"{path}:{number}", line)


_RETIRED_BY_KIND = {
    (kind, form): word.instead for word in RETIRED for form in word.forms.split() for kind in word.kinds
}


def _words(kind: str, text: str) -> list[str]:
    """Return complete names of classes, modules and constants, and the lower-case parts of all other text."""
    return [text] if kind in ("class", "module", "constant") else [part.lower() for part in _PARTS.findall(text)]


def _allowed(word: str, line: str, text: str) -> bool:
    return any(a.word == word and re.search(a.line, line) and re.search(a.file, text) for a in ALLOWED)


def by_word(uses: list[Use]) -> list[str]:
    """Return one line per word: how often, what to write instead, and in which rooms."""
    rooms: dict[tuple[str, str], Counter[str]] = {}
    for use in uses:
        rooms.setdefault((use.word, use.instead), Counter())[use.room] += 1
    ordered = sorted(rooms.items(), key=lambda item: -item[1].total())
    return [
        f"{word} {counts.total()} ({', '.join(f'{room} {n}' for room, n in counts.most_common())}); write {instead}"
        for (word, instead), counts in ordered
    ]


def vague_verbs(repository: Repository) -> list[str]:
    """Return the lines of docstrings, messages and comments that use say, tell or ask."""
    found = []
    for module in repository.sources:
        for mention in mentions(module):
            if mention.kind == "text" and VAGUE_VERBS & set(_words("text", mention.text)):
                found.append(f"{module.place(mention.line)}: {mention.text.split(chr(10))[0][:100]}")
    return found
