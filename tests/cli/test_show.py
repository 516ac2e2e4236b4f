"""Facts about `restorekit show`."""

from __future__ import annotations

import json

import pytest


def test_a_card_is_shown(run, model_file):
    code, said, _ = run("show", model_file)
    assert code == 0
    assert "model: cvae" in said
    card = json.loads(run("show", model_file, "--json")[1])
    assert (card["model"], card["package"], card["config"]["ladder"]) == ("cvae", "restorekit", 16)
    assert card["parameters"] > 1000


@pytest.mark.parametrize(("name", "key"), [("gaussian", "sigma"), ("cvae", "widths")])
def test_settings_of_a_class_are_shown(run, name, key):
    code, said, _ = run("show", name)
    assert code == 0
    assert f"{key}: " in said


def test_an_unknown_name_is_a_sentence(run):
    code, said, err = run("show", "defualt")
    assert (code, said) == (2, "")
    assert "defualt" in err
