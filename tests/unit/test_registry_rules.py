import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zeroloop.errors import Conflict, InvalidInput
from zeroloop.registry import rules
from zeroloop.registry.rules import Arm, Lineup, State, Version

MODEL = "m-0123456789abcdef"
EMPTY = Lineup(model_id=MODEL, model="sentiment")


def version(number: int, state: State = State.READY, *, served: bool = False) -> Version:
    return Version(
        model_id=MODEL,
        version=number,
        version_id=f"20261122000000-{number:08}",
        digest=f"{number:064x}",
        files=[],
        created_at=0,
        created_by="test",
        state=state,
        served=served,
    )


def test_the_first_promotion_makes_a_champion_without_a_previous() -> None:
    lineup = rules.promote(EMPTY, version(1))
    assert (lineup.champion, lineup.previous, lineup.revision) == (1, None, 1)


def test_a_promotion_keeps_the_old_champion_to_go_back_to() -> None:
    lineup = rules.promote(rules.promote(EMPTY, version(1)), version(2))
    assert (lineup.champion, lineup.previous, lineup.revision) == (2, 1, 2)


def test_a_lineup_names_the_digests_of_exactly_the_versions_in_it() -> None:
    lineup = EMPTY
    for number in (1, 2, 3):
        lineup = rules.promote(lineup, version(number))
    assert lineup.digests == {"2": f"{2:064x}", "3": f"{3:064x}"}


def test_promoting_the_challenger_ends_its_traffic() -> None:
    lineup = rules.challenge(rules.promote(EMPTY, version(1)), version(2), 0.1)
    after = rules.promote(lineup, version(2))
    assert (after.champion, after.challenger, after.traffic) == (2, None, 0.0)


def test_promoting_another_version_leaves_the_challenger_its_traffic() -> None:
    lineup = rules.challenge(rules.promote(EMPTY, version(1)), version(2), 0.1)
    after = rules.promote(lineup, version(3))
    assert (after.champion, after.challenger, after.traffic) == (3, 2, 0.1)


def test_a_rollback_brings_the_previous_champion_back_and_takes_the_challenger_out() -> None:
    lineup = rules.promote(rules.promote(EMPTY, version(1)), version(2))
    lineup = rules.challenge(lineup, version(3), 0.5)
    assert rules.rollback_target(lineup, None) == 1
    after = rules.roll_back(lineup, version(1, served=True))
    assert (after.champion, after.challenger, after.traffic) == (1, None, 0.0)


def test_a_second_rollback_does_not_bring_the_bad_version_back() -> None:
    lineup = rules.promote(rules.promote(EMPTY, version(1)), version(2))
    after = rules.roll_back(lineup, version(1, served=True))
    with pytest.raises(Conflict) as refused:
        rules.rollback_target(after, None)
    assert refused.value.code == "no_previous"


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        (version(2, State.PENDING), "not_ready"),
        (version(2, State.FAILED), "not_ready"),
        (version(2, State.UNPACKAGED), "no_package"),
        (version(1), "already_champion"),
    ],
)
def test_what_may_not_be_promoted(candidate: Version, code: str) -> None:
    with pytest.raises(rules.NotPromotable) as refused:
        rules.promote(rules.promote(EMPTY, version(1)), candidate)
    assert refused.value.code == code


def test_a_refusal_says_why_the_version_failed() -> None:
    with pytest.raises(rules.NotPromotable, match="SIGSEGV"):
        rules.promote(EMPTY, replace(version(1, State.FAILED), reason="crashes (SIGSEGV)"))


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (version(3, served=False), "never_served"),
        (version(2, served=True), "already_champion"),
        (version(1, State.FAILED, served=True), "not_ready"),
    ],
)
def test_what_may_not_be_rolled_back_to(target: Version, code: str) -> None:
    lineup = rules.promote(rules.promote(EMPTY, version(1)), version(2))
    with pytest.raises(rules.NotPromotable) as refused:
        rules.roll_back(lineup, target)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("challenger", "traffic", "code"),
    [
        (version(1), 0.1, "already_champion"),
        (version(2, State.PENDING), 0.1, "not_ready"),
        (version(2), 1.5, "invalid_input"),
        (version(2), -0.1, "invalid_input"),
        (version(2), float("nan"), "invalid_input"),
        (None, 0.5, "invalid_input"),
    ],
)
def test_what_may_not_challenge(challenger: Version | None, traffic: float, code: str) -> None:
    with pytest.raises((Conflict, InvalidInput)) as refused:
        rules.challenge(rules.promote(EMPTY, version(1)), challenger, traffic)
    assert refused.value.code == code


