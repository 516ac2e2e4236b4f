"""Names that a script declares, uses and takes from elsewhere, by lexical scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_javascript.language()))
_FUNCTIONS = {"function_declaration", "function_expression", "arrow_function", "method_definition"}
_BLOCKS = {"statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body"}
_BINDINGS = {"identifier", "shorthand_property_identifier_pattern"}
_NAMES = {*_BINDINGS, "shorthand_property_identifier"}
_PATTERNS = {
    "variable_declarator": ("name",),
    "for_in_statement": ("left",),
    "catch_clause": ("parameter",),
    **dict.fromkeys(_FUNCTIONS, ("parameters", "parameter")),
}
_DEFAULTS = {"assignment_pattern", "object_assignment_pattern"}


@dataclass
class Scope:
    """Names that a block or a function declares."""

    parent: Scope | None
    is_function: bool
    names: dict[str, bool] = field(default_factory=dict)  # and whether each is used

    def declare(self, name: str, *, in_function: bool = False) -> None:
        scope = self
        while in_function and not scope.is_function and scope.parent:
            scope = scope.parent
        scope.names.setdefault(name, False)

    def use(self, name: str) -> bool:
        """Mark a name as used; False if no scope declares it."""
        if name in self.names:
            self.names[name] = True
            return True
        return self.parent is not None and self.parent.use(name)


@dataclass
class Script:
    """A script that has been read.

    Attributes
    ----------
    tree : Node
        Its syntax tree.
    declared : list of str
        Names at its top level.
    free : set of str
        Names that it uses and does not declare.
    unused : set of str
        Names that it declares below its top level and does not use.
    """

    tree: Node
    declared: list[str]
    free: set[str]
    unused: set[str]


def read_script(source: str) -> Script:
    """Read a script.

    Raises
    ------
    SyntaxError
        It is no JavaScript.
    """
    tree = _PARSER.parse(source.encode()).root_node
    if tree.has_error:
        bad = next(node for node in walk(tree) if node.is_error or node.is_missing)
        raise SyntaxError(f"expected JavaScript, got {bad.text!r} in line {bad.start_point.row + 1}")
    scopes, uses = [Scope(None, True)], []
    _read(tree, scopes[0], scopes, uses)
    free = {name for name, scope in uses if not scope.use(name)}
    unused = {name for scope in scopes[1:] for name, used in scope.names.items() if not used}
    return Script(tree, list(scopes[0].names), free, unused)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, from the first to the last."""
    yield node
    for child in node.children:
        yield from walk(child)


def text_of(node: Node) -> str:
    """Return the source of a node."""
    return node.text.decode()


def factory_of(script: Script) -> Node:
    """Return the one function of which a script consists, beside comments."""
    (function,) = [node for node in script.tree.named_children if node.type != "comment"]
    assert function.type == "function_declaration", f"expected a function, got {function.type}"
    return function


def parameters_of(function: Node) -> list[str]:
    """Return the names that a function takes, those of a destructured object one by one."""
    return [name for part in function.child_by_field_name("parameters").named_children for name in _bound(part)]


def returned_by(factory: Node) -> list[str]:
    """Return the names in the object that a factory returns in its last statement; none if that is no return."""
    last = factory.child_by_field_name("body").named_children[-1]
    if last.type != "return_statement":
        return []
    return [text_of(node) for node in last.named_children[0].named_children]


def has_result(function: Node) -> bool:
    """Return whether a function, apart from those within it, returns a value, or a promise."""

    def returns(node: Node) -> bool:
        if node.type == "return_statement" and node.named_children:
            return True
        return any(returns(child) for child in node.children if child.type not in _FUNCTIONS)

    return text_of(function).startswith("async ") or returns(function)


def taken_from(factory: Node, argument: str) -> set[str]:
    """Return the properties that a factory reads of one of its arguments."""
    taken: set[str] = set()
    for node in walk(factory):
        if node.type == "member_expression" and text_of(node.child_by_field_name("object")) == argument:
            taken.add(text_of(node.child_by_field_name("property")))
        if node.type == "variable_declarator" and (value := node.child_by_field_name("value")):
            name = node.child_by_field_name("name")
            if text_of(value) == argument and name.type == "object_pattern":
                taken |= {text_of(child) for child in name.named_children}
    return taken


def _read(node: Node, scope: Scope, scopes: list[Scope], uses: list[tuple[str, Scope]]) -> None:
    """Collect scopes and uses in a node; uses are resolved later, as functions may precede what they use."""
    if node.type in _NAMES:
        uses.append((text_of(node), scope))
        return
    if node.type == "function_declaration":
        scope.declare(text_of(node.child_by_field_name("name")))
    if node.type in _FUNCTIONS | _BLOCKS:
        scope = Scope(scope, node.type in _FUNCTIONS)
        scopes.append(scope)
    patterns = _declare(node, scope)
    for child in node.children:
        if child not in patterns:
            _read(child, scope, scopes, uses)
            continue
        for part in walk(child):  # of a pattern, the default values alone are uses
            if part.type in _DEFAULTS:
                _read(part.child_by_field_name("right"), scope, scopes, uses)


def _declare(node: Node, scope: Scope) -> list[Node]:
    """Declare the names that a node binds, and return the parts of it in which they stand."""
    if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
        return []  # it assigns to a name that is declared elsewhere
    patterns = [part for name in _PATTERNS.get(node.type, ()) if (part := node.child_by_field_name(name)) is not None]
    is_var = node.type == "variable_declarator" and node.parent.type == "variable_declaration"
    for pattern in patterns:
        for name in _bound(pattern):
            scope.declare(name, in_function=is_var)
    own_name = node.child_by_field_name("name") if node.type in _FUNCTIONS else None
    return patterns if own_name is None else [*patterns, own_name]


def _bound(pattern: Node) -> list[str]:
    """Return the names that a pattern binds, without those in its default values."""
    if pattern.type in _BINDINGS:
        return [text_of(pattern)]
    if pattern.type in _DEFAULTS:
        return _bound(pattern.child_by_field_name("left"))
    if pattern.type == "pair_pattern":
        return _bound(pattern.child_by_field_name("value"))
    return [name for child in pattern.named_children for name in _bound(child)]
