"""Facts about `restorekit list`."""

from __future__ import annotations

import json

import pytest

from restorekit.cli.list import KINDS


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
