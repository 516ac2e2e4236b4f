"""Facts about the assumed degradation: precedence of the words about it, and the problem that follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from restorekit.core.plugins import registry
from restorekit.corruptions import Blur, Chain, Downsample, Gaussian, Missing
from restorekit.corruptions.spec import parse
from restorekit.images import formats
from restorekit.images.intensity import IntensityRange
from restorekit.images.picture import Picture
from restorekit.restoration.api import PythonRestorer
from restorekit.restoration.assumptions import pose_problem, resolve_degradation
from restorekit.restoration.folder.planes import WINDOW, Plane, PlaneSource, estimate_level
from restorekit.restoration.loading import Opened
from restorekit.uncertainty.noise_level import IMAGE
from tests._helpers.folder_runs import Darker, lines, prepared, restore

USER, FILE, MODEL = Gaussian(0.1), Gaussian(0.2), Gaussian(0.3)


def facts(**words):
    """Return corruption, level, whether it is estimated, and whose word counted."""
    found = resolve_degradation(**words)
    return found.corruption, found.sigma, found.estimate, found.source


@pytest.mark.parametrize(
    ("words", "corruption", "source"),
    [
        ({"user": USER, "file": FILE, "model": MODEL}, USER, "user"),
        ({"file": FILE, "model": MODEL}, FILE, "file"),
        ({"user": USER, "model": MODEL}, USER, "user"),
        ({"model": MODEL}, MODEL, "model"),
        ({}, IMAGE, "nobody"),
    ],
)
def test_user_comes_before_file_before_model(words, corruption, source):
    level = float(corruption.sigma) if isinstance(corruption, Gaussian) else None
    assert facts(**words) == (corruption, pytest.approx(level), False, source)


@pytest.mark.parametrize("sigma", [0.0, 0.5, "auto"])
def test_a_stated_level_overrules_the_models_noise_but_not_the_files(sigma):
    """The level replaces what the file's corruption implies; the corruption itself stays."""
    known = None if sigma == "auto" else sigma
    assert facts(sigma=sigma, file=FILE, model=MODEL) == (FILE, known, sigma == "auto", "file")
    assert facts(sigma=sigma, model=MODEL)[3] == "nobody"


def test_level_zero_means_missing_values_alone():
    found = resolve_degradation(sigma=0.0)
    assert (found.corruption, found.sigma, found.estimate, found.exact) == (Missing(), 0.0, False, True)


@pytest.mark.parametrize("sigma", [0.5, "auto"])
def test_noise_is_added_to_a_corruption_that_only_hides(sigma):
    assert resolve_degradation(Missing(0.3), sigma).corruption == Chain((Gaussian(), Missing(0.3)))
    assert resolve_degradation(Missing(0.3), 0.0).corruption == Missing(0.3)
    assert resolve_degradation(USER, sigma).corruption == USER
    assert resolve_degradation(sigma=sigma).corruption == IMAGE


def test_auto_estimates_and_never_calls_values_exact():
    for words in ({}, {"user": Missing(0.5)}, {"file": FILE}):
        found = resolve_degradation(sigma="auto", **words)
        assert (found.sigma, found.estimate, found.exact) == (None, True, False)


def test_a_required_level_is_estimated_if_nobody_states_anything():
    assert resolve_degradation(needs_sigma=True).estimate
    for words in ({"user": USER}, {"file": FILE}, {"model": MODEL}, {"sigma": 0.1}, {"sigma": 0.0}):
        assert not resolve_degradation(**words, needs_sigma=True).estimate


@pytest.mark.parametrize(
    ("user", "sigma", "exact"),
    [
        (Missing(0.5), None, True),
        (Missing(0.5), 0.1, False),
        (Gaussian(0.0), None, True),
        (None, None, False),
        (Blur(size=2.0), None, False),
        (Blur(size=2.0), 0.0, False),
        (Downsample(2), 0.0, False),
    ],
)
def test_values_are_exact_without_noise_and_behind_no_map(user, sigma, exact):
    assert resolve_degradation(user, sigma).exact is exact


def test_a_problem_holds_parameters_shape_and_level_of_every_image():
    y = torch.rand(2, 1, 8, 6)
    sigma = torch.tensor([0.1, math.nan]).view(2, 1, 1, 1)
    problem = pose_problem(y, torch.ones_like(y).bool(), Blur(size=2.0), 3, sigma, 7)
    o = problem.observation
    assert (o.shape, o.direct, problem.corruption) == ((1, 8, 6), False, Blur(size=2.0))
    assert o.sigma is sigma
    assert o.label.tolist() == [7, 7]
    assert all(len(value) == 2 for value in o.params.values())
    larger = pose_problem(y, torch.ones_like(y).bool(), Downsample(2), 3).observation
    assert larger.shape == (1, 16, 12)


