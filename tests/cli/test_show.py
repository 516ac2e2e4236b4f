"""Facts about `restorekit show`."""

from __future__ import annotations

import dataclasses
import json

import pytest

from restorekit.cli import show
from restorekit.models import checkpoint
from restorekit.models.config import VAEConfig
from restorekit.training.config import Recipe


def test_a_card_is_shown(run, model_file):
    code, said, _ = run("show", model_file)
    assert code == 0
    assert "model: cvae" in said
    card = json.loads(run("show", model_file, "--json")[1])
    assert (card["model"], card["package"], card["config"]["recogniser"]) == ("cvae", "restorekit", 16)
    assert card["parameters"] > 1000


def test_figures_of_a_card_are_shown_to_six_digits(run, model_file, tmp_path):
    model, card = checkpoint.load(model_file)
    path = tmp_path / "measured.safetensors"
    checkpoint.save(path, model.state_dict(), dataclasses.replace(card, metrics={"psnr": 30.123456789}))
    assert "  psnr: 30.1235\n" in run("show", path)[1]


@pytest.mark.parametrize(("name", "key"), [("gaussian", "sigma"), ("cvae", "widths")])
def test_settings_of_a_class_are_shown(run, name, key):
    code, said, _ = run("show", name)
    assert code == 0
    assert f"{key}: " in said


def test_traits_of_a_corruption_are_shown(run):
    said = run("show", "gaussian")[1]
    assert "traits:\n  noise_law: gaussian\n  smooth: yes\n  hides: no\n" in said
    traits = json.loads(run("show", "missing", "--json")[1])["traits"]
    assert (traits["noise_law"], traits["hides"], traits["scattered"]) == (None, True, True)


def test_an_unknown_name_is_a_sentence(run):
    code, said, err = run("show", "defualt")
    assert (code, said) == (2, "")
    assert "defualt" in err


def test_what_a_training_can_be_told_is_shown_with_its_meaning(run):
    said = run("show", "cvae")[1]
    assert "widths: 32,64,128   (integers separated by commas" in said
    for f in dataclasses.fields(Recipe):
        line = next(line for line in said.splitlines() if line.startswith(f"  {f.name}: "))
        assert len(line.rpartition(")   ")[2].split()) > 2, line
    assert "batch: 16   (an integer)   Images per update" in said


def test_a_card_tells_the_classes(run, model_file, tmp_path):
    model, card = checkpoint.load(model_file)
    named = dataclasses.replace(card, label_names=("cat", "dog"))
    checkpoint.save(tmp_path / "m.safetensors", model.state_dict(), named)
    assert "label_names:\n  cat\n  dog\n" in run("show", tmp_path / "m.safetensors")[1]


@pytest.mark.parametrize("kind", ["models", "corruptions", "samplers", "restorers", "metrics", "detectors", "weights"])
def test_whatever_is_listed_can_be_shown(run, kind):
    for name, row in json.loads(run("list", kind, "--json")[1])[kind].items():
        code, said, _ = run("show", name, "--json")
        assert code == 0
        found = json.loads(said)
        if "kind" not in found:  # several have that name, such as a corruption and the weights that find its marks
            found = found["weights" if kind == "weights" else kind.removesuffix("s")]
        assert found["kind"] == kind.removesuffix("s") or kind == found["kind"] == "weights"
        assert found["from"].startswith(row["package"])
        assert kind == "weights" or found["what"].startswith(row["about"])


def test_machines_get_default_kind_and_meaning_of_a_setting_apart(run):
    found = json.loads(run("show", "missing", "--json")[1])["settings"]["rate"]
    assert (found["default"], found["takes"]) == ("0.5", "a number or a range LOW..HIGH")
    assert found["meaning"] == "Share of pixels lost, in [0, 1]."


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gaussian", "sigma: 25/255   (a number or a range LOW..HIGH)"),
        ("holes", "shape: mixed   (mixed or strokes or boxes)"),
        ("missing", "per_channel: no   (yes or no)"),
        ("gibbs", "sweeps: 200   (an integer)"),
        ("psnr", "unit: dB"),
        ("vae", "hidden: 400\n"),
        ("vae", "scales: 1   (numbers with commas, such as 0.5,1)"),
    ],
)
def test_settings_are_shown_as_they_are_typed(run, name, line):
    assert line in run("show", name)[1]


def test_a_mistyped_name_is_answered_with_any_kind_of_near_one(run):
    assert "did you mean nlm" in run("show", "nml")[2]


def test_a_card_shows_numbers_as_they_are_typed(run, model_file):
    assert "  widths: 16,32\n" in run("show", model_file)[1]


def test_inherited_settings_keep_their_meaning():
    @dataclasses.dataclass(frozen=True)
    class More(VAEConfig):
        """More.

        Parameters
        ----------
        extra : int
            Of its own.
        """

        extra: int = 3

    found = show._settings(More)
    assert found["extra"]["meaning"] == "Of its own."
    assert found["beta"]["meaning"] == "Weight of the rate."
