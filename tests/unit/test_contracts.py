"""docs/contracts: each schema is one, its examples hold, and what our code writes and reads is what they say."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Struct

from tests import models
from zeroloop import http
from zeroloop.digests import canonical
from zeroloop.errors import InvalidInput
from zeroloop.inference import package, receipts, record
from zeroloop.inference.package import Package
from zeroloop.inference.receipts import Key, Receipt
from zeroloop.inference.record import LogRecord, Prediction, Shadow
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.alerts import Alert
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.feedback import Feedback
from zeroloop.monitoring.lines import Told
from zeroloop.registry import audit, rules
from zeroloop.registry.audit import Record
from zeroloop.registry.rules import Arm, Lineup, State, Version

CONTRACTS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "docs" / "contracts").glob("*.schema.json"))
}
STRUCTS: dict[str, type[Struct]] = {
    "package": Package,
    "lineup": Lineup,
    "audit-record": Record,
    "log-record": LogRecord,
    "feedback-record": Told,
    "receipt": Receipt,
    "aggregate": Aggregate,
    "baseline": Baseline,
    "alert": Alert,
}
# Fields that a schema requires of the writer and our reader fills in: a lineup's with what a new model's are, a
# record's version because the line could not have been found without it, a hash because it is made of the others.
LENIENT = {
    ("lineup", (name,))
    for name in ("schema_version", "champion", "challenger", "previous", "traffic", "revision", "test")
} | {
    ("audit-record", ("schema_version",)),
    ("audit-record", ("hash",)),
    ("log-record", ("schema",)),
    ("feedback-record", ("schema",)),
    ("receipt", ("v",)),
    ("aggregate", ("schema_version",)),
    ("baseline", ("schema_version",)),
    ("alert", ("schema_version",)),
}

Path_ = tuple[str | int, ...]


[IN], [OUT] = CONTRACTS["package"]["examples"][0]["signature"].values()


def validator(contract: str) -> Draft202012Validator:
    return Draft202012Validator(CONTRACTS[contract])


def holds(contract: str, value: Any) -> bool:
    return bool(validator(contract).is_valid(value))


def read(contract: str, value: Any) -> Struct:
    """As the part that reads the contract does."""
    if contract == "package":
        return package.read(json.dumps(value).encode())
    return msgspec.json.decode(json.dumps(value), type=STRUCTS[contract])


def is_read(contract: str, value: Any) -> bool:
    try:
        read(contract, value)
    except (msgspec.ValidationError, InvalidInput):
        return False
    return True


def places(schema: Mapping[str, Any], value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    """Every place in `value` that `schema` says something of."""
    yield path, schema
    if isinstance(value, dict):
        for name, inner in value.items():
            described = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if described:
                yield from places(described, inner, (*path, name))
    if isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(schema.get("items", {}), inner, (*path, i))


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def changed(value: Any, path: Path_, change: Callable[[Any, Any], None]) -> Any:
    """A copy of `value`, in which `change` has had the container and the key that `path` leads to."""
    value = copy.deepcopy(value)
    change(at(value, path[:-1]), path[-1])
    return value


def examples(contracts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(contract, example) for contract in contracts for example in CONTRACTS[contract]["examples"]]


def drops(contracts: Mapping[str, Any], *, required: bool = True) -> Iterator[tuple[str, Path_, Any]]:
    """Every example without one of the fields that are required, or that aren't."""
    for contract, example in examples(contracts):
        for path, schema in places(CONTRACTS[contract], example):
            if isinstance(at(example, path), dict):
                for name in sorted(at(example, path).keys() & schema.get("properties", {}).keys()):
                    if (name in schema.get("required", [])) is not required:
                        continue
                    yield contract, (*path, name), changed(example, (*path, name), lambda parent, key: parent.pop(key))


def wrongs(contracts: Mapping[str, Any]) -> Iterator[tuple[str, Path_, Any]]:
    """Every example with one value of a type that its place doesn't take."""
    for contract, example in examples(contracts):
        for path, schema in places(CONTRACTS[contract], example):
            if path and {"type", "const", "enum"} & schema.keys():
                takes = schema.get("type", [])
                other: Any = {"wrong": []} if "object" not in takes else "wrong"

                def put(parent: Any, key: Any, other: Any = other) -> None:
                    parent[key] = other

                yield contract, path, changed(example, path, put)


