"""The README's curl lines, run as they stand there."""

import json
import re
import subprocess

import pytest

from cli import environment
from cli.local.home import PROJECT
from tests.local_stack import Local

pytestmark = pytest.mark.e2e

README = (PROJECT / "README.md").read_text()
CURLS = re.findall(r"^(curl -s (?:.*\\\n)*.*)$", README, re.MULTILINE)
PLAIN = [line for line in CURLS if "--aws-sigv4" not in line]
SIGNED = [line for line in CURLS if "--aws-sigv4" in line]


@pytest.fixture(scope="module", name="served")
def _served(local: Local) -> Local:
    local.serving("sentiment", "sentiment/packages/small", "sentiment/packages/large")
    return local


def run(line: str, api_url: str, **variables: str) -> dict[str, object]:
    done = subprocess.run(
        ["bash", "-euc", line],
        env=environment.plain(API=api_url, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_readme_shows_plain_and_signed_calls() -> None:
    assert len(PLAIN) >= 6
    assert len(SIGNED) == 1


@pytest.mark.parametrize("line", PLAIN)
def test_a_plain_curl_line_works_as_written(served: Local, line: str) -> None:
    body = run(line, served.record.api_url)
    assert body
    assert "code" not in body, body


def test_the_answer_has_the_fields_that_the_readme_shows(served: Local) -> None:
    shown = re.search(r"An answer: `(\{.*?\})`", README, re.DOTALL)
    assert shown
    fields = re.findall(r'"(\w+)":', shown.group(1))
    body = run(next(line for line in PLAIN if "/predict/" in line), served.record.api_url)
    assert list(body) == fields
