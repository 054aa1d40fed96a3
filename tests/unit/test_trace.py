"""What a trace says of an id and of the chain behind it; the API is what the registry answered."""

from typing import Any

import click
import msgspec
import pytest

from cli import trace
from cli.api import Api, ApiError
from cli.window import Window, window
from zeroloop.errors import InvalidInput, Unavailable
from zeroloop.inference.receipts import Key, Receipt, sign
from zeroloop.registry import audit, gates
from zeroloop.registry.audit import Record, Serving

KEY = Key("k1", b"secret")
MODEL = "m-0123456789abcdef"


def receipt(**changes: Any) -> Receipt:
    made = {"kid": "k1", "id": "i", "model_id": MODEL, "version": 2, "variant": "champion", "label": "yes"}
    return Receipt(**{**made, "score": 0.9, "time": 5000, **changes})


class Account:
    """The one thing of an account that a check asks."""

    def __init__(self, keys: dict[str, Key] | None) -> None:
        self.registered, self._keys = self, keys

    def verifying_keys(self) -> dict[str, Key]:
        if self._keys is None:
            raise Unavailable("no")
        return self._keys


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (Account({"k1": KEY}), "verified"),
        (Account({"k2": KEY}), "unverified: it names the key k1"),
        (Account(None), "unverified: the key can't be read"),
        (None, "unverified: the key is the account's"),
    ],
)
def test_a_signature_is_verified_or_said_to_be_not(account: Any, says: str) -> None:
    found, signature = trace.checked(sign(receipt(), KEY), account)
    assert (found, signature.startswith(says)) == (receipt(), True)


@pytest.mark.parametrize("account", [Account({"k1": KEY}), None])
@pytest.mark.parametrize("forged", ["zr1.", "nothing", sign(receipt(), KEY)[:-30], ""])
def test_what_is_no_id_is_refused_by_everyone(account: Any, forged: str) -> None:
    with pytest.raises(InvalidInput):
        trace.checked(forged, account)


def test_a_forged_signature_is_refused_by_who_knows_the_key() -> None:
    with pytest.raises(InvalidInput):
        trace.checked(sign(receipt(version=3), Key("k1", b"guess")), Account({"k1": KEY}))  # type: ignore[arg-type] # its part


