from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput, NotFound
from zeroloop.tracking import limits, parts, rules
from zeroloop.tracking.points import Point, pack_latest
from zeroloop.tracking.rules import Experiment, Life, Run

DAY = 86_400_000


def experiment(**fields: Any) -> Experiment:
    given = {"experiment_id": "7", "name": "e", "artifact_location": "s3://b", "created_at": 1, "updated_at": 1}
    return Experiment(**{**given, **fields})


def run(**fields: Any) -> Run:
    return Run(
        **{"run_id": "r", "experiment_id": "7", "name": "n", "user": "", "start": 0, "artifact_uri": "", **fields}
    )


@pytest.mark.parametrize(
    ("own", "swept", "now"),
    [
        ((5, "active", 0), (0, "active"), "active"),
        ((5, "active", 0), (6, "deleted"), "deleted"),
        ((5, "active", 0), (5, "deleted"), "deleted"),
        ((7, "active", 0), (6, "deleted"), "active"),
        ((5, "deleted", 0), (6, "active"), "active"),
        ((7, "deleted", 0), (6, "active"), "deleted"),
        ((5, "deleted", 99), (6, "active"), "deleted"),
    ],
)
def test_a_run_is_what_came_last_its_own_change_or_its_experiments(
    own: tuple[int, Life, int], swept: tuple[int, Life], now: Life
) -> None:
    mine = run(life_at=own[0], life=own[1], gone_at=own[2])
    assert rules.swept(mine, experiment(swept_at=swept[0], life=swept[1])).life == now


def test_a_later_sweep_counts_as_later_though_clocks_differ() -> None:
    deleted = rules.sweep(experiment(), "deleted", 100)
    assert rules.sweep(deleted, "active", 90).swept_at == 101
    with pytest.raises(NotFound):
        rules.sweep(deleted, "deleted", 200)


@pytest.mark.parametrize(
    ("number", "life", "days", "until"), [("7", "deleted", 2, 2), ("7", "deleted", 0, 0), ("0", "deleted", 2, 0)]
)
def test_an_experiment_expires_where_asked_for_but_never_number_0(
    number: str, life: Life, days: int, until: int
) -> None:
    gone = rules.sweep(experiment(experiment_id=number), life, 10 * DAY, days)
    assert gone.gone_at == (10 * DAY // 1000 + until * 86_400 if until else 0)
    assert rules.is_gone(gone, 12 * DAY - 1) is False
    assert rules.is_gone(gone, 12 * DAY) is bool(until)


def test_runs_are_aligned_by_key_with_their_gaps() -> None:
    one = run(params={"b": "1"}, latest={"m": pack_latest(Point(0, 0, 2.0))})
    two = run(params={"a": "", "b": "2"})
    assert rules.compare([one, two]) == ({"a": [None, ""], "b": ["1", "2"]}, {"m": [2.0, None]})


@pytest.mark.parametrize("key", ["a", "a/b", "A b-c_d.e:f", "\u6f22", "a" * 250])
def test_a_key_may_be(key: str) -> None:
    limits.check_key(key, "key")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "./a", "..", "...", "a/../b", "a\nb", "a,b", "a" * 251])
def test_a_key_may_not_be(key: str) -> None:
    with pytest.raises(InvalidInput):
        limits.check_key(key, "key")


texts = st.dictionaries(st.text("ab\u6f22", min_size=1, max_size=6), st.text("x\u6f22", max_size=12), max_size=25)


@given(params=texts, tags=texts)
def test_what_is_split_into_parts_is_merged_again_and_no_part_is_too_large(
    params: dict[str, str], tags: dict[str, str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROOM", 80)
        made = parts.split(("p", "s"), {"x": 1}, {"params": params, "tags": tags}, 3, most=100)

    assert parts.merged(made, ["params", "tags"]) == {"params": params, "tags": tags}
    assert [row["sk"] for row in made] == ["s", *(f"s#{number}" for number in range(1, len(made)))]
    assert made[0].get("parts", 1) == len(made)
    for row in made:
        entries = [pair for name in ("params", "tags") for pair in row.get(name, {}).items()]
        assert sum(len(text.encode()) for pair in entries for text in pair) <= 80


def test_more_parts_than_a_transaction_takes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        parts.split(("p", "s"), {}, {"tags": {str(n): "x" * 200_000 for n in range(9)}}, 0)
