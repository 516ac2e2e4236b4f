"""Facts about what a training's page says in sentences."""

import re

import pytest

from restorekit.models.checkpoint import TrainingData
from restorekit.report.pages.trained.summary import lasted, protocol, summary
from restorekit.training.log import Log
from tests._helpers.training_logs import LAST, card, good, log_of, start, step, validation


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (840.9, "14 min"), (7199, "120 min"), (7260, "2 h 1 min")]
)
def test_a_time_is_said_as_a_person_says_it(seconds, text):
    assert lasted(seconds) == text


def test_a_summary_says_what_was_trained_on_what_how_long_and_how_well():
    assert summary(log_of(good()), card(start="other.safetensors (0123)")) == [
        "vae (restorekit 1.2.3) was trained on 12,345 images of photos, starting from other.safetensors (0123).",
        "2,000 updates of 8 images in 3 min, 80 images a second on cpu.",
        "At the last validation, step 2,000, psnr is 22.00 dB, its best.",
        "At the last validation, step 2,000, nelbo is 61 nats per image, its best.",
        "Active units: 12; what levels of latents tell, in nats per image: rate_z0 7 and rate_z1 3.",
        "No update was skipped.",
    ]


def test_a_validation_stands_beside_the_best_one():
    found = summary(log_of([validation(1, psnr=22.0), validation(2, psnr=21.0)]), None)
    assert "At the last validation, step 2, psnr is 21.00 dB (best: 22.00 dB at step 1)." in found


def test_a_summary_says_what_damage_was_learnt_and_that_it_goes_on():
    found = summary(
        log_of([start(0), step(50, skipped=1.0)]), card(corruptions=("missing", "gaussian@2", "holes")), True
    )
    assert found[0].endswith("to undo missing, gaussian@2 and holes, starting from random weights.")
    assert re.search(r"on cpu; it goes on, as of \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$", found[1])
    assert "There is no validation yet." in found
    assert found[-1] == "1 update was skipped."


def test_a_resumed_training_says_where():
    found = summary(log_of([start(0), step(50), start(50), step(100), start(1000)]), None)
    assert "It was resumed at step 50 and 1,000." in found


def test_a_lone_line_is_enough():
    assert summary(log_of([validation(3, psnr=9.5)]), None) == [
        "3 updates in 0 s.",
        "At the last validation, step 3, psnr is 9.50 dB.",
    ]
    assert summary(Log(), None) == ["0 updates in 0 s.", "There is no validation yet."]


def test_the_protocol_is_the_card_and_what_the_training_ran_on():
    found = dict(protocol(log_of(good(), unread=1), card(label_names=("cat", "dog"))))
    assert found == {
        "model": "vae, of restorekit 1.2.3",
        "settings of the model": "latent=20, dropout=0.05",
        "settings of the training": "batch=8, augment=no",
        "classes": "cat, dog",
        "images": "12,345 of photos, intensity range auto, fingerprint ab12",
        "held out": "a.png",
        "start": "random weights",
        "seed": "7",
        "length": f"{LAST:,} updates in 3 min",
        "licence": "none is stated",
        "device": "cpu, 1 process(es), 4 CPU threads",
        "precision": "32-true",
        "versions": "restorekit 1.2.3, torch 2.99",
        "log": "log.jsonl, 45 lines, and 1 that could not be read",
    }
    assert dict(protocol(Log(), card(data=TrainingData(held_out=5000))))["held out"] == "5,000 images"
    assert protocol(Log(), None) == [("log", "log.jsonl, 0 lines")]
