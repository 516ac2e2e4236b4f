"""A plugin that breaks is named, with its package; it takes nothing else down, and no finished work is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from restorekit.core.errors import CheckpointError
from restorekit.core.plugins import registry
from restorekit.models import VAE, checkpoint
from restorekit.testing import build
from tests._helpers.broken_plugin import PACKAGE, SOURCE, VERSION, forget, install, strange

__all__ = ["strange"]
SIDE = 16
TRAIN = ("--corruption", "gaussian:sigma=0.1", "--set", "batch=2", "--set", "crop=8", "--set", "validate=4")


@pytest.fixture
def pictures(tmp_path):
    """Three gray images, the second of which is bright."""
    folder = tmp_path / "IN"
    folder.mkdir()
    for i, level in enumerate((90, 220, 60)):
        noise = np.random.default_rng(i).integers(-9, 9, (SIDE, SIDE))
        Image.fromarray((level + noise).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def wobbly(strange, tmp_path):
    """A file of the plugin's model."""
    return saved(build(registry.models()["wobbly"]), tmp_path / "wobbly.safetensors")


def saved(model, path):
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return path


def named(said, *words):
    """See that what was said names the culprit in a sentence, and shows no traceback."""
    assert f"the plugin 'strange' ({PACKAGE} {VERSION}) failed in" in said
    assert "Traceback" not in said
    assert "File " not in said
    assert "restorekit plugin check strange" in said
    for word in words:
        assert word in said


def images_of(out):
    return sorted(p.name for p in Path(out).glob("*.png"))


# ------------------------------------------------------------------------ restoring


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("restorer", "ZeroDivisionError: restorer is beyond me"),
        ("exit restorer", "SystemExit: 7"),
        ("odd restorer", "Odd: restorer"),
        ("wrong restorer", "expected Restoration, got Tensor"),
        ("nan restorer", "expected finite values in mmse, got NaN or infinity"),
    ],
)
def test_an_image_that_a_restorer_breaks_on_does_not_keep_the_others_back(strange, run, pictures, tmp_path, how, told):
    strange(how)
    out = tmp_path / "OUT"
    code, _, err = run("restore", pictures, out, "--model", "shy")
    assert code == 1
    named(err, told, "1.png", str(out / "_restorekit" / "errors.log"))
    assert images_of(out) == ["0.png", "2.png"]
    log = (out / "_restorekit" / "errors.log").read_text()
    assert log.count("Traceback (most recent call last)") >= 1
    strange("")
    code, said, _ = run("restore", pictures, out, "--model", "shy")
    assert code == 0
    assert "1 restored, 2 done before, 0 failed" in said


@pytest.mark.parametrize(
    ("how", "told", "more"),
    [
        ("estimate", "estimate of the model 'wobbly': ZeroDivisionError", ()),
        ("wrong estimate", "expected a tensor of shape (1, 1, 16, 16) in mean, got (1, 1, 15, 16)", ()),
        ("sample", "sample of the model 'wobbly': ZeroDivisionError", ("--samples", "2")),
        ("wrong sample", "expected Draws, got list", ("--samples", "2")),
        ("odd estimate", "Odd: estimate", ()),
    ],
)
def test_a_model_that_breaks_while_restoring_is_named(wobbly, strange, run, pictures, tmp_path, how, told, more):
    strange(how)
    code, _, err = run("restore", pictures, tmp_path / "OUT", "--model", wobbly, *more)
    assert code == 1
    named(err, told, "0.png", "1.png", "2.png")
    assert images_of(tmp_path / "OUT") == []


def test_a_model_of_nan_is_named(wobbly, strange, run, pictures, tmp_path):
    strange("nan estimate")
    code, _, err = run("restore", pictures, tmp_path / "OUT", "--model", wobbly)
    assert code == 1
    assert f"'wobbly' of the plugin 'strange' ({PACKAGE} {VERSION}) gave values that are not finite" in err


