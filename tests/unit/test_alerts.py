"""When a state changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.monitoring.alerts import KEPT, Settings, Watch, Webhook, advance, check, due


def run(verdicts: str, rule: tuple[int, int]) -> str:
    """States after windows that breach (x), don't (.) or say nothing (?)."""
    watch, states = Watch(), ""
    for end, verdict in enumerate(verdicts, 1):
        watch = advance(watch, end, {"x": True, ".": False, "?": None}[verdict], rule)
        states += "A" if watch.alert else "-"
    return states


@pytest.mark.parametrize(
    ("rule", "verdicts", "states"),
    [
        ((2, 3), "x.x..", "--A--"),
        ((2, 3), "xx.x..", "-AAA--"),
        ((2, 3), "x..x..x", "-------"),
        ((2, 3), "x?x", "--A"),
        ((2, 2), "x.xx.x..", "---AAAA-"),
        ((2, 2), "xx??..", "-AAAA-"),
        ((2, 2), "x?xx", "---A"),
        ((2, 2), "x?????x", "-------"),
        ((2, 2), "xx.?.", "-AAA-"),
        ((2, 2), ".xx?..", "--AAA-"),
        ((3, 3), "xx?x", "----"),
        ((1, 1), "x.x", "A-A"),
        ((1, 3), "x...", "AAA-"),
        ((3, 3), "xx.xxx...", "-----AAA-"),
    ],
)
def test_states_follow_windows(rule: tuple[int, int], verdicts: str, states: str) -> None:
    assert run(verdicts, rule) == states


@given(st.text("x.?", max_size=30), st.sampled_from([(k, n) for n in (1, 2, 3) for k in range(1, n + 1)]))
def test_a_state_never_flaps_within_its_windows(verdicts: str, rule: tuple[int, int]) -> None:
    states = run(verdicts, rule)
    for at in range(1, len(states)):
        if states[at - 1 : at + 1] == "-A":
            assert verdicts[at] == "x"
        if states[at - 1 : at + 1] == "A-":
            assert verdicts[at] == "."


def test_a_window_that_was_seen_or_comes_late_changes_nothing() -> None:
    watch = advance(Watch(), 10, breach=True, rule=(2, 3))
    assert advance(watch, 10, breach=True, rule=(2, 3)) == watch
    assert advance(watch, 9, breach=True, rule=(2, 3)) == watch


def test_another_version_starts_anew_but_ends_no_alert() -> None:
    watch = Watch(alert=True, verdicts=[True, True], until=10, version=1)
    after = advance(watch, 11, breach=False, rule=(2, 2), version=2)
    assert (after.alert, after.verdicts) == (True, [False])
    assert not advance(after, 12, breach=False, rule=(2, 2), version=2).alert


@pytest.mark.parametrize(
    ("until", "now", "length", "ends"),
    [
        (1000, 1007, 5, [1005]),
        (1000, 1004, 5, []),
        (1000, 1017, 5, [1005, 1010, 1015]),
        (1003, 1017, 5, [1005, 1010, 1015]),
        (10, 1017, 5, [1005, 1010, 1015]),
        (1020, 1017, 5, []),
        (1000, 1019, 60, []),
        (1000, 1020, 60, [1020]),
    ],
)
def test_windows_are_aligned_and_made_up_for(until: int, now: int, length: int, ends: list[int]) -> None:
    assert due(until, now, length, 3) == ends


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost:8080/x", "https://1.hooks.example.com/x"])
def test_a_local_stack_posts_to_its_own_machine_too(url: str) -> None:
    chosen = Settings(webhooks=[Webhook(url, "slack")])
    check(chosen, local=True)
    if url.startswith("http:"):
        with pytest.raises(InvalidInput):
            check(chosen)


def test_drift_has_a_rule_of_its_own() -> None:
    chosen = Settings(of_three=3, running=1)
    assert chosen.rule("drift") == (1, 1)
    assert chosen.rule("latency") == (3, KEPT)
