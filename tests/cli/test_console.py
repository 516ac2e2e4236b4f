"""What is said while a command works, where nobody looks at a terminal."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from restorekit.cli import console
from restorekit.cli.console import ImagesProgress, Rate, RemainingTimeColumn, TrainingProgress, as_json, notes
from restorekit.core.errors import RestorekitWarning
from restorekit.training.log import LogEntry


@pytest.fixture
def said(capsys, monkeypatch):
    """A function that returns the lines on standard error since it was last called; nothing goes to standard output."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def read():
        out, err = capsys.readouterr()
        assert out == ""
        return err.splitlines()

    return read


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until its `now` is set."""
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def _training():
    return TrainingProgress(SimpleNamespace(progress=lambda step, seconds: step / 4000))


def _line(step, event="step", **values):
    return LogEntry(event, step, 1.0, values=values)


def test_a_log_line_is_said_in_a_few_words(said, clock):
    with _training() as shown:
        clock.now = console.LINE_INTERVAL
        shown.show(_line(2000, nelbo=1.234, distortion=1, rate=0.2, other=9, images_per_s=99.6, skipped=3))
        shown.show(_line(2001, "epoch", epoch=7, psnr=30.0, skipped=0))
    first, second = said()
    figures = "nelbo 1.23  distortion 1.00  rate 0.20"
    assert first == f"step       step 2000  {figures}  100 images/s  3 updates skipped"
    assert second == "epoch      epoch 7  psnr 30.00"


def test_steps_are_said_every_half_minute_and_other_events_always(said, clock):
    with _training() as shown:
        for step in range(1, 71):
            clock.now = float(step)
            shown.show(_line(step))
        shown.show(_line(70, "validation", psnr=31.5))
    assert [line.split()[-1] for line in said()] == ["30", "60", "31.50"]
    assert shown.bar.tasks[0].completed == pytest.approx(70 / 4000)


def test_how_far_the_images_are_is_said_every_half_minute(said, clock):
    with ImagesProgress(100, "restoring") as shown:
        for i in range(1, 71):
            clock.now = float(i)
            shown.advance(None)
    assert [line.split()[:2] for line in said()] == [["restoring", "30/100"], ["restoring", "60/100"]]


def test_every_image_counts_and_only_what_is_told_is_said(said):
    text = f"a [bold]note[/bold] on {'long/' * 40}image.png"
    with ImagesProgress(3, "restoring") as shown:
        for told in (None, text, ""):
            shown.advance(told)
    assert said() == [text]  # as it stands: neither wrapped nor taken for markup
    assert (shown.bar.tasks[0].completed, shown.bar.tasks[0].total) == (3, 3)


def test_a_quiet_one_counts_and_says_nothing(said):
    with ImagesProgress(3, "restoring", quiet=True) as shown:
        shown.advance("a note")
    assert said() == []
    assert shown.bar.tasks[0].completed == 1


@pytest.mark.parametrize(
    ("completed", "before", "elapsed", "rate", "left"),
    [
        (0, 0, None, "", "-:--:--"),
        (60, 60, 1.0, "", "-:--:--"),
        (60, 0, 480.0, "0.12 images/s", "0:05:20"),
        (90, 60, 1.0, "30.00 images/s", "0:00:00"),
    ],
)
def test_rate_and_time_left_are_those_of_the_images_worked_on(completed, before, elapsed, rate, left):
    task = SimpleNamespace(completed=completed, remaining=100 - completed, elapsed=elapsed, fields={"before": before})
    assert (str(Rate().render(task)), str(RemainingTimeColumn().render(task))) == (rate, left)


def test_a_batch_that_ends_at_once_counts_by_the_time_since_the_start(said):
    with ImagesProgress(12, "restoring") as shown:
        task = shown.bar.tasks[0]
        task.start_time -= 100
        for _ in range(6):
            shown.advance(None, before=False)
        assert console.pace(task) == pytest.approx(0.06, rel=0.01)
        shown.advance(None, before=True)
        assert console.pace(task) == pytest.approx(0.06, rel=0.01)


def test_json_is_one_line_in_which_a_path_is_its_text():
    text = as_json({"out": Path("a/b"), "counts": [1, None]})
    assert "\n" not in text
    assert json.loads(text) == {"out": str(Path("a/b")), "counts": [1, None]}


def test_warnings_of_our_own_become_notes_one_of_a_kind_and_others_stay():
    heard = []
    with pytest.warns(DeprecationWarning, match="theirs"), notes(heard.append):
        for words in ("2 are small", "3 are small", "4 are large"):
            warnings.warn(words, RestorekitWarning, stacklevel=1)
        warnings.warn("theirs", DeprecationWarning, stacklevel=1)
    assert heard == ["2 are small", "4 are large"]
