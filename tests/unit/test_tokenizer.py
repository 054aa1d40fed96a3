"""A package's own tokenizer: a tiny one is made here."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers

from zeroloop.errors import InvalidInput
from zeroloop.inference.tokenizer import Tokenizer

WORDS = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}


def write(directory: Path, **padding: Any) -> Path:
    library = Library(models.WordLevel(WORDS, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    if padding:
        library.enable_padding(**padding)
    library.save(str(directory / "tokenizer.json"))
    return directory


def test_texts_become_ids_cut_and_padded(tmp_path: Path) -> None:
    tokenizer = Tokenizer({"length": 3}, write(tmp_path))
    ids = tokenizer.encode(["good film", "a bad film indeed"], ["instances[0].text", "instances[1].text"])
    assert ids.tolist() == [[2, 4, 0], [1, 3, 4]]
    assert ids.dtype == tokenizer.dtype


def test_padding_follows_the_file(tmp_path: Path) -> None:
    tokenizer = Tokenizer({"length": 3}, write(tmp_path, direction="left", pad_id=1, pad_token="[UNK]"))
    assert tokenizer.encode(["film"], ["text"]).tolist() == [[1, 1, 4]]


def test_no_rows_make_an_empty_array_of_the_right_width(tmp_path: Path) -> None:
    assert Tokenizer({"length": 3}, write(tmp_path)).encode([], []).shape == (0, 3)


@pytest.mark.parametrize("value", [None, "", "x" * 11, "half \ud83d"])
def test_refuses_what_is_no_text_and_says_where(tmp_path: Path, value: Any) -> None:
    tokenizer = Tokenizer({"length": 3, "max_characters": 10}, write(tmp_path))
    with pytest.raises(InvalidInput) as refusal:
        tokenizer.encode(["good", value], ["instances[0].text", "instances[1].text"])
    assert refusal.value.field == "instances[1].text"


def test_says_which_layer_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InvalidInput, match="deploy the stack with the tokenizers layer"):
        Tokenizer({"length": 3}, write(tmp_path))


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": {"type": "Unheard"}}'])
def test_refuses_a_package_without_a_proper_file(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InvalidInput) as refusal:
        Tokenizer({"length": 3}, tmp_path)
    assert refusal.value.field == "tokenizer.json"


@pytest.mark.parametrize(
    ("parameters", "name"), [({}, "length"), ({"length": 9999}, "length"), ({"file": "x"}, "file")]
)
def test_refuses_parameters_and_names_them(tmp_path: Path, parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Tokenizer(parameters, write(tmp_path))
    assert refusal.value.field == f"preprocessing.parameters.{name}"
