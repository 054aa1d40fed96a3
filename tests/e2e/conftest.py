"""Tests on the deployed local stack; the stack itself is `tests/local_stack.py`."""

from collections.abc import Iterator

import pytest

from tests import aws_limits


@pytest.fixture(scope="module", autouse=True)
def _aws_limits() -> Iterator[None]:
    """What AWS refuses is refused here: installed before the first client is made."""
    with aws_limits.install():
        yield
