from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zeroloop.errors import Conflict
from zeroloop.inference.assignment import BUCKETS, Assigned, assign, bucket
from zeroloop.registry.rules import Lineup

CANARY = Lineup(model_id="m-0123456789abcdef", model="sentiment", champion=1, challenger=2, traffic=0.1)
SALT = "canary:m-0123456789abcdef:2"
# Passed once in a million by 99 degrees of freedom; scipy.stats.chi2.isf(1e-6, 99), which takes a second to import.
CHI_SQUARED_99 = 180.8
UNITS = [f"user-{number}" for number in range(100_000)]


def chi_squared(counts: list[int]) -> float:
    """Of counts that should all be equal."""
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


def test_a_bucket_is_the_one_worked_out_by_hand() -> None:
    # printf 'salt\0user-1' | b2sum -l 64: 0xd46de710705da6db, of which the last four decimal digits
    assert bucket("salt", "user-1") == 0xD46DE710705DA6DB % 10_000 == 2683


@given(st.text(), st.text())
def test_a_bucket_is_one_of_ten_thousand(salt: str, unit: str) -> None:
    assert 0 <= bucket(salt, unit) < BUCKETS


def test_units_are_spread_evenly() -> None:
    counts = Counter(bucket("salt", unit) // 100 for unit in UNITS)
    assert chi_squared([counts[i] for i in range(100)]) < CHI_SQUARED_99


def test_two_salts_share_units_out_independently() -> None:
    together = Counter((bucket("one", unit) // 1000, bucket("other", unit) // 1000) for unit in UNITS[:20_000])
    assert chi_squared([together[i, j] for i in range(10) for j in range(10)]) < CHI_SQUARED_99


def naive(salt: str, unit: str) -> int:
    """The 32-bit `31 h + c` that is often written for this, signed as Java and JavaScript have it."""
    value = 0
    for character in f"{unit}:{salt}":
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def correlation(one: list[bool], other: list[bool]) -> float:
    n, a, b = len(one), sum(one), sum(other)
    both = sum(x and y for x, y in zip(one, other, strict=True))
    return float((n * both - a * b) / (a * (n - a) * b * (n - b)) ** 0.5)


def test_two_tests_are_independent_and_split_in_half_where_naive_hashes_do_neither() -> None:
    units, names = UNITS[:20_000], ("exp-1", "exp-2")
    all_in_one = [abs(naive("exp-1", unit)) / 0xFFFFFFFF < 0.5 for unit in units]
    masked = [[(naive(name, unit) & 0x7FFFFFFF) < 0x40000000 for unit in units] for name in names]
    ours = [[bucket(f"ab:{name}:arm", unit) < 5000 for unit in units] for name in names]
    assert all(all_in_one), "the absolute value of 32 signed bits never reaches the upper half"
    assert correlation(*masked) > 0.9, "masking the sign halves the units and leaves two tests the same halves"
    assert [sum(half) for half in ours] == pytest.approx([10_000, 10_000], abs=350)  # five standard errors
    assert abs(correlation(*ours)) < 0.03


def test_a_pinned_version_answers_whoever_serves() -> None:
    assert assign(CANARY, "user-1", 7) == Assigned(7, "pinned")
    assert assign(replace(CANARY, champion=None, challenger=None), "user-1", 7) == Assigned(7, "pinned")


def test_without_a_champion_nobody_answers() -> None:
    with pytest.raises(Conflict) as refused:
        assign(Lineup(model_id="m-0123456789abcdef", model="sentiment"), "user-1", None)
    assert (refused.value.code, refused.value.field) == ("no_champion", "model")


def test_without_a_challenger_the_champion_answers_everyone() -> None:
    lineup = replace(CANARY, challenger=None, traffic=0.0)
    assert {assign(lineup, unit, None) for unit in UNITS[:1000]} == {Assigned(1, "champion")}


@pytest.mark.parametrize(("traffic", "expected"), [(0.0, Assigned(1, "champion")), (1.0, Assigned(2, "challenger"))])
def test_no_traffic_and_all_traffic_are_meant_literally(traffic: float, expected: Assigned) -> None:
    assert {assign(replace(CANARY, traffic=traffic), unit, None) for unit in UNITS[:1000]} == {expected}


def test_the_challenger_gets_its_share() -> None:
    n_challenger = sum(assign(CANARY, unit, None).variant == "challenger" for unit in UNITS[:20_000])
    assert n_challenger == pytest.approx(2000, abs=5 * (20_000 * 0.1 * 0.9) ** 0.5)  # five standard errors


@pytest.mark.parametrize("traffic", [0.0001, 0.07, 0.29, 0.57, 0.9999])
def test_a_share_is_exact_to_the_bucket(traffic: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroloop.inference.assignment.bucket", lambda _salt, unit: int(unit))
    lineup = replace(CANARY, traffic=traffic)
    answered = [assign(lineup, str(i), None).variant for i in range(BUCKETS)]
    assert Counter(answered)["challenger"] == round(traffic * 10_000)


@given(st.text(min_size=1, max_size=20), st.floats(0, 1))
def test_a_unit_gets_the_same_version_every_time(unit: str, traffic: float) -> None:
    lineup = replace(CANARY, traffic=traffic)
    assert assign(lineup, unit, None) == assign(replace(lineup, revision=9), unit, None)


@given(st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_share_moves_nobody_back(number: int, one: float, other: float) -> None:
    less, more = sorted([one, other])
    if assign(replace(CANARY, traffic=less), str(number), None).variant == "challenger":
        assert assign(replace(CANARY, traffic=more), str(number), None).variant == "challenger"


NUMBERS = st.integers(1, 5)
LINEUPS = st.builds(
    Lineup,
    model_id=st.sampled_from(["m-0123456789abcdef", "m-fedcba9876543210"]),
    model=st.just("sentiment"),
    champion=NUMBERS,
    challenger=st.none() | NUMBERS,
    previous=st.none() | NUMBERS,
    traffic=st.floats(0, 1),
    revision=st.integers(0, 9),
)


@given(LINEUPS, LINEUPS, st.text(min_size=1), st.none() | NUMBERS)
def test_lineup_unit_and_pinned_version_alone_say_who_answers(
    lineup: Lineup, other: Lineup, unit: str, pinned: int | None
) -> None:
    answered = assign(lineup, unit, pinned)
    who = {"pinned": pinned, "champion": lineup.champion, "challenger": lineup.challenger}
    assert who[answered.variant] == answered.version
    assert (answered.variant == "pinned") is (pinned is not None)
    assign(other, unit, pinned)
    same = replace(lineup, model="renamed", previous=other.previous, revision=other.revision)
    assert assign(same, unit, pinned) == answered


def test_another_challenger_is_tried_on_other_units() -> None:
    def tried(lineup: Lineup) -> set[str]:
        return {unit for unit in UNITS[:10_000] if assign(lineup, unit, None).variant == "challenger"}

    first, second = tried(CANARY), tried(replace(CANARY, challenger=3))
    assert len(first & second) < 200  # 100 of 10,000 would be in both by chance
