"""A package's own tokenizer: a tiny one is made here."""

import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Regex, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

from zeroloop.errors import InvalidInput, ModelFailed
from zeroloop.inference.tokenizer import Tokenizer

WORDS = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}


def made(**padding: Any) -> bytes:
    library = Library(models.WordLevel(WORDS, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    if padding:
        library.enable_padding(**padding)
    return library.to_str().encode()


def panicking() -> bytes:
    """The library panics on "aaa...a!": the pattern takes twice the steps for each more."""
    library = Library(models.WordLevel(WORDS, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Split(Regex(" |(a+)+$"), "removed")
    return library.to_str().encode()


def ignorant() -> bytes:
    """The library fails on any word that it doesn't know."""
    library = Library(models.WordLevel(WORDS, unk_token="[NONE]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    return library.to_str().encode()


def marking() -> bytes:
    """Two marks of its own stand in every row, however short that is to be."""
    library = Library(models.WordLevel(WORDS, unk_token="[UNK]"))
    library.post_processor = processors.TemplateProcessing(
        single="[PAD] $A [PAD]", special_tokens=[("[PAD]", WORDS["[PAD]"])]
    )
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


BREAKING = [(panicking, "a" * 40 + "!", "retry-limit"), (ignorant, "good unheard", "Missing [UNK]")]


@pytest.mark.parametrize(("file", "text", "said"), BREAKING)
def test_what_breaks_the_library_is_the_packages_fault_and_harms_no_other_text(
    file: Callable[[], bytes], text: str, said: str
) -> None:
    tokenizer = Tokenizer({"length": 3}, file())
    for broken in (
        partial(tokenizer.encode, [text], ["text"]),
        partial(tokenizer.encode, ["good", text], ["0", "1"]),
        partial(tokenizer.left_out, text, "text", 3),
    ):
        with pytest.raises(ModelFailed) as failed:
            broken()
        assert (failed.value.code, said in failed.value.message) == ("model_failed", True)
        assert tokenizer.encode(["good film"], ["text"]).tolist() == [[2, 4, 0]]


def test_a_row_of_another_length_is_the_packages_fault() -> None:
    with pytest.raises(ModelFailed):
        Tokenizer({"length": 1}, marking()).encode(["good"], ["text"])


def test_an_explanation_of_what_the_library_can_not_read_alone_is_the_packages_fault() -> None:
    tokenizer = Tokenizer({"length": 3}, made())
    tokenizer._tokenizer = Breaking(tokenizer._tokenizer)
    with pytest.raises(ModelFailed, match="alone"):
        tokenizer.left_out("good", "text", 3)


class Panic(BaseException):
    """As the library's, which has no name to import."""


class Breaking:
    """A library that reads batches and no single text."""

    def __init__(self, library: Any) -> None:
        self.encode_batch_fast = library.encode_batch_fast

    @staticmethod
    def encode(_text: str) -> None:
        raise Panic("not alone")


def test_a_file_on_which_the_library_panics_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(_file: str) -> None:
        raise Panic("what a file")

    monkeypatch.setattr("tokenizers.Tokenizer", SimpleNamespace(from_str=panic))
    with pytest.raises(InvalidInput, match="what a file"):
        Tokenizer({"length": 3}, made())


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_ends_the_process_still_does(stop: type[BaseException]) -> None:
    def stopped(_texts: Any) -> None:
        raise stop

    tokenizer = Tokenizer({"length": 3}, made())
    tokenizer._tokenizer = SimpleNamespace(encode_batch_fast=stopped)
    with pytest.raises(stop):
        tokenizer.encode(["good"], ["text"])


def test_a_tokenizer_without_words_has_ids_all_the_same() -> None:
    assert Tokenizer({"length": 3}, Library(models.WordLevel({}, unk_token="x")).to_str().encode()).largest == 0


@pytest.mark.parametrize("characters", [1, 2, 20_000])
def test_a_good_file_passes_the_check(characters: int) -> None:
    Tokenizer({"length": 3, "max_characters": characters}, made()).check()


@pytest.mark.parametrize(
    ("file", "what"), [(panicking, "on a text of 20,000 characters"), (ignorant, "on a text of unknown words")]
)
def test_a_file_that_fails_on_what_callers_may_send_does_not(file: Callable[[], bytes], what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as refused:
        Tokenizer({"length": 3}, file()).check()
    assert (refused.value.code, refused.value.field) == ("bad_package", "tokenizer.json")
