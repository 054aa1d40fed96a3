import hashlib
import json
from typing import Any

import msgspec
import pytest

from zeroloop.registry import audit
from zeroloop.registry.audit import Record, Serving

NOBODY = Serving(champion=None, challenger=None, previous=None, traffic=0.0)


def chain(length: int, reason: str = "because") -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    link = audit.FIRST
    for revision in range(1, length + 1):
        record = audit.seal(
            Record(
                model_id="m-0123456789abcdef",
                model="sentiment",
                revision=revision,
                at=revision,
                actor="anonymous",
                action="promote",
                reason=reason,
                before=NOBODY,
                after=NOBODY,
                previous_hash=link,
            )
        )
        link = record.hash
        records.append(msgspec.to_builtins(record))
    return records


def test_a_whole_chain_has_no_faults() -> None:
    assert audit.faults(chain(4), 4) == []


def test_an_empty_chain_of_a_new_model_has_no_faults() -> None:
    assert audit.faults([], 0) == []


@pytest.mark.parametrize("field", ["reason", "actor", "at", "after"])
def test_a_changed_record_is_found(field: str) -> None:
    records = chain(3)
    records[1][field] = "changed"
    assert audit.faults(records, 3) == ["revision 2 was changed after it was written"]


def test_a_record_that_was_changed_and_sealed_again_breaks_the_link_after_it() -> None:
    records = chain(3)
    records[1] = msgspec.to_builtins(audit.seal(msgspec.convert({**records[1], "reason": "forged"}, Record)))
    assert audit.faults(records, 3) == ["revision 3 is not linked to the record before it"]


def test_a_missing_record_is_found() -> None:
    records = chain(3)
    del records[1]
    assert "revision 3 stands where 2 should" in audit.faults(records, 3)


def test_a_chain_that_lost_its_end_is_found() -> None:
    assert audit.faults(chain(3)[:2], 3) == ["the chain ends at revision 2, the lineup is at 3"]


def test_a_field_that_this_version_does_not_know_is_verified_too() -> None:
    records = chain(1)
    records[0]["later"] = 1
    assert audit.faults(records, 1) == ["revision 1 was changed after it was written"]


def test_the_hash_is_the_one_anybody_can_compute() -> None:
    record = chain(1)[0]
    rest = {name: value for name, value in record.items() if name != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert record["hash"] == hashlib.sha256(text.encode()).hexdigest()
