"""The archive on moto, read again: each prediction once, in its window, with its last label."""

import json
from typing import Any

import pytest

from zeroloop.data import DataBucket
from zeroloop.digests import sha256
from zeroloop.monitoring import archived
from zeroloop.monitoring.archive import Archive, Kept

NOW = 1_795_909_800_000  # 2026-11-28T23:50:00Z, near midnight
MINUTE_MS = 60_000
MODEL = "m-0123456789abcdef"


@pytest.fixture(name="archive")
def _archive(aws: None) -> Archive:
    return Archive(DataBucket("data"))


def keep(archive: Archive, kind: str, *records: dict[str, Any], delivery: str = "") -> None:
    lines = [Kept(record["time"], json.dumps(record)) for record in records]
    archive.keep(kind, MODEL, sha256((delivery + repr(records)).encode()), lines)


def line(minute: int, *ids: str, request: str = "r") -> dict[str, Any]:
    told = [{"prediction_id": one, "label": "yes", "score": 0.5, "features": [1]} for one in ids]
    return {
        "schema": "zl.prediction.v1", "time": NOW + minute * MINUTE_MS, "request_id": request, "model": "m",
        "model_id": MODEL, "version": 1, "variant": "champion", "status": 200, "latency_ms": 1.0, "predictions": told,
        "_aws": {"Timestamp": 1, "CloudWatchMetrics": []}, "Latency": 1.0,
    }  # fmt: skip


def label(minute: int, one: str, said: str | None) -> dict[str, Any]:
    return {
        "schema": "zl.feedback.v1", "time": NOW + minute * MINUTE_MS, "prediction_id": one, "model_id": MODEL,
        "version": 1, "variant": "champion", "predicted_at": NOW, "label": said, "metrics": {"clicks": 1.0},
    }  # fmt: skip


def found(archive: Archive, start: int, end: int) -> list[str]:
    some = archived.predicted(archive, MODEL, NOW + start * MINUTE_MS, NOW + end * MINUTE_MS)
    return sorted(one.told.prediction_id for one in some)


def test_a_prediction_that_was_delivered_twice_is_read_once(archive: Archive) -> None:
    keep(archive, "predictions", line(0, "a", "b"), line(1, "c"))
    keep(archive, "predictions", line(1, "c"), line(2, "d"), delivery="again")
    assert found(archive, 0, 60) == ["a", "b", "c", "d"]


def test_only_what_is_in_the_window_is_read_also_over_midnight(archive: Archive) -> None:
    keep(archive, "predictions", line(-1, "before"), line(0, "first"), line(9, "last"), line(15, "tomorrow"))
    assert found(archive, 0, 10) == ["first", "last"]
    assert found(archive, 10, 20) == ["tomorrow"]


def test_a_request_that_failed_has_no_predictions(archive: Archive) -> None:
    keep(archive, "predictions", {**line(0), "status": 422, "code": "invalid_input"})
    assert found(archive, 0, 1) == []


def test_the_last_label_counts_however_the_deliveries_came(archive: Archive) -> None:
    keep(archive, "feedback", label(5, "a", "no"), label(3, "b", "yes"))
    keep(archive, "feedback", label(2, "a", "yes"), label(4, "b", None), label(8, "c", "no"))
    told = archived.labelled(archive, MODEL, NOW, NOW + 7 * MINUTE_MS)
    assert {one: said.label for one, said in told.items()} == {"a": "no", "b": "yes"}
