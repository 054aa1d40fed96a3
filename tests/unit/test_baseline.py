"""baseline.json: written by training, read by ingest and monitor."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.sentiment import dataset
from zeroloop.errors import InvalidInput
from zeroloop.inference import admission
from zeroloop.inference.service import said
from zeroloop.monitoring import baseline
from zeroloop.monitoring.baseline import Baseline, frame_of, packed, read, write
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.frame import Frame, Scale
from zeroloop_training import baselines, packaging

SMALL = Path(__file__).parents[2] / "examples/sentiment/packages/small"
MACHINE = Path(__file__).parents[2] / "examples/tabular/packages/v1"


@given(st.binary(max_size=40).map(lambda data: bytes(byte & 1 for byte in data)))
def test_seen_ids_are_a_bit_each_and_come_back(seen: bytes) -> None:
    frame = Frame(seen=seen, labels=frozenset({"yes"}))
    small = packed(frame)
    assert len(small.seen) == -(-len(seen) // 8)
    again = frame_of(write(Baseline(n=0, frame=small)))
    assert again.seen.rstrip(b"\0") == seen.rstrip(b"\0")
    assert again.labels == frame.labels


def test_ids_three_and_eight_are_the_fourth_bit_and_the_ninth() -> None:
    seen = bytes(i in {3, 8} for i in range(10))
    assert packed(Frame(seen=seen)).seen == bytes([8, 1])


def test_a_baseline_is_the_same_bytes_each_time() -> None:
    frame = Frame(labels=frozenset(map(str, range(50))), numbers={"b": Scale(1.0, 2.0), "a": Scale()})
    made = Baseline(n=3, scores={9: 1, 10: 2}, frame=frame)
    assert write(made) == write(read(write(made)))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (b"", "baseline.json"),
        (b"[]", "object"),
        (b"{}", "n"),
        (json.dumps({"n": -1}).encode(), "n"),
        (json.dumps({"n": 1, "tokens": [1, 2]}).encode(), "256"),
        (json.dumps({"n": 1, "frame": {"numbers": {"a": {"unit": 0}}}}).encode(), "unit"),
        (json.dumps({"n": 1, "frame": {"seen": "?"}}).encode(), "seen"),
        (json.dumps({"n": 1, "spread": {"tokens": {"phi": 0.5, "windows": 9, "variation": 1}}}).encode(), "phi"),
        (json.dumps({"n": 1, "token_spread": {"variances": [1], "trace_2": 1, "trace_3": 1}}).encode(), "variances"),
        (b"[" * 100_000, "baseline.json"),
    ],
)
def test_what_is_no_baseline_is_refused_at_admission(tmp_path: Path, found: bytes, told: str) -> None:
    (tmp_path / baseline.NAME).write_bytes(found)
    with pytest.raises(InvalidInput, match=told) as refused:
        admission.check_baseline(tmp_path)
    assert refused.value.code == "bad_package"


def test_a_package_may_have_none(tmp_path: Path) -> None:
    admission.check_baseline(tmp_path)


def test_one_of_an_earlier_version_counts_no_features_and_is_read() -> None:
    found = read(json.dumps({"schema_version": 1, "n": 2, "labels": {"a": 2}, "scores": {"4": 2}}).encode())
    assert (found.n, found.frame, found.spread) == (2, Frame(), {})


def test_the_examples_baseline_is_its_validation_rows_counted_as_traffic_is() -> None:
    data = (SMALL / baseline.NAME).read_bytes()
    model, rows = packaging.load(SMALL), dataset.rows(dataset.read(), "validation")
    answered = model.answers(rows.values, list(map(str, range(len(rows.values)))))
    lines = [
        Line(status=200, latency_ms=1.0, predictions=[Answered(*said(answer), features)])
        for answer, features in zip(answered.answers, answered.features(), strict=True)
    ]
    traffic, held = count(lines, frame_of(data)), read(data)
    for name in ("n", "labels", "scores", "features", "tokens"):
        assert getattr(traffic, name) == getattr(held, name), name
    assert sum(held.labelled.values()) == held.n
    right = [a.prediction == true for a, true in zip(answered.answers, rows.labels, strict=True)]
    assert sum(held.correct.values()) == sum(right)


def test_words_that_training_saw_are_not_unseen() -> None:
    frame = frame_of((SMALL / baseline.NAME).read_bytes())
    model, seen = packaging.load(SMALL), dataset.rows(dataset.read(), "train").values[:50]
    ids = model.answers(seen, [""] * len(seen)).features()
    made = count([Line(status=200, latency_ms=1.0, predictions=[Answered(features=row) for row in ids])], frame)
    centre, unit = frame.unseen.centre, frame.unseen.unit
    expected = sum(round(-centre * len(row) ** 0.5 / unit * 1000) for row in ids if row)
    assert made.features["unseen"].sum == pytest.approx(expected, abs=len(ids))


def test_a_tables_scales_are_those_of_its_preprocessing() -> None:
    data = (MACHINE / baseline.NAME).read_bytes()
    columns: list[dict[str, Any]] = packaging.load(MACHINE).package.preprocessing.parameters["columns"]
    frame = frame_of(data)
    assert frame.numbers == {c["name"]: Scale(c["mean"], c["std"]) for c in columns if c["type"] == "numeric"}
    assert frame.categories == {"quality": frozenset({"L", "M", "H"})}
    assert set(read(data).spread) == {
        "temperature:mean", "temperature:distribution", "torque:mean", "torque:distribution", "quality:distribution",
        "score:mean", "score:distribution", "label:distribution",
    }  # fmt: skip


def test_rows_that_come_in_clusters_start_with_a_larger_phi() -> None:
    model = packaging.load(MACHINE)
    torques = [20.0 + 0.2 * (i * 37 % 200) for i in range(600)]
    rows: list[dict[str, Any]] = [
        {"temperature": 300.0 + 0.01 * (i % 7), "torque": t, "quality": "L"} for i, t in enumerate(torques)
    ]
    mixed = baselines.baseline(model, rows, ["healthy"] * 600)
    together = sorted(rows, key=lambda row: row["torque"] // 2)
    clustered = baselines.baseline(model, together, ["healthy"] * 600)
    assert mixed.spread["torque:mean"].phi < 2
    assert clustered.spread["torque:mean"].phi > 4


def test_what_blocks_miss_of_clusters_that_they_cut_is_made_up_for() -> None:
    """Of 12 rows that are the same a mean varies 12 times as much; blocks of 24 rows alone say 8.6."""
    model, dice = packaging.load(MACHINE), random.Random(1)
    rows = [{"temperature": 300.0, "torque": dice.gauss(40, 10), "quality": "L"} for _ in range(50)]
    cut = [rows[(i + 5) // 12 % 50] for i in range(600)]
    found = baselines.baseline(model, cut, ["healthy"] * 600).spread["torque:mean"]
    assert found.phi == pytest.approx(12, rel=0.15)
    assert found.windows == 24


def test_few_rows_say_nothing_of_clusters() -> None:
    model = packaging.load(MACHINE)
    rows = [{"temperature": 300.0, "torque": float(i), "quality": "L"} for i in range(20, 60)]
    assert baselines.baseline(model, rows, ["healthy"] * 40).spread == {}