@pytest.mark.parametrize("how", ["corruption", "wrong corruption"])
def test_a_corruption_that_breaks_is_named_and_so_is_a_part_of_a_chain(strange, run, pictures, tmp_path, how):
    strange(how)
    for spec in ("smash", "smash+missing"):
        code, _, err = run("corrupt", pictures, tmp_path / "OUT", "--corruption", spec)
        assert code == 1
        named(err)


def test_a_model_that_breaks_when_it_is_made_is_named(wobbly, strange, run, pictures, tmp_path):
    strange("made")
    code, _, err = run("restore", pictures, tmp_path / "OUT", "--model", wobbly)
    assert code == 2 or code == 1
    named(err, "making the model 'wobbly'")


@pytest.fixture
def prior(tmp_path):
    return saved(build(VAE, VAE.Config(hidden=(4,), latent=1)), tmp_path / "vae.safetensors")


def test_a_sampler_that_breaks_leaves_the_choice_to_the_others(strange, prior, run, pictures, tmp_path):
    strange("refuse")
    code, said, _ = run("restore", pictures, tmp_path / "OUT", "--model", prior, "--sigma", "0.1")
    assert code == 0
    assert "gibbs" in said or "mwg" in said


@pytest.mark.parametrize("how", ["refuse", "sampler", "wrong sampler"])
def test_a_sampler_that_was_asked_for_and_breaks_is_named(strange, prior, run, pictures, tmp_path, how):
    strange(how)
    words = ("--model", prior, "--sigma", "0.1", "--sampler", "lost")
    code, _, err = run("restore", pictures, tmp_path / "OUT", *words)
    assert code == 1
    named(err)


def test_other_commands_name_it_too(wobbly, strange, run, tmp_path):
    strange("made")
    code, _, err = run("show", wobbly)
    assert code == 1
    named(err, "restorekit-errors.log")


# ------------------------------------------------------------------------ training


def the_training(run, pictures, folder, *more, steps=6):
    return run("train", pictures, folder, "--model", "wobbly", "--steps", steps, *TRAIN, *more)


def weights(folder):
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key).tolist() for key in file.keys()}  # noqa: SIM118, safe_open is no mapping


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("late", "terms of the model 'wobbly': ZeroDivisionError: late is beyond me"),
        ("exit late", "SystemExit: 7"),
        ("wrong late", "expected Terms, got Batch"),
    ],
)
def test_a_training_that_breaks_keeps_what_was_saved_and_goes_on(strange, run, pictures, tmp_path, how, told):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    strange(how)
    code, _, err = the_training(run, pictures, broken)
    assert code == 1
    named(err, told, f"{broken} holds the training as of step 3", "--resume", str(broken / "errors.log"))
    assert told.rpartition(": ")[2][:20] in (broken / "errors.log").read_text().replace("\n", " ")
    strange("")
    assert the_training(run, pictures, broken, "--resume")[0] == 0
    assert the_training(run, pictures, whole)[0] == 0
    assert weights(broken) == weights(whole)


def test_a_training_that_breaks_before_anything_was_saved_says_so(strange, run, pictures, tmp_path):
    strange("wrong terms")
    code, _, err = the_training(run, pictures, tmp_path / "RUN")
    assert code == 1
    named(err, "expected Terms, got Tensor", "nothing was saved yet, so start again")
    strange("")
    assert the_training(run, pictures, tmp_path / "RUN")[0] == 0


@pytest.mark.parametrize("how", ["estimate", "wrong estimate", "sample", "wrong sample"])
def test_a_validation_that_breaks_loses_no_update(strange, run, pictures, tmp_path, how):
    strange(how)
    code, _, err = the_training(run, pictures, tmp_path / "RUN")
    assert code == 1
    named(err, "as of step 4", "--resume")
    assert checkpoint.read_card(tmp_path / "RUN" / "model.safetensors").steps == 4


