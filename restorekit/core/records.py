"""Dataclasses as JSON objects: written, read back, and described by a JSON schema.

The types of the fields say what may stand in the file, and `About` in their annotations says what it means, so that
code, files and schema cannot differ. Every record that restorekit reads passes through `parse` or `decode`: size, depth
and digits are limited, and every value has the type of its field, so that a damaged or foreign file ends in a
`RecordError` of one sentence.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from restorekit.core.errors import RecordError, one_line
from restorekit.core.files import open_to_read

MAX_FILE_BYTES = 2**28  # of a JSON file; the largest results.json of a benchmark has 2**24
MAX_LINE_BYTES = 2**22  # of one line of a journal or log
MAX_DEPTH = 32  # of objects and lists within each other
MAX_DIGITS = 100  # of an integer
MAX_EXACT = 2**53  # a float holds every integer up to it
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
    """Name, type, meaning and default of a field, and the types whose values need no closer check."""

    name: str
    kind: Any
    about: About
    default: object
    simple: frozenset[type]


def _fields(cls: type) -> tuple[_Field, ...]:
    if cls in _FIELDS:
        return _FIELDS[cls]
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for field in dataclasses.fields(cls):
        kind, about = _parts(hints[field.name])
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        simple = frozenset(one for one in (get_args(kind) if _is_union(kind) else (kind,)) if one in _NAMES)
        found.append(_Field(field.name, kind, about, default, simple))
    _FIELDS[cls] = tuple(found)
    return _FIELDS[cls]


_FIELDS: dict[type, tuple[_Field, ...]] = {}  # resolving annotations takes longer than reading a row
_KEYS: dict[type, frozenset[str]] = {}


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
    for name, _, about, default, _ in _fields(type(record)):
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


def rounded(record: T, digits: int) -> T:
    """Return a record with its floats, and those of the records in its fields, rounded to significant digits."""
    cls, found = type(record), dict[str, object]()
    for field in _fields(cls):
        value = getattr(record, field.name)
        if isinstance(value, float):
            value = float(f"{value:.{digits}g}")
        found[field.name] = rounded(value, digits) if dataclasses.is_dataclass(value) else value
    return cls(**found)


def parse(cls: type[T], data: bytes | str, where: str = "", limit: int = MAX_FILE_BYTES) -> T:
    """Read a record from JSON text; see `parse_json` and `decode` for the parameters and errors."""
    return decode(cls, parse_json(data, where, limit), where)


def parse_file(cls: type[T], path: Path) -> T:
    """Read a record from a JSON file; RecordError, naming the file, if it cannot be read or holds anything else."""
    return decode(cls, read_json(path), path.name)


def read_json(path: Path) -> Json:
    """Parse a JSON file; RecordError, naming the file, if it cannot be read, is no JSON, or exceeds a limit."""
    try:
        with open_to_read(path) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RecordError(f"{path.name}: {error.strerror or error}") from error
    return parse_json(data, path.name)


def parse_lines(cls: type[T], path: Path) -> tuple[list[T], list[RecordError]]:
    """Read a file with one record per line, and set aside the lines that hold none.

    Parameters
    ----------
    cls : type
        A dataclass.
    path : Path
        File of JSON lines. Empty lines are passed over.

    Returns
    -------
    (list of cls, list of RecordError)
        Records in their order, and an error for every line that is none; its message names the line's number.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    found, errors = list[T](), list[RecordError]()
    with open_to_read(path) as file:
        number = 0
        while data := file.readline(MAX_LINE_BYTES):
            number, end = number + 1, data
            while not end.endswith(b"\n") and (end := file.readline(MAX_LINE_BYTES)):
                data = data[:MAX_LINE_BYTES] + b" "  # longer than the limit; the rest need not be kept
            try:
                if not data.isspace():
                    found.append(parse(cls, data, f"line {number}", MAX_LINE_BYTES))
            except RecordError as error:
                errors.append(error)
    return found, errors


