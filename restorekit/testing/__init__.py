"""Conformance checks for plugin authors.

>>> from restorekit.testing import check_corruption
>>> from restorekit.corruptions import Missing
>>> check_corruption(Missing(rate=0.3))

Each check is a function that tests one fact. It raises an `AssertionError` that names what was expected, what was
returned, and the method to fix. The tuples let a test run the checks one by one:
``@pytest.mark.parametrize("check", CORRUPTION_CHECKS, ids=lambda check: check.__name__)``.
"""

from __future__ import annotations

from restorekit.testing._assertions import perturb, random_images
from restorekit.testing._cases import build, channel_counts
from restorekit.testing.corruption import CORRUPTION_CHECKS, check_corruption
from restorekit.testing.detector import DETECTOR_CHECKS, build_detector, check_detector
from restorekit.testing.latent_model import LATENT_CHECKS
from restorekit.testing.metric import METRIC_CHECKS, check_metric
from restorekit.testing.model import MODEL_CHECKS, check_model, checks_of
from restorekit.testing.restorer import RESTORER_CHECKS, check_restorer
from restorekit.testing.sampler import SAMPLER_CHECKS, check_sampler

__all__ = [
    "CORRUPTION_CHECKS",
    "DETECTOR_CHECKS",
    "LATENT_CHECKS",
    "METRIC_CHECKS",
    "MODEL_CHECKS",
    "RESTORER_CHECKS",
    "SAMPLER_CHECKS",
    "build",
    "build_detector",
    "channel_counts",
    "check_corruption",
    "check_detector",
    "check_metric",
    "check_model",
    "check_restorer",
    "check_sampler",
    "checks_of",
    "perturb",
    "random_images",
]
