"""The line that predict writes: a record by its contract, and metrics as CloudWatch reads them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.aws_limits import check_log_lines
from zeroloop.digests import canonical, sha256
from zeroloop.inference.record import LogRecord, Prediction, input_digest, lines

RECORD = LogRecord(
    time=1_795_380_650_548,
    request_id="8c2e",
    model="sentiment",
    model_id="m-0123456789abcdef",
    version=2,
    variant="champion",
    status=200,
    latency_ms=0.912,
    predictions=[Prediction("zr1.a.b", "positive", 0.92)],
)
REFUSED = LogRecord(
    time=1_795_380_650_548, request_id="8c2f", model="anything", status=422, code="invalid_input", latency_ms=0.1
)
RECORDS = st.builds(
    LogRecord,
    time=st.integers(0, 2**50),
    request_id=st.text(max_size=10),
    model=st.text(max_size=10),
    model_id=st.none() | st.text(max_size=10),
    status=st.sampled_from([200, 404, 409, 422, 500, 503]),
    code=st.none() | st.text(max_size=10),
    latency_ms=st.floats(0, 1e6),
    predictions=st.lists(st.builds(Prediction, st.text(max_size=10), st.none() | st.text(max_size=10), st.floats())),
)


def only_line(record: LogRecord, *, stale: bool = False) -> str:
    [line] = lines(replace(record), stale=stale)
    return line


def test_all_lines_of_a_request_have_its_weight() -> None:
    many = [Prediction(f"zr1.{i:04}" + "x" * 400, "positive", 0.9) for i in range(1000)]
    told = [lines(replace(RECORD, request_id=f"r{i}", predictions=many), share=0.5) for i in range(20)]
    cut = next(some for some in told if len(some) > 1)
    assert {json.loads(line)["weight"] for line in cut} == {2.0}


def test_a_thousand_instances_are_cut_into_lines_that_are_short_and_lose_nothing() -> None:
    many = [Prediction(f"zr1.{i:04}" + "x" * 400, "positive", 0.9) for i in range(1000)]
    cut = lines(replace(RECORD, predictions=many))
    assert len(cut) > 1
    check_log_lines(cut)
    decoded = [msgspec.json.decode(line, type=LogRecord) for line in cut]
    assert [prediction for record in decoded for prediction in record.predictions] == many
    assert [record.continued for record in decoded] == [False] + [True] * (len(cut) - 1)
    assert ["_aws" in json.loads(line) for line in cut] == [True] + [False] * (len(cut) - 1)


def written(record: LogRecord, *, stale: bool = False) -> dict[str, Any]:
    return dict(json.loads(only_line(record, stale=stale)))


def metrics(record: LogRecord, *, stale: bool = False) -> dict[str, tuple[float, str]]:
    """Value and unit by metric, as CloudWatch takes them out of the line."""
    document = written(record, stale=stale)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: (document[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]}


@settings(max_examples=40)
@given(RECORDS, st.booleans())
def test_a_record_is_one_line_of_json_with_valid_metrics(record: LogRecord, stale: bool) -> None:
    text = only_line(record, stale=stale)
    assert "\n" not in text
    assert "\r" not in text
    document = json.loads(text)
    # The rules of CloudWatch's embedded metric format
    assert isinstance(document["_aws"]["Timestamp"], int)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert 0 < len(directive["Namespace"]) <= 1024
    assert all(isinstance(document[metric["Name"]], int | float) for metric in directive["Metrics"])
    assert {metric["Unit"] for metric in directive["Metrics"]} <= {"Milliseconds", "Count"}
    assert all(isinstance(document[name], str) for names in directive["Dimensions"] for name in names)
    assert all(len(names) <= 30 for names in directive["Dimensions"])


def test_the_term_that_the_subscription_looks_for_is_in_the_line() -> None:
    assert '"zl.prediction.v1"' in only_line(RECORD)


def test_metrics_are_latency_and_faults_by_model_and_by_version() -> None:
    assert metrics(RECORD) == {"Latency": (0.912, "Milliseconds"), "Faults": (0, "Count")}
    assert written(RECORD)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model"], ["model", "Version"]]
    assert written(RECORD)["Version"] == "2"


def test_a_request_that_came_to_no_version_counts_for_its_model() -> None:
    early = replace(RECORD, version=None, status=409, code="no_champion")
    assert written(early)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model"]]


def test_a_name_that_nobody_registered_makes_no_metric_of_its_own() -> None:
    assert written(REFUSED)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


@pytest.mark.parametrize(("status", "faults"), [(200, 0), (404, 0), (422, 0), (499, 0), (500, 1), (503, 1)])
def test_faults_are_ours_and_not_the_callers(status: int, faults: int) -> None:
    assert metrics(replace(RECORD, status=status))["Faults"] == (faults, "Count")


def test_a_stale_lineup_is_a_metric_only_when_there_is_one() -> None:
    assert metrics(RECORD, stale=True)["LineupStale"] == (1, "Count")
    assert "LineupStale" not in written(RECORD)


def test_what_a_caller_writes_stays_within_the_line() -> None:
    text = only_line(replace(REFUSED, model='a\r\n{"schema":"zl.prediction.v1"}\n'))
    assert len(text.split("\n")) == 1
    assert json.loads(text)["model"] == 'a\r\n{"schema":"zl.prediction.v1"}\n'


def test_an_input_that_would_fill_a_line_is_left_out_and_its_answer_is_not() -> None:
    long = Prediction("zr1.a.b", "positive", 0.9, "0" * 32, [1], "x" * 300_000)
    [line] = lines(replace(RECORD, predictions=[long]))
    [told] = json.loads(line)["predictions"]
    assert told == {"prediction_id": "zr1.a.b", "label": "positive", "score": 0.9, "input_digest": "0" * 32}


def test_a_digest_is_that_of_the_instances_canonical_json_as_anybody_can_compute_it() -> None:
    # printf '{"text":"Caf\u00e9 \\"7\\""}' | sha256sum, the first 16 bytes
    assert input_digest("text", 'Caf\u00e9 "7"') == sha256('{"text":"Caf\u00e9 \\"7\\""}'.encode())[:32]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_the_digest_of_columns_is_that_of_the_whole_instance(features: dict[str, Any]) -> None:
    assert input_digest("features", features) == sha256(canonical({"features": features}))[:32]


def told(share: float, n: int = 4000) -> list[dict[str, Any]]:
    """The lines of `n` requests that differ in their id alone."""
    return [json.loads(lines(replace(RECORD, request_id=str(i)), share=share)[0]) for i in range(n)]


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_of_answered_requests_a_share_is_told_and_weighs_for_all(share: float) -> None:
    kept = [line for line in told(share) if "schema" in line]
    assert {line["weight"] for line in kept} == {1 / share}
    # binomial, n = 4000: five standard deviations are at most 0.04 of n
    assert sum(line["weight"] for line in kept) == pytest.approx(
        4000, abs=5 * 4000 * (share * (1 - share) / 4000) ** 0.5 / share
    )


def test_every_request_is_measured_also_where_it_is_not_told() -> None:
    untold = [line for line in told(0.0, 50) if line.pop("request_id")]
    assert all("schema" not in line and "predictions" not in line for line in untold)
    assert untold == [
        {name: written(RECORD)[name] for name in ("model", "_aws", "Latency", "Faults", "Version")}
    ] * 50  # fmt: skip


def test_the_same_request_is_told_or_not_however_often_it_is_asked() -> None:
    assert told(0.5, 100) == told(0.5, 100)


def test_a_share_tells_all_that_a_smaller_one_tells() -> None:
    small, large = ({line["request_id"] for line in told(share, 500) if "schema" in line} for share in (0.1, 0.3))
    assert small < large


@pytest.mark.parametrize("status", [404, 422, 500])
def test_a_failure_is_always_told_and_stands_for_itself(status: int) -> None:
    [line] = lines(replace(REFUSED, status=status), share=0.0)
    assert (json.loads(line)["status"], json.loads(line)["weight"]) == (status, 1.0)
