import re
from dataclasses import dataclass, field

import pytest

from restorekit.core.contracts import Corruption
from restorekit.core.errors import SpecError
from restorekit.core.plugins import registry
from restorekit.core.types import Ranged
from restorekit.corruptions import Chain, Clean, Gaussian, Holes, Lines, Missing, Poisson, Quantise, SaltPepper
from restorekit.corruptions.spec import expand, parse, weighted

KNOWN = registry.corruptions()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clean", Clean()),
        ("gaussian", Gaussian()),
        ("gaussian:", Gaussian()),
        ("gaussian:sigma=0.1", Gaussian(0.1)),
        ("gaussian:sigma=25/255", Gaussian(25 / 255)),
        ("gaussian:sigma=0", Gaussian(0.0)),
        ("gaussian:sigma=0..50/255", Gaussian((0.0, 50 / 255))),
        ("gaussian:sigma=5/255..0.2", Gaussian((5 / 255, 0.2))),
        ("poisson:peak=1e3", Poisson(1000.0)),
        ("poisson:peak=1e+3", Poisson(1000.0)),
        ("poisson:peak=1.E+3..1e+4+missing", Chain((Poisson((1000.0, 10000.0)), Missing()))),
        (" gaussian : sigma = 0.1", Gaussian(0.1)),
        ("missing: rate = 0.8 , per_channel = true", Missing(0.8, per_channel=True)),
        ("poisson:peak=2.5e-1..1e3", Poisson((0.25, 1000.0))),
        ("saltpepper:rate=0..0.3", SaltPepper((0.0, 0.3))),
        ("missing:rate=0.8,per_channel=true", Missing(0.8, per_channel=True)),
        ("missing:per_channel=no", Missing()),
        ("holes:shape=boxes,area=0.1..0.5", Holes((0.1, 0.5), "boxes")),
        ("lines:axis=both", Lines(axis="both")),
        ("quantise:bits=4,share=0.5", Quantise(4, 0.5)),
        ("gaussian:sigma=0.1+missing:rate=0.5", Chain((Gaussian(0.1), Missing(0.5)))),
        (" gaussian:sigma=0.1 + missing:rate=0.5 ", Chain((Gaussian(0.1), Missing(0.5)))),
        ("missing+gaussian:sigma=0.1", Chain((Gaussian(0.1), Missing()))),
        ("gaussian:sigma=0..50/255+missing:rate=0.5..0.9", Chain((Gaussian((0.0, 50 / 255)), Missing((0.5, 0.9))))),
    ],
)
def test_a_spec_says_a_corruption(text, expected):
    found = parse(text, KNOWN)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "corruption",
    [
        Gaussian(25 / 255),
        Gaussian((0.0, 50 / 255)),
        Gaussian(0.1),
        Gaussian(1 / 3),
        Gaussian(1e-7),
        Poisson(1e6),
        Poisson((1e-3, 123456.789)),
        Chain((Gaussian(15 / 255), Missing((0.1, 0.9), per_channel=True), Holes(0.3, "boxes"), Lines(axis="rows"))),
        Quantise(1, 0.25),
    ],
    ids=repr,
)
def test_the_text_of_a_corruption_makes_it_again(corruption):
    assert parse(str(corruption), KNOWN) == corruption


def test_the_text_of_a_corruption_is_short_where_the_number_is():
    assert str(Gaussian(0.1)) == "gaussian:sigma=0.1"
    assert str(Missing((0.5, 0.9))) == "missing:rate=0.5..0.9,per_channel=false"