def chain(*turns: tuple[int, int | None, dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Records of (time, champion after it, evidence)."""
    found, link, before = [], audit.FIRST, Serving(champion=None, challenger=None, previous=None, traffic=0.0)
    for i, (at, champion, evidence) in enumerate(turns):
        after = Serving(champion=champion, challenger=None, previous=before.champion, traffic=0.0)
        record = audit.seal(
            Record(
                model_id=MODEL, model="m", revision=i + 1, at=at, actor="ada", action="promote", reason="why",
                before=before, after=after, evidence=evidence, previous_hash=link,
            )
        )  # fmt: skip
        found.append(msgspec.to_builtins(record))
        link, before = record.hash, after
    return found


GREEN = {"gate": {"verdict": "green", "gates": "a" * 64}}
CHAIN = chain((1000, 1, None), (2000, 2, GREEN), (4000, 2, {"gates": "b"}), (9000, 1, None))
EVALUATION: dict[str, Any] = {"digest": "d" * 64, "metrics": {"accuracy": {"value": 0.79}}}
DATA = {"digest": "f" * 64, "source": "e" * 64, "splits": {"train": "a" * 64}}
SAID = gates.digest(msgspec.convert({**EVALUATION, "data": DATA}, gates.Evaluation))
NAMED = chain((1000, 1, None), (2000, 2, {"gate": {**GREEN["gate"], "evaluation": SAID}}))
VERSION = {
    "version": 2, "version_id": "v", "digest": "d" * 64, "state": "READY", "stage": None, "created_by": "bob",
    "created_at": 900, "run_id": "r1", "git_commit": "c" * 40, "dataset_hash": "e" * 64,
    "approval": {"actor": "eve", "at": 950, "reason": "read it"},
}  # fmt: skip
RUN = {"run": {"info": {"run_id": "r1", "status": "FINISHED"}}}


class Registry(Api):
    """GET by path, as the API answers; what isn't here is 404."""

    def __init__(self, **changes: Any) -> None:
        records = changes.get("chain", CHAIN)
        known = {
            "/models": {"models": [{"model": "m", "model_id": MODEL}], "next": None},
            "/models/m/versions/2": {**VERSION, **changes.get("version", {})},
            "/models/m/versions/2/evaluation": {
                "evaluation": {
                    **EVALUATION,
                    "data": {**DATA, **changes.get("data", {})},
                    **changes.get("evaluation", {}),
                }
            },
            "/models/m/history": {"history": records[::-1], "next": None},
            "/models/m/lineup": {"revision": len(records)},
            "/api/2.0/mlflow/runs/get?run_id=r1": RUN,
        }
        self.known = {where: said for where, said in known.items() if where not in changes.get("gone", ())}

    def get(self, path: str) -> Any:
        if path not in self.known:
            raise ApiError(404, {"code": "not_found"})
        return self.known[path]


def traced(asked: Receipt | None = None, **changes: Any) -> trace.Found:
    return trace.trace(Registry(**changes), asked or receipt())


def test_every_link_of_a_whole_chain_is_told() -> None:
    found = traced()
    assert found.broken == {}
    facts = found.facts
    assert facts["version"]["digest"] == "d" * 64
    assert facts["run"]["status"] == "FINISHED"
    assert facts["data"] == {"source": "e" * 64, "digest": "f" * 64, "splits": {"train": "a" * 64}, "assembled": None}
    assert facts["git_commit"] == "c" * 40
    assert (facts["gate"]["revision"], facts["gate"]["verdict"]["verdict"]) == (2, "green")
    assert facts["approval"]["actor"] == "eve"
    text = trace.told({"signature": "verified", "archive": None, **facts}, found.broken)
    assert "UNKNOWN" not in text
    for line in ("run          r1 (FINISHED)", "gate         green, revision 2", "approved by  eve"):
        assert line in text


@pytest.mark.parametrize("again", [{}, {"p95_ms": 3.0, "made": {"at": "later"}}])
def test_an_evaluation_that_was_made_again_is_the_one_that_the_audit_names(again: dict[str, Any]) -> None:
    assert traced(chain=NAMED, evaluation=again).broken == {}


def test_an_evaluation_that_the_audit_names_and_nobody_has_is_a_contradiction() -> None:
    found = traced(chain=NAMED, gone=["/models/m/versions/2/evaluation"])
    assert "and none is kept" in found.broken["contradiction"]


def test_all_that_contradicts_is_told() -> None:
    other = {"metrics": {"accuracy": {"value": 0.99}}}
    found = traced(chain=NAMED, data={"source": "0" * 64}, evaluation=other)
    assert [how.split(" ")[0:3] for how in found.broken["contradiction"].split("; ")] == [
        ["the", "package", "was"],
        ["it", "was", "let"],
    ]


RETOLD = [dict(one) for one in CHAIN]
RETOLD[1] = {**RETOLD[1], "reason": "another"}


@pytest.mark.parametrize(
    ("asked", "changes", "link"),
    [
        (receipt(model_id="m-ffffffffffffffff"), {}, "model"),
        (receipt(), {"gone": ["/models/m/versions/2"]}, "version"),
        (receipt(), {"version": {"run_id": None}}, "run"),
        (receipt(), {"gone": ["/api/2.0/mlflow/runs/get?run_id=r1"]}, "run"),
        (receipt(), {"version": {"git_commit": None}}, "git commit"),
        (receipt(), {"version": {"dataset_hash": None}}, "data"),
        (receipt(), {"gone": ["/models/m/versions/2/evaluation"]}, "evaluation"),
        (receipt(), {"data": {"source": "0" * 64}}, "contradiction"),
        (receipt(), {"chain": NAMED, "evaluation": {"metrics": {"accuracy": {"value": 0.99}}}}, "contradiction"),
        (receipt(), {"chain": chain((1000, 1, None), (2000, 2, None))}, "gate"),
        (receipt(time=1500), {}, "gate"),
        (receipt(time=40_000), {}, "contradiction"),
        (receipt(variant="pinned"), {}, "gate"),
        (receipt(test_id="t", variant="treatment"), {}, "gate"),
        (receipt(), {"chain": RETOLD}, "contradiction"),
    ],
    ids=[
        "another stack", "deleted version", "no run", "deleted run", "no commit", "no data", "not evaluated",
        "other data", "evaluation replaced", "no gates", "before it served", "long after it served", "pinned",
        "no such test", "chain changed",
    ],
)  # fmt: skip
def test_a_broken_link_is_said_and_not_invented(asked: Receipt, changes: dict[str, Any], link: str) -> None:
    found = traced(asked, **changes)
    assert [*found.broken] == [link]
    text = trace.told({"signature": "verified", "archive": None, **found.facts}, found.broken)
    assert found.broken[link].lower() in text.lower()


@pytest.mark.parametrize(("end", "broken"), [(-1, []), (0, ["contradiction"])])
def test_a_lineup_may_be_thirty_seconds_old_and_no_more(end: int, broken: list[str]) -> None:
    assert [*traced(receipt(time=9000 + 30_000 + end)).broken] == broken


@pytest.mark.parametrize(("at", "said"), [(5000, "eve"), (5001, "read it, after the prediction")])
def test_an_approval_that_came_later_is_told_to_have(at: int, said: str) -> None:
    facts = traced(version={"approval": {"actor": "eve", "at": at, "reason": "read it"}}).facts
    [line] = [
        line
        for line in trace.told({"signature": "", "archive": None, **facts}, {}).splitlines()
        if line.startswith("approved by")
    ]
    assert said in line
    assert ("after the prediction" in line) is (at > 5000)


def test_a_retrained_version_names_what_was_assembled_for_it() -> None:
    found = traced(data={"assembled": "b" * 64})
    text = trace.told({"signature": "verified", "archive": None, **found.facts}, found.broken)
    assert f"data, assembled  {'b' * 64}" in text


def test_a_treatment_was_let_serve_by_its_test() -> None:
    records = chain((1000, 1, None), (2000, 1, {"test": "t", **GREEN}), (3000, 1, {"test": "t"}))
    found = traced(receipt(test_id="t", variant="treatment"), chain=records)
    assert (found.facts["gate"]["revision"], found.broken) == (2, {})


@pytest.mark.parametrize(
    ("since", "until", "length", "found"),
    [
        ("1970-01-01T01:00Z", "1970-01-01T02:00Z", "24h", Window(3_600_000, 7_200_000)),
        (None, "1970-01-03T00:00Z", "24h", Window(86_400_000, 172_800_000)),
        (None, "1970-01-08T00:00Z", "7d", Window(0, 604_800_000)),
    ],
)
def test_a_window_is_from_to_or_a_length(since: str | None, until: str, length: str, found: Window) -> None:
    assert window(since, until, length) == found


@pytest.mark.parametrize(
    ("since", "until", "length"),
    [(None, None, "5s"), (None, None, "0h"), ("1970-01-02T00:00Z", "1970-01-01T00:00Z", ""), ("today", None, "")],
)
def test_a_window_that_is_none_is_refused(since: str | None, until: str | None, length: str) -> None:
    with pytest.raises(click.BadParameter):
        window(since, until, length)
