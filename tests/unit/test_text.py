"""Hashed n-grams: the stated rule, in both of its implementations."""

import itertools
import re
import unicodedata
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.inference.text import FEW_ROWS, LONG_TOKEN, HashedNgrams

SMALL = {"buckets": 1000, "length": 6, "ngrams": 2}
TEXTS = st.text(
    st.one_of(st.sampled_from("ab'\u2019 .\nÀ\u00a0ß語\u2003👍"), st.characters(exclude_categories=["Cs"])), max_size=40
)


def encode(parameters: dict[str, Any], *values: Any) -> Any:
    return HashedNgrams(parameters).encode(values, [f"instances[{i}].text" for i in range(len(values))])


def reference(text: str, buckets: int, length: int, ngrams: int) -> list[int]:
    """The docstring, once more and as plainly as possible."""
    text = unicodedata.normalize("NFC", text.lower()).replace("\u2019", "'")
    text = re.sub("[\x80-\xbf\u2000-\u206f\u3000-\u303f]", " ", text)
    tokens = re.findall("[a-z0-9\x80-\U0010ffff]+(?:'[a-z0-9\x80-\U0010ffff]+)*", text)
    grams = tokens + [f"{a} {b}" for a, b in itertools.pairwise(tokens)] * (ngrams - 1)
    ids = [zlib.crc32(gram.encode()) % (buckets - 1) + 1 for gram in grams][:length]
    return ids + [0] * (length - len(ids))


def test_ids_are_those_worked_out_by_hand() -> None:
    # CRC-32 of "good", "film" and "good film": 1820610194, 2185543202 and 1536849326; each modulo 999, plus 1
    assert encode(SMALL, "Good film!").tolist() == [[627, 933, 714, 0, 0, 0]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don't", "don\u2019t"),
        ("'so' it goes''s", "so it goes s"),
        ("a\u00a0b\u2014c\u3002d", "a b c d"),
        ("CAFE\u0301", "café"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("well-made, twice", "well made twice"),
    ],
)
def test_writings_of_the_same_words_have_the_same_ids(one: str, other: str) -> None:
    assert np.array_equal(encode(SMALL, one), encode(SMALL, other))


@given(st.lists(TEXTS.filter(lambda text: text and not text.isspace()), min_size=1, max_size=5), st.integers(1, 2))
def test_few_and_many_rows_follow_the_reference(values: list[str], ngrams: int) -> None:
    parameters = {"buckets": 97, "length": 12, "ngrams": ngrams}
    expected = [reference(text, 97, 12, ngrams) for text in values]
    assert encode(parameters, *values).tolist() == expected
    repeats = FEW_ROWS // len(values) + 1
    assert encode(parameters, *values * repeats).tolist() == expected * repeats


@given(st.lists(st.integers(1, 3 * LONG_TOKEN), min_size=1, max_size=8))
def test_long_tokens_are_hashed_alike(sizes: list[int]) -> None:
    text = " ".join("xy"[i % 2] * size for i, size in enumerate(sizes))
    parameters = {"buckets": 1 << 24, "length": 16, "ngrams": 2}
    many = encode(parameters, *[text, "short"] * FEW_ROWS)
    assert many[0].tolist() == reference(text, 1 << 24, 16, 2)


def test_a_text_without_words_is_a_row_of_padding() -> None:
    assert not encode(SMALL, "?!").any()


def test_a_long_text_loses_its_bigrams_first() -> None:
    words = encode({**SMALL, "ngrams": 1}, "a b c d e f g h")
    assert np.array_equal(encode(SMALL, "a b c d e f g h"), words)
    assert words.all()


def test_no_rows_make_an_empty_array_of_the_right_width() -> None:
    ids = encode(SMALL)
    assert ids.shape == (0, 6)
    assert ids.dtype == np.int32


def test_ids_stay_within_the_buckets() -> None:
    ids = encode({"buckets": 2, "length": 4}, "one two three")
    assert ids.tolist() == [[1, 1, 1, 0]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a string"),
        (3, "must be a string"),
        (["a"], "must be a string"),
        ("", "must not be blank"),
        (" \n\u2003", "must not be blank"),
        ("a" * 51, "has 51 characters, 50 are allowed"),
        ("half \ud83d", "half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("n_rows", [2, FEW_ROWS + 1])
def test_refuses_what_is_no_text_and_says_where(value: Any, message: str, n_rows: int) -> None:
    with pytest.raises(InvalidInput, match=message) as refusal:
        encode({**SMALL, "max_characters": 50}, *["fine"] * (n_rows - 1), value)
    assert refusal.value.field == f"instances[{n_rows - 1}].text"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"buckets": 1}, "buckets"),
        ({"buckets": -5}, "buckets"),
        ({"buckets": (1 << 24) + 1}, "buckets"),
        ({"buckets": 100.0}, "buckets"),
        ({"buckets": None}, "buckets"),
        ({"buckets": True}, "buckets"),
        ({"length": 0}, "length"),
        ({"length": 4097}, "length"),
        ({"length": "128"}, "length"),
        ({"ngrams": 3}, "ngrams"),
        ({"max_characters": 10**9}, "max_characters"),
        ({"vocabulary": []}, "vocabulary"),
    ],
)
def test_refuses_parameters_out_of_bounds_and_names_them(change: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        HashedNgrams({**SMALL, **change})
    assert refusal.value.field == f"preprocessing.parameters.{name}"


@pytest.mark.parametrize("name", ["buckets", "length"])
def test_requires_a_number_of_buckets_and_a_length(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        HashedNgrams({key: value for key, value in SMALL.items() if key != name})
    assert refusal.value.field == f"preprocessing.parameters.{name}"


@given(st.lists(TEXTS.filter(lambda text: text and not text.isspace()), min_size=1, max_size=5))
def test_the_log_keeps_the_ids_without_the_filling(values: list[str]) -> None:
    encoder = HashedNgrams({"buckets": 97, "length": 4, "ngrams": 2})
    rows = encoder.encode(values, values)
    kept = encoder.features(values, rows)
    assert [ids + [0] * (4 - len(ids)) for ids in kept] == rows.tolist()
    assert all(ids.count(0) == 0 for ids in kept)
