"""What commands print and exit with where the registry, or a step before it, stops them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli import assemble, gate, model, pipeline, retrain
from cli.api import Api, ApiError
from cli.local.home import PROJECT
from cli.main import main
from cli.model import manifest
from cli.project import Place
from cli.show import Stopped
from cli.window import Window
from tests.unit.test_audit import chain
from zeroloop.digests import package_digest
from zeroloop.inference.package import read
from zeroloop.registry.gates import Evaluation

EXAMPLE = PROJECT / "examples" / "sentiment"
SMALL = EXAMPLE / "packages/small"
RED = {"passed": False, "checks": [{"name": "accuracy at_least 0.9", "passed": False, "says": "0.78"}]}
READY = {"version": 2, "version_id": "v", "digest": "d" * 64, "state": "READY", "reason": None}


class Registry(Api):
    """Answers by the path's last word: a body, or an error of (status, body)."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__("http://registry")
        self.answers = answers

    def call(self, method: str, path: str, body: Any = None, *, repeat: bool) -> dict[str, Any]:  # noqa: ARG002 - the API's form
        answer = self.answers[f"{method} {path.rpartition('/')[2]}"]
        if isinstance(answer, tuple):
            raise ApiError(*answer)
        if callable(answer):
            return dict(answer(body))
        return dict(answer)


Typed = Callable[..., Result]


@pytest.fixture(name="typed")
def _typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """A command on a trained and evaluated candidate that is version 2 on a registry of `answers`."""
    shutil.copytree(SMALL, tmp_path / "package")
    digest = package_digest(manifest(tmp_path / "package"))
    (tmp_path / "evaluation.json").write_bytes(msgspec.json.encode(Evaluation(digest=digest, metrics={})))
    for name in ("registered-staging", "deployed-staging"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"version": 2, "digest": digest}))

    def typed(*words: str, version: dict[str, Any] = READY, as_json: bool = True, **answers: Any) -> Result:
        api = Registry({key.replace("_", " "): answer for key, answer in answers.items()})
        monkeypatch.setattr(pipeline, "environment_api", lambda _env: api)
        monkeypatch.setattr("cli.api.environment_api", lambda *_: api)
        monkeypatch.setattr(model, "register", lambda *_: {**version, "digest": digest})
        place = [] if words[0] in {"ab", "audit", "model"} else [str(EXAMPLE), "--work", str(tmp_path)]
        return CliRunner().invoke(main, [*words, *place, "--env", "production", *["--json"] * as_json])

    return typed


@pytest.mark.parametrize("step", ["register", "promote"])
def test_a_refusal_is_json_too(typed: Typed, step: str) -> None:
    red = typed(step, POST_evaluation={"verdict": RED})
    assert (red.exit_code, json.loads(red.stdout)["verdict"]) == (1, RED)
    assert "MISSED  accuracy at_least 0.9" in red.stderr
    failed = typed(step, version={**READY, "state": "FAILED", "reason": "golden"})
    assert (failed.exit_code, json.loads(failed.stdout)["state"]) == (1, "FAILED")
    body = {"code": "invalid", "message": "too large"}
    refused = typed(step, POST_evaluation=(422, body))
    assert (refused.exit_code, json.loads(refused.stdout)) == (1, body)