def test_nothing_challenges_where_nobody_is_champion() -> None:
    with pytest.raises(rules.NotPromotable) as refused:
        rules.challenge(EMPTY, version(1), 0.1)
    assert refused.value.code == "no_champion"


def test_a_challenger_is_taken_out_by_none_once() -> None:
    lineup = rules.challenge(rules.promote(EMPTY, version(1)), version(2), 0.1)
    without = rules.challenge(lineup, None, 0.0)
    assert without.challenger is None
    with pytest.raises(rules.NotPromotable) as refused:
        rules.challenge(without, None, 0.0)
    assert refused.value.code == "no_challenger"


ORDERS = ["promote", "rollback", "challenge", "empty", "forget", "rename"]


@given(st.lists(st.tuples(st.sampled_from(ORDERS), st.integers(1, 5)), max_size=30))
def test_whatever_happens_a_lineup_has_one_champion_and_a_history_without_gaps(orders: list[tuple[str, int]]) -> None:
    lineup, served, changes = EMPTY, set[int](), 0
    for word, number in orders:
        candidate = version(number, served=number in served)
        try:
            if word == "promote":
                lineup = rules.promote(lineup, candidate)
            elif word == "rollback":
                lineup = rules.roll_back(lineup, candidate)
            elif word == "challenge":
                lineup = rules.challenge(lineup, candidate, 0.5)
            elif word == "empty" and lineup.champion:
                lineup = rules.empty(lineup)
            elif word == "forget" and (after := rules.forget(lineup, number)) is not lineup:
                lineup = after
                served.discard(number)
            elif word == "rename":
                lineup = rules.rename(lineup, f"model {number}")
            else:
                continue
        except Conflict:
            continue
        changes += 1
        if lineup.champion:
            served.add(lineup.champion)
        assert lineup.revision == changes
        assert lineup.champion in served | {None}
        assert lineup.champion is None or lineup.champion not in {lineup.challenger, lineup.previous}
        assert lineup.champion or not lineup.challenger
        assert (lineup.challenger is None) <= (lineup.traffic == 0)
        named = {lineup.champion, lineup.challenger, lineup.previous} - {None}
        assert set(lineup.digests) == {str(number) for number in named}


@pytest.mark.parametrize(
    ("state", "served", "stage"),
    [
        (State.PENDING, False, "training"),
        (State.READY, False, "staging"),
        (State.READY, True, "archived"),
        (State.FAILED, False, None),
        (State.UNPACKAGED, False, None),
    ],
)
def test_the_stage_of_a_version_is_derived(state: State, served: bool, stage: str | None) -> None:
    assert rules.stage(version(2, state, served=served), EMPTY) == stage


def test_the_stage_of_the_champion_is_production() -> None:
    assert rules.stage(version(1, served=True), rules.promote(EMPTY, version(1))) == "production"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
def test_a_change_needs_a_reason(reason: str) -> None:
    with pytest.raises(InvalidInput):
        rules.check_reason(reason)


def test_a_stale_revision_is_refused_and_none_is_not_asked_for() -> None:
    rules.check_revision(EMPTY, None)
    rules.check_revision(EMPTY, 0)
    with pytest.raises(rules.StaleRevision):
        rules.check_revision(EMPTY, 1)


def test_an_emptied_lineup_knows_who_served_and_can_go_back() -> None:
    after = rules.empty(rules.challenge(rules.promote(EMPTY, version(1)), version(2), 0.1))
    assert (after.champion, after.challenger, after.traffic, after.previous) == (None, None, 0.0, 1)
    assert rules.roll_back(after, version(1, served=True)).champion == 1


def test_a_renamed_model_serves_and_tests_on() -> None:
    lineup = with_test(rules.promote(EMPTY, version(1)))
    after = rules.rename(lineup, "other")
    assert (after.model, after.revision) == ("other", 2)
    assert replace(after, model=lineup.model, revision=1) == lineup


