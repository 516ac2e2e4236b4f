"""Facts about options that several commands share."""

from __future__ import annotations

import click
import pytest

from restorekit.cli.options import settings


def test_settings_are_keys_and_values():
    assert settings(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(click.UsageError, match="KEY=VALUE"):
            settings([wrong])
