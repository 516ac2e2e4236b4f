import dataclasses
import math
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from restorekit import Corruption, Ranged
from restorekit.core.config import from_json, parse_number, read
from restorekit.core.errors import SpecError
from restorekit.corruptions import parse
from restorekit.models import CVAE, VAE
from restorekit.training.config import Recipe


@dataclass(frozen=True)
class Config:
    width: int = 1
    rate: float = 0.5
    widths: tuple[int, ...] = (1, 2)
    scales: tuple[float, ...] = (1.0,)
    deep: bool = False
    kind: str = "a"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, Config()),
        ({"width": "64"}, Config(width=64)),
        ({"rate": "1e-3"}, Config(rate=1e-3)),
        ({"rate": "25/255"}, Config(rate=25 / 255)),
        ({"widths": "32,64,128"}, Config(widths=(32, 64, 128))),
        ({"widths": "32"}, Config(widths=(32,))),
        ({"scales": "1,0.5,1/3"}, Config(scales=(1.0, 0.5, 1 / 3))),
        ({"kind": "b"}, Config(kind="b")),
    ],
)
def test_texts_are_read_by_the_type_of_their_field(texts, expected):
    assert Config(**read(Config, texts)) == expected


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("TRUE", True), ("1", True), ("on", True), ("no", False), ("off", False)]
)
def test_truth_has_many_words(text, value):
    assert read(Config, {"deep": text}) == {"deep": value}


@pytest.mark.parametrize(
    ("cls", "texts", "words"),
    [
        (Config, {"wdth": "3"}, ["'wdth'", "did you mean", "width"]),
        (Config, {"width": "3.5"}, ["width", "an integer", "'3.5'"]),
        (Config, {"width": ""}, ["width", "an integer", "''"]),
        (Config, {"rate": "fast"}, ["rate", "a number", "'fast'"]),
        (Config, {"rate": "1/0"}, ["rate", "a number", "'1/0'"]),
        (Config, {"widths": "1,b"}, ["widths", "integers separated by commas", "'1,b'"]),
        (Config, {"scales": "1,b"}, ["scales", "numbers with commas", "'1,b'"]),
        (Config, {"deep": "perhaps"}, ["deep", "yes or no", "'perhaps'"]),
        (VAE.Config, {"network": "cnn"}, ["network", "mlp", "conv", "'cnn'"]),
        (VAE.Config, {"likelihood": "gausian"}, ["likelihood", "bernoulli", "'gausian'"]),
        (Recipe, {"lr": "nan"}, ["lr", "'nan'"]),
        (Recipe, {"optimiser": "sgd"}, ["optimiser", "muon", "adam", "'sgd'"]),
        (Recipe, {"batch": "0"}, ["batch", "0"]),
        (Recipe, {"validate": "0"}, ["validate", "0"]),
        (Recipe, {"crop": "-8"}, ["crop", "-8"]),
        (Recipe, {"ema": "1.5"}, ["ema", "1.5"]),
        (Recipe, {"lr": "-1"}, ["lr", "from 0", "'-1'"]),
        (Recipe, {"gray": "7"}, ["gray", "from 0 to 1", "'7'"]),
        (Recipe, {"clip": "-1"}, ["clip", "'-1'"]),
        (Recipe, {"warmup": "-5"}, ["warmup", "'-5'"]),
        (Recipe, {"scales": "1,0"}, ["scales", "numbers from 0.05 to 1", "'1,0'"]),
        (VAE.Config, {"hidden": "32,0"}, ["hidden", "from 1", "'32,0'"]),
        (VAE.Config, {"latent": "0"}, ["latent", "from 1", "'0'"]),
    ],
)
def test_what_does_not_fit_is_answered_in_one_sentence(cls, texts, words):
    with pytest.raises(SpecError) as error:
        read(cls, texts)
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said, f"{word!r} is not in {said!r}"


def test_every_setting_of_every_config_can_be_written_as_text():
    for cls in (VAE.Config, CVAE.Config, Recipe):
        config = cls()
        texts = {}
        for name, value in vars(config).items():
            texts[name] = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert cls(**read(cls, texts)) == config


def test_json_lists_become_tuples_and_unknown_keys_errors():
    assert from_json(Config, {"widths": [3, 4], "rate": 0.25}) == Config(widths=(3, 4), rate=0.25)
    with pytest.raises(SpecError, match="'depth'"):
        from_json(Config, {"depth": 3})


@pytest.mark.parametrize("cls", [VAE.Config, Recipe])
def test_every_number_of_a_config_has_limits(cls):
    for f in dataclasses.fields(cls):
        if isinstance(f.default, float | tuple) or type(f.default) is int:
            assert "low" in f.metadata, f.name


