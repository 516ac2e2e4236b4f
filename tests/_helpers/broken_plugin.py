"""A package of plugins that break in every way, installed for a test: what is asked of them chooses how.

What stands in the environment variable STRANGE breaks: a word for each method.
"""

import sys
import textwrap

import pytest

from restorekit.core.plugins import registry

MODULE = "strange_things"
PACKAGE = "restorekit-strange"
VERSION = "3.1"
SOURCE = '''
import os
from dataclasses import dataclass, replace
import torch
from torch import nn
from restorekit import (
    Corruption, Draws, Estimate, Geometry, Metric, Model, Rng, Observation, Restoration, Restorer, Sampler, Terms,
    hookimpl,
)


class Odd(BaseException):
    """What no ordinary except clause catches."""


def breaks(what):
    """Break where the environment says so; return a wrong answer, or raise."""
    asked = os.environ.get("STRANGE", "").split(",")
    if what in asked:
        raise ZeroDivisionError(f"{what} is\\nbeyond me")
    if f"exit {what}" in asked:
        raise SystemExit(7)
    if f"odd {what}" in asked:
        raise Odd(what)
    return f"wrong {what}" in asked


@dataclass(frozen=True)
class Settings:
    """Settings."""

    width: int = 2


class Wobbly(Model):
    """Smooths a little, where it does not break."""

    name = "wobbly"
    Config = Settings

    def __init__(self, config):
        super().__init__(config)
        breaks("made")
        self.net = nn.Conv2d(1, 1, 3, padding=1)
        self.geometry = Geometry(None, 1, 1, (1,))

    def mean(self, observation, corruption):
        return self.net(observation.initial_estimate(corruption))

    def terms(self, batch, noise, group="model"):
        if (batch.step or 0) >= 3 and breaks("late"):
            return batch
        loss = ((self.mean(batch.observation, batch.corruption) - batch.x) ** 2).sum((1, 2, 3)).mean()
        if breaks("terms"):
            return loss
        if os.environ.get("STRANGE") == "nan terms":
            loss = loss * torch.nan
        return Terms(loss, {"distortion": loss.detach()})

    def estimate(self, observation, corruption):
        if breaks("estimate"):
            return Estimate(observation.y[:, :, :-1], None)
        mean = self.mean(observation, corruption)
        return Estimate(mean * torch.nan if os.environ.get("STRANGE") == "nan estimate" else mean, None)

    def sample(self, observation, corruption, n, noise):
        if breaks("sample"):
            return [observation.y] * n
        return Draws(self.mean(observation, corruption).repeat(n, 1, 1, 1, 1), None)


class Shy(Restorer):
    """Refuses to look at what is bright, in ways of its own."""

    name = "shy"

    def __call__(self, observation, corruption, n, noise):
        bright = float(observation.y.mean()) > 0.7
        if bright and breaks("restorer"):
            return observation.y
        nan = bright and os.environ.get("STRANGE") == "nan restorer"
        return Restoration(observation.y * torch.nan if nan else observation.y.clone())


class Moody(Metric):
    """How it feels today."""

    name = "moody"

    def __init__(self):
        breaks("metric made")

    def __call__(self, restoration, reference, observation):
        return "fine" if breaks("metric") else 1.0


class Lost(Sampler):
    """Does not know what it can do."""

    name = "lost"

    def __call__(self, model, corruption, observation, n, noise):
        return [1] if breaks("sampler") else Draws(observation.y.repeat(n, 1, 1, 1, 1), None)

    def merit(self, model):
        return 1000

    def refuse(self, model, corruption):
        breaks("refuse")


@dataclass(frozen=True)
class Smash(Corruption):
    """Nothing at all, where it does not break."""

    name = "smash"

    def __call__(self, x, noise):
        if breaks("corruption"):
            return x
        seen = torch.ones_like(x[:, :1], dtype=torch.bool)
        return Observation(x, seen, tuple(x.shape[1:]), x.new_zeros(len(x), 1, 1, 1))


@hookimpl
def restorekit_register_models():
    return [Wobbly]


@hookimpl
def restorekit_register_restorers():
    return [Shy]


@hookimpl
def restorekit_register_metrics():
    return [Moody]


@hookimpl
def restorekit_register_samplers():
    return [Lost]


@hookimpl
def restorekit_register_corruptions():
    return [Smash]
'''


def install(folder, monkeypatch, source=SOURCE):
    """Install a package of plugins for the time of a test."""
    (folder / f"{MODULE}.py").write_text(textwrap.dedent(source))
    info = folder / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")
    (info / "entry_points.txt").write_text(f"[restorekit]\nstrange = {MODULE}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("RESTOREKIT_PLUGINS", raising=False)
    registry.installed.cache_clear()


@pytest.fixture
def strange(tmp_path_factory, monkeypatch):
    """The package, installed; returns a function that chooses what breaks."""
    install(tmp_path_factory.mktemp("site"), monkeypatch)
    yield lambda what: monkeypatch.setenv("STRANGE", what)
    forget()


def forget():
    """Uninstall it."""
    registry.installed.cache_clear()
    sys.modules.pop(MODULE, None)
