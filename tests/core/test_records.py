"""Records as JSON objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from restorekit.core.records import About, decode, encode, keys, schema_of


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