@pytest.mark.parametrize("step", ["data validate", "train", "evaluate", "gate check", "register"])
def test_a_step_that_can_not_begin_says_so_in_json_too(step: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*step.split(), str(tmp_path), "--json"])
    assert done.exit_code == 1
    assert "pipeline.toml is missing" in json.loads(done.stdout)["error"]
    assert "pipeline.toml is missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "exits", "says"),
    [
        (["ab", "check", "--json", "--version", "one"], 4, "'one' is not a valid integer"),
        (["ab", "check", "--json", "--url", "http://127.0.0.1:9"], 4, "name a test"),
        (["gate", "check", "--json"], 2, "PROJECT"),
        (["model", "promote", "sentiment", "1", "--json"], 2, "--reason"),
    ],
)
def test_words_that_are_wrong_are_told_in_json_too(
    words: list[str], exits: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == exits
    assert says in json.loads(done.stdout)["error"]


def test_a_version_that_has_served_is_judged_by_what_it_served_by_and_the_pipeline_says_so(typed: Typed) -> None:
    served = (409, {"code": "served", "message": "version 2 has served"})
    for verdict, exits in ((None, 0), (RED, 1)):
        done = typed("register", POST_evaluation=served, GET_evaluation={"verdict": verdict})
        assert (done.exit_code, json.loads(done.stdout)["verdict"]) == (exits, verdict)
        assert "production: version 2 has served" in done.stderr


def test_a_promotion_that_waits_for_an_approval_exits_3_and_one_that_is_red_1(typed: Typed) -> None:
    for code, exits in (("not_approved", 3), ("gate_red", 1)):
        body = {"code": code, "message": "no"}
        done = typed("promote", POST_evaluation={"verdict": None}, GET_lineup={"champion": 1}, POST_promote=(409, body))
        assert (done.exit_code, json.loads(done.stdout)) == (exits, body)
        assert code in done.stderr


@pytest.mark.parametrize(("off", "exits"), [(0.9, 0), (1.1, 1)])
def test_a_golden_prediction_may_be_off_by_its_tolerance_and_no_more(typed: Typed, off: float, exits: int) -> None:
    golden = read((SMALL / "package.json").read_bytes()).golden
    scores = {json.dumps(case.instance): case.scores for case in golden.cases}

    def answer(instance: Any) -> dict[str, Any]:
        told = scores[json.dumps(instance)]
        return {"model_version": 2, "scores": {label: one + off * golden.tolerance for label, one in told.items()}}

    done = typed("promote", POST_evaluation={"verdict": None}, GET_lineup={"champion": 2}, POST_sentiment=answer)
    assert done.exit_code == exits, done.output
    assert ("is off by" in done.output) is bool(exits)


def test_a_reason_with_a_line_separator_is_exported_and_verified(typed: Typed, tmp_path: Path) -> None:
    records = chain(2, reason="why\u2028not\u0085so")
    file = tmp_path / "m.jsonl"
    answers = {"GET_lineup": {"revision": 2}, "GET_history": {"history": records[::-1], "next": None}}
    done = typed("audit", "export", "m", "--output", str(file), **answers)
    assert (done.exit_code, json.loads(done.stdout)["faults"]) == (0, [])
    assert [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]] == records
    again = CliRunner().invoke(main, ["audit", "verify-file", str(file)])
    assert (again.exit_code, f"ends with {records[-1]['hash']}" in again.output) == (0, True)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"why", b"how"))
    assert "revision 1 was changed" in CliRunner().invoke(main, ["audit", "verify-file", str(file)]).output
    for other in (b"[]\n", b"x\n", b"{}\n", b"", b"x", whole + b"{}", whole[:-1]):
        file.write_bytes(other)
        done = CliRunner().invoke(main, ["audit", "verify-file", str(file)])
        assert (done.exit_code, "is not what `zeroloop audit export` wrote" in done.output) == (1, True)


def test_a_check_of_a_test_that_is_not_there_is_not_one_that_is_lost(typed: Typed) -> None:
    missing = {"code": "not_found", "message": "there is no such test"}
    done = typed("ab", "check", "a-test", GET_analysis=(404, missing))
    assert (done.exit_code, json.loads(done.stdout)) == (4, missing)


@pytest.mark.parametrize("words", [["--registered", "nowhere.json"], ["--nonsense"], ["--version", "one"]])
def test_a_check_that_was_asked_for_wrongly_is_none_that_is_undetermined(typed: Typed, words: list[str]) -> None:
    assert typed("ab", "check", *words, as_json=False).exit_code == 4


def test_a_history_shows_what_was_overridden(typed: Typed) -> None:
    [record] = chain(1)
    over = {**record, "evidence": {"gate": {"verdict": "red", "override": True}}}
    done = typed("model", "history", "m", as_json=False, GET_history={"history": [over, record], "next": None})
    _, overridden, plain = done.stdout.splitlines()
    assert ("red, overridden" in overridden, "red" in plain) == (True, False)


def test_a_retraining_registers_nothing_that_misses_a_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = Place("sentiment", EXAMPLE, tmp_path)
    place.write("evaluation", {"data": {}, "made": {}, "metrics": {}})
    place.write("combined", {"left_out": {}})
    made = {"rows": 500, "digest": "a" * 64, "window": {}, "left_out": {}}
    monkeypatch.setattr(assemble, "assemble", lambda *_: None)
    monkeypatch.setattr(assemble, "write", lambda *_: made)
    monkeypatch.setattr(retrain, "run", lambda *_, **__: True)
    registered = []

    def register(*_: Any) -> dict[str, Any]:
        registered.append(2)
        return READY

    monkeypatch.setattr(pipeline, "registered", register)
    account: Any = type("Account", (), {"api": Registry({"GET lineup": (404, {})})})
    asked = (account, place, Window(0, 1), 200, retrain.Training())
    monkeypatch.setattr(gate, "checked", lambda _place: RED)
    with pytest.raises(Stopped, match="was stopped by the gates"):
        retrain.retrain(*asked)
    assert registered == []
    monkeypatch.setattr(gate, "checked", lambda _place: {"passed": True, "checks": []})
    assert retrain.retrain(*asked)["version"] == 2
    assert registered == [2]
