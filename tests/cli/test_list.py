"""Facts about `restorekit list`."""

from __future__ import annotations

import dataclasses
import json

import pytest

from restorekit.cli.list import KINDS
from restorekit.core.plugins import registry
from restorekit.models import checkpoint


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed(run, kind):
    code, said, _ = run("list", kind, "--json")
    assert code == 0
    assert set(json.loads(said)) == {kind}
    assert run("list", kind)[0] == 0


def test_everything_says_what_it_is(run):
    found = json.loads(run("list", "--json")[1])
    assert tuple(found) == KINDS
    for kind in KINDS[:5]:
        assert found[kind]
        assert all(row["about"].strip() for row in found[kind].values())
    assert "gaussian" in run("list")[1]
    assert "docstring" not in run("list")[1]


def test_weights_say_what_they_cost(run):
    rows = json.loads(run("list", "weights", "--json")[1])["weights"]
    for name, work in (("default", 45e3), ("film", 45e3), ("large", 300e3)):
        assert 0.9 * work < rows[name]["multiply_accumulates"] <= work
        assert rows[name]["about"].endswith("MB")


def test_weights_say_what_they_gain_where_it_was_measured(run, model_file, monkeypatch):
    card = dataclasses.replace(checkpoint.read_card(model_file), metrics={"psnr gaussian, 1 channels": 31.25})
    path = model_file.with_name("measured.safetensors")
    checkpoint.save(path, checkpoint.read_weights(model_file), card)
    monkeypatch.setitem(registry.installed().entries("weights")["default"].__dict__, "value", path)
    assert "31.25 dB PSNR, gaussian, 1 channels" in run("list", "weights")[1]


def test_unreadable_weights_are_told(run, tmp_path, monkeypatch):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"?")
    monkeypatch.setitem(registry.installed().entries("weights")["default"].__dict__, "value", broken)
    code, said, _ = run("list", "weights")
    assert code == 0
    assert "broken.safetensors" in said