@dataclass(frozen=True)
class Sample(Corruption):
    """A corruption with a field of every type that a spec can give."""

    name: ClassVar[str] = "sample"
    level: Ranged = field(default=0.1, metadata={"low": 0.0, "high": 1.0, "of_255": True})
    part: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0, "share": True})
    photons: float = field(default=1.0, metadata={"low": 0.5, "unit": "photons"})
    free: float = 0.0
    count: int = field(default=1, metadata={"low": 1, "high": 2**60})
    deep: bool = False
    kind: str = field(default="a", metadata={"choices": ("a", "b")})

    def __call__(self, x, rng):
        """Return x as it is."""
        raise AssertionError("values are read, nothing is corrupted")


def by_setting(key, text):
    return read(Sample, {key: text})[key]


def by_spec(key, text):
    return getattr(parse(f"sample:{key}={text}", {"sample": Sample}), key)


@pytest.mark.parametrize("reader", [by_setting, by_spec])
@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        *(("deep", word, True) for word in ("yes", "on", "true", "1", "TRUE", "On")),
        *(("deep", word, False) for word in ("no", "off", "false", "0", "No", "OFF")),
        ("level", "25/255", 25 / 255),
        ("level", "0", 0.0),
        ("level", "1e-1", 0.1),
        ("level", "0..50/255", (0.0, 50 / 255)),
        ("level", "0.2..0.2", (0.2, 0.2)),
        ("part", "1/4..3/4", (0.25, 0.75)),
        ("photons", "1e3", 1000.0),
        ("free", "-2.5", -2.5),
        ("count", "7", 7),
        ("count", "7.0", 7),
        ("count", "1e3", 1000),
        ("count", str(2**53 + 1), 2**53 + 1),
        ("kind", "b", "b"),
    ],
)
def test_specs_and_settings_read_the_same_values(reader, key, text, value):
    found = reader(key, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("reader", [by_setting, by_spec])
@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("deep", "maybe", "deep takes yes or no, got 'maybe'"),
        ("deep", "2", "deep takes yes or no, got '2'"),
        ("level", "a", "level takes a number or a fraction such as 25/255, got 'a'"),
        ("level", "1/0", "level takes a number or a fraction such as 25/255, got '1/0'"),
        ("level", "0..b", "level takes a number or a fraction such as 25/255, got '0..b'"),
        ("level", "25", "level is on the [0, 1] scale, got 25; did you mean 25/255?"),
        ("level", "0..25", "level is on the [0, 1] scale, got 25; did you mean 25/255?"),
        ("level", "nan", "level is on the [0, 1] scale, got nan; give a number from 0 to 1, such as 25/255"),
        ("level", "0.3..0.1", "level takes LOW..HIGH with LOW first, got '0.3..0.1'; swap the ends"),
        ("level", "0..1..1", "level takes LOW..HIGH, got '0..1..1'"),
        ("part", "30", "part is a share from 0 to 1, got 30; did you mean 0.3 (30 %)?"),
        ("part", "inf", "part takes a number from 0 to 1, got 'inf'"),
        ("photons", "0.1", "photons takes a number from 0.5 upwards (photons), got '0.1'"),
        ("photons", "1..2", "photons takes one value, got '1..2'"),
        ("photons", "inf", "photons takes a number from 0.5 upwards (photons), got 'inf'"),
        ("free", "nan", "free takes a number that is finite, got 'nan'"),
        ("free", "-inf", "free takes a number that is finite, got '-inf'"),
        ("count", "2.5", "count takes an integer, got '2.5'"),
        ("count", "inf", "count takes an integer, got 'inf'"),
        ("count", "0", "count takes a number from 1 to 1.15292e+18, got '0'"),
        ("kind", "c", "kind takes one of a, b, got 'c'"),
    ],
)
def test_specs_and_settings_refuse_the_same_values(reader, key, text, message):
    with pytest.raises(SpecError) as error:
        reader(key, text)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["", "none"])
def test_a_tuple_can_be_empty(text):
    assert read(Config, {"widths": text}) == {"widths": ()}


@pytest.mark.parametrize(("text", "value"), [("25/255", 25 / 255), (" 0.5 ", 0.5), ("-1/4", -0.25), ("inf", math.inf)])
def test_numbers_are_decimals_or_fractions(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "a", "1/0", "1/2/3", "0..1", "1/"])
def test_other_text_is_no_number(text):
    with pytest.raises(ValueError, match=r"."):
        parse_number(text)
