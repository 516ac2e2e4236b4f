"""Ideas that the package implements more than once, and corruptions that code outside their room knows by name.

An implementation is recognised by what it calls or computes, so that moving or renaming it changes nothing. Except for
observations, what counts is the number of files: two functions of one file may share an idea.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .tree import Function, Module, Repository, functions, is_public

CORRUPTIONS = "corruptions"  # the room where names of corruptions belong
TRUTH = {"true", "yes", "false", "no"}
NOT_IMAGES = {  # np.load of something that is not an array of images
    "corruptions.blur": "a convolution kernel",
}


class Place(NamedTuple):
    """One place of an implementation: dotted module, function, and ``path:line``."""

    module: str
    function: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.function}"


def duplicate_classes(repository: Repository) -> dict[str, list[str]]:
    """Return the public class names that several files define, with the places."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in repository.importable:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and is_public(node.name):
                found[node.name].append(module.place(node))
    return {name: places for name, places in sorted(found.items()) if len(places) > 1}


# ------------------------------------------------------------------------ names of corruptions


def corruption_names(repository: Repository) -> set[str]:
    """Return the texts that classes in the room of corruptions assign to ``name``."""
    found = set()
    for module in repository.importable:
        if module.top == CORRUPTIONS:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    found |= {value for statement in node.body if (value := _name_text(statement))}
    return found


def _name_text(node: ast.stmt) -> str | None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = any(isinstance(t, ast.Name) and t.id == "name" for t in targets)
    value = getattr(node, "value", None)
    return value.value if named and isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def corruptions_by_name(repository: Repository) -> list[str]:
    """Return the places outside their room that recognise a corruption by the spelling of its name.

    A place is a comparison, a look-up, a ``startswith`` or an ``endswith``. One side is the ``name`` of an object or a
    variable made from one. The other is a text: the name of a corruption, a part of it, or a collection with one.
    """
    known, found = corruption_names(repository), []
    for module in repository.importable:
        if module.top not in (CORRUPTIONS, ""):
            constants = _constants(module, repository)
            for node, made in _scopes(module):
                if _recognises(node, known, constants, made):
                    found.append(f"{module.place(node)}: {ast.unparse(node)}")
    return found


def _constants(module: Module, repository: Repository) -> dict[str, set[str]]:
    """Return the texts that constants of a module hold, those imported from other modules of the package too."""
    found = _assigned(module)
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and (home := repository.by_name.get(node.module or "")):
            theirs = _assigned(home)
            found |= {a.asname or a.name: theirs[a.name] for a in node.names if a.name in theirs}
    return found


def _assigned(module: Module) -> dict[str, set[str]]:
    """Return the texts in every assignment of a module's body, by variable."""
    assigned = [node for node in module.tree.body if isinstance(node, ast.Assign)]
    return {t.id: _texts(node.value) for node in assigned for t in node.targets if isinstance(t, ast.Name)}


