"""Facts about restorekit.evaluation.evaluate."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.execution import LocalEngine
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Geometry, Observation, Restoration
from restorekit.corruptions import Clean, Gaussian, Missing
from restorekit.evaluation.evaluate import evaluate
from restorekit.evaluation.metrics.fidelity import PSNR, PSNRMissing
from restorekit.evaluation.protocol import Method, Protocol, Scenario, TestImage
from restorekit.evaluation.rows import Failure
from restorekit.models import VAE
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.samplers import Gibbs
from restorekit.testing import build

PROTOCOL = Protocol("somewhere", 0, 2, "cpu", {})


class Echo(Restorer):
    """Returns y, and remembers what it was told."""

    name = "echo"

    def __init__(self) -> None:
        self.told: list[Observation] = []

    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        self.told.append(observation)
        return Restoration(observation.y)


def subjects(count: int = 2) -> list[TestImage]:
    x = torch.rand(count, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25
    return [TestImage(f"{i}.png", lambda i=i: x[i]) for i in range(count)]  # type: ignore[misc]


def run(trial: Scenario, people: list[TestImage] | None = None):
    return evaluate(people or subjects(), [trial], [PSNR(), PSNRMissing()], LocalEngine(), PROTOCOL)


def test_noise_of_known_level_gives_its_own_psnr():
    sigma = 10 / 255
    results = run(Scenario("g", Gaussian(sigma), [Method("echo", Echo(), "true")]))
    assert results.runs[0].metrics["psnr"] == pytest.approx(-20 * math.log10(sigma), abs=0.2)


def test_the_mean_is_over_the_images_own_values():
    results = run(Scenario("m", Missing(0.5), [Method("echo", Echo(), "true")]))
    values = [row.metrics["psnr_missing"] for row in results.images]
    assert results.runs[0].metrics["psnr_missing"] == pytest.approx(sum(values) / 2)
    assert results.runs[0].images == 2


def test_a_figure_that_does_not_exist_is_none():
    results = run(Scenario("g", Gaussian(0.1), [Method("echo", Echo(), "true")]))
    assert results.runs[0].metrics["psnr_missing"] is None


def test_models_are_blind_to_the_level_but_not_to_its_absence():
    noisy, clean = Echo(), Echo()
    run(Scenario("g", Gaussian(0.1), [Method("echo", noisy, "blind")]))
    run(Scenario("c", Clean(), [Method("echo", clean, "blind")]))
    assert all(bool(o.sigma.isnan().all()) for o in noisy.told)
    assert all(bool((o.sigma == 0).all()) for o in clean.told)


def test_an_estimate_comes_near_the_truth():
    echo = Echo()
    flat = TestImage("flat.png", lambda: torch.full((1, 1, 64, 64), 0.5))
    run(Scenario("g", Gaussian(0.1), [Method("echo", echo, "auto")]), [flat])
    assert float(echo.told[0].sigma) == pytest.approx(0.1, rel=0.1)


def test_every_contender_sees_the_same_observation_whatever_the_order():
    first, second, alone = Echo(), Echo(), Echo()
    trial = Scenario("g", Gaussian((0.0, 0.2)), [Method("a", first, "true"), Method("b", second, "true")])
    run(trial)
    run(replace(trial, methods=[Method("c", alone, "true")]), subjects()[::-1])
    assert torch.equal(first.told[0].y, second.told[0].y)
    assert torch.equal(first.told[0].y, alone.told[1].y)


def test_one_bad_image_is_reported_and_the_others_count():
    def bad() -> torch.Tensor:
        raise ImageError("bad.png is truncated")

    results = run(Scenario("c", Clean(), [Method("echo", Echo(), "true")]), [TestImage("bad.png", bad), *subjects()])
    assert results.failures == [Failure("bad.png", "bad.png is truncated")]
    assert results.runs[0].images == 2


def test_what_does_not_fit_one_image_is_that_images_failure():
    class Colour(Echo):
        geometry = Geometry(channels=(3,))

        def __call__(self, observation, corruption, n, rng):
            if observation.shape[0] not in self.geometry.channels:
                raise UsageError("takes images of 3 channels, got 1; convert them")
            return super().__call__(observation, corruption, n, rng)

    colour = TestImage("colour.png", lambda: torch.rand(1, 3, 16, 16))
    results = run(Scenario("c", Clean(), [Method("echo", Colour(), "true")]), [*subjects(1), colour])
    assert results.failures == [Failure("0.png", "takes images of 3 channels, got 1; convert them")]
    assert [row.image for row in results.images] == ["colour.png"]


def test_json_has_the_schema():
    found = run(Scenario("c", Clean(), [Method("echo", Echo(), "true")])).to_json()
    assert found["schema"] == 1
    assert {"protocol", "runs", "images", "failures"} <= found.keys()
    assert {"corruption", "restorer", "images", "psnr", "seconds_per_megapixel", "seconds", "nelbo"} <= found["runs"][
        0
    ].keys()


def test_a_model_of_images_has_a_nelbo_whatever_the_damage_and_what_is_none_has_none():
    model = build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    methods = [Method(n, r, "true") for n, r in (("vae", ModelRestorer(model, Gibbs(2))), ("echo", Echo()))]
    trials = [Scenario(spec, Gaussian(0.1), methods) for spec in ("a", "b")]
    runs = evaluate(subjects(), trials, [PSNR()], LocalEngine(), PROTOCOL).runs
    values = [r.metrics["nelbo"] for r in runs]
    assert values[1] is values[3] is None
    assert values[0] == values[2]
    x = [s.read() for s in subjects(2)]
    told = [model.terms(Batch(v, Clean()(v, Rng(0)), Clean()), Rng(0)).parts["nelbo"] for v in x]
    assert values[0] == pytest.approx(float(sum(told)) / len(told), rel=0.2)
