"""Feedback on moto: labels for predictions that predict made, in the cells that ingest filled."""

import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests import models
from tests.integration.conftest import Context, client, event
from tests.integration.test_ingest import Ingested
from tests.integration.test_predict import SMALL, configured
from zeroloop import clock
from zeroloop.dynamo import ConditionFailed, Table
from zeroloop.errors import InvalidInput, NotFound
from zeroloop.inference.receipts import Key, Receipt, sign
from zeroloop.monitoring.feedback import Feedback
from zeroloop.monitoring.frame import Frame

KEY = Key("5f2b9a01", b"0123456789abcdef")
TABLE = {"columns": [{"name": name, "type": "numeric", "mean": 0.0, "std": 1.0} for name in ("a", "b")]}
DAY_MS = 86_400_000


class Desk(Ingested):
    """Predict, ingest and feedback."""

    def __init__(self, feedback: ModuleType, *rest: Any) -> None:
        super().__init__(*rest)
        self.feedback = feedback
        feedback.registered._session = self.session

    def predicted(self, case: str = "text", **changes: Any) -> str:
        """A prediction that is counted: its id."""
        [line] = self.lines(case, **changes)
        self.take(line)
        self.line = line
        return str(json.loads(line)["predictions"][0]["prediction_id"])

    def tell(self, body: Any) -> tuple[int, Any]:
        sent = {**event("feedback", "label"), "body": json.dumps(body)}
        answer = self.feedback.lambda_handler(sent, Context())
        return answer["statusCode"], json.loads(answer["body"])

    def label(self, prediction_id: str, label: str = "positive") -> Any:
        status, answer = self.tell({"prediction_id": prediction_id, "label": label})
        assert status == 200, answer
        return answer["label"]

    def confusion(self) -> dict[str, int]:
        return dict(self.window(self.line)[1, "champion"].confusion)


