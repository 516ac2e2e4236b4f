"""Everything that is registered keeps its contract: a new built-in is tested by being registered."""

import dataclasses
import inspect

import pytest
import torch

from restorekit import plugins, testing
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.corruptions.spec import parse
from restorekit.errors import UsageError
from restorekit.metrics import compare, finish
from restorekit.noise import Noise
from restorekit.types import Restoration

REGISTERED = {kind: plugins.classes(kind) for kind in plugins.KINDS}
CHAINS = (
    "gaussian:sigma=0.1+gaussian:sigma=0.2",
    "gaussian:sigma=0..0.2+missing:rate=0.3..0.9",
    "poisson:peak=5..50+missing",
    "saltpepper+gaussian:sigma=0.1",
    "gaussian:sigma=0.1+quantise:bits=8,share=0.5",
    "missing+holes+lines",
    "blur+downsample:factor=3+gaussian:sigma=0.1+missing",
    "gaussian:sigma=0.1+downsample",
    "grayscale+downsample+gaussian:sigma=0.1",
    "downsample+grayscale",
)
VARIANTS = (
    "gaussian:sigma=0",
    "holes:shape=strokes",
    "holes:shape=boxes,area=0.9",
    "lines:axis=rows",
    "lines:axis=both",
    "missing:per_channel=true",
    "missing:rate=1",
    "quantise:bits=3",
    "sensor:blur=0",
)


def _corruptions():
    defaults = {name: cls() for name, cls in REGISTERED["corruptions"].items()}
    return defaults | {spec: parse(spec, REGISTERED["corruptions"]) for spec in (*VARIANTS, *CHAINS)}


def _models():
    classes = REGISTERED["models"]
    for name, cls in classes.items():
        for channels in testing.channel_counts(cls):
            yield from (
                pytest.param(cls, None, channels, c, id=f"{name}-{channels}-{c.__name__}")
                for c in testing.checks_of(cls)
            )
    settings = {
        "mlp": ("vae", {"network": "mlp", "size": (10, 12), "likelihood": "bernoulli"}),
        "logistic": ("vae", {"likelihood": "logistic", "hidden": (8, 8), "latent": 3, "dropout": 0.2}),
        "per pixel": ("vae", {"likelihood": "gaussian-pixel", "hidden": (8, 16), "latent": 3, "free_bits": 0.1}),
        "missing labels": ("vae", {"hidden": (8, 8), "latent": 3, "classes": 3, "alpha": 1.0, "dropout": 0.2}),
        "labels": ("vae", {"network": "mlp", "size": (9, 7), "classes": 3}),
        "two levels": ("cvae", {**classes["cvae"].presets["small"], "classes": 3, "free_bits": 0.01}),
    }
    for title, (name, values) in settings.items():
        cls = classes[name]
        for check in testing.checks_of(cls):
            yield pytest.param(cls, cls.Config(**values), 1, check, id=f"{name}-{title}-{check.__name__}")


@pytest.mark.parametrize("check", testing.CORRUPTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", _corruptions())
def test_corruption(name, check):
    check(_corruptions()[name])


@pytest.mark.parametrize(("cls", "config", "channels", "check"), list(_models()))
def test_model(cls, config, channels, check):
    check(testing.build(cls, config, channels))


@pytest.mark.parametrize("check", testing.SAMPLER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED["samplers"])
def test_sampler(name, check):
    check(REGISTERED["samplers"][name]())


@pytest.mark.parametrize("kind", ["models", "corruptions", "samplers", "restorers", "metrics"])
def test_every_class_says_in_a_sentence_what_it_is(kind):
    for name, cls in REGISTERED[kind].items():
        assert cls.name == name
        first = (inspect.getdoc(cls) or "").partition("\n\n")[0]
        assert first.endswith((".", "below.")) or ";" in first or ":" in first, (
            f"{cls} needs a docstring, got {first!r}"
        )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", REGISTERED["metrics"])
def test_metric(name, channels, images):
    metric = REGISTERED["metrics"][name]()
    assert metric.better in ("higher", "lower")
    assert isinstance(metric.unit, str)
    x = images(1, channels, 24, 20)
    observation = Chain((Gaussian(0.1), Missing(0.5)))(x, Noise(0, ("a",)))
    values = []
    for error, turned in ((0.02, []), (0.2, [3])):  # near, with the spread where the errors are, and far, elsewhere
        off = x + error * Noise(1).normal("error", tuple(x.shape), "cpu")
        draws = torch.stack([finish(off), finish(off.flip(3))])
        restoration = Restoration(finish(off), error + (off - x).abs().flip(turned), draws)
        values.append(compare(restoration, x, observation, [metric])[name])
        assert isinstance(values[-1], float)
        assert values[-1] == metric(restoration, x, observation)
    if metric.name != "coverage90":  # which is best at 0.9
        assert (values[0] > values[1]) == (metric.better == "higher")
    alone = metric(Restoration(finish(x)), x, observation)
    assert alone is None or isinstance(alone, float)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 17, 23), (3, 16, 16)])
@pytest.mark.parametrize("name", REGISTERED["restorers"])
def test_restorer(name, channels, height, width, images):
    if "bm3d" in name:
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    restorer = REGISTERED["restorers"][name]()
    corruption = next((c for c in (Gaussian(0.1), Missing(0.5)) if restorer.suits(c)), Missing(0.2))
    x, noise = images(1, channels, height, width), Noise(0, ("a",))
    observation = corruption(x, noise)
    before = dataclasses.replace(observation, y=observation.y.clone(), observed=observation.observed.clone())
    with testing.facts.global_randomness_untouched(name):
        found = restorer(observation, corruption, 0, noise)
    assert found.mmse.shape == x.shape
    assert found.mmse.dtype == torch.float32
    assert bool(found.mmse.isfinite().all())
    assert torch.equal(before.y, observation.y)
    assert torch.equal(before.observed, observation.observed)
    known = ~observation.unknown().expand_as(x)
    assert torch.equal(found.mmse[known], x[known]), "what was observed without noise must come back bit for bit"


@pytest.mark.parametrize("name", REGISTERED["restorers"])
def test_restorer_draws_or_says_that_it_cannot(name, images):
    restorer, x = REGISTERED["restorers"][name](), images(1, 1, 16, 16)
    observation = Missing(0.2)(x, Noise(0, ("a",)))
    try:
        found = restorer(observation, Missing(0.2), 2, Noise(0, ("a",)))
    except UsageError as error:
        assert "draws" in str(error) or "samples" in str(error)
    else:
        assert found.draws.shape == (2, *x.shape)


def test_weights_are_files_that_load():
    for path in REGISTERED["weights"].values():
        assert path.is_file()


def test_report_sections_have_a_title_and_render():
    for cls in REGISTERED["sections"].values():
        assert isinstance(cls.title, str)
        assert callable(cls.render)
