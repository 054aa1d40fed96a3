"""Registered models and versions as MLflow's wire has them: what is absent, what is empty, and pages."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.test_labels import about, champion
from tests.unit.test_registry_rules import version
from zeroloop.errors import InvalidInput, NotFound
from zeroloop.mlflow import kinds, models, pages, wire
from zeroloop.mlflow.pages import Query, Search
from zeroloop.mlflow.search import Value
from zeroloop.registry.labels import Tagged
from zeroloop.registry.rules import Facts, Origin, State, Version

ORIGIN = Origin(source="models:/m-1", location="s3://b/m-1", run_id="", run_link="")


def shown(found: Version, **labels: Any) -> dict[str, Any]:
    return dict(json.loads(wire.write(models.version(about(**labels), Tagged(found, {}), "s3://ours/package"))))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.PENDING, "PENDING_REGISTRATION"),
        (State.READY, "READY"),
        (State.FAILED, "FAILED_REGISTRATION"),
        (State.UNPACKAGED, "READY"),
    ],
)
def test_admission_is_told_in_mlflows_words(state: State, status: str) -> None:
    assert shown(version(1, state))["status"] == status


def test_what_a_request_left_out_is_empty_and_what_nobody_said_is_absent() -> None:
    by_address = shown(replace(version(1), origin=ORIGIN, description=""))
    assert (by_address["run_id"], by_address["run_link"], by_address["description"]) == ("", "", "")
    assert by_address["source"] == "models:/m-1"
    by_manifest = shown(version(1))
    assert not {"run_id", "run_link", "description", "status_message", "tags", "aliases"} & by_manifest.keys()
    assert by_manifest["source"] == "s3://ours/package"


def test_a_package_tells_its_description_and_run_until_somebody_says_otherwise() -> None:
    found = replace(version(1), facts=Facts(description="own", run_id="r"))
    assert (shown(found)["description"], shown(found)["run_id"]) == ("own", "r")
    assert shown(replace(found, description="other"))["description"] == "other"


def test_numbers_are_numbers_but_for_the_version() -> None:
    told = shown(replace(version(3), created_at=2**40, updated_at=None), lineup=champion(3))
    assert (told["version"], told["creation_timestamp"], told["last_updated_timestamp"]) == ("3", 2**40, 2**40)
    assert (told["current_stage"], told["aliases"]) == ("Production", ["champion"])


@pytest.mark.parametrize("text", ["one", "", "1.0", "9" * 5000])
def test_a_version_is_a_whole_number(text: str) -> None:
    with pytest.raises(InvalidInput):
        models.number("film", text)


@pytest.mark.parametrize("text", ["0", "-1", "100000000"])
def test_a_number_that_no_version_has_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        models.number("film", text)


def named(name: str) -> Any:
    def look(entity: str, key: str) -> Value:
        return name if (entity, key) == ("attribute", "name") else None

    return name, look


def ask(size: int, token: str = "", text: str = "") -> Query:
    return Query(kinds.MODELS, Search(filter=text, max_results=size, page_token=token), default=100, most=1000)


def test_pages_follow_each_other_without_gaps_or_repeats() -> None:
    found, seen, token = [named(name) for name in "edcba"], [], ""
    for _ in range(3):
        page, token = ask(2, token).page(found, lambda name: name)
        seen.append("".join(page))
    assert (seen, token) == (["ab", "cd", "e"], "")


def test_a_page_of_more_bytes_than_lambda_answers_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 250)
    page, token = ask(5).page([named(name) for name in "abc"], lambda name: name * 100)
    assert (len(page), bool(token)) == (2, True)
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 1)
    assert len(ask(5).page([named("a")], lambda name: name)[0]) == 1, "or it would never end"


def test_what_is_named_otherwise_need_not_be_read() -> None:
    query = ask(5, text="name LIKE 'a%' AND tags.x = '1'")
    assert query.may_be_called("apple")
    assert not query.may_be_called("pear")


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_a_page_has_a_size(size: int) -> None:
    with pytest.raises(InvalidInput):
        ask(size)
