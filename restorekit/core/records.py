"""Dataclasses as JSON objects: written, read back, and described by a JSON schema.

The types of the fields say what may stand in the file, and `About` in their annotations says what it means, so that
code, files and schema cannot differ.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
T = TypeVar("T")
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True)
class About:
    """Meaning and limits of a field, put into its annotation.

    Attributes
    ----------
    text : str
        One sentence for the schema.
    minimum, maximum : float or None
        Limits of a number.
    shortest : int or None
        Least number of characters of a text.
    pattern : str or None
        Regular expression that a text matches.
    size : int or None
        Number of items of a list.
    flat : bool
        Whether the keys of the value stand in the object itself: those of a record (or of none), or of a mapping, which
        holds every key that no other field has.
    omitted : bool
        Whether the key is left out where the value equals the field's default.
    """

    text: str = ""
    minimum: float | None = None
    maximum: float | None = None
    shortest: int | None = None
    pattern: str | None = None
    size: int | None = None
    flat: bool = False
    omitted: bool = False

    def limits(self) -> dict[str, Json]:
        """Return the keywords of JSON schema for the limits."""
        every: dict[str, Json] = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.shortest,
            "pattern": self.pattern,
            "minItems": self.size,
            "maxItems": self.size,
        }
        return {keyword: value for keyword, value in every.items() if value is not None}


class _Field(NamedTuple):
    """Name, type, meaning and default of a field."""

    name: str
    kind: Any
    about: About
    default: object


def _fields(cls: type) -> tuple[_Field, ...]:
    if cls in _KNOWN:
        return _KNOWN[cls]
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for field in dataclasses.fields(cls):
        kind, about = _parts(hints[field.name])
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append(_Field(field.name, kind, about, default))
    _KNOWN[cls] = tuple(found)
    return _KNOWN[cls]


_KNOWN: dict[type, tuple[_Field, ...]] = {}  # resolving annotations takes longer than reading a row


def _parts(hint: Any) -> tuple[Any, About]:
    """Split an annotation into the type and its meaning."""
    if get_origin(hint) is not Annotated:
        return hint, About()
    kind, *notes = get_args(hint)
    return kind, next((note for note in notes if isinstance(note, About)), About())


def _record(kind: Any) -> type | None:
    """Return the dataclass of a type that is one, or one or None."""
    members = [one for one in (get_args(kind) if _is_union(kind) else (kind,)) if dataclasses.is_dataclass(one)]
    return members[0] if members and isinstance(members[0], type) else None


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def encode(record: object) -> dict[str, Json]:
    """Return a record, an instance of a dataclass, as a JSON object with its keys in the order of the fields."""
    found: dict[str, Json] = {}
    for name, _, about, default in _fields(type(record)):
        value = getattr(record, name)
        if about.flat:
            if value is not None:
                found |= value if isinstance(value, Mapping) else encode(value)
        elif not (about.omitted and value == default):
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Json:
    if dataclasses.is_dataclass(value):
        return encode(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    plain: Json = value
    return plain


def decode(cls: type[T], values: object, where: str = "") -> T:
    """Read a record from a JSON object.

    Parameters
    ----------
    cls : type
        A dataclass.
    values : object
        What a JSON parser returned. Keys that no field has are ignored, unless a flat mapping takes them.
    where : str
        Place of the object in the file, for messages.

    Raises
    ------
    ValueError
        A key is missing, or a value has another type than its field; the message names the place.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where or 'the file'}: expected an object, got {type(values).__name__}")
    fields, found = _fields(cls), dict[str, object]()
    own = keys(cls)
    for name, kind, about, default in fields:
        place = f"{where}.{name}" if where else name
        if about.flat and (inner := _record(kind)) is not None:
            found[name] = decode(inner, values, where) if keys(inner) & values.keys() else None
        elif about.flat:
            one = get_args(kind)[1]
            found[name] = {
                k: _read(one, v, f"{where}.{k}") for k, v in values.items() if k not in own and _fits(one, v)
            }
        elif name in values:
            found[name] = _read(kind, values[name], place)
        elif default is dataclasses.MISSING:
            raise ValueError(f"{place} is missing")
    return cls(**found)


