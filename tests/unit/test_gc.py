"""Old published versions, against calls that are answered from memory, two things a page."""

import json
from typing import Any

import botocore.client
import pytest
from click.testing import CliRunner

from cli.gc import Folder
from cli.main import main

LISTS = {
    "ListStackResources": ("StackResourceSummaries", "NextToken", "NextToken"),
    "ListAliases": ("Aliases", "Marker", "NextMarker"),
    "ListVersionsByFunction": ("Versions", "Marker", "NextMarker"),
}


class Account:
    """Functions with their versions and aliases; and what was deleted of them."""

    def __init__(self) -> None:
        self.versions = {"predict": [9, 10, 11, 12, 8], "explain": [1, 2], "tracker": [1, 2, 3], "tried": [1, 2, 3, 4]}
        self.aliases: dict[str, dict[str, str]] = {
            "predict": {"live": "11"}, "explain": {"live": "2"}, "tracker": {"other": "3"},
            "tried": {"live": "4", "kept": "1", "newest": "$LATEST"},
        }  # fmt: skip
        self.deleted: list[tuple[str, str]] = []

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked.get("FunctionName", "")
        if operation == "DeleteFunction":
            self.deleted.append((name, asked["Qualifier"]))
            return {}
        if operation == "ListStackResources":
            assert asked["StackName"] == "zeroloop-staging"
            things = [{"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": name} for name in self.versions]
            things.append({"ResourceType": "AWS::Lambda::Alias", "PhysicalResourceId": "an alias"})
        elif operation == "ListAliases":
            things = [{"Name": alias, "FunctionVersion": named} for alias, named in self.aliases[name].items()]
        else:
            things = [{"Version": str(version)} for version in ("$LATEST", *self.versions[name])]
        found, after, following = LISTS[operation]
        start = int(asked.get(after, 0))
        more = {following: str(start + 2)} if start + 2 < len(things) else {}
        return {found: things[start : start + 2], **more}


@pytest.fixture(name="account")
def _account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", account.answer)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "testing")
    return account


def gc(*words: str) -> list[dict[str, Any]]:
    words = ("gc", "--function-versions", "--url", "http://127.0.0.1:1", "--stack", "zeroloop-staging", *words)
    done = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return list(json.loads(done.output))


def test_versions_from_before_the_last_one_that_served_are_listed_and_stay(account: Account) -> None:
    told = [(one["function"], one["version"], one["deleted"]) for one in gc()]
    assert told == [("predict", 8, False), ("predict", 9, False), ("tried", 2, False)]
    assert account.deleted == []


def test_they_go_when_told_to_and_no_function_that_lacks_the_alias_loses_any(account: Account) -> None:
    assert all(one["deleted"] for one in gc("--delete"))
    assert account.deleted == [("predict", "8"), ("predict", "9"), ("tried", "2")]


DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("older_than", "young"), [([], False), (["--older-than", "1"], False), (["--older-than", "0"], True)]
)
def test_what_came_lately_stays_since_a_run_may_be_under_way(
    monkeypatch: pytest.MonkeyPatch,
    older_than: list[str],
    young: bool,
) -> None:
    now = 100 * DAY_MS
    folders = [
        Folder("artifacts/0/old/", ["o"], 1, now - DAY_MS),
        Folder("artifacts/0/new/", ["n"], 1, now - DAY_MS + 1),
    ]
    deleted: list[str] = []
    monkeypatch.setattr("cli.gc.clock.now_ms", lambda: now)
    monkeypatch.setattr("cli.gc._storage", lambda *_: (None, "bucket"))
    monkeypatch.setattr("cli.gc.unreferenced", lambda *_: folders)
    monkeypatch.setattr("cli.gc._delete", lambda _s3, _bucket, keys: deleted.extend(keys))
    done = CliRunner().invoke(
        main, ["gc", "--url", "http://127.0.0.1:1", "--delete", *older_than], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert deleted == (["o", "n"] if young else ["o"])


def test_on_aws_the_stack_must_be_named() -> None:
    done = CliRunner().invoke(main, ["gc", "--function-versions", "--url", "http://127.0.0.1:1"])
    assert done.exit_code == 2
    assert "--stack" in done.output