def named(cases: Iterator[tuple[str, Path_, Any]]) -> list[Any]:
    return [pytest.param(*case, id=f"{case[0]}-{'.'.join(map(str, case[1]))}") for case in cases]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_is_a_schema_with_a_version_a_description_and_examples(contract: str) -> None:
    schema = CONTRACTS[contract]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:zeroloop:{contract}:1"
    assert schema["description"]
    assert schema["examples"]


def test_the_page_lists_every_contract() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contracts" / "README.md").read_text()
    assert {line.split("[")[1].split("]")[0] for line in page.splitlines() if line.startswith("| [")} == {*CONTRACTS}


@pytest.mark.parametrize(("contract", "example"), examples(CONTRACTS))
def test_an_example_holds(contract: str, example: Any) -> None:
    validator(contract).validate(example)


@pytest.mark.parametrize(("contract", "example"), examples(STRUCTS))
def test_an_example_is_read_and_written_again(contract: str, example: Any) -> None:
    value = read(contract, example)
    again = msgspec.json.decode(msgspec.json.encode(value))
    validator(contract).validate(again)
    assert read(contract, again) == value
    assert {name: again[name] for name in example} == example


@pytest.mark.parametrize(("contract", "path", "example"), named(drops(CONTRACTS)))
def test_a_required_field_that_is_missing_is_refused(contract: str, path: Path_, example: Any) -> None:
    assert not holds(contract, example)
    if contract in STRUCTS:
        assert is_read(contract, example) is ((contract, path) in LENIENT)


@pytest.mark.parametrize(("contract", "path", "example"), named(drops(CONTRACTS, required=False)))
def test_a_field_that_is_not_required_may_be_missing(contract: str, path: Path_, example: Any) -> None:
    validator(contract).validate(example)
    if contract in STRUCTS:
        read(contract, example)


def test_every_exception_is_one() -> None:
    assert {(contract, path) for contract, path, _ in drops(STRUCTS)} >= LENIENT


@pytest.mark.parametrize(("contract", "path", "example"), named(wrongs(CONTRACTS)))
def test_a_value_of_the_wrong_type_is_refused(contract: str, path: Path_, example: Any) -> None:
    assert not holds(contract, example)
    if contract in STRUCTS:
        assert not is_read(contract, example)


@pytest.mark.parametrize(("contract", "example"), examples(CONTRACTS))
def test_a_field_that_a_reader_does_not_know_is_ignored(contract: str, example: Any) -> None:
    later = copy.deepcopy(example)
    for path, schema in places(CONTRACTS[contract], example):
        if "properties" in schema and isinstance(at(later, path), dict):
            at(later, path)["later"] = {"unheard": [1]}
    assert later != example
    validator(contract).validate(later)
    if contract in STRUCTS:
        assert read(contract, later) == read(contract, example)


def version(number: int) -> Version:
    return Version(
        model_id="m-0123456789abcdef",
        version=number,
        version_id=f"20261122000000-{number:08}",
        digest=f"{number:064x}",
        files=[],
        created_at=0,
        created_by="test",
        state=State.READY,
    )


def test_lineups_that_the_rules_make_hold() -> None:
    empty = Lineup(model_id="m-0123456789abcdef", model="sentiment")
    first = rules.promote(empty, version(1))
    canary = rules.challenge(first, version(2), 0.1)
    arms = [Arm(variant="control", version=1, first=0, last=9999)]
    test = rules.Test(test_id="t", salt="s", coverage_salt="c", coverage=1.0, shadow=False, arms=arms)
    for lineup in (empty, first, canary, msgspec.structs.replace(canary, test=test)):
        validator("lineup").validate(msgspec.to_builtins(lineup))


def test_a_sealed_audit_record_holds_and_has_the_hash_of_the_contract() -> None:
    nobody = audit.serving(Lineup(model_id="m-0123456789abcdef", model="sentiment"))
    sealed = audit.seal(
        Record(
            model_id="m-0123456789abcdef",
            model="sentiment",
            revision=1,
            at=1,
            actor="anonymous",
            action="promote",
            reason="because",
            before=nobody,
            after=nobody,
            previous_hash=audit.FIRST,
        )
    )
    written = msgspec.to_builtins(sealed)
    validator("audit-record").validate(written)
    assert audit.faults(json.loads(canonical([written])), 1) == []


