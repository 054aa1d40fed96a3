"""Texts that are nearly the same are found without comparing each with each."""

import numpy as np
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
    unseen = alike.normal("du\u200bll\ufe0f \u2060fi\u00adl\u034fm\u3164")
    assert unseen == alike.normal("\uff24\uff35\uff2c\uff2c \ufb01lm") == "dull film"


def jaccard(a: str, b: str) -> float:
    """By Python's own sets of runs of 5 characters, which are bytes here."""
    one, other = ({text[i : i + 5] for i in range(max(1, len(text) - 4))} for text in (a, b))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(("near", "found"), [(1 / 3, [1]), (0.34, [])])
def test_similarity_by_hand(near: float, found: list[int]) -> None:
    # abcdef: abcde, bcdef; abcdeg: abcde, bcdeg: one of three
    assert alike.Alike(["abcdef", "abcdeg"], near).to(0, np.ones(2, bool)).tolist() == found


@given(TEXTS)
def test_the_near_ones_are_those_that_comparing_each_with_each_finds(texts: list[str]) -> None:
    near = alike.Alike(texts, 0.8)
    every = [[i for i, other in enumerate(texts) if other != text and jaccard(text, other) >= 0.8] for text in texts]
    assert [near.to(i, np.ones(len(texts), bool)).tolist() for i in range(len(texts))] == every


@given(TEXTS, st.integers(0, 3))
def test_distinct_texts_are_those_that_are_near_no_earlier_one(texts: list[str], known: int) -> None:
    kept: list[str] = []
    for i, text in enumerate(texts):
        if i < known or all(jaccard(text, other) < 0.8 for other in kept):
            kept.append(text)
    assert [texts[i] for i in alike.distinct(texts, 0.8, known)] == kept


def test_of_real_sentences_none_is_missed() -> None:
    texts = [alike.normal(row.text) for row in dataset.read()[:400]]
    long = [text for text in texts if len(text) > 60]
    changed = [f"{text} indeed" for text in long]
    near, every = alike.Alike(long + changed, 0.8), np.ones(2 * len(long), bool)
    assert all(i + len(long) in near.to(i, every) for i in range(len(long)))
