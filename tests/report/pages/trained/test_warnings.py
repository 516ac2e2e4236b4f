"""Facts about what must be seen first of a training."""

import math

import numpy as np
import pytest

from restorekit.report.pages.trained.warnings import alarms, finished, share
from tests._helpers.training_logs import LAST, good, log_of, start, step, validation


def only(lines, running=False):
    (found,) = alarms(log_of(lines), running)
    return found


def changed(event, first, last=LAST, **figures):
    """Return the good log with other figures in the lines of an event, from a step to a step."""
    return [
        {**line, **figures} if line["event"] == event and first <= line["step"] <= last else line for line in good()
    ]


def test_a_training_that_went_well_has_none():
    assert alarms(log_of(good())) == []


def test_an_empty_log_is_one():
    assert "log is empty" in only([])


def test_a_training_that_was_stopped_says_how_far_it_came():
    lines = [line for line in good() if line["step"] <= 1000]
    assert "not finished: its log ends at step 1,000, 50 % of the way" in only(lines)
    assert alarms(log_of(lines), running=True) == []


def test_a_training_that_is_all_but_done_is_not_done():
    lines = [*good()[:-2], {**step(1999), "nelbo": 60.0, "rate": 10.0}]
    assert "99 % of the way" in only(lines)


def test_a_log_whose_validations_do_not_tell_the_way_is_finished_by_its_last_validation():
    def older(line):
        return {k: v for k, v in line.items() if k != "progress" or line["event"] == "step"}

    lines = [older(line) for line in good() if line["event"] != "start"]
    assert finished(log_of(lines))
    assert not finished(log_of(lines[:-1]))  # the validation is missing
    assert not finished(log_of([line for line in lines if line["step"] <= 1500]))
    assert share(log_of([older(validation(7))])) is None
    assert finished(log_of([older(validation(7))]))  # of so few updates that none told the way


def test_a_finished_training_that_was_resumed_for_longer_is_not_finished():
    assert not finished(log_of([*good(), start(LAST, progress=0.5)]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_named_with_its_first_step(value):
    found = alarms(log_of(changed("step", 1900, rate=value)))
    assert found == ["Not finite at 3 steps of the log, first at step 1,900: rate."]


@pytest.mark.parametrize(("count", "told"), [(10, False), (11, True)])
def test_skipped_updates_are_told_where_they_are_more_than_a_few(count, told):
    found = alarms(log_of(changed("step", 1000, skipped=float(count))))
    assert bool(found) == told
    assert not told or f"{count} of 2,000 updates were skipped" in found[0]


@pytest.mark.parametrize(("psnr", "told"), [(21.41, False), (21.39, True)])
def test_a_validation_worse_than_the_best_by_more_than_a_tenth_of_a_db_is_told(psnr, told):
    found = alarms(log_of(changed("validation", LAST, psnr=psnr)))  # 21.5 dB before
    assert bool(found) == told
    assert not told or "psnr was 21.50 dB at step 1,500 and is 21.39 dB at step 2,000" in found[0]


def test_where_the_training_images_went_on_well_the_model_learns_by_heart():
    worse = changed("validation", 1500, nelbo=200.0)
    assert "nelbo was 81 nats per image at step 1,000" in only(worse)
    assert "went on from 82 to 62: the model overfits" in only(worse)
    flat = [{**line, "nelbo": 70.0} if line["event"] == "step" else line for line in worse]
    assert "overfits" not in only(flat)


@pytest.mark.parametrize(("last", "count"), [(80.39, 0), (80.41, 1)])
def test_the_margin_of_a_bound_is_a_share_of_it(last, count):
    lines = [validation(at, nelbo=v) for at, v in ((500, 90.0), (1000, 80.0), (LAST, last))]
    assert len(alarms(log_of(lines))) == count


def test_a_corruption_that_is_undone_ever_worse_is_told_though_the_mean_is_not():
    def figures(a, b):
        return {"psnr": 25.0, "psnr missing": a, "psnr gaussian:sigma=0.1": b}

    found = only([validation(1000, **figures(20.0, 30.0)), validation(LAST, **figures(22.0, 28.0))])
    assert "psnr gaussian:sigma=0.1 was 30.00 dB at step 1,000 and is 28.00 dB" in found
    assert "psnr missing" not in found


def test_two_figures_that_became_worse_are_one_matter():
    assert only(changed("validation", 1500, nelbo=200.0, psnr=3.0)).count("was") == 3


def test_a_model_without_a_bound_is_judged_by_its_distortion():
    lines = [validation(at, distortion=v) for at, v in ((1000, 50.0), (LAST, 60.0))]
    assert "distortion was 50 nats per image" in only(lines)


def test_a_training_that_goes_astray_is_told():
    assert "own nelbo has risen from 69.50 before step 1,600 to 75 at" in only(changed("step", 1650, nelbo=75.0))


def test_a_training_that_is_only_noisy_is_not_told():
    draw = np.random.default_rng(0)
    for _ in range(20):
        lines = [{**line, "nelbo": draw.normal(70, 20)} if line["event"] == "step" else line for line in good()]
        assert alarms(log_of(lines)) == []


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"active_units": 0.0}, "active_units is 0"),
        ({"rate_z1": 0.004}, "rate_z1 is 0.004000 nats per image"),
        ({"rate": 0.0}, "rate is 0 nats per image"),
    ],
)
def test_latents_that_are_not_used_are_told(figures, text):
    assert text in only(changed("validation", LAST, **figures))
    assert alarms(log_of(changed("validation", LAST + 1, **figures))) == []


def test_a_latent_that_came_to_life_is_no_matter():
    assert alarms(log_of(changed("validation", 500, 500, active_units=0.0))) == []


def test_gradients_that_explode_are_told_and_the_large_ones_of_the_beginning_are_not():
    assert alarms(log_of(changed("step", 0, 150, gradient=999.0))) == []
    found = only(changed("step", 1500, 1500, gradient=999.0))
    assert "usual norm came to 999 at step 1,500, where 2 is the median" in found