def _texts(node: ast.AST) -> set[str]:
    """Return the text constants of an expression; of a mapping, those of its keys."""
    nodes = [key for key in node.keys if key is not None] if isinstance(node, ast.Dict) else [node]
    inside = (n for top in nodes for n in ast.walk(top))
    return {n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _scopes(module: Module) -> Iterator[tuple[ast.AST, set[str]]]:
    """Yield every node with the variables of its function that are made from the ``name`` of an object."""
    inside: dict[int, set[str]] = defaultdict(set)
    for function in (n for n in ast.walk(module.tree) if isinstance(n, Function)):
        made = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _has_name(node.value, set())
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            inside[id(node)] |= made
    yield from ((node, inside[id(node)]) for node in ast.walk(module.tree))


def _has_name(node: ast.AST, made: set[str]) -> bool:
    """Return whether an expression contains ``anything.name`` or a variable made from it."""
    return any(
        (isinstance(n, ast.Attribute) and n.attr == "name") or (isinstance(n, ast.Name) and n.id in made)
        for n in ast.walk(node)
    )


def _recognises(node: ast.AST, known: set[str], constants: Mapping[str, set[str]], made: set[str]) -> bool:
    """Return whether a node compares or looks up the ``name`` of an object by the name of a corruption."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        others = [b for a in sides for b in sides if a is not b and _has_name(a, made)]
        inside = isinstance(node.ops[0], ast.In | ast.NotIn)
        return any(_names_one(b, known, constants, part=inside and b is node.left) for b in others)
    if isinstance(node, ast.Subscript):
        return _has_name(node.slice, made) and _names_one(node.value, known, constants)
    if isinstance(node, ast.Match):
        return _has_name(node.subject, made) and any(known & _texts(case.pattern) for case in node.cases)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr in ("startswith", "endswith"):
            return _has_name(node.func.value, set()) and _names_one(node.args[0], known, constants, part=True)
        looks_up = node.func.attr == "get" and _has_name(node.args[0], made)
        return looks_up and _names_one(node.func.value, known, constants)
    return False


def _names_one(node: ast.AST, known: set[str], constants: Mapping[str, set[str]], part: bool = False) -> bool:
    """Return whether an expression holds the name of a corruption or, with `part`, three letters or more of one."""
    if isinstance(node, ast.Attribute | ast.Call):
        return False
    names = (n.id for n in ast.walk(node) if isinstance(n, ast.Name))
    texts = _texts(node).union(*(constants.get(name, set()) for name in names))
    return bool(texts & known) or (part and any(len(t) > 2 and t in name for t in texts for name in known))


# ------------------------------------------------------------------------ one idea, one implementation


def observation_indexing(repository: Repository) -> list[Place]:
    """Return the functions that index the tensors of an observation to get another one.

    That is a function that builds an ``Observation`` (by its class or ``replace``) whose ``y`` is a slice or an item of
    another's ``y`` along the batch, or that maps ``lambda t: t[index]`` over all tensors.
    """
    return _places(repository, _indexes)


def _indexes(function: Function, module: Module) -> bool:
    for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
        fields = {k.arg: k.value for k in call.keywords}
        if (name := _called(call)) == "Observation" and call.args:
            fields.setdefault("y", call.args[0])
        if name in ("Observation", "replace") and "y" in fields and any(map(_is_item_of_y, ast.walk(fields["y"]))):
            return True
    items = any(isinstance(n, ast.Lambda) and _is_item_of_argument(n) for n in ast.walk(function))
    return (
        items and function.returns is not None and ast.unparse(function.returns).strip("'\"") in ("Observation", "Self")
    )


def _called(call: ast.Call) -> str:
    """Return the last name of what is called: ``load`` of ``np.load(...)``."""
    return ast.unparse(call.func).rpartition(".")[2]


def _is_item_of_y(node: ast.AST) -> bool:
    """Return whether a node is ``….y[i]`` or ``….y[i : i + 1]``, with one index, the batch's."""
    if not isinstance(node, ast.Subscript) or isinstance(node.slice, ast.Tuple):
        return False
    return isinstance(node.value, ast.Attribute) and node.value.attr == "y"


def _is_item_of_argument(node: ast.Lambda) -> bool:
    """Return whether a lambda is ``lambda t: t[index]`` with one index, the batch's."""
    body = node.body
    return (
        isinstance(body, ast.Subscript) and isinstance(body.value, ast.Name) and not isinstance(body.slice, ast.Tuple)
    )


def value_parsers(repository: Repository) -> list[Place]:
    """Return the functions that read a fraction A/B as a number, or words such as yes and no as a truth value."""
    return _places(repository, _parses_values)


def _parses_values(function: Function, module: Module) -> bool:
    nodes = list(ast.walk(function))
    calls = [n for n in nodes if isinstance(n, ast.Call)]
    names = {_called(call) for call in calls}
    splits = any(_called(c) in ("partition", "rpartition", "split") and _texts(c) == {"/"} for c in calls)
    divides = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) for n in nodes)
    tables = {name for name, texts in _assigned(module).items() if texts >= TRUTH}
    reads_truth = tables & {n.id for n in nodes if isinstance(n, ast.Name)} or any(
        isinstance(n, ast.Dict | ast.Set | ast.Tuple | ast.List) and _texts(n) & TRUTH == TRUTH for n in nodes
    )
    return (splits and divides and "float" in names) or "Fraction" in names or bool(reads_truth)


def array_readers(repository: Repository) -> list[Place]:
    """Return the functions that read arrays of NPY, NPZ or IDX files.

    They call ``np.load``, ``read_array`` and its kin, or ``np.frombuffer`` of what a file's ``read`` returns.
    """
    return [p for p in _places(repository, _reads_arrays) if p.module.partition(".")[2] not in NOT_IMAGES]


def _reads_arrays(function: Function, module: Module) -> bool:
    for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
        if ast.unparse(call.func) in ("np.load", "numpy.load") or _called(call).startswith("read_array"):
            return True
        if _called(call) in ("frombuffer", "fromfile") and call.args and ".read" in ast.unparse(call.args[0]):
            return True
    return False


def psnr_formulas(repository: Repository) -> list[Place]:
    """Return the functions that compute a PSNR: ``-10 log10(mse)``, ``10 log10(peak / mse)``, or scikit-image's."""
    return _places(repository, _computes_psnr)


def _computes_psnr(function: Function, module: Module) -> bool:
    return any(
        (isinstance(n, ast.Call) and _called(n) == "peak_signal_noise_ratio")
        or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) and _is_decibels(n.left, n.right))
        or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) and _is_decibels(n.right, n.left))
        for n in ast.walk(function)
    )


def _is_decibels(factor: ast.expr, logarithm: ast.expr) -> bool:
    """Return whether a product is -10 log10(a), or 10 log10(a / b); 20 instead of 10 counts too."""
    if not isinstance(logarithm, ast.Call) or _called(logarithm) != "log10":
        return False
    text = ast.unparse(factor)
    inner = logarithm.args[0] if logarithm.args else getattr(logarithm.func, "value", None)
    divides = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div)
    return text.lstrip("-") in ("10", "10.0", "20", "20.0") and (text.startswith("-") or divides)


def digests(repository: Repository) -> list[Place]:
    """Return the functions that compute SHA-256 with hashlib."""
    return _places(repository, _digests)


def _digests(function: Function, module: Module) -> bool:
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
    return any(
        _called(c) == "sha256" or (_called(c) in ("new", "file_digest") and "sha256" in _texts(c)) for c in calls
    )


def _places(repository: Repository, is_one: Callable[[Function, Module], bool]) -> list[Place]:
    found = []
    for module in repository.importable:
        for node, owner in functions(module):
            if is_one(node, module):
                name = f"{owner.name}.{node.name}" if owner else node.name
                found.append(Place(module.name, name, module.place(node)))
    return found
