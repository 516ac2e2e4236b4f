"""Facts about reading a training's log."""

import json
import math

import numpy as np

from restorekit.training.log import Log, read_log, thin
from tests._helpers.training_logs import entry, log_of, start, step, validation, write


def test_a_missing_or_empty_log_has_no_lines(tmp_path):
    assert read_log(tmp_path / "log.jsonl") == Log()
    assert read_log(write(tmp_path, [], end="")) == Log()


def test_a_line_cut_short_and_what_is_no_line_are_left_out_and_counted(tmp_path):
    path = write(tmp_path, [step(50), step(100)])
    path.write_text(path.read_text() + '[1]\n{"event": 3, "step": 1}\n{"event": "step", "ste')
    found = read_log(path)
    assert [line.step for line in found.lines] == [50, 100]
    assert found.unread == 3


def test_what_a_resumed_training_did_again_stands_once_as_it_was_done_last(tmp_path):
    lines = [start(0), step(50), step(100, nelbo=1.0), validation(100, psnr=1.0), step(150, nelbo=2.0)]
    again = [start(50), step(100, nelbo=3.0), validation(100, psnr=4.0)]
    found = read_log(write(tmp_path, lines + again))
    assert found.lines == [entry(line) for line in [*lines[:2], *again]]
    assert found.points("step", "nelbo") == [(50, 100.0), (100, 3.0)]


def test_a_finished_training_that_is_resumed_validates_its_last_step_again(tmp_path):
    found = read_log(write(tmp_path, [step(50), validation(60, psnr=1.0), start(60), validation(60, psnr=2.0)]))
    assert found.points("validation", "psnr") == [(60, 2.0)]


def test_figures_are_numbers_and_curves_only_what_is_finite(tmp_path):
    lines = [step(50, note="text", flag=True, none=None), step(100, nelbo=math.nan, more=1)]
    found = read_log(write(tmp_path, lines))
    assert found.names("step") == ["nelbo", "lr", "gradient", "skipped", "images_per_s", "more"]
    assert found.points("step", "nelbo") == [(50, 100.0)]
    assert found.points("step", "more") == [(100, 1.0)]
    assert found.points("step", "note") == []


def test_step_and_seconds_of_a_log_are_those_of_its_last_line():
    assert (log_of([step(50), validation(70)]).step, log_of([step(50), validation(70)]).seconds) == (70, 7.0)
    assert (Log().step, Log().seconds) == (0, 0.0)


def test_thinning_keeps_ends_and_extremes_in_order():
    values = np.random.default_rng(0).standard_normal(100_000)
    values[[31_234, 77_777]] = 9, -9
    points = list(enumerate(values.tolist()))
    found = thin(points)
    assert 400 < len(found) <= 500
    assert {points[0], points[-1], points[31_234], points[77_777]} <= set(found)
    assert found == sorted(found)
    assert set(found) <= set(points)


def test_every_stretch_keeps_its_extremes():
    points = [(i, float(i % 10)) for i in range(1000)]
    found = thin(points, 202)  # a hundred stretches of ten
    assert sum(value == 0 for _, value in found) == sum(value == 9 for _, value in found) == 100


def test_a_short_curve_is_left_as_it_is():
    points = [(i, float(i)) for i in range(500)]
    assert thin(points) is points


def test_a_log_of_a_many_lines_is_read_whole(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(step(i))}\n" for i in range(20_000)))
    assert len(read_log(path).points("step", "nelbo")) == 20_000