@pytest.mark.parametrize("width", [300, WINDOW + 200])
def test_the_estimate_is_near_the_truth(width):
    pixels = (0.5 + np.random.default_rng(0).normal(0, 0.1, (64, width, 1))).astype(np.float32)
    plane = Plane("x", pixels, None, IntensityRange(0.0, 1.0))
    found, note = estimate_level(plane, IMAGE, required=False)
    assert found.sigma == pytest.approx(0.1, rel=0.05)
    assert note == ""


def test_noise_that_is_not_white_has_no_level_unless_one_is_required():
    noise = np.random.default_rng(0).normal(0, 0.1, (128, 130, 1))
    coarse = sum(np.roll(noise, (v, h), (0, 1)) for v in range(2) for h in range(2)) / 2
    plane = Plane("x", (0.5 + coarse).astype(np.float32), None, IntensityRange(0.0, 1.0))
    found, note = estimate_level(plane, IMAGE, required=False)
    assert found.sigma is None
    assert "coarse" in note
    assert "without a noise level" in note
    found, note = estimate_level(plane, IMAGE, required=True)
    assert found.sigma > 0
    assert "uncertain" in note


# ------------------------------------------------------------- folder and Python resolve alike


class Recording(Darker):
    """Notes the level, the corruption and the parameters of the problem that it is given."""

    def __call__(self, observation, corruption, n, rng):
        sigma = None if observation.sigma is None else round(float(observation.sigma), 4)
        params = {name: value.flatten().tolist() for name, value in observation.params.items()}
        self.seen.append((str(corruption), sigma, params, observation.direct, observation.shape))
        return super().__call__(observation, corruption, n, rng)


def _folder(tmp_path, spec=None, noise=None, **words):
    """Restore one file with these words; return what the restorer was given."""
    pixels = np.random.default_rng(0).integers(1, 254, (1, 12, 10, 1), dtype=np.uint8)
    (tmp_path / "IN").mkdir()
    formats.write(tmp_path / "IN" / "a.png", Picture(pixels), pixels, spec=spec)
    restorer = Recording()
    restore(prepared(tmp_path / "IN", tmp_path / "OUT", restorer, noise=noise, **words))
    return restorer.seen[0], lines(tmp_path / "OUT")[-1]


@pytest.mark.parametrize(
    ("corruption", "sigma", "noise"),
    [
        (None, None, None),
        (None, 0.2, None),
        (None, 0.0, None),
        (None, None, "gaussian:sigma=0.3"),
        (None, 0.2, "gaussian:sigma=0.3"),
        ("gaussian:sigma=0.1", None, "gaussian:sigma=0.3"),
        ("gaussian:sigma=0.1..0.2", None, None),
        ("missing:rate=0.5", None, None),
        ("blur:size=2+gaussian:sigma=0.1", None, None),
        ("downsample:factor=2+gaussian:sigma=0.1", None, None),
        ("grayscale+gaussian:sigma=0.1", None, None),
    ],
)
def test_python_gives_the_restorer_the_problem_that_the_folder_does(tmp_path, corruption, sigma, noise):
    word = None if sigma is None else str(sigma)
    given, _ = _folder(tmp_path, corruption=corruption, sigma=word, noise=noise)
    restorer = Recording()
    known = None if corruption is None else parse(corruption, registry.corruptions())
    PythonRestorer(Opened("recording", restorer, noise=noise), known)(np.full((12, 10), 128, np.uint8), sigma=sigma)
    assert restorer.seen[0] == given


def test_the_files_word_reaches_the_restorer_unless_the_user_states_another(tmp_path):
    given, line = _folder(tmp_path, "gaussian:sigma=0.2", "gaussian:sigma=0.3")
    assert given[:2] == ("gaussian:sigma=0.2", 0.2)
    assert line["sigma"] == pytest.approx(0.2)


def test_a_files_word_that_cannot_be_read_does_not_matter_if_the_user_states_another(tmp_path):
    given, _ = _folder(tmp_path, "sundown:size=2", corruption="gaussian:sigma=0.1")
    assert given[:2] == ("gaussian:sigma=0.1", 0.1)


def test_notes_mention_loss_only_for_exact_values(tmp_path):
    """JPEG keeps values that are known exactly only before the encoding, which matters if something is missing."""
    for name, sigma, told in (("exact", "0", True), ("noisy", "0.1", False)):
        (tmp_path / name).mkdir()
        _, line = _folder(tmp_path / name, sigma=sigma, format="jpeg")
        assert any("written with loss" in note for note in line["notes"]) is told


def test_a_mask_hides_values_whoever_states_the_noise(tmp_path):
    """What is missing comes from the mask and not from the words."""
    planes = [Plane("p", np.ones((4, 4, 1), np.uint8), np.eye(4, dtype=bool)[..., None], IntensityRange(0.0, 1.0))]
    for corruption in (Missing(), Gaussian(0.1), IMAGE):
        o = PlaneSource(planes, corruption).observed(0, 4)
        assert torch.equal(o.observed[0, 0], ~torch.eye(4).bool())
        assert bool((o.y[~o.observed] == 0).all())