def parse_json(data: bytes | str, where: str = "", limit: int = MAX_FILE_BYTES) -> Json:
    """Parse JSON of limited size, depth and digits.

    Parameters
    ----------
    data : bytes or str
        UTF-8 if bytes. NaN and infinities are accepted, as `json.dumps` writes them.
    where : str
        Place of the text, for messages.
    limit : int
        Largest accepted length, bytes or characters.

    Raises
    ------
    RecordError
        The text is no JSON, or exceeds a limit.
    """
    place = where or "the file"
    if len(data) > limit:
        raise RecordError(f"{place}: expected at most {limit} bytes of JSON, got more")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        found: Json = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise RecordError(f"{place}: expected at most {MAX_DEPTH} levels of objects and lists, got more") from None
    except ValueError as error:  # cut short, other text, bytes that are no UTF-8, too many digits
        raise RecordError(f"{place}: expected JSON, got other text ({one_line(error)[:100]})") from None
    level: list[Json] = [found]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [child for children in inner for child in children]
    if any(isinstance(one, dict | list) for one in level):
        raise RecordError(f"{place}: expected at most {MAX_DEPTH} levels of objects and lists, got more")
    if "\\ud" in text.lower():
        try:  # names of files may have bytes that are no UTF-8, which Python keeps as \udc80 to \udcff
            json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise RecordError(f"{place}: expected text, got half of a character of two code units") from None
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer has {len(text)} digits, more than {MAX_DIGITS}")
    return int(text)


def decode(cls: type[T], values: object, where: str = "") -> T:
    """Read a record from a JSON object.

    Parameters
    ----------
    cls : type
        A dataclass.
    values : object
        Value that a JSON parser returned. Keys that no field has are ignored, unless a flat mapping takes them.
    where : str
        Place of the object in the file, for messages.

    Raises
    ------
    RecordError
        A key is missing, or a value has another type than its field; the message names the place.
    """
    if not isinstance(values, Mapping):
        raise RecordError(f"{where or 'the file'}: expected an object, got {type(values).__name__}")
    found = dict[str, object]()
    for name, kind, about, default, simple in _fields(cls):
        if about.flat:
            if (inner := _record(kind)) is None:
                own, one = keys(cls), get_args(kind)[1]
                found[name] = {
                    k: _read(one, v, f"{where}.{k}") for k, v in values.items() if k not in own and _fits(one, v)
                }
            elif inner is kind or keys(inner) & values.keys():
                found[name] = decode(inner, values, where)
        elif name in values:
            value = values[name]
            found[name] = value if type(value) in simple else _read(kind, value, f"{where}.{name}" if where else name)
        elif default is dataclasses.MISSING:
            raise RecordError(f"{where}.{name} is missing" if where else f"{name} is missing")
    return cls(**found)


def keys(cls: type) -> frozenset[str]:
    """Return the keys of a record's JSON object, without those of flat mappings."""
    if cls in _KEYS:
        return _KEYS[cls]
    found = set[str]()
    for name, kind, about, *_ in _fields(cls):
        inner = _record(kind) if about.flat else None
        found |= keys(inner) if inner is not None else set() if about.flat else {name}
    _KEYS[cls] = frozenset(found)
    return _KEYS[cls]


def _fits(kind: Any, value: object) -> bool:
    try:
        _read(kind, value, "")
    except RecordError:
        return False
    return True


def _read(kind: Any, value: object, where: str) -> object:
    """Return a value of a JSON file as a value of the type; RecordError if it is none."""
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
            plain = arguments[0] in _NAMES and all(type(one) is arguments[0] for one in value)
            items = value if plain else [_read(arguments[0], one, f"{where}[{i}]") for i, one in enumerate(value)]
            return tuple(items) if origin is tuple else list(items)
        good = False
    elif kind in (int, float):
        good = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        if good and kind is float and isinstance(value, int) and abs(value) > MAX_EXACT:
            return float(value)  # NumPy would make an array of objects of it
    else:
        good = kind is Any or kind is object or isinstance(value, kind)
    if not good:
        word = _NAMES.get(kind, " or ".join(map(repr, get_args(kind))) or str(kind))
        raise RecordError(f"{where}: expected {word}, got {reprlib.repr(value)}")
    return value


def check_plain(kind: Any, value: object, where: str) -> None:
    """Raise a RecordError if a type of numbers, words, and lists of them is not that of a value; pass other types."""
    if _is_plain(kind):
        _read(kind, value, where)


def _is_plain(kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if _is_union(kind) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return all(one is Ellipsis or _is_plain(one) for one in arguments)
    return origin is Literal or kind in (int, float, str, bool, type(None))


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
    for name, kind, about, *_ in _fields(cls):
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