def keys(cls: type) -> set[str]:
    """Return the keys of a record's JSON object, without those of flat mappings."""
    found = set[str]()
    for name, kind, about, _ in _fields(cls):
        inner = _record(kind) if about.flat else None
        found |= keys(inner) if inner is not None else set() if about.flat else {name}
    return found


def _fits(kind: Any, value: object) -> bool:
    try:
        _read(kind, value, "")
    except ValueError:
        return False
    return True


def _read(kind: Any, value: object, where: str) -> object:
    """Return a value of a JSON file as a value of the type; ValueError where it is none."""
    kind, _ = _parts(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if _is_union(kind):
        return next(_read(one, value, where) for one in arguments if one is arguments[-1] or _fits(one, value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return decode(kind, value, where)
    if origin is Literal:
        good = value in arguments
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            return {key: _read(arguments[1], one, f"{where}.{key}") for key, one in value.items()}
        good = False
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        if isinstance(value, list | tuple):
            return [_read(arguments[0], one, f"{where}[{i}]") for i, one in enumerate(value)]
        good = False
    elif kind in (int, float):
        good = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    else:
        good = kind is Any or kind is object or isinstance(value, kind)
    if not good:
        raise ValueError(f"{where}: expected {_word(kind)}, got {value!r}")
    return value


def _word(kind: Any) -> str:
    return _NAMES.get(kind, " or ".join(map(repr, get_args(kind))) or str(kind))


def schema_of(cls: type, known: Callable[[type], Mapping[str, Json]] = lambda cls: {}) -> dict[str, Json]:
    """Return the JSON schema of a record; records within it are described once, below ``$defs``.

    Parameters
    ----------
    cls : type
        A dataclass; its docstring's first line is the description.
    known : callable
        Returns, for a dataclass with a flat mapping, the schemas of keys that are known to be in it, by key.
    """
    definitions: dict[str, Json] = {}
    schema = _object(cls, definitions, known)
    return {**schema, "$defs": definitions} if definitions else schema


def _object(cls: type, definitions: dict[str, Json], known: Callable[[type], Mapping[str, Json]]) -> dict[str, Json]:
    properties, required, others = dict[str, Json](), list[Json](), False
    rest: Json = False
    for name, kind, about, _ in _fields(cls):
        inner = _record(kind) if about.flat else None
        if inner is not None:
            part = _object(inner, definitions, known)["properties"]
            properties |= part if isinstance(part, Mapping) else {}
        elif about.flat:
            others = True
            rest = {**_kind(get_args(kind)[1], definitions, known), "description": about.text}
        else:
            properties[name] = {**_kind(kind, definitions, known), **about.limits(), "description": about.text}
            required += [] if about.omitted else [name]
    return {
        "description": (cls.__doc__ or "").partition("\n")[0],
        "type": "object",
        "required": required,
        "additionalProperties": rest,
        "properties": {**properties, **(known(cls) if others else {})},
    }


def _kind(hint: Any, definitions: dict[str, Json], known: Callable[[type], Mapping[str, Json]]) -> dict[str, Json]:
    """Return the schema of a type."""
    kind, about = _parts(hint)
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # holds the place, for a record that holds itself
            definitions[kind.__name__] = _object(kind, definitions, known)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if _is_union(kind):
        return _either([_kind(one, definitions, known) for one in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        found: dict[str, Json] = {"type": "object", "additionalProperties": _kind(arguments[1], definitions, known)}
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        found = {"type": "array", "items": _kind(arguments[0], definitions, known)}
    else:
        found = {"type": _NAMES[kind]}
    return {**found, **about.limits()}


def _either(schemas: Sequence[dict[str, Json]]) -> dict[str, Json]:
    """Return the schema of a type or None, of a list of words or None, or of any of several types."""
    simple = [schema for schema in schemas if schema == {"type": "null"} or "$ref" not in schema]
    if len(simple) < len(schemas):
        return {"anyOf": list(schemas)}
    if any("enum" in schema for schema in schemas):
        words: list[Json] = []
        for schema in schemas:
            own = schema.get("enum", [None])
            words += own if isinstance(own, list) else []
        return {"enum": words}
    found: dict[str, Json] = {}
    for schema in schemas:
        found |= schema
    return {**found, "type": [schema["type"] for schema in schemas]}
