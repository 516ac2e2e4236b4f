"""Every built-in corruption can be evaluated: a calibrated model, and the classical methods meant for it."""

from __future__ import annotations

import pytest

from restorekit.core.devices import Compute
from restorekit.core.execution import LocalEngine
from restorekit.corruptions.spec import parse
from restorekit.evaluation.evaluate import evaluate
from restorekit.evaluation.protocol import Method, Protocol, Scenario, TestImage
from restorekit.restoration.classical import best_baselines
from restorekit.restoration.loading import open_restorer
from tests._helpers.builtin_registry import built_in
from tests._helpers.known_restorers import picture

IMAGE = picture(side=40).expand(1, 3, -1, -1).clone()
CHAINS = ("downsample+missing", "grayscale+missing", "grayscale+downsample+gaussian:sigma=0.05+holes", "blur+lines")


@pytest.fixture(scope="module")
def model():
    return open_restorer("default", compute=Compute("cpu"))


@pytest.mark.parametrize("spec", [*built_in("corruptions"), *CHAINS])
def test_nothing_fails_and_every_method_has_its_metrics(spec, model, tmp_path):
    corruption = parse(spec, built_in("corruptions"))
    assert model.table is not None
    methods = [Method("default", model.restorer, "blind", 0, True, "one pass", model.table)]
    for name in best_baselines(corruption, quick=True):
        methods.append(Method(name, open_restorer(name, corruption).restorer, "true"))
    scenario = Scenario(spec, corruption, methods)
    metrics = [cls() for cls in built_in("metrics").values()]
    protocol = Protocol("somewhere", 0, 1, "cpu", {})
    shown = {"views": tmp_path / "views", "pictured": ("a.png",)}
    (tmp_path / "views").mkdir()
    results = evaluate([TestImage("a.png", lambda: IMAGE)], [scenario], metrics, LocalEngine(), protocol, **shown)
    assert not results.failures
    assert [run.restorer for run in results.runs] == [method.name for method in methods]
    assert all(run.metrics["psnr"] > 5 for run in results.runs)
    assert all(row.views.before and row.views.after and row.views.truth for row in results.images)


@pytest.mark.parametrize("spec", ["downsample", "grayscale"])
def test_the_calibration_is_not_applied_to_images_of_another_shape(spec, model):
    corruption = parse(spec, built_in("corruptions"))
    method = Method("default", model.restorer, "blind", 0, True, "one pass", model.table)
    metrics = [built_in("metrics")["coverage90"]()]
    protocol = Protocol("somewhere", 0, 1, "cpu", {})
    image = TestImage("a.png", lambda: IMAGE)
    results = evaluate([image], [Scenario(spec, corruption, [method])], metrics, LocalEngine(), protocol)
    assert [row.coverage.calibrated for row in results.images] == [False]
    assert results.runs[0].metrics["coverage90"] is not None  # of the interval as if Gaussian
