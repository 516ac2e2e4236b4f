"""Facts about the command line as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
import numpy as np
import pytest
from PIL import Image

from restorekit.cli import COMMANDS, group


def test_help_names_every_command_and_needs_no_torch():
    script = (
        "import sys; sys.argv = ['restorekit', '--help']\n"
        "from restorekit.cli import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_at_80_columns(run, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Example" in out
    text = out.splitlines()
    assert all(len(line) <= 80 for line in text[: text.index("  Example:" if "  Example:" in text else "  Examples:")])


@pytest.mark.parametrize("words", [["restroe"], ["restore"], ["restore", "a", "b", "--sedd", "1"], ["list", "nothing"]])
def test_a_mistyped_command_line_is_wrong_usage(run, words):
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert "Error" in err


@pytest.mark.parametrize(
    ("words", "near"), [(["restroe"], "restore"), (["evalute", "x"], "evaluate"), (["list", "metric"], "metrics")]
)
def test_an_unknown_word_is_answered_with_near_ones(run, words, near):
    assert f"did you mean {near}" in run(*words)[2]


def test_version(run):
    assert run("--version")[1].startswith("restorekit, version ")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_request_to_end_is_told_by_the_exit_code(run, monkeypatch, number, status):
    def work(*arguments, **named):
        os.kill(os.getpid(), number)

    monkeypatch.setattr("restorekit.cli.list._rows", work)
    code, out, err = run("list")
    assert (code, out) == (status, "")
    assert err.strip() == "restorekit: stopped"


def test_an_error_of_the_system_is_a_sentence(run, monkeypatch):
    def work(*arguments, **named):
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("restorekit.cli.list._rows", work)
    assert run("list") == (1, "", "restorekit: /secret: Permission denied\n")


def test_help_lists_commands_after_all_were_imported(run):
    context = click.Context(group)
    for name in COMMANDS:
        assert group.get_command(context, name) is not None
    assert group.list_commands(context) == [*COMMANDS]
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    "words", [["", "OUT"], ["IN", ""], ["IN", " "], ["IN", "OUT", "--mask", ""], ["IN", "OUT", "--mask="]]
)
def test_an_empty_argument_is_wrong_usage(run, words):
    """Such as that of a variable of the shell that is not set: OUT would be the current folder."""
    code, out, err = run("restore", *words)
    assert (code, out) == (2, "")
    assert "expected text in every argument" in err


@pytest.mark.parametrize(
    "words",
    [
        ["train", "IN", "IN/OUT", "--model", "vae", "--steps", "1"],
        ["evaluate", "IN", "IN", "--corruption", "missing"],
        ["report", "IN", "IN/OUT", "--reference", "IN"],
        ["detect", "IN", "CLEAN", "--clean", "CLEAN"],
        ["corrupt", "IN", "OUT.png", "--corruption", "missing"],
        ["likelihood", "default", "IN", "IN"],
        ["calibrate", "default", "IN", "IN/a.png", "--corruption", "missing"],
        ["embed", "default", "IN", "a.txt"],
        ["sample", "a.jpg", "--model", "default"],
    ],
)
def test_a_wrong_output_is_an_error_before_torch_is_imported(words, tmp_path):
    for folder in ("IN", "CLEAN"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").touch()
    script = (
        f"import sys; sys.argv = ['restorekit', *{words!r}]\n"
        "from restorekit.cli import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Usage" not in done.stderr
    assert "OUT" in done.stderr or "output" in done.stderr or "itself an input" in done.stderr


def test_a_current_folder_that_was_removed_is_told(run, tmp_path, monkeypatch):
    (tmp_path / "IN").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "IN" / "a.png")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, err = run("restore", tmp_path / "IN", tmp_path / "OUT", "--model", "tv", "--sigma", "0.1")
    monkeypatch.chdir(tmp_path)
    assert code == 0 or "the current folder does not exist any more; change to another one" in err
    assert "Traceback" not in err
