"""Option for more inputs than continuous integration has time for."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--inputs", type=int, default=2000, help="Damaged inputs that tests/robustness tries in all.")


@pytest.fixture
def inputs(request):
    """Number of damaged inputs to try in all."""
    return request.config.getoption("--inputs", default=2000)