@pytest.mark.parametrize("code", [None, "invalid_input"])
def test_the_line_that_predict_writes_holds(code: str | None) -> None:
    answered = (
        []
        if code
        else [Prediction("zr1.a.b", "positive", 0.92, "0" * 32, [7, 4]), Prediction("zr1.a.b", None, float("nan"))]
    )
    made = LogRecord(
        time=1, request_id="8c2e", model="sentiment", status=200, code=code, latency_ms=0.9, predictions=answered
    )
    validator("log-record").validate(json.loads(record.lines(made)[0]))


def test_the_receipt_in_a_prediction_id_holds() -> None:
    key = Key("5f2b9a01", b"secret")
    made = Receipt(
        kid=key.kid,
        id="0f0e",
        model_id="m-0123456789abcdef",
        version=1,
        variant="champion",
        label=None,
        score=-3.5,
        time=1,
        unit_hash=receipts.unit_hash("user-1", key),
    )
    validator("receipt").validate(msgspec.to_builtins(receipts.verify(receipts.sign(made, key), {key.kid: key})))


@pytest.mark.parametrize("letter", ["x", "é", "€", '"', "\u2028", "\0"])
def test_the_longest_receipt_is_taken_wherever_one_goes(letter: str) -> None:
    """Of an answer of all labels, which are what a package may say at most, each field being as long as it may be."""
    key = Key("f" * 64, b"secret")
    size = len(msgspec.json.encode(letter)) - 2
    label = "|".join([letter * (198 // size)] * (rules.MAX_FACTS_BYTES // 201 - 10))
    assert 25_000 < len(msgspec.json.encode(label)) < rules.MAX_FACTS_BYTES
    label += letter * ((rules.MAX_FACTS_BYTES - len(msgspec.json.encode(label))) // size)
    long = "n" * 64
    made = Receipt(
        kid=key.kid, id=long, model_id="m-0123456789abcdef", version=99_999_999, variant=long, label=label,
        score=-1.2345678901234567e-100, time=10**13, test_id=long, unit_hash="f" * 32, slice="\0" * 64,
    )  # fmt: skip
    prediction_id = receipts.sign(made, key)
    assert 43_000 < len(prediction_id) <= receipts.MOST_CHARACTERS
    http.parse(msgspec.json.encode({"prediction_id": prediction_id, "label": label}), Feedback)
    line = LogRecord(time=1, request_id="8c2e", model="tags", status=200, latency_ms=0.9,
        predictions=[Prediction(prediction_id, label, 0.9, shadow=Shadow(1, label))])  # fmt: skip
    [written] = record.lines(line)
    validator("log-record").validate(json.loads(written))


def test_prediction_ids_have_one_length_in_all_contracts() -> None:
    places = (
        CONTRACTS["feedback-record"]["properties"]["prediction_id"],
        CONTRACTS["log-record"]["properties"]["predictions"]["items"]["properties"]["prediction_id"],
    )
    assert {place["maxLength"] for place in places} == {receipts.MOST_CHARACTERS}


def test_the_packages_of_these_tests_hold() -> None:
    validator("package").validate(models.contents(models.dense()))


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("multilabel", ["a", "a|b"]),  # an answer of both reads a|b|a
        ("binary", ["no"]),
        ("binary", ["no", "yes", "perhaps"]),
        ("multiclass", ["one"]),
        ("multilabel", []),
        ("regression", ["one"]),
        ("multiclass", ["one", "one"]),
        ("tensors", ["one"]),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(task: str, labels: list[str]) -> None:
    example = CONTRACTS["package"]["examples"][0]
    with pytest.raises(InvalidInput) as refused:
        read("package", {**example, "task": task, "labels": labels})
    assert refused.value.field == "labels"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"answer": "other"}, "answer"),
        ({"task": "tensors", "labels": []}, "preprocessing.kind"),
        ({"signature": {"inputs": [IN, IN], "outputs": [OUT]}}, "signature.inputs"),
        ({"signature": {"inputs": [IN], "outputs": [OUT, OUT]}}, "signature.outputs"),
        (
            {"golden": {"tolerance": 1, "cases": [{"instance": {}, "scores": {"yes": [1]}}]}},
            "golden.cases[0].scores.yes",
        ),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(changes: dict[str, Any], field: str) -> None:
    example = CONTRACTS["package"]["examples"][0]
    validator("package").validate({**example, **changes})
    with pytest.raises(InvalidInput) as refused:
        read("package", {**example, **changes})
    assert (refused.value.code, refused.value.field) == ("bad_package", field)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"schema_version": 2}', b"[" * 100_000])
def test_what_is_no_package_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        package.read(data)
    assert (refused.value.code, refused.value.field) == ("bad_package", "package.json")