def test_a_corruption_that_breaks_a_training_is_named(strange, run, pictures, tmp_path):
    strange("wrong corruption")
    words = ("--model", "cvae", "--steps", 2, "--set", "preset=small", "--corruption", "smash")
    code, _, err = run("train", pictures, tmp_path / "RUN", *words)
    assert code == 1
    named(err, "expected Observation, got Tensor")


def test_a_training_of_nan_alone_stops_and_names_the_model(strange, run, pictures, tmp_path):
    strange("nan terms")
    code, _, err = the_training(run, pictures, tmp_path / "RUN")
    assert code == 2
    assert f"the model 'wobbly' of the plugin 'strange' ({PACKAGE} {VERSION}) were not finite in any of the 6" in err
    assert not (tmp_path / "RUN" / "state.safetensors").exists()


# ------------------------------------------------------------------------ measuring


def evaluated(run, pictures, report, *words):
    code, out, err = run("evaluate", pictures, report, "--baseline", "none", *words)
    found = json.loads((report / "results.json").read_text())
    return code, out + err, {(r["corruption"], r["restorer"]): r for r in found["runs"]}, found["failures"]


GAUSS, MISSING = "gaussian:sigma=0.1", "missing"


@pytest.mark.parametrize("how", ["restorer", "exit restorer", "wrong restorer", "nan restorer"])
def test_a_restorer_that_breaks_is_reported_and_the_others_are_measured(strange, run, pictures, tmp_path, how):
    strange(how)
    words = ("--corruption", GAUSS, "--corruption", MISSING, "--model", "shy", "--model", "median")
    code, said, runs, failures = evaluated(run, pictures, tmp_path / "REPORT", *words)
    assert code == 1
    named(said, "failed: shy on gaussian:sigma=0.1 of 1.png", str(tmp_path / "REPORT" / "errors.log"))
    assert runs[GAUSS, "median"]["images"] == runs[MISSING, "median"]["images"] == 3
    assert runs[GAUSS, "shy"]["images"] == 2
    assert {(f["restorer"], f["corruption"], f["image"]) for f in failures} == {("shy", GAUSS, "1.png")}


def test_a_model_that_breaks_is_reported_once_for_all_its_images(wobbly, strange, run, pictures, tmp_path):
    strange("estimate")
    words = ("--corruption", GAUSS, "--model", wobbly, "--model", "median")
    code, said, runs, failures = evaluated(run, pictures, tmp_path / "REPORT", *words)
    assert code == 1
    named(said, "0.png and 2 more")
    assert said.count("ZeroDivisionError") == 2  # when it broke, and in the summary
    assert runs[GAUSS, str(wobbly)]["images"] == 0
    assert runs[GAUSS, "median"]["psnr"] > 10
    assert len(failures) == 3


def test_a_corruption_that_breaks_leaves_the_other_rows(strange, run, pictures, tmp_path):
    strange("corruption")
    words = ("--corruption", "smash", "--corruption", GAUSS, "--model", "median")
    code, said, runs, _ = evaluated(run, pictures, tmp_path / "REPORT", *words)
    assert code == 1
    named(said, "the corruption 'smash'")
    assert runs["smash", "median"]["images"] == 0
    assert runs[GAUSS, "median"]["images"] == 3


@pytest.mark.parametrize(
    ("how", "told"), [("metric", "ZeroDivisionError"), ("wrong metric", "expected a float or an UndefinedMetricError")]
)
def test_a_metric_that_breaks_leaves_the_other_figures(strange, run, pictures, tmp_path, how, told):
    strange(how)
    code, said, runs, _ = evaluated(run, pictures, tmp_path / "REPORT", "--corruption", GAUSS, "--model", "median")
    assert code == 1
    named(said, "the metric 'moody'", told)
    assert runs[GAUSS, "median"]["psnr"] > 10
    assert runs[GAUSS, "median"]["moody"] is None
    assert told in runs[GAUSS, "median"]["reasons"]["moody"]


