"""Records as JSON objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from restorekit.core.errors import RecordError
from restorekit.core.records import (
    MAX_DEPTH,
    MAX_DIGITS,
    About,
    decode,
    encode,
    keys,
    parse,
    parse_file,
    parse_json,
    parse_lines,
    rounded,
    schema_of,
)
from tests._helpers.mutations import DEEP, DEEP_OBJECT, DIGITS, mutations


@dataclass(frozen=True)
class Size:
    """Size of an image."""

    width: Annotated[int, About("Pixels.", minimum=1)]
    height: Annotated[int | None, About("Pixels.")] = None


@dataclass(frozen=True)
class Row:
    """A row with everything that a record may hold."""

    name: Annotated[str, About("Its name.", shortest=1)]
    kind: Annotated[Literal["a", "b"] | None, About("Its kind.")] = None
    values: Annotated[dict[str, float | None], About("Any other number.", flat=True)] = field(default_factory=dict)
    size: Annotated[Size | None, About(flat=True)] = None
    parts: Annotated[Sequence[Size], About("Sizes.", omitted=True)] = ()
    notes: Annotated[Mapping[str, str], About("Words.", omitted=True)] = field(default_factory=dict)


@dataclass(frozen=True)
class Inner:
    """A record within another."""

    height: float = 0


@dataclass(frozen=True)
class Outer:
    """A record around another."""

    inner: Annotated[Inner, About(flat=True)]
    value: float = 0
    count: int = 0


FULL = Row("x", "a", {"psnr": 30.0, "ssim": None}, Size(3, 4), [Size(1), Size(2, 2)], {"k": "v"})


def test_keys_of_flat_fields_stand_in_the_object_and_defaults_may_be_left_out():
    assert encode(Row("x")) == {"name": "x", "kind": None}
    assert encode(FULL) == {
        "name": "x",
        "kind": "a",
        "psnr": 30.0,
        "ssim": None,
        "width": 3,
        "height": 4,
        "parts": [{"width": 1, "height": None}, {"width": 2, "height": 2}],
        "notes": {"k": "v"},
    }
    assert keys(Row) == {"name", "kind", "width", "height", "parts", "notes"}


def test_a_record_is_read_back():
    assert decode(Row, encode(FULL)) == FULL
    assert decode(Row, encode(Row("x"))) == Row("x")


def test_keys_that_no_field_has_are_ignored_or_taken_by_the_flat_mapping_if_they_fit():
    assert decode(Size, {"width": 1, "colour": "red"}) == Size(1)
    assert decode(Row, {"name": "x", "psnr": 1, "colour": "red"}) == Row("x", values={"psnr": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "name is missing"),
        ([], "the file: expected an object, got list"),
        ({"name": 3}, "name: expected string, got 3"),
        ({"name": "x", "kind": "c"}, "kind: expected null, got 'c'"),
        ({"name": "x", "parts": 1}, "parts: expected "),
        ({"name": "x", "parts": [{"width": True}]}, r"parts\[0\].width: expected integer, got True"),
        ({"name": "x", "notes": {"k": 1}}, "notes.k: expected string, got 1"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(values, message):
    with pytest.raises(ValueError, match=message):
        decode(Row, values)


def test_the_schema_has_types_limits_descriptions_and_the_keys_that_are_known():
    known = {"psnr": {"type": ["number", "null"], "description": "dB."}}
    schema = schema_of(Row, lambda cls: known)
    assert schema["required"] == ["name", "kind"]
    assert schema["properties"] == {
        "name": {"type": "string", "minLength": 1, "description": "Its name."},
        "kind": {"enum": ["a", "b", None], "description": "Its kind."},
        "width": {"type": "integer", "minimum": 1, "description": "Pixels."},
        "height": {"type": ["integer", "null"], "description": "Pixels."},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Size"}, "description": "Sizes."},
        "notes": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Words."},
        **known,
    }
    assert schema["additionalProperties"] == {"type": ["number", "null"], "description": "Any other number."}
    assert schema["$defs"]["Size"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": ', "expected JSON, got other text"),
        (b"", "expected JSON, got other text"),
        (b'"\xff"', "expected JSON, got other text"),
        (DEEP, "levels of objects and lists, got more"),
        (DEEP_OBJECT, "levels of objects and lists, got more"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "levels of objects and lists, got more"),
        (DIGITS, "an integer has 5000 digits, more than 100"),
        (b'["\\ud800"]', "expected text, got half of a character"),
        (b"[1, 2, 3, 4]", "expected at most 10 bytes of JSON, got more"),
    ],
)
def test_text_that_is_no_json_or_exceeds_a_limit_is_one_sentence(data, message):
    limit = 10 if b"2, 3" in data else 10**6
    with pytest.raises(RecordError, match=message) as caught:
        parse_json(data, "x.json", limit)
    assert str(caught.value).startswith("x.json: ")
    assert len(str(caught.value)) < 200


def test_json_within_the_limits_is_parsed():
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deep) == json.loads(deep)
    assert parse_json("9" * MAX_DIGITS) == int("9" * MAX_DIGITS)
    assert parse_json(b'{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}
    assert parse_json(r'["\udc80", "\ud83d\ude00"]') == ["\udc80", "\N{GRINNING FACE}"]
    assert parse_json("NaN") != parse_json("NaN")


def test_every_damaged_record_is_the_projects_own_error_or_a_record():
    read = 0
    for data in mutations(encode(FULL)):
        try:
            found = parse(Row, data)
        except RecordError as error:
            assert len(str(error)) < 300
        else:
            read += isinstance(found, Row)
            assert isinstance(found.name, str)
            assert all(isinstance(one, Size) for one in found.parts)
    assert read > 50


def test_lines_that_hold_no_record_are_set_aside(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"width": 1}\n\n{"width": "1"}\r\n{"width": 2}\r\n{"wid')
    found, errors = parse_lines(Size, path)
    assert found == [Size(1), Size(2)]
    assert [str(error).partition(":")[0] for error in errors] == ["line 3.width", "line 5"]


def test_a_file_is_one_record_or_one_sentence_with_its_name(tmp_path):
    path = tmp_path / "size.json"
    path.write_text('{"width": 3}')
    assert parse_file(Size, path) == Size(3)
    for message, make in (("size.json.width is missing", lambda: path.write_text("{}")), ("No such file", path.unlink)):
        make()
        with pytest.raises(RecordError, match=message):
            parse_file(Size, path)


def test_a_record_that_stands_in_anothers_object_is_there_even_without_a_key():
    assert decode(Outer, {}) == Outer(Inner())


def test_floats_are_rounded_at_every_depth():
    assert rounded(Outer(Inner(1.23456), 98765.4, 7), 3) == Outer(Inner(1.23), 98800.0, 7)