@pytest.mark.parametrize(("number", "word"), [(1, "champion"), (2, "challenger"), (3, "test")])
def test_a_version_that_serves_is_not_forgotten(number: int, word: str) -> None:
    lineup = with_test(rules.challenge(rules.promote(EMPTY, version(1)), version(2), 0.1))
    with pytest.raises(rules.Serving, match=word):
        rules.forget(lineup, number)


def test_a_version_that_never_serves_is_forgotten_without_a_change() -> None:
    lineup = rules.promote(EMPTY, version(1))
    assert rules.forget(lineup, 2) is lineup


def test_a_model_that_serves_is_not_closed_and_one_that_does_not_is_closed_for_good() -> None:
    lineup = rules.promote(EMPTY, version(1))
    with pytest.raises(rules.Serving):
        rules.close(lineup)
    closed = rules.close(rules.empty(lineup))
    assert (closed.champion, closed.previous, closed.digests, closed.revision) == (None, None, {}, 3)


def with_test(lineup: Lineup) -> Lineup:
    arms = [Arm(variant="treatment", version=3, first=0, last=9999)]
    test = rules.Test(test_id="t", salt="s", coverage_salt="c", coverage=1.0, shadow=False, arms=arms)
    return replace(lineup, test=test)


SERVED = rules.promote(EMPTY, version(1))
ARMS = [
    Arm(variant="control", version=1, first=0, last=4999),
    Arm(variant="treatment", version=2, first=5000, last=9999),
]
RUNNING = rules.Test(test_id="t", salt="a", coverage_salt="b", coverage=0.2, shadow=False, arms=ARMS)


def test_a_test_begins_ramps_and_ends_a_revision_each() -> None:
    begun = rules.begin_test(SERVED, RUNNING, 1, [version(2)])
    assert (begun.test, begun.champion, begun.revision) == (RUNNING, 1, 2)
    assert begun.digests.keys() == {"1", "2"}, "predict finds the treatment by the lineup alone"
    ramped = rules.ramp_test(begun, "t", 0.4)
    assert ramped.test
    assert (ramped.test.coverage, ramped.test.arms, ramped.digests) == (0.4, ARMS, begun.digests)
    ended = rules.end_test(ramped, "t")
    assert (ended.test, ended.champion, ended.revision) == (None, 1, 4)
    assert ended.digests.keys() == {"1"}


def test_promoting_the_treatment_ends_the_test_and_keeps_the_control_to_go_back_to() -> None:
    after = rules.promote(rules.begin_test(SERVED, RUNNING, 1, [version(2)]), version(2))
    assert (after.champion, after.previous, after.test) == (2, 1, None)


CAN_NOT_BEGIN = [
    (rules.begin_test(SERVED, RUNNING, 1, [version(2)]), [version(3)], "test_running"),
    (EMPTY, [version(2)], "control_not_champion"),
    (rules.promote(SERVED, version(2)), [version(3)], "control_not_champion"),
    (rules.challenge(SERVED, version(3), 0.1), [version(2)], "canary_running"),
    (SERVED, [version(2, State.PENDING)], "not_ready"),
    (SERVED, [version(2, State.UNPACKAGED)], "no_package"),
    (SERVED, [version(1)], "already_champion"),
]


@pytest.mark.parametrize(("lineup", "treatments", "code"), CAN_NOT_BEGIN)
def test_a_test_that_can_not_begin_says_why(lineup: Lineup, treatments: list[Version], code: str) -> None:
    with pytest.raises(Conflict) as refused:
        rules.begin_test(lineup, RUNNING, 1, treatments)
    assert refused.value.code == code


def test_only_the_test_that_runs_is_ramped_or_ended() -> None:
    begun = rules.begin_test(SERVED, RUNNING, 1, [version(2)])
    with pytest.raises(Conflict) as refused:
        rules.ramp_test(begun, "other", 0.4)
    assert refused.value.code == "not_running"
    with pytest.raises(Conflict) as refused:
        rules.end_test(SERVED, "t")
    assert refused.value.code == "not_running"
