import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_registry_rules import EMPTY, MODEL, version
from zeroloop.errors import InvalidInput
from zeroloop.registry import labels, rules
from zeroloop.registry.labels import PRODUCTION, About
from zeroloop.registry.rules import Lineup, Model, NotPromotable, State

NUMBERS = st.integers(1, 6)


def about(lineup: Lineup = EMPTY, aliases: dict[str, int] | None = None, stages: dict[int, str] | None = None) -> About:
    model = Model(model_id=MODEL, name="sentiment", created_at=0, updated_at=0)
    return About(model=model, lineup=lineup, tags={}, aliases=aliases or {}, stages=stages or {})


def champion(number: int) -> Lineup:
    return rules.promote(EMPTY, version(number))


@given(
    number=NUMBERS,
    aliases=st.dictionaries(st.sampled_from(["champion", "best", "old"]), NUMBERS),
    stages=st.dictionaries(NUMBERS, st.sampled_from(labels.STAGES[1:])),
)
def test_whatever_was_stored_the_champion_is_the_lineups(
    number: int, aliases: dict[str, int], stages: dict[int, str]
) -> None:
    shown = about(champion(number), aliases, stages)
    assert labels.aliases(shown) == {**aliases, "champion": number}
    assert labels.stages(shown)[number] == labels.PRODUCTION
    assert labels.newest(shown)[PRODUCTION] == number
    for stage, newest in labels.newest(shown).items():
        others = [other for other, found in labels.stages(shown).items() if found == stage]
        assert newest in others
        assert stage == PRODUCTION or newest == max(others)


def test_without_a_champion_labels_are_what_was_stored() -> None:
    shown = about(aliases={"champion": 2}, stages={1: PRODUCTION, 3: PRODUCTION})
    assert labels.aliases(shown) == {"champion": 2}
    assert labels.newest(shown) == {PRODUCTION: 3}


@pytest.mark.parametrize(
    ("given_", "known"), [("production", "Production"), ("NONE", "None"), ("Archived", "Archived")]
)
def test_the_case_of_a_stage_does_not_matter(given_: str, known: str) -> None:
    assert labels.canonical(given_) == known


def test_the_others_of_a_stage_are_archived_the_champion_among_them() -> None:
    shown = about(champion(4), stages={1: PRODUCTION, 2: "Staging", 3: PRODUCTION})
    assert labels.archived(shown, PRODUCTION, 3) == [1, 4]


@pytest.mark.parametrize("stage", ["None", "Archived"])
def test_nothing_is_archived_in_favour_of_a_stage_that_is_none(stage: str) -> None:
    with pytest.raises(InvalidInput):
        labels.archived(about(), stage, 1)


@pytest.mark.parametrize("alias", ["", "a b", "a/b", "x" * 256, "latest", "Latest", "v12", "V1"])
def test_what_no_version_may_be_called(alias: str) -> None:
    with pytest.raises(InvalidInput):
        labels.check_alias(alias)


@pytest.mark.parametrize("alias", ["champion", "a-b_c", "v1a", "étape", "x" * 255])
def test_what_a_version_may_be_called(alias: str) -> None:
    assert labels.check_alias(alias) == alias


@pytest.mark.parametrize(
    "tags", [{"": ""}, {"../x": ""}, {"k" * 251: ""}, {"k": "v" * 100_001}, {str(i): "" for i in range(91)}]
)
def test_tags_that_can_not_be_written_at_once(tags: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        labels.check_tags(tags)


def test_only_a_version_without_a_package_is_kept_from_the_side_of_one_that_serves() -> None:
    plain = version(2, State.UNPACKAGED)
    labels.check_beside(EMPTY, plain)
    labels.check_beside(champion(1), version(2))
    with pytest.raises(NotPromotable) as refused:
        labels.check_beside(champion(1), plain)
    assert refused.value.code == "no_package"


def test_a_description_has_an_end() -> None:
    assert labels.check_description(None) is None
    assert labels.check_description("d" * 10_000) == "d" * 10_000
    with pytest.raises(InvalidInput):
        labels.check_description("d" * 10_001)
