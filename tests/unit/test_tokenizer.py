"""A package's own tokenizer: a tiny one is made here."""

import sys
from typing import Any

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers

from zeroloop.errors import InvalidInput
from zeroloop.inference.tokenizer import Tokenizer

WORDS = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}


def made(**padding: Any) -> bytes:
    library = Library(models.WordLevel(WORDS, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    if padding:
        library.enable_padding(**padding)
    return library.to_str().encode()


def test_texts_become_ids_cut_and_padded() -> None:
    tokenizer = Tokenizer({"length": 3}, made())
    ids = tokenizer.encode(["good film", "a bad film indeed"], ["instances[0].text", "instances[1].text"])
    assert ids.tolist() == [[2, 4, 0], [1, 3, 4]]
    assert ids.dtype == tokenizer.dtype


def test_padding_follows_the_file() -> None:
    tokenizer = Tokenizer({"length": 3}, made(direction="left", pad_id=1, pad_token="[UNK]"))
    assert tokenizer.encode(["film"], ["text"]).tolist() == [[1, 1, 4]]


def test_no_rows_make_an_empty_array_of_the_right_width() -> None:
    assert Tokenizer({"length": 3}, made()).encode([], []).shape == (0, 3)


@pytest.mark.parametrize("value", [None, "", "x" * 11, "half \ud83d"])
def test_refuses_what_is_no_text_and_says_where(value: Any) -> None:
    tokenizer = Tokenizer({"length": 3, "max_characters": 10}, made())
    with pytest.raises(InvalidInput) as refusal:
        tokenizer.encode(["good", value], ["instances[0].text", "instances[1].text"])
    assert refusal.value.field == "instances[1].text"


def test_says_which_layer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InvalidInput, match="deploy the stack with the tokenizers layer"):
        Tokenizer({"length": 3}, made())


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": {"type": "Unheard"}}'])
def test_refuses_a_package_without_a_proper_file(content: str | None) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Tokenizer({"length": 3}, None if content is None else content.encode())
    assert refusal.value.field == "tokenizer.json"


@pytest.mark.parametrize(
    ("parameters", "name"), [({}, "length"), ({"length": 9999}, "length"), ({"file": "x"}, "file")]
)
def test_refuses_parameters_and_names_them(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Tokenizer(parameters, made())
    assert refusal.value.field == f"preprocessing.parameters.{name}"


def test_the_log_keeps_neither_the_order_nor_the_whole_of_the_ids() -> None:
    library = Library(models.WordLevel({"[PAD]": 0, "good": 300, "film": 9}, unk_token="[PAD]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = Tokenizer({"length": 4}, library.to_str().encode())
    rows = tokenizer.encode(["good film good"], ["text"])
    assert rows.tolist() == [[300, 9, 300, 0]]
    assert tokenizer.features(["good film good"], rows) == [[9, 44, 44]]
