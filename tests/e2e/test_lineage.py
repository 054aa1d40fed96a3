"""Trace, replay and assemble on the deployed stack: what was answered, what is kept of it, and what it was made of."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import retrain
from cli.local.home import PROJECT
from examples.sentiment import dataset
from tests.local_stack import Local
from zeroloop import clock

pytestmark = pytest.mark.e2e

NAME, SMALL, FLOAT = "traced", "sentiment/packages/small", "sentiment/packages/float"
SENTENCES = [row.text for row in dataset.part(dataset.read(), "test")[:30]]
SECONDS = 60.0


class Traced:
    """A model whose version 1 answered, and the ids of its answers: the first ten have a label, one of them two."""

    def __init__(self, local: Local) -> None:
        self.local = local
        local.serving(NAME, SMALL)
        assert local.register(FLOAT, NAME)["state"] == "READY"
        many = self.predict({"instances": [{"text": text} for text in SENTENCES[:-1]]})["predictions"]
        self.ids = [one["prediction_id"] for one in [*many, self.predict({"text": SENTENCES[-1]})]]
        told = [{"prediction_id": one, "label": "positive"} for one in self.ids[:10]]
        assert local.send("POST", "/feedback", told).status == 200
        clock.sleep(0.01)
        assert local.send("POST", "/feedback", {**told[0], "label": "negative"}).status == 200

    def predict(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self.local.send("POST", f"/predict/{NAME}", body).body)

    def command(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", *map(str, words), "--home", str(self.local.home.path)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def result(self, *words: str | Path) -> Any:
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture(name="traced", scope="module")
def _traced(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Once the archive has all of it, as far as `data assemble` sees."""
    made, folder = Traced(local), tmp_path_factory.mktemp("assembled")
    deadline = clock.monotonic() + SECONDS
    while True:
        done = made.command("data", "assemble", NAME, "-o", folder, "--json")
        found = json.loads(done.stdout or "{}")
        if found.get("rows") == 10 and found["labels"].get("negative") == 1 and not _missing(found):
            break
        assert clock.monotonic() < deadline, done.stderr
        clock.sleep(1.0)
    return made


def _missing(found: dict[str, Any]) -> bool:
    return bool(found["left_out"] != {"without a label": 20})


def test_a_prediction_leads_to_what_made_it_and_a_forged_one_nowhere(traced: Traced) -> None:
    version = traced.local.send("GET", f"/models/{NAME}/versions/1").body
    found = traced.result("trace", traced.ids[0])
    assert found["signature"] == "verified"
    assert (found["model"], found["version"]["digest"]) == (NAME, version["digest"])
    assert (found["git_commit"], found["data"]["source"]) == (version["git_commit"], version["dataset_hash"])
    assert (found["archive"]["input"], found["archive"]["feedback"]["label"]) == ("features", "negative")
    assert found["gate"]["action"] == "promote"
    assert {*found["broken"]} == {"run", "evaluation", "gate"}  # none was recorded
    forged = traced.command("trace", f"{traced.ids[0][:-2]}xx")
    assert (forged.returncode, "refused" in forged.stderr) == (1, True)
    only_the_api = traced.result("trace", traced.ids[0], "--url", traced.local.record.api_url)
    assert only_the_api["signature"].startswith("unverified")


def test_the_same_version_answers_the_archive_with_the_same_bits(traced: Traced) -> None:
    found = traced.result("replay", NAME, "--window", "60m")
    [compared] = found["compared"]
    assert (compared["predictions"], compared["same"], compared["largest_difference"]) == (30, 30, 0.0)
    assert (found["contradictions"], found["left_out"]) == (0, {})
    [other] = traced.result("replay", NAME, "--version", "2")["compared"]
    assert (other["answered_by"], other["asked"], other["predictions"]) == (1, 2, 30)
    assert 0 < other["largest_difference"] < 0.05  # the same weights in int8 and float32
    assert other["same_label"] >= 28


def test_the_same_archive_makes_the_same_data_with_its_prediction_ids(traced: Traced, tmp_path: Path) -> None:
    first, again = (traced.result("data", "assemble", NAME, "-o", tmp_path / name) for name in ("a", "b"))
    assert first["digest"] == again["digest"]
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (tmp_path / "b/rows.jsonl").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "a/rows.jsonl").read_text().splitlines()]
    assert {row["prediction_id"]: row["label"] for row in rows} == {
        one: "negative" if one == traced.ids[0] else "positive" for one in traced.ids[:10]
    }
    assert all("instance" not in row and row["features"] for row in rows)  # no words of a caller's
    nothing = traced.command("data", "assemble", NAME, "-o", tmp_path / "c", "--to", "2020-01-01T00:00Z")
    assert nothing.returncode == 1


def test_too_few_labels_train_nothing(traced: Traced, tmp_path: Path) -> None:
    asked = (PROJECT / "examples/sentiment/pipeline.toml").read_text()
    (tmp_path / "pipeline.toml").write_text(asked.replace('model = "sentiment"', f'model = "{NAME}"'))
    few = ("retrain", NAME, "--project", tmp_path, "--work", tmp_path, "--python", sys.executable, "--json")
    done = traced.command(*few)
    assert (done.returncode, "have a label, 200 are asked for" in done.stderr) == (1, True), done.stderr
    assert json.loads(done.stdout)["rows"] < 200
    assert traced.local.send("GET", f"/models/{NAME}/lineup").body["champion"] == 1


def test_a_candidate_is_tried_on_users_beside_the_champion_that_still_decides(traced: Traced) -> None:
    name = retrain.begin_test(traced.local.api, NAME, 2, 0.2)
    begun = traced.local.send("GET", f"/ab-tests/{name}").body
    assert (begun["state"], begun["control"], begun["treatments"], begun["mode"]) == (
        "running", 1, {"treatment": 2}, "ab"
    )  # fmt: skip
    assert traced.local.send("GET", f"/models/{NAME}/lineup").body["champion"] == 1
    assert traced.local.send("POST", f"/ab-tests/{name}/stop", {"reason": "test"}).status == 200
