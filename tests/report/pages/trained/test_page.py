"""Facts about the page of a training, made from the files of its folder."""

import pytest
import torch
from PIL import Image

from restorekit.models import checkpoint
from restorekit.report.page import GalleryPicture
from restorekit.report.pages.trained import page_of
from restorekit.report.render import render
from tests._helpers.training_logs import card, good, start, step, validation, write


@pytest.fixture
def run_folder(tmp_path):
    """A finished training with two pictures, and a file among them that is none of ours."""
    write(tmp_path / "RUN", good())
    checkpoint.save(tmp_path / "RUN" / "model.safetensors", {"w": torch.zeros(1)}, card())
    (tmp_path / "RUN" / "previews").mkdir()
    for name in ("0002000.png", "0000500.png", "mine.png"):
        Image.new("L", (4, 4)).save(tmp_path / "RUN" / "previews" / name)
    return tmp_path / "RUN"


def test_a_finished_training_has_no_alarms_and_shows_its_card(run_folder):
    page = page_of(run_folder)
    assert (page.kind, page.title, page.alarms) == ("train", "Training of vae in RUN", [])
    assert page.command == "restorekit train photos RUN --model vae"
    assert ("seed", "7") in page.protocol


def test_pictures_are_in_the_order_of_their_steps(run_folder):
    (gallery,) = page_of(run_folder).galleries
    assert gallery.pictures == [
        GalleryPicture("previews/0000500.png", "step 500"),
        GalleryPicture("previews/0002000.png", "step 2,000"),
    ]
    assert "restoration" in gallery.caption
    assert "From top to bottom" not in gallery.caption
    (gallery,) = page_of(run_folder, card(corruptions=("missing:rate=0.5@2", "holes"))).galleries
    assert gallery.caption.endswith("From top to bottom: missing:rate=0.5; holes.")


def test_pictures_of_a_latent_model_are_told_as_what_they_are(run_folder):
    write(run_folder, [start(0), validation(9, reconstruction_psnr=20.0)])
    (gallery,) = page_of(run_folder).galleries
    assert "what the decoder makes of its latents" in gallery.caption


def test_a_training_that_goes_on_is_shown_with_the_card_that_it_will_have(tmp_path):
    write(tmp_path, [start(0), step(50), validation(60, psnr=20.0)])
    page = page_of(tmp_path, card(steps=60), running=True)
    assert page.alarms == []
    assert ("length", "60 updates in 3 min") in page.protocol


def test_a_folder_without_a_model_is_shown_without_a_card(tmp_path):
    write(tmp_path, [step(50)])
    page = page_of(tmp_path)
    assert page.title == f"Training of a model in {tmp_path.name}"
    assert "The card is not shown: there is no model file" in page.alarms[0]
    assert "not finished" in page.alarms[1]
    assert (page.command, page.galleries) == ("", [])


@pytest.mark.parametrize("lines", [[], [start(0)], [step(50)], good()], ids=["none", "start", "one", "good"])
def test_whatever_the_log_holds_becomes_html_with_its_figures(tmp_path, lines):
    write(tmp_path, lines)
    html = render(page_of(tmp_path, card(command="restorekit train '<b>' RUN")))
    assert "restorekit train &#39;&lt;b&gt;&#39; RUN" in html
    assert ("nelbo is 61 nats per image" in html) == (lines == good())
