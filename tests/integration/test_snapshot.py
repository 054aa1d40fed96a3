"""Predict through a snapshot and its restores: the runtime's own registry of hooks, run as the runtime runs it."""

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import snapshot_restore_py

from tests.integration.test_predict import LARGE, SMALL, World, configured
from zeroloop.errors import Unavailable
from zeroloop.inference.runtime import Runner
from zeroloop.signed import Session


class Snapshot:
    """A published version: its environment up to the snapshot, and the restores."""

    def __init__(self, world: World) -> None:
        self.world = world

    def take(self) -> None:
        for hook, arguments, keywords in reversed(snapshot_restore_py.get_before_snapshot()):
            hook(*arguments, **keywords)

    def restore(self) -> None:
        for hook, arguments, keywords in snapshot_restore_py.get_after_restore():
            hook(*arguments, **keywords)

    def asked(self) -> list[str]:
        """What the function asked AWS for since the last time, by operation or file."""
        calls = [call.split("/")[-1].split("GetItem")[-1] or "GetItem" for call in self.world.session.calls]
        self.world.session.calls.clear()
        return calls


@pytest.fixture(name="snapshot")
def _snapshot(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    snapshot_restore_py.get_before_snapshot().clear()
    snapshot_restore_py.get_after_restore().clear()
    configured(monkeypatch, PRELOAD_MODELS="sentiment")
    return Snapshot(World(load("predict")))


def test_after_a_restore_the_champion_is_there_and_what_ages_is_read_anew(snapshot: Snapshot) -> None:
    world = snapshot.world
    world.promote("sentiment", world.register("sentiment", SMALL))
    snapshot.take()
    assert {"model.tflite", "package.json"} <= set(snapshot.asked())
    snapshot.restore()
    assert world.ask("text")[0] == 200
    # the lineup once more, and the key of receipts, which no snapshot holds
    assert snapshot.asked() == ["GetItem", "secretsmanager.GetSecretValue"]


def test_the_champion_has_answered_its_first_golden_case_before_the_snapshot(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = snapshot.world
    world.promote("sentiment", world.register("sentiment", SMALL))
    runs: list[int] = []
    once = Runner.once

    def spied(runner: Runner, inputs: list[Any], wanted: list[int]) -> list[Any]:
        runs.append(len(inputs[0]))
        return once(runner, inputs, wanted)

    monkeypatch.setattr(Runner, "once", spied)
    snapshot.take()
    assert runs == [1]


def test_a_promotion_after_the_snapshot_is_heard_of_by_the_first_request(snapshot: Snapshot) -> None:
    world = snapshot.world
    world.promote("sentiment", world.register("sentiment", SMALL))
    snapshot.take()
    world.promote("sentiment", world.register("sentiment", LARGE))
    snapshot.restore()
    assert world.ask("text")[1]["model_version"] == 2


def test_a_key_rotated_after_the_snapshot_is_asked_for(snapshot: Snapshot) -> None:
    world = snapshot.world
    world.promote("sentiment", world.register("sentiment", SMALL))
    world.ask("text")
    snapshot.take()
    snapshot.asked()
    snapshot.restore()
    world.ask("text")
    assert "secretsmanager.GetSecretValue" in snapshot.asked()


def test_a_model_that_breaks_as_it_is_loaded_stops_no_snapshot(
    snapshot: Snapshot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> None:
        raise MemoryError

    monkeypatch.setattr(snapshot.world.predict.predictor, "preload", full)
    snapshot.take()
    assert "MemoryError" in capsys.readouterr().err


def test_a_missing_model_or_champion_or_table_stops_no_snapshot(
    snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    world = snapshot.world
    snapshot.take()
    assert "sentiment was not preloaded: there is no model" in capsys.readouterr().err
    version = world.register("sentiment", SMALL)
    snapshot.take()
    assert "sentiment was not preloaded: sentiment has no champion yet" in capsys.readouterr().err
    world.session.down = True
    snapshot.take()
    assert "sentiment was not preloaded" in capsys.readouterr().err
    world.session.down = False
    world.promote("sentiment", version)
    snapshot.restore()
    assert world.ask("text")[0] == 200


def test_restores_of_one_snapshot_neither_wait_alike_nor_share_ids(snapshot: Snapshot) -> None:
    world = snapshot.world
    world.promote("sentiment", world.register("sentiment", SMALL))
    frozen = random.getstate()
    told = []
    for _ in range(2):
        random.setstate(frozen)  # what memory holds
        snapshot.restore()
        told.append((random.random(), world.ask("text")[1]["prediction_id"]))
    (one, first), (other, second) = told
    assert one != other
    assert first != second


def test_after_a_restore_keys_and_connections_are_those_of_the_new_environment(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_restore_py.get_after_restore().clear()
    configured(monkeypatch, AWS_ACCESS_KEY_ID="before")
    predict = load("predict")
    assert predict.session._current_credentials().access_key == "before"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "after")
    for hook, arguments, keywords in snapshot_restore_py.get_after_restore():
        hook(*arguments, **keywords)
    assert predict.session._current_credentials().access_key == "after"


def test_provisioned_environments_load_the_champion_as_they_start(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise Unavailable("nobody listens")

    monkeypatch.setattr(Session, "json", down)
    configured(monkeypatch, AWS_LAMBDA_INITIALIZATION_TYPE="provisioned-concurrency", PRELOAD_MODELS="sentiment")
    load("predict")
    assert "sentiment was not preloaded: nobody listens" in capsys.readouterr().err