@dataclass(frozen=True)
class Odd(Corruption):
    """A corruption with a field of each kind."""

    name = "odd"
    count: int = field(default=1, metadata={"low": 0})
    plain: float = 1.0
    word: str = "any"
    level: Ranged = field(default=1.0, metadata={"low": 1e-3, "high": 5.0, "unit": "photons"})

    def __call__(self, x, rng):
        raise AssertionError("nothing here asks for it")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gausian", ["corruption", "'gausian'", "did you mean gaussian"]),
        ("", ["corruption", "''", "known ones are"]),
        ("gaussian+", ["corruption", "''"]),
        ("gaussian:sgma=0.1", ["gaussian", "key", "'sgma'", "did you mean sigma"]),
        ("gaussian:0.1", ["KEY=VALUE", "'0.1'", "gaussian:sigma=25/255"]),
        ("gaussian:sigma=a", ["sigma", "number or a fraction", "'a'"]),
        ("gaussian:sigma=", ["sigma", "number", "''"]),
        ("gaussian:sigma=1/0", ["sigma", "fraction", "'1/0'"]),
        ("gaussian:sigma=nan", ["sigma", "from 0 to 1", "nan"]),
        ("gaussian:sigma=25", ["[0, 1]", "got 25", "did you mean 25/255"]),
        ("gaussian:sigma=0..25", ["did you mean 25/255"]),
        ("gaussian:sigma=300", ["[0, 1] scale", "got 300", "from 0 to 1"]),
        ("gaussian:sigma=-0.1", ["from 0 to 1", "-0.1"]),
        ("gaussian:sigma=0.3..0.1", ["LOW first", "'0.3..0.1'", "swap"]),
        ("gaussian:sigma=0.1..0.2..0.3", ["LOW..HIGH", "'0.1..0.2..0.3'"]),
        ("gaussian:sigma=0.1,0.2", ["one value", "2", "LOW..HIGH"]),
        ("gaussian:sigma=0.1,sigma=0.2", ["sigma", "twice"]),
        ("missing:rate=1.5", ["rate", "from 0 to 1", "1.5"]),
        ("missing:rate=80", ["rate", "did you mean 0.8 (80 %)"]),
        ("holes:area=0.1..30", ["area", "did you mean 0.3 (30 %)"]),
        ("missing:rate=1.2", ["rate takes a number from 0 to 1, got '1.2'"]),
        ("missing:rate=101", ["rate", "from 0 to 1", "101"]),
        ("gaussian:sigma=0.1, sigma =0.2", ["sigma", "twice"]),
        ("missing:per_channel=maybe", ["per_channel", "yes or no", "'maybe'"]),
        ("missing:per_channel", ["KEY=VALUE", "'per_channel'"]),
        ("holes:shape=round", ["shape", "mixed, strokes, boxes", "'round'"]),
        ("quantise:bits=2.5", ["bits", "integer", "2.5"]),
        ("quantise:bits=17", ["bits", "from 1 to 16", "17"]),
        ("quantise:share=0.1..0.5", ["share", "one value", "'0.1..0.5'"]),
        ("odd:level=9", ["from 0.001 to 5", "photons", "9"]),
        ("odd:count=inf", ["count", "integer", "inf"]),
        ("clean:sigma=1", ["clean", "key", "'sigma'"]),
        ("gaussian@2", ["corruption"]),
    ],
)
def test_a_spec_that_cannot_be_read_is_answered_in_one_sentence(text, words):
    with pytest.raises(SpecError) as error:
        parse(text, {**KNOWN, "odd": Odd})
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said, f"{word!r} is not in {said!r}"


def test_words_keep_their_capitals():
    corruption = Odd(2, 0.25, "Any_Word-7", (0.5, 1.0))
    assert parse(str(corruption), {"odd": Odd}) == corruption


def test_fields_are_read_by_their_types():
    found = parse("odd:count=3,plain=1/4,word=Any_Word-7", {"odd": Odd})
    assert found == Odd(3, 0.25, "Any_Word-7")
    assert isinstance(found.count, int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian", ["gaussian"]),
        ("gaussian:sigma=0.1", ["gaussian:sigma=0.1"]),
        ("gaussian:sigma=15/255,25/255", ["gaussian:sigma=15/255", "gaussian:sigma=25/255"]),
        ("missing:rate=0.5,0.9,per_channel=1", ["missing:rate=0.5,per_channel=1", "missing:rate=0.9,per_channel=1"]),
        (
            "gaussian:sigma=0.1,0.2+missing:rate=0.5,0.9",
            [
                "gaussian:sigma=0.1+missing:rate=0.5",
                "gaussian:sigma=0.1+missing:rate=0.9",
                "gaussian:sigma=0.2+missing:rate=0.5",
                "gaussian:sigma=0.2+missing:rate=0.9",
            ],
        ),
        ("poisson:peak=1e+3,1e+2", ["poisson:peak=1e+3", "poisson:peak=1e+2"]),
        ("gaussian: sigma = 0.1, 0.2", ["gaussian:sigma=0.1", "gaussian:sigma=0.2"]),
        ("holes:area=0.1..0.2,0.5,shape=boxes,strokes", [
            "holes:area=0.1..0.2,shape=boxes", "holes:area=0.1..0.2,shape=strokes",
            "holes:area=0.5,shape=boxes", "holes:area=0.5,shape=strokes",
        ]),
    ],
)  # fmt: skip
def test_several_values_of_a_key_are_several_specs(text, expected):
    found = expand(text)
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == len(found)
    for spec in found:
        parse(spec, KNOWN)


def test_a_value_without_a_key_cannot_be_spread():
    with pytest.raises(SpecError, match="KEY=VALUE"):
        expand("gaussian:0.1,0.2")


@pytest.mark.parametrize(
    ("text", "spec", "weight"),
    [
        ("gaussian", "gaussian", 1.0),
        ("gaussian:sigma=0.1@3", "gaussian:sigma=0.1", 3.0),
        ("missing@1/4", "missing", 0.25),
    ],
)
def test_a_weight_stands_behind_the_spec(text, spec, weight):
    assert weighted(text) == (spec, weight)


@pytest.mark.parametrize("text", ["missing@0", "missing@-1", "missing@", "missing@two", "missing@nan", "missing@inf"])
def test_a_weight_that_is_none_is_answered_in_one_sentence(text):
    with pytest.raises(SpecError, match=re.escape("after @")):
        weighted(text)


@pytest.mark.parametrize(("word", "value"), [("on", True), ("yes", True), ("1", True), ("off", False), ("No", False)])
def test_truth_is_read_as_after_set(word, value):
    assert parse(f"missing:per_channel={word}", KNOWN).per_channel is value
