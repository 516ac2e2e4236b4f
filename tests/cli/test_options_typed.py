"""The command line can be typed again."""

import click
import pytest
from click.testing import CliRunner

from restorekit.cli import COMMANDS, group
from restorekit.cli.options import command_line


@click.command
@click.argument("source")
@click.argument("out", required=False)
@click.option("-m", "--model", "models", multiple=True, default=("x",))
@click.option("--sigma", type=float, default=0.5)
@click.option("--size", type=int)
@click.option("--json", "machine", is_flag=True)
@click.option("--pair", nargs=2)
def command(source, out, models, sigma, size, machine, pair):
    click.echo(command_line("do it"))


def typed_as(*words):
    return CliRunner().invoke(command, words).output.strip()


def test_what_was_given_is_there_and_defaults_are_not():
    assert typed_as("a b") == "restorekit do it 'a b'"
    assert typed_as("a", "--json", "--size", "3", "b") == "restorekit do it a b --size 3 --json"


def test_what_repeats_is_repeated_and_has_its_long_name():
    assert typed_as("a", "-m", "p q", "-m", "r") == "restorekit do it a --model 'p q' --model r"


def test_a_pair_stays_one():
    assert typed_as("a", "--pair", "1", "2") == "restorekit do it a --pair 1 2"


def flags():
    """Every spelling of every flag of every command, with its option."""
    context = click.Context(group)
    for name in COMMANDS:
        for option in group.get_command(context, name).params:
            if isinstance(option, click.Option) and option.is_flag:
                for spellings in filter(None, (option.opts, option.secondary_opts)):
                    yield pytest.param(option, max(spellings, key=len), id=f"{name} {spellings[0]}")


@pytest.mark.parametrize(("option", "spelling"), list(flags()))
def test_a_flag_is_typed_again_as_it_was(option, spelling):
    alone = click.Command("do", params=[option], callback=lambda **values: click.echo(command_line("do")))
    assert CliRunner().invoke(alone, [spelling]).output == f"restorekit do {spelling}\n"


def test_pairs_of_flags_are_among_them():
    assert {"--report", "--no-report"} <= {case.values[1] for case in flags()}
