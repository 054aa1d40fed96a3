"""Hypothesis looks at enough to be quick; `pytest --hypothesis-profile=thorough` looks at more."""

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("quick")

pytest_plugins = ["tests.local_stack", "tests.conformance.stock"]  # one of each for tests in several folders


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-steps", type=int, default=200, help="Metrics that each process logs through faults.")
