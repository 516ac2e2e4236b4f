from dataclasses import dataclass
from typing import ClassVar

import pytest

from restorekit.core.contracts import Corruption
from restorekit.corruptions import Chain, Gaussian, Holes, Lines, Missing, Poisson, Quantise, SaltPepper
from restorekit.restoration.classical import baselines, best_baselines, restorekit_register_restorers


@dataclass(frozen=True)
class Blur(Corruption):
    name: ClassVar[str] = "blur"

    def __call__(self, x, rng):
        raise AssertionError("nothing here asks for it")

    def operator(self, observation):
        raise AssertionError("nothing here asks for it")


@dataclass(frozen=True)
class Downsample(Blur):
    name: ClassVar[str] = "downsample"
    resizes: ClassVar[bool] = True


@dataclass(frozen=True)
class Stripes(Corruption):
    name: ClassVar[str] = "stripes"
    hides: ClassVar[bool] = True

    def __call__(self, x, rng):
        raise AssertionError("nothing here asks for it")


CASES = [
    (Gaussian(0.1), ["DENOISER"]),
    (Quantise(), ["DENOISER"]),
    (Poisson(10.0), ["anscombe-DENOISER"]),
    (Chain((Poisson(10.0), Gaussian(0.1))), ["anscombe-DENOISER"]),
    (SaltPepper(0.1), ["median"]),
    (Chain((Gaussian(0.1), SaltPepper(0.1))), ["median"]),
    (Missing(0.5), ["delaunay"]),
    (Holes(), ["biharmonic", "navier-stokes"]),
    (Lines(), ["biharmonic", "navier-stokes"]),
    (Stripes(), ["biharmonic", "navier-stokes"]),
    (Chain((Holes(), Lines(), Missing())), ["biharmonic", "navier-stokes", "delaunay"]),
    (Chain((Gaussian(0.1), Missing(0.5))), ["DENOISER", "delaunay"]),
    (Blur(), ["wiener"]),
    (Chain((Blur(), Gaussian(0.1))), ["wiener"]),
    (Chain((Downsample(), Gaussian(0.1))), ["lanczos", "wiener"]),
]


@pytest.mark.parametrize("denoiser", ["bm3d", "nlm"])
@pytest.mark.parametrize(("corruption", "names"), CASES, ids=lambda v: str(v) if isinstance(v, Corruption) else "")
def test_the_strongest_methods_are_named(corruption, names, denoiser, monkeypatch):
    monkeypatch.setattr(baselines, "find_spec", lambda name: object() if denoiser == "bm3d" else None)
    found = best_baselines(corruption)
    assert found == [name.replace("DENOISER", denoiser) for name in names]
    assert set(found) <= {cls.name for cls in restorekit_register_restorers()}
    assert best_baselines(corruption, quick=True) == [
        name.replace("bm3d", "nlm") for name in found if name != "biharmonic"
    ]


def test_names_are_not_taken_twice():
    names = [cls.name for cls in restorekit_register_restorers()]
    assert len(set(names)) == len(names)
