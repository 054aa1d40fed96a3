"""Writers that meet, and writers that die: one champion, one history. The local stack's table, not moto's."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli.local.deployment import CREDENTIALS
from tests.local_stack import MOST_CLIENTS, Answer, Local
from zeroloop.registry import audit

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"


def test_sixteen_promoters_of_one_version_have_one_winner(local: Local) -> None:
    local.register(SMALL, "race")
    answers = local.at_once([lambda: local.promote("race", 1, expected_revision=0)] * MOST_CLIENTS)
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 15}
    assert len(whole_history(local, "race")) == 1


def test_sixteen_promoters_in_turns_make_a_linear_history(local: Local) -> None:
    local.register(SMALL, "turns")
    local.register(LARGE, "turns")
    answers = local.at_once([lambda i=i: local.promote("turns", 1 + i % 2) for i in range(MOST_CLIENTS)])  # type: ignore[misc]
    assert {answer.status for answer in answers} <= {200, 409}
    winners = sum(answer.status == 200 for answer in answers)
    assert winners >= 1
    assert len(whole_history(local, "turns")) == winners


def test_promotions_and_rollbacks_that_meet_make_a_linear_history(local: Local) -> None:
    local.serving("mixed", SMALL, LARGE)
    before = len(whole_history(local, "mixed"))

    def roll_back() -> Answer:
        return local.send("POST", "/models/mixed/rollback", {"reason": "test"})

    answers = local.at_once([roll_back, lambda: local.promote("mixed", 1)] * (MOST_CLIENTS // 2))
    winners = sum(answer.status == 200 for answer in answers)
    assert len(whole_history(local, "mixed")) == before + winners


def test_sixteen_who_register_the_same_bytes_get_the_same_version(local: Local) -> None:
    body = {"files": [file(1), {**file(2), "path": "package.json"}]}
    answers = local.at_once([lambda: local.send("POST", "/models/same/versions", body)] * MOST_CLIENTS)
    assert {answer.body["version"] for answer in answers} == {1}
    assert {answer.body["model_id"] for answer in answers} == {answers[0].body["model_id"]}
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 15}


def test_sixteen_who_register_other_bytes_get_numbers_without_gaps(local: Local) -> None:
    bodies = [{"files": [file(i), {**file(0), "path": "package.json"}]} for i in range(MOST_CLIENTS)]
    answers = local.at_once(
        [lambda body=body: local.send("POST", "/models/numbers/versions", body) for body in bodies]  # type: ignore[misc]
    )
    assert sorted(answer.body["version"] for answer in answers) == list(range(1, MOST_CLIENTS + 1))


def file(seed: int) -> dict[str, Any]:
    return {"path": "model.tflite", "sha256": f"{seed:064x}", "size": 1}


def whole_history(local: Local, name: str) -> list[dict[str, Any]]:
    """The changes, newest first, after a look at the whole chain and at who is champion."""
    lineup = local.send("GET", f"/models/{name}/lineup").body
    records: list[dict[str, Any]] = local.send("GET", f"/models/{name}/history").body["history"]
    assert audit.faults(reversed(records), lineup["revision"]) == []
    for newer, older in itertools.pairwise(records):
        assert newer["before"] == older["after"]
    versions = local.send("GET", f"/models/{name}/versions").body["versions"]
    champions = [version["version"] for version in versions if version["stage"] == "production"]
    assert champions == [lineup["champion"]] == [records[0]["after"]["champion"]]
    return records


def test_a_promoter_killed_at_any_step_leaves_one_champion_and_a_whole_history(local: Local) -> None:
    local.serving("killed", SMALL)
    local.register(LARGE, "killed")
    outcomes = []
    for step in range(40):
        died = promoter_dies(local, step)
        champion = whole_history(local, "killed")[0]["after"]["champion"]
        assert champion in {1, 2}
        outcomes.append((died, champion))
        if champion == 2:
            assert local.send("POST", "/models/killed/rollback", {"reason": "test", "to_version": 1}).status == 200
        if not died:
            break
    assert outcomes[-1] == (False, 2), "the last promoter was let live, and promotes"
    assert {(True, 1), (True, 2)} <= set(outcomes), "some died before the write, one after it"


def test_throttles_conflicts_and_lost_answers_do_nothing_twice_and_lose_nothing(local: Local) -> None:
    local.register(SMALL, "chaos")
    local.register(LARGE, "chaos")
    ran = run_script(local, "chaotic_promoter.py", "chaos", "7", "30")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert len({key.split()[-1] for key in told["injected"]}) >= 3, told
    assert told["done"] >= 20, told
    records = len(whole_history(local, "chaos"))
    assert told["done"] <= records <= told["done"] + told["unsure"]


def promoter_dies(local: Local, step: int) -> bool:
    """Whether a promoter that is killed at its `step`th sight of the network died of it."""
    return run_script(local, "killed_promoter.py", "killed", "2", str(step)).returncode == 9


def run_script(local: Local, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script of this folder, as a process of its own beside the functions, on the stack's table."""
    record = local.record
    environment = {
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": record.region,
        "AWS_ENDPOINT_URL": record.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": f"shared{os.pathsep}.",
    }
    command = [sys.executable, str(Path(__file__).with_name(name)), record.tables["registry"], *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
