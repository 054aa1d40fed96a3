"""The unmodified client and raw requests, here and at a stock server: the same answers, or a reason in the table."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.local.deployment import CREDENTIALS
from tests.conformance import compare, recordings, wire
from tests.conformance.compare import Verdict
from tests.conformance.wire import Recording
from tests.conformance.wire_cases import SEQUENCES, UNSUPPORTED
from tests.local_stack import Local

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", name="verdict")
def _verdict(
    local: Local,
    stock_url: str,
    stock_wire: dict[str, Recording],
    python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Verdict:
    ours, folder = local.record.api_url, tmp_path_factory.mktemp("days")
    endpoint = local.record.endpoint_url
    aws = {**CREDENTIALS, "AWS_DEFAULT_REGION": local.record.region, "AWS_ENDPOINT_URL": endpoint}
    with ThreadPoolExecutor(2) as aside:
        stock_day = aside.submit(recordings.day, python, stock_url, folder / "stock.json")
        our_day = aside.submit(
            recordings.day, python, ours, folder / "ours.json", MLFLOW_S3_ENDPOINT_URL=endpoint, **aws
        )
        spared = {name: list(wire.sparing(cases, stock_wire[name])) for name, cases in SEQUENCES.items()}
        our_wire = wire.answers(wire.play_all(wire.over_http(ours), spared))
    asked = {f"{name}: {case.name}" for name, cases in spared.items() for case in cases}
    played = {case: answer for case, answer in wire.answers(stock_wire).items() if case in asked}
    return compare.compare(played | stock_day.result(), our_wire | our_day.result(), compare.IGNORED)


def test_what_stock_answers_is_what_we_answer(verdict: Verdict) -> None:
    assert not verdict.unexcused, "\n".join(verdict.unexcused)


def test_every_excuse_is_needed(verdict: Verdict) -> None:
    assert not verdict.unused, "\n".join(map(str, verdict.unused))


def test_what_we_do_not_have_is_refused_as_mlflow_refuses(local: Local) -> None:
    for case, (status, body) in wire.play(wire.over_http(local.record.api_url), UNSUPPORTED).answers.items():
        assert 400 <= status < 500, case
        assert isinstance(body["error_code"], str), case
        assert "not supported" in body["message"], case


def test_searches_parse_and_find_as_mlflow_does(python: Path) -> None:
    recordings.run(python, "search_fuzz.py", "8000", "1")
