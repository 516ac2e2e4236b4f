"""Values that nobody meant, in every option of every command: one sentence, no traceback, no long work."""

import time

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restorekit.cli import COMMANDS, group
from restorekit.core.errors import RestorekitError, UsageError

VALUES = (
    "9" * 30, "-" + "9" * 30, "9" * 5000, "1000000000", "-1", "0", "nan", "inf", "-inf", "1e400", "1e-400", "", " ",
    "x" * 5000, "\u0661\u0662", "\x1b[31m", "1/0", "9" * 30 + "/" + "9" * 30, "..", "1..", "1..2..3", "=", ",", "%s",
    "../..", "\udc80",
)  # fmt: skip


def options():
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        found = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        for inner, one in found:
            for parameter in one.params:
                if isinstance(parameter, click.Option) and not parameter.is_flag:
                    yield pytest.param(one, parameter, id=f"{name}{inner}{parameter.opts[0]}")


@pytest.mark.parametrize(("command", "parameter"), [*options()])
def test_the_type_of_every_option_takes_a_value_or_says_what_it_takes(command, parameter):
    limited = isinstance(parameter.type, click.IntRange | click.FloatRange)
    assert limited or not isinstance(parameter.type, type(click.INT) | type(click.FLOAT)), "a number without bounds"
    for value in VALUES:
        try:
            found = parameter.type_cast_value(click.Context(command), (value,) if parameter.multiple else value)
        except (click.ClickException, RestorekitError) as error:
            assert str(error)
            continue
        if limited:
            assert abs(found) < 2**64


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "list"])
def test_a_null_character_is_refused_everywhere(name):
    for words in (["IN\0", "OUT"], ["IN", "OUT", "--threads", "1\0"], ["IN", "O\0UT"]):
        result = CliRunner().invoke(group, [name, *words])
        assert result.exit_code == 2
        assert "null character" in result.output


RESTORE = (
    "--sigma", "--max-memory", "--shard", "--threads", "--max-pixels", "--workers", "--keep", "--format", "--range",
    "--axes", "--interval", "--samples", "--seed", "--mask", "--label", "--sampler", "--model", "--corruption",
    "--list",
)  # fmt: skip


@pytest.mark.parametrize("option", RESTORE)
def test_a_run_with_any_value_ends_with_a_sentence(tmp_path, option):
    (tmp_path / "IN").mkdir()
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "IN" / "a.png")
    model = () if option == "--model" else ("--model", "tv")
    for value in VALUES:
        started = time.process_time()
        words = ["restore", str(tmp_path / "IN"), str(tmp_path / "OUT"), *model, "--dry-run", option, value]
        result = CliRunner().invoke(group, words, standalone_mode=False)
        error = result.exception
        told = RestorekitError | click.ClickException | OSError  # `main` prints each of them as a sentence
        assert error is None or isinstance(error, told), (value[:50], repr(error))
        assert time.process_time() - started < 20, value[:50]  # a hang, not a measurement
        if isinstance(error, UsageError):
            assert str(error)
