"""The command line: one file per command, each imported only when it is called."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

from restorekit import __version__
from restorekit.core.errors import RestorekitError, UsageError, printable, shortage, system_error, unknown

NEXT = "\0"  # between sentences that are printed on lines of their own; no path and no argument holds it
COMMANDS = {
    "restore": "Restore every image of a folder.",
    "train": "Train a model on a folder of images.",
    "evaluate": "Compare models and classical methods on clean images with a known corruption.",
    "report": "Measure images that any tool restored, and compare two runs.",
    "calibrate": "Calibrate the intervals of a model on clean images.",
    "detect": "Detect defects and write masks of them.",
    "corrupt": "Apply a corruption to clean images.",
    "likelihood": "Compute the likelihood of images under a model.",
    "embed": "Write the latents of images to an NPZ file.",
    "sample": "Draw images from a model.",
    "show": "Show the settings and origin of a model file, or of any name from `list`.",
    "list": "List models, corruptions, samplers, restorers, metrics, weights or plugins.",
    "plugin": "Create a plugin package, or check an installed plugin.",
}


class LazyGroup(click.Group):
    """Group that imports a command when it is called, so that ``--help`` needs no torch."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that no path can hold before any of them is used."""
        for arg in args:
            if "\0" in arg:
                ctx.fail(f"expected text without a null character, got {arg!r}")
            if not arg.strip() or re.fullmatch(r"--[a-z-]+=\s*", arg):  # such as "$OUT" with OUT unset
                ctx.fail(f"expected text in every argument, got {arg!r}; give a value or remove it")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of `COMMANDS`."""
        return [*COMMANDS]  # `list` is the command of that name once its file is imported

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"restorekit.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command; an unknown name is an error that lists similar names."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            ctx.fail(unknown("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="restorekit")
def group() -> None:
    """Restore images with generative models, with an uncertainty for every pixel."""


def main() -> None:
    """Run the command line; print errors that a user can act on as one sentence, without a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is _quit:  # of an earlier call in this process
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            status = group(standalone_mode=False)
        finally:  # nothing is left to save: a further signal ends the process without a traceback
            signal.signal(signal.SIGINT, _quit), signal.signal(signal.SIGTERM, _quit)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        stop = error.__cause__ or error  # click turns an interrupt into an Abort
        _leave("stopped", stop, 143 if isinstance(stop, _Terminated) else 130)
    except click.ClickException as error:
        error.show(text := io.StringIO())
        for line in text.getvalue().split("\n")[:-1]:
            print(printable(line), file=sys.stderr)
        sys.exit(2)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except RestorekitError as error:
        _leave(_fault(error) or str(error), error, 2 if isinstance(error, UsageError) else 1)
    except (Exception, SystemExit) as error:
        if (fault := shortage(error) or _fault(error) or system_error(error)) is None:
            raise
        _leave(fault, error, 1)
    sys.exit(status if isinstance(status, int) else 0)


def _quit(number: int, frame: object) -> None:
    os._exit(128 + number)


def _fault(error: BaseException) -> str | None:
    """Return the message of an error in a plugin; None for other errors. Wrong usage also lists plugins not in use."""
    if "restorekit.core.plugins.registry" not in sys.modules:  # no plugin code has run yet
        return None
    from restorekit.core.plugins import registry
    from restorekit.core.plugins.boundary import error_message

    left_out = registry.installed().problems.values() if isinstance(error, UsageError) else ()
    text = error_message(error)
    return text and f"{NEXT}not in use: ".join([text, *left_out])


class _Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C but with exit code 143."""


def _interrupt(number: int, frame: object) -> None:
    raise _Terminated


def _leave(sentence: str, error: BaseException, status: int) -> NoReturn:
    for line in "; ".join([sentence, *getattr(error, "__notes__", [])]).split(NEXT):  # notes say how to resume
        print(f"restorekit: {printable(line)}", file=sys.stderr)
    sys.exit(status)
