import dataclasses
from dataclasses import dataclass

import pytest

from restorekit.core.config import from_json, read
from restorekit.core.errors import SpecError
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
        (Config, {"width": "3.5"}, ["width", "a whole number", "'3.5'"]),
        (Config, {"width": ""}, ["width", "a whole number", "''"]),
        (Config, {"rate": "fast"}, ["rate", "a number", "'fast'"]),
        (Config, {"rate": "1/0"}, ["rate", "a number", "'1/0'"]),
        (Config, {"widths": "1,b"}, ["widths", "whole numbers with commas", "'1,b'"]),
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