def test_a_metric_that_breaks_on_what_another_tool_restored_is_said_once(strange, run, pictures, tmp_path):
    strange("metric")
    code, said, err = run("report", pictures, tmp_path / "REPORT", "--reference", pictures)
    assert code == 1
    named(said, "the metric 'moody'", str(tmp_path / "REPORT" / "errors.log"), "and 2 more")
    assert err.count("ZeroDivisionError") == 1
    found = json.loads((tmp_path / "REPORT" / "results.json").read_text())
    assert [row["moody"] for row in found["images"]] == [None] * 3
    assert len(found["failures"]) == 3


def test_a_metric_that_cannot_be_made_is_left_out_unless_it_was_asked_for(strange, run, pictures, tmp_path):
    strange("metric made")
    words = ("--corruption", GAUSS, "--model", "median")
    code, said, runs, _ = evaluated(run, pictures, tmp_path / "REPORT", *words)
    assert code == 0
    named(said, "moody is not computed")
    assert "moody" not in runs[GAUSS, "median"]
    code, _, err = run("evaluate", pictures, tmp_path / "R", "--baseline", "none", *words, "--metric", "moody")
    assert code == 1
    named(err)


# ------------------------------------------------------------------------ not there


def without(monkeypatch, tmp_path, source):
    """Install another version of the package in place of the one that made a file."""
    forget()
    (tmp_path / "other").mkdir()
    install(tmp_path / "other", monkeypatch, source)


def test_a_file_of_a_package_that_is_not_installed_says_what_to_install(wobbly, monkeypatch, run, tmp_path):
    with monkeypatch.context() as gone:
        gone.setattr("sys.path", [p for p in __import__("sys").path if "site" not in Path(p).name])
        forget()
        code, _, err = run("show", wobbly)
    assert code == 2
    assert f"holds a 'wobbly' of the package '{PACKAGE}' {VERSION}, which is not installed" in err
    assert f"pip install '{PACKAGE}=={VERSION}'" in err
    assert len(err.strip().splitlines()) == 1


def test_a_file_of_a_plugin_that_cannot_be_imported_says_why(wobbly, monkeypatch, run, tmp_path):
    without(monkeypatch, tmp_path, "import no_such_module")
    code, _, err = run("show", wobbly)
    assert code == 2
    assert "is installed but not in use" in err
    assert "No module named 'no_such_module'" in err


def test_a_file_of_a_plugin_that_was_not_chosen_says_so(wobbly, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_PLUGINS", "")
    forget()
    with pytest.raises(CheckpointError, match=r"3\.1 is installed without such a model.*RESTOREKIT_PLUGINS"):
        checkpoint.load(wobbly)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "could not be imported: ZeroDivisionError"),
        ("raise SystemExit('bye')", "could not be imported: SystemExit: bye"),
        (SOURCE.replace('name = "shy"', 'name = "median"'), "a name that the plugin 'restorers' (restorekit"),
        (SOURCE.replace("return [Wobbly]", "return [Model]"), "expected"),
        (SOURCE.replace("    def refuse(self", "    def refuses(self"), "does not define refuse"),
        (SOURCE.replace("return [Moody]", "return 3"), "failed in restorekit_register_metrics"),
        (SOURCE.replace("_register_metrics", "_register_metric"), "hook that does not exist"),
    ],
    ids=["import", "exit", "taken", "abstract", "lacks", "rubbish", "misspelt"],
)
def test_whatever_is_wrong_with_a_plugin_is_told_where_it_is_missed(monkeypatch, tmp_path, run, source, told):
    install(tmp_path, monkeypatch, source)
    code, said, err = run("list", "plugins")
    assert code == 0
    assert f"the plugin 'strange' ({PACKAGE} {VERSION})" in said
    assert told in said
    code, _, err = run("show", "wobbly")
    assert code == 2
    assert "there is no" in err
    assert f"not in use: the plugin 'strange' ({PACKAGE} {VERSION})" in err
    assert "gaussian" in run("list", "corruptions")[1]
    forget()