@pytest.fixture(name="world")
def _world(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    configured(monkeypatch)
    world = Desk(load("feedback"), load("predict"), load("ingest"), capsys)
    world.promote("sentiment", world.register("sentiment", SMALL))
    return world


def forged(**fields: Any) -> str:
    known: dict[str, Any] = {"model_id": "m-1", "version": 1, "variant": "champion", "label": "a", "score": 0.9}
    given = {"kid": KEY.kid, "id": "0" * 32, "time": clock.now_ms(), **known, **fields}
    return sign(Receipt(**given), KEY)


def test_a_label_is_counted_once_however_often_it_is_sent(world: Desk) -> None:
    prediction_id = world.predicted()
    assert [world.label(prediction_id) for _ in range(3)] == ["counted", "known", "known"]
    [(who, counts)] = world.window(world.line).items()
    assert who == (1, "champion")
    assert (counts.n, counts.confusion) == (1, {"positive\tpositive": 1})
    assert sum(counts.labelled.values()) == sum(counts.correct.values()) == 1


def test_an_answer_of_many_labels_is_judged_by_all_of_them(world: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [f"{i:05}{'x' * 15}" for i in range(1_200)]
    model = models.dense(outputs=len(labels), activation="LOGISTIC")
    files = models.package(model, scored=labels, task="multilabel", threshold=0.0, labels=labels)
    world.promote("tags", world.register("tags", files))
    body = json.dumps({"features": {"a": 0.5, "b": 0.5, "c": 0.5}})
    prediction_id = world.predicted(pathParameters={"model": "tags"}, body=body)
    said = "|".join(labels)
    assert (world.label(prediction_id, said), world.label(prediction_id, said)) == ("counted", "known")
    assert world.label(prediction_id, said.removesuffix("x")) == "replaced"
    assert "feedback" in capsys.readouterr().out


def test_a_changed_label_takes_the_old_ones_place(world: Desk) -> None:
    prediction_id = world.predicted()
    assert [world.label(prediction_id, label) for label in ("positive", "negative", "other")] == [
        "counted", "replaced", "replaced",
    ]  # fmt: skip
    counts = world.window(world.line)[1, "champion"]
    assert counts.confusion == {"positive\t": 1}
    assert (sum(counts.labelled.values()), counts.correct) == (1, {})


def test_what_a_label_added_is_taken_back_also_when_the_version_is_gone_since(world: Desk) -> None:
    prediction_id = world.predicted()
    world.label(prediction_id, "negative")
    world.feedback.desk._frames = SimpleNamespace(get=lambda *_: Frame())  # an environment that came up later
    assert world.label(prediction_id, "positive") == "replaced"
    counts = world.window(world.line)[1, "champion"]
    assert (counts.confusion, sum(counts.labelled.values()), sum(counts.correct.values())) == ({"\t": 1}, 1, 1)
    assert world.label(prediction_id, "negative") == "replaced"
    counts = world.window(world.line)[1, "champion"]
    assert (counts.confusion, sum(counts.labelled.values()), counts.correct) == ({"\t?": 1}, 1, {})


def test_a_label_whose_mark_does_not_say_what_it_added_is_taken_back_too(world: Desk) -> None:
    prediction_id = world.predicted()
    world.label(prediction_id, "negative")
    [mark] = [row for row in client("dynamodb").scan(TableName="monitoring")["Items"] if row["sk"]["S"] == "LABEL"]
    del mark["added"]
    client("dynamodb").put_item(TableName="monitoring", Item=mark)
    assert [world.label(prediction_id, label) for label in ("negative", "positive")] == ["known", "replaced"]
    assert world.window(world.line)[1, "champion"].confusion == {"positive\tpositive": 1}


def test_a_label_lands_in_the_time_of_its_prediction(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction_id = world.predicted()
    minute = json.loads(world.line)["time"] // 60_000
    now = clock.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: now + 29 * DAY_MS)
    assert world.label(prediction_id) == "counted"
    store, model_id = world.ingest.ingest._store, json.loads(world.line)["model_id"]
    hour = minute // 60 * 60
    assert store.window(model_id, hour, hour + 60)[1, "champion"].confusion == {"positive\tpositive": 1}
    today = clock.now_ms() // 60_000
    assert store.window(model_id, today - 120, today + 60) == {}


def test_a_label_counts_once_also_when_it_is_taken_for_longer_since(
    world: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction_id = world.predicted()
    world.label(prediction_id)
    [mark] = [row for row in client("dynamodb").scan(TableName="monitoring")["Items"] if row["sk"]["S"] == "LABEL"]
    # DynamoDB deletes it no earlier than the hour's counts, to which a label may be added for 365 days at most.
    assert int(mark["gone_at"]["N"]) >= clock.now_ms() // 1000 + 365 * 86_400


@pytest.mark.parametrize(
    ("before", "faster", "last", "counted"),
    [(None, "counted", "positive", "positive\tpositive"), ("positive", "replaced", "other", "positive\t")],
)
def test_of_two_labels_at_once_the_later_is_counted_and_takes_back_what_was(
    world: Desk, monkeypatch: pytest.MonkeyPatch, before: str | None, faster: str, last: str, counted: str
) -> None:
    prediction_id = world.predicted()
    if before:
        world.label(prediction_id, before)
    write = Table.write
    first: list[str] = []

    def overtaken(table: Table, what: str, *actions: Any) -> None:
        if not first:
            first.append(what)
            assert world.feedback.desk.hear(Feedback(prediction_id, "negative")).label == faster
        write(table, what, *actions)

    monkeypatch.setattr(Table, "write", overtaken)
    assert world.label(prediction_id, last) == "replaced"
    assert world.confusion() == {counted: 1}


def test_labels_that_overtake_each_other_for_ever_are_a_conflict(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction_id = world.predicted()
    monkeypatch.setattr(Table, "write", lambda *_: (_ for _ in ()).throw(ConditionFailed("it")))
    status, answer = world.tell({"prediction_id": prediction_id, "label": "positive"})
    assert (status, answer["code"]) == (409, "busy")


def test_the_slice_is_counted_with_the_label(world: Desk) -> None:
    body = json.dumps({"text": "A wonderful, moving film.", "slice": "de"})
    prediction_id = world.predicted(body=body)
    world.label(prediction_id)
    assert world.window(world.line)[1, "champion"].slices == {"": 1, "\tpositive\tpositive": 1}


def test_metrics_alone_are_taken_and_logged(world: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    prediction_id = world.predicted()
    capsys.readouterr()
    assert world.tell({"prediction_id": prediction_id, "metrics": {"revenue": 3.5}}) == (200, {"label": None})
    [line] = [line for line in capsys.readouterr().out.splitlines() if "zl.feedback.v1" in line]
    assert json.loads(line)["metrics"] == {"revenue": 3.5}
    assert world.confusion() == {}

    world.take(line)
    [(key, kept)] = world.objects("feedback/").items()
    assert key.startswith(f"feedback/model={json.loads(world.line)['model_id']}/dt=")
    assert kept == [json.loads(line)]


def test_several_are_each_heard_by_itself(world: Desk) -> None:
    prediction_id = world.predicted()
    status, answer = world.tell(
        [
            {"prediction_id": prediction_id, "label": "negative"},
            {"prediction_id": prediction_id[:-2] + "AA", "label": "negative"},
            {"prediction_id": prediction_id, "label": "negative"},
        ]
    )
    assert status == 200
    assert [one.get("label") or one["code"] for one in answer["results"]] == ["counted", "bad_prediction_id", "known"]
    assert answer["results"][1]["field"] == "[1].prediction_id"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"label": "positive"}, "invalid_input", "prediction_id"),
        ({"prediction_id": "zr1.e30.AAAA", "label": "positive"}, "bad_prediction_id", "prediction_id"),
        ({"prediction_id": forged(kid="00000000"), "label": "a"}, "bad_prediction_id", "prediction_id"),
        ({"prediction_id": forged(time=clock.now_ms() - 31 * DAY_MS), "label": "a"}, "too_late", "prediction_id"),
        ({"prediction_id": forged(label=None), "label": "a"}, "no_label", "label"),
        ({"prediction_id": forged()}, "invalid_input", "label"),
        ({"prediction_id": forged(), "label": 1}, "invalid_input", "label"),
        ({"prediction_id": forged(), "label": "x" * 32_001}, "invalid_input", "label"),
        ({"prediction_id": forged(), "label": "\0" * 6_000}, "invalid_input", "label"),  # 6 bytes each
        ({"prediction_id": forged(), "label": "a", "other": 1}, "invalid_input", "other"),
        ({"prediction_id": forged(), "metrics": {"a": "b"}}, "invalid_input", "metrics[...]"),
        ([{"prediction_id": forged(), "label": "a"}] * 101, "invalid_input", "body"),
    ],
)
def test_feedback_is_refused(world: Desk, body: Any, code: str, field: str) -> None:
    status, answer = world.tell(body)
    assert (status, answer["code"], answer["field"]) == (422, code, field)


def test_the_key_before_the_last_rotation_still_verifies(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction_id = world.predicted()
    known = world.session.json

    def rotated(service: str, target: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        if body.get("VersionStage") == "AWSCURRENT":
            return {"VersionId": "ffffffff-0000", "SecretString": "another"}
        return known(service, target, body, timeout=timeout)

    monkeypatch.setattr(world.session, "json", rotated)
    assert world.label(prediction_id) == "counted"


def test_a_key_that_is_new_is_asked_for(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction_id = world.predicted()
    now = [0.0]
    keys = world.feedback.keys
    monkeypatch.setattr(keys, "_monotonic", lambda: now[0])
    known, current = world.session.json, ["ffffffff-0000"]

    def rotating(service: str, target: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        if body.get("VersionStage") == "AWSPREVIOUS":
            raise NotFound("there is none")
        if service == "secretsmanager" and current:
            return {"VersionId": current[0], "SecretString": "another"}
        return known(service, target, body, timeout=timeout)

    monkeypatch.setattr(world.session, "json", rotating)
    told = {"prediction_id": prediction_id, "label": "positive"}
    assert world.tell(told)[0] == 422
    current.clear()
    status, refused = world.tell(told)  # a forger makes us ask once a minute
    assert (status, refused["code"]) == (409, "key_unknown")
    now[0] = 61.0
    assert world.tell(told)[0] == 200


def test_a_receipt_of_an_unknown_key_stops_no_others(world: Desk) -> None:
    known, later = world.predicted(), world.predicted()
    assert world.label(known) == "counted"
    told = [{"prediction_id": forged(kid="deadbeef"), "label": "a"}, {"prediction_id": later, "label": "negative"}]
    status, answered = world.tell(told)
    assert status == 200
    assert answered["results"][0]["code"] == "key_unknown"
    assert answered["results"][1] == {"label": "counted"}


def test_an_ab_tests_outcome_is_told_before_the_answer(world: Desk) -> None:
    told: list[tuple[str | None, bool | None, dict[str, float]]] = []
    world.feedback.desk._outcomes = lambda receipt, right, metrics: told.append((receipt.test_id, right, metrics))
    model_id = json.loads(world.lines()[0])["model_id"]
    one, two = (
        forged(model_id=model_id, label="positive", test_id=test_id, id=f"{i:032x}")
        for i, test_id in enumerate(("t-1", None))
    )
    for prediction_id in (one, two):
        world.label(prediction_id, "negative")
    assert world.tell({"prediction_id": one, "metrics": {"revenue": 2}})[0] == 200
    assert told == [("t-1", False, {}), ("t-1", None, {"revenue": 2.0})]


def test_what_an_ab_test_refuses_is_not_counted_as_a_label_either(world: Desk) -> None:
    def refuses(*_: Any) -> None:
        raise InvalidInput("an outcome of a proportion is 0 or 1", field="metrics.clicked")

    prediction_id = forged(model_id=json.loads(world.lines()[0])["model_id"], label="positive", test_id="t-1")
    world.feedback.desk._outcomes = refuses
    told = {"prediction_id": prediction_id, "label": "positive", "metrics": {"clicked": 2}}
    assert (world.tell(told)[0], world.tell(told)[1]["field"]) == (422, "metrics.clicked")
    world.feedback.desk._outcomes = None
    assert world.label(prediction_id) == "counted", "for the first time"


def test_a_regression_takes_metrics_only(world: Desk) -> None:
    world.promote("plain", world.register("plain", models.regression(TABLE, (0.5, -2.0), 1.0)))
    [line] = world.lines(
        rawPath="/predict/plain", pathParameters={"model": "plain"}, body='{"features": {"a": 1, "b": 2}}'
    )
    prediction_id = json.loads(line)["predictions"][0]["prediction_id"]
    assert world.tell({"prediction_id": prediction_id, "label": "3"})[1]["code"] == "no_label"
    assert world.tell({"prediction_id": prediction_id, "metrics": {"error": 0.5}})[0] == 200
