"""The public interface: five modules, the names that each offers, and what plugins may import."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys

import pytest

from restorekit.testing import check_corruption, check_model
from tests._helpers.earlier_guide import Haze, TwoStoreys, TwoStoreysConfig
from tests._helpers.wheel_environment import ROOT

NAMES = {  # a name may be added here; one that goes away breaks plugins, and belongs into CHANGELOG.md
    "restorekit": """
        Batch CheckpointError Corruption Detector Draws Estimate FolderResult Geometry ImageError InputTypeError
        LatentModel Linear Metric Model Network NoiseLaw Observation PluginError Ranged Restoration RestorekitError
        RestorekitWarning RestoredImage Restorer Rng Sampler Source SpecError Terms Traits UndefinedMetricError
        UsageError __version__ evaluate hookimpl load parts_of restore_folder shape_of train
    """,
    "restorekit.models": """
        Bernoulli CVAE CVAEConfig ConvNetwork DecoderConfig DiagonalGaussian DiscretisedLogistic ErrorModel
        ErrorSample Head LOG_2PI Latents Levelled Likelihood LogisticMixture MLPNetwork Marks MarksConfig
        NetworkConfig Prediction Prior RateConfig ResidualBlock StandardPrior Temperature Tempered Trunk Up
        VAE VAEConfig average capped check_size down dropout each embed_labels floored label_rows network
        per_image stack
    """,
    "restorekit.corruptions": """
        Blur Camera Chain Clean Downsample Film Gaussian Grayscale Holes JPEG Lines Missing Poisson Quantise SaltPepper
        Sensor Speckle Stripes bend fill hide parse smeared
    """,
    "restorekit.samplers": """
        CheckedSampler Conjugate Gibbs Importance Langevin MetropolisWithinGibbs Mode PlugAndPlay evidence
        other_than_gaussian posterior redraw
    """,
    "restorekit.testing": """
        CORRUPTION_CHECKS DETECTOR_CHECKS LATENT_CHECKS METRIC_CHECKS MODEL_CHECKS RESTORER_CHECKS SAMPLER_CHECKS build
        build_detector channel_counts check_corruption check_detector check_metric check_model check_restorer
        check_sampler checks_of perturb random_images
    """,
}
GUIDE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")


def sources():
    """Yield plugin files, templates, code blocks of the documentation and its examples, by where they stand."""
    files = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("docs/examples/plot_13*.py")]
    files += ROOT.glob("restorekit/cli/scaffold/*/*.py")
    for path in sorted(files):
        if not {"build", "dist", ".venv"} & {*path.parts}:
            yield pytest.param(path.name, path.read_text(encoding="utf-8"), id=str(path.relative_to(ROOT)))
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)):
        yield pytest.param(
            "test_block" if "def test_" in code else "block", code, id=f"plugins/README.md, block {i + 1}"
        )


def closed_names(text, doors):
    """Return what a text imports from restorekit, or reaches as its attribute, and none of the doors offers."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "restorekit"]
            found += [name for name in names if name not in doors]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "restorekit":
            offered = NAMES[node.module].split() if node.module in doors else []
            names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name not in offered]
            found += [name for name in names if name not in doors]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "restorekit":
            name = f"restorekit.{node.attr}"
            found += [name] if node.attr not in NAMES["restorekit"].split() and name not in doors else []
    return found


@pytest.mark.parametrize("door", NAMES)
def test_names_of_a_public_module(door):
    assert sorted(importlib.import_module(door).__all__) == sorted(NAMES[door].split())


@pytest.mark.parametrize(("door", "name"), [(door, name) for door in NAMES for name in NAMES[door].split()])
def test_public_name_exists_and_is_documented(door, name):
    value = getattr(importlib.import_module(door), name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


def test_no_name_has_two_homes():
    every = [name for names in NAMES.values() for name in names.split()]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(("name", "text"), [*sources()])
def test_plugins_import_from_public_modules_only(name, text):
    testing = name.startswith(("test_", "conftest", "plot_"))
    assert closed_names(text, [door for door in NAMES if testing or door != "restorekit.testing"]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from restorekit.core.types import Batch", ["restorekit.core.types.Batch"]),
        ("import restorekit.core.types", ["restorekit.core.types"]),
        ("from restorekit.models import CVAE, config", ["restorekit.models.config"]),
        ("from restorekit.testing import build", ["restorekit.testing.build"]),
        ("import restorekit\nrestorekit.core.types.Batch", ["restorekit.core"]),
        ("import restorekit\nfrom restorekit import models\nrestorekit.load, models", []),
        ("import restorekit_vrae\nfrom restorekit_vrae.core import X", []),
    ],
)
def test_an_import_from_elsewhere_is_found(text, found):
    assert closed_names(text, [door for door in NAMES if door != "restorekit.testing"]) == found


def test_guide_lists_the_public_modules():
    table = GUIDE.partition("## What can be imported")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", table, re.MULTILINE))
    assert list(rows) == list(NAMES)
    for door, text in rows.items():
        named = {name for name in re.findall(r"`(\w+)`", text) if name != "SPEC"}
        assert named <= {*NAMES[door].split()}, door


@pytest.mark.parametrize("door", ["restorekit.models", "restorekit.corruptions", "restorekit.samplers"])
def test_reference_lists_the_parts(door):
    text = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(rf"^   {door}\.(\w+)$", text, re.MULTILINE)
    constants = {"LOG_2PI", "Temperature"}  # without a docstring; named in the text
    assert {*listed} == {*NAMES[door].split()} - constants


def test_every_public_name_is_lazy_and_listed():
    program = """
        import json, sys
        import restorekit
        listed = dir(restorekit)
        before = "torch" in sys.modules
        missing = [name for name in restorekit.__all__ if name not in listed or getattr(restorekit, name) is None]
        print(json.dumps([before, "torch" in sys.modules, missing]))
    """
    done = subprocess.run([sys.executable, "-c", inspect.cleandoc(program)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, True, []]


def test_an_unknown_name_is_an_attribute_error():
    module = importlib.import_module("restorekit")
    with pytest.raises(AttributeError, match="no attribute 'Noise'"):
        _ = module.Noise


def test_earlier_plugins_need_only_new_imports():
    check_corruption(Haze())
    check_corruption(Haze(depth=(0.1, 0.9)))
    check_model(TwoStoreys, TwoStoreysConfig(width=8))
