"""Texts that are nearly the same are found without comparing each with each."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.sentiment import dataset
from zeroloop_training import alike

WORDS = st.sampled_from(["a", "dull", "film", "wonderful", "moving", "picture", "about", "nothing", "at", "all"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), min_size=1, max_size=12, unique=True)


def test_case_punctuation_and_spaces_make_no_difference() -> None:
    assert alike.normal("A  Dull, lifeless\tfilm!") == alike.normal("a dull lifeless film") == "a dull lifeless film"


def test_what_cannot_be_seen_and_typographic_forms_make_no_difference() -> None:
    assert (
        alike.normal("du\u200bll \u2060fi\u00adlm") == alike.normal("\uff24\uff35\uff2c\uff2c \ufb01lm") == "dull film"
    )


def test_similarity_by_hand() -> None:
    # abcdef: abcde, bcdef; abcdeg: abcde, bcdeg: one of three
    assert alike.jaccard(alike.shingles("abcdef"), alike.shingles("abcdeg")) == pytest.approx(1 / 3)
    assert alike.jaccard(alike.shingles("ab"), alike.shingles("ab")) == 1


@given(TEXTS)
def test_pairs_are_those_that_comparing_each_with_each_finds(texts: list[str]) -> None:
    sets = [alike.shingles(text) for text in texts]
    every = [(i, j) for i, j in combinations(range(len(texts)), 2) if alike.jaccard(sets[i], sets[j]) >= 0.8]
    assert list(alike.pairs(texts, 0.8)) == every


@given(TEXTS, st.integers(0, 3))
def test_distinct_texts_are_those_that_are_near_no_earlier_one(texts: list[str], known: int) -> None:
    kept: list[str] = []
    for i, text in enumerate(texts):
        if i < known or all(alike.jaccard(alike.shingles(text), alike.shingles(other)) < 0.8 for other in kept):
            kept.append(text)
    assert [texts[i] for i in alike.distinct(texts, 0.8, known)] == kept


def test_of_real_sentences_none_is_missed() -> None:
    texts = [alike.normal(row.text) for row in dataset.read()[:400]]
    long = [text for text in texts if len(text) > 60]
    changed = [f"{text} indeed" for text in long]
    found = list(alike.pairs(long + changed, 0.8))
    assert {(i, i + len(long)) for i in range(len(long))} <= set(found)
