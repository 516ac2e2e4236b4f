"""Every built-in keeps its contract: a new one is tested by being registered. Plugins have tests of their own."""

import inspect

import pytest

from restorekit import testing
from restorekit.core.plugins import registry
from restorekit.corruptions.spec import parse

REGISTERED = {
    kind: {n: e.value for n, e in registry.installed().entries(kind).items() if e.plugin.package == "restorekit"}
    for kind in registry.KINDS
}
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


SHORT = {  # chains: what is checked does not depend on whether they have settled
    "langevin": {"steps": 60},
    "map": {"steps": 30, "starts": 4},
    "mwg": {"sweeps": 30, "warm": 5},
    "gibbs": {"sweeps": 60},
    "pnp": {"sweeps": 30},
    "importance": {"proposals": 200},
}


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


@pytest.mark.filterwarnings("ignore:most chains", "ignore:of 200 proposals")
@pytest.mark.parametrize("check", testing.SAMPLER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED["samplers"])
def test_sampler(name, check):
    check(REGISTERED["samplers"][name](**SHORT.get(name, {})))


@pytest.mark.parametrize("kind", ["models", "corruptions", "samplers", "restorers", "metrics"])
def test_every_class_says_in_a_sentence_what_it_is(kind):
    for name, cls in REGISTERED[kind].items():
        assert cls.name == name
        first = (inspect.getdoc(cls) or "").partition("\n\n")[0]
        assert first.endswith((".", "below.")) or ";" in first or ":" in first, (
            f"{cls} needs a docstring, got {first!r}"
        )


@pytest.mark.parametrize("check", testing.METRIC_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED["metrics"])
def test_metric(name, check):
    check(REGISTERED["metrics"][name]())


@pytest.mark.parametrize("check", testing.RESTORER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED["restorers"])
def test_restorer(name, check):
    if "bm3d" in name:
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    check(REGISTERED["restorers"][name]())


@pytest.mark.parametrize("check", testing.DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED["detectors"])
def test_detector(name, check):
    check(testing.build_detector(REGISTERED["detectors"][name]))


def test_weights_are_files_that_load():
    for path in REGISTERED["weights"].values():
        assert path.is_file()


def test_report_sections_have_a_title_and_render():
    for cls in REGISTERED["sections"].values():
        assert isinstance(cls.title, str)
        assert callable(cls.render)
