"""Tests on the deployed local stack; the stack itself is `tests/local_stack.py`."""

from collections.abc import Iterator

import pytest

from cli.local import stack, tools
from tests import aws_limits
from tests.local_stack import Local


@pytest.fixture(scope="module", autouse=True)
def _aws_limits() -> Iterator[None]:
    """What AWS refuses is refused here: installed before the first client is made."""
    with aws_limits.install():
        yield


@pytest.fixture(scope="session", name="signed")
def _signed(local: Local, port: int) -> Local:
    """The stack deployed anew, with AWS_IAM and policies enforced; for the tests whose files come last."""
    local.note_calls()
    local.record = stack.up(local.home, uv=tools.find_uv(None), port=port, iam=True)
    return local
