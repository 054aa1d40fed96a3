"""MLflow's registry on the local stack: what it names serves, whatever meets, and what moves while requests come."""

import itertools
from collections import Counter
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.local_stack import MOST_CLIENTS, PACKAGES, Answer, Local
from zeroloop import clock
from zeroloop.registry import audit

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"
MODELS, VERSIONS = "/api/2.0/mlflow/registered-models", "/api/2.0/mlflow/model-versions"
EIGHT = MOST_CLIENTS // 2  # each waits for those before it
FILM = {"text": "A wonderful, moving film."}


def ask(local: Local, path: str, **query: str) -> dict[str, Any]:
    answer = local.send("GET", f"{path}?{urlencode(query)}")
    assert answer.status == 200, answer
    return dict(answer.body)


def alias(local: Local, name: str, number: int) -> Answer:
    return local.send("POST", f"{MODELS}/alias", {"name": name, "alias": "champion", "version": str(number)})


def history(local: Local, name: str) -> list[dict[str, Any]]:
    """The changes of a lineup, newest first, after a look at the whole chain."""
    lineup = local.send("GET", f"/models/{quote(name)}/lineup").body
    records: list[dict[str, Any]] = local.send("GET", f"/models/{quote(name)}/history").body["history"]
    assert audit.faults(reversed(records), lineup["revision"]) == []
    assert all(newer["before"] == older["after"] for newer, older in itertools.pairwise(records))
    return records


def served(local: Local, name: str, number: int) -> bool:
    """Whether predict answers from that version within the seconds that a lineup may be old."""
    deadline = clock.monotonic() + 10
    while clock.monotonic() < deadline:
        if local.send("POST", f"/predict/{name}", FILM).body.get("model_version") == number:
            return True
        clock.sleep(1)
    return False


def test_the_alias_champion_moves_the_lineup_and_predict_follows(local: Local) -> None:
    local.register(SMALL, "by_alias")
    local.register(LARGE, "by_alias")
    assert alias(local, "by_alias", 1) == (200, {})
    assert served(local, "by_alias", 1)
    assert alias(local, "by_alias", 2) == (200, {})
    assert served(local, "by_alias", 2)
    shown = ask(local, f"{MODELS}/alias", name="by_alias", alias="champion")["model_version"]
    assert (shown["version"], shown["current_stage"]) == ("2", "Production")
    assert [record["action"] for record in history(local, "by_alias")] == ["promote", "promote"]


def test_artifacts_of_a_run_that_hold_a_package_are_admitted_and_served(local: Local) -> None:
    folder = "artifacts/1/e361d0f402ef486384e19d33185056b6/artifacts/model"
    bucket, s3 = local.record.artifacts_bucket, local.aws("s3")
    for path in (PACKAGES / SMALL).iterdir():
        s3.put_object(Bucket=bucket, Key=f"{folder}/package/{path.name}", Body=path.read_bytes())
    s3.put_object(Bucket=bucket, Key=f"{folder}/MLmodel", Body=b"flavors: {}")
    assert local.send("POST", f"{MODELS}/create", {"name": "from_run"}).status == 200
    body = {"name": "from_run", "source": f"s3://{bucket}/{folder}"}
    made = local.send("POST", f"{VERSIONS}/create", body).body["model_version"]
    deadline = clock.monotonic() + 60
    while made["status"] == "PENDING_REGISTRATION" and clock.monotonic() < deadline:
        clock.sleep(1)
        made = ask(local, f"{VERSIONS}/get", name="from_run", version="1")["model_version"]
    assert made["status"] == "READY", made
    body = {"name": "from_run", "version": "1", "stage": "Production"}
    assert local.send("POST", f"{VERSIONS}/transition-stage", body).status == 200
    assert served(local, "from_run", 1)


def test_eight_who_set_the_alias_leave_one_champion_and_a_whole_history(local: Local) -> None:
    local.register(SMALL, "rivals")
    local.register(LARGE, "rivals")
    answers = local.at_once([lambda i=i: alias(local, "rivals", 1 + i % 2) for i in range(EIGHT)])  # type: ignore[misc]
    assert Counter(answer.status for answer in answers) == {200: EIGHT}
    records = history(local, "rivals")
    assert 2 <= len(records) <= EIGHT
    named = ask(local, f"{MODELS}/get", name="rivals")["registered_model"]["aliases"]
    assert named == [{"alias": "champion", "version": str(records[0]["after"]["champion"])}]


def test_a_model_is_renamed_while_it_is_promoted_and_asked(local: Local) -> None:
    local.register(SMALL, "before")
    local.register(LARGE, "before")
    alias(local, "before", 1)
    assert served(local, "before", 1)

    def rename() -> Answer:
        return local.send("POST", f"{MODELS}/rename", {"name": "before", "new_name": "after"})

    def promote() -> Answer:
        return local.promote("before", 2)

    def predict() -> Answer:
        return local.send("POST", "/predict/before", FILM)

    answers = local.at_once([rename, promote, predict, predict, rename, promote])
    assert Counter(answer.status for answer in (answers[0], answers[4])) == {200: 1, 404: 1}
    assert {answer.status for answer in answers[2:4]} <= {200, 404}
    lineup = local.send("GET", "/models/after/lineup").body
    promoted = [answer for answer in (answers[1], answers[5]) if answer.status == 200]
    assert (lineup["model"], lineup["champion"]) == ("after", 2 if promoted else 1)
    assert history(local, "after")
    assert served(local, "after", lineup["champion"])
    assert local.send("GET", "/models/before/lineup").status == 404
