"""MLflow's search language as written: text to `identifier comparator value`, without asking what they mean.

What a word, a number and a string are follows sqlparse 0.6, which MLflow reads filters with, down to its reserved words
(`tags.from` must be quoted). One pass, no recursion.
"""

import re
from typing import NamedTuple, NoReturn

from zeroloop.errors import InvalidInput

MOST_TOKENS = 10_000  # as sqlparse has it; a space is one
MOST_CHARACTERS = 200_000  # stock has no bound; this is more than the longest list of run ids that it reads

_TOKEN = re.compile(
    r"""
      (?P<space>\r\n|\s)
    | (?P<quoted>`(?:``|[^`])*`)
    | (?P<reserved>(?:CASE|IN|VALUES|USING|FROM|AS)\b)
    | (?P<name>[A-ZÀ-Ü]\w*(?=\s*\.(?!\d))|(?<=\.)[A-ZÀ-Ü]\w*)
    | (?P<unusable>[A-ZÀ-Ü]\w*(?=\()|-?0x[\dA-F]+|PARAMETERS?\b)
    | (?P<float>-?\d+(?:\.\d+)?E-?\d+|(?![_A-ZÀ-Ü])-?(?:\d+\.\d*|\.\d+)(?![_A-ZÀ-Ü]))
    | (?P<integer>(?![_A-ZÀ-Ü])-?\d+(?![_A-ZÀ-Ü]))
    | (?P<string>'(?:''|\\'|[^'])*')
    | (?P<symbol>"(?:""|\\"|[^"])*")
    | (?P<like>(?:NOT\s+)?(?:LIKE|ILIKE|RLIKE)\b)
    | (?P<order>(?:ASC|DESC)\b)
    | (?P<word>NOT\s+NULL\b|\w[$\#\w]*)
    | (?P<dot>\.)
    | (?P<opening>\()
    | (?P<closing>\))
    | (?P<comparator>[<>=~!]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_HEADS = {"name", "word", "quoted", "symbol"}
_PARTS = _HEADS | {"string"}
_VALUES = {"string", "integer", "float"}


class Token(NamedTuple):
    """A piece of text and what it is (a group of `_TOKEN`, or `list`), from `start` to `end`."""

    kind: str
    text: str
    start: int
    end: int


class Written(NamedTuple):
    """One comparison as written; the comparator's words are single-spaced, in the case they were written in.

    `value` has its quotes or parentheses still; it is None after IS [NOT] NULL.
    """

    identifier: str
    comparator: str
    value: Token | None


class _Reader:
    """The tokens of a text, spaces left out, read from the left."""

    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.at = 0
        self.tokens: list[Token] = []
        if len(text) > MOST_CHARACTERS:
            raise InvalidInput(f"over {MOST_CHARACTERS} characters: too long to read", field=field)
        for count, match in enumerate(_TOKEN.finditer(text)):
            if count >= MOST_TOKENS:
                raise InvalidInput(f"over {MOST_TOKENS} words: too long to read", field=field)
            if (kind := match.lastgroup or "other") != "space":
                self.tokens.append(Token(kind, match[0], match.start(), match.end()))
        self.tokens.append(Token("end", "", len(text), len(text)))

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def take(self, kinds: set[str]) -> Token | None:
        """The next token, if it is one of `kinds`."""
        if self.here.kind not in kinds:
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def take_words(self, *words: str) -> bool:
        """Whether the next tokens are these words, in any case; read if so."""
        ahead = self.tokens[self.at : self.at + len(words)]
        if [token.text.upper() for token in ahead] != [*words] or any(
            t.kind not in {"word", "reserved"} for t in ahead
        ):
            return False
        self.at += len(words)
        return True

    def take_name(self) -> Token | None:
        """The next dotted name: its parts stand without spaces, each plain or quoted."""
        if (head := self.take(_HEADS)) is None:
            return None
        last = head
        while self.here.kind == "dot" and self.here.start == last.end:
            part = self.tokens[self.at + 1]
            if part.kind not in _PARTS or part.start != self.here.end:
                break
            self.at += 2
            last = part
        kind = head.kind if last is head else "name"
        return Token(kind, self.text[head.start : last.end], head.start, last.end)

    def take_list(self) -> Token | None:
        """The next parenthesis and what is in it, whatever that is."""
        if (opening := self.take({"opening"})) is None:
            return None
        while self.here.kind not in {"opening", "closing", "end"}:
            self.at += 1
        if (closing := self.take({"closing"})) is None:
            self.refuse()
        return Token("list", self.text[opening.start : closing.end], opening.start, closing.end)

    def refuse(self) -> NoReturn:
        if not (near := self.text[self.here.start : self.here.start + 40]):
            raise InvalidInput("ends in the middle of a comparison", field=self.field)
        raise InvalidInput(f"not understood at {near!r}", field=self.field)


def comparisons(text: str) -> list[Written]:
    """What `text` compares, from the left. AND may be left out or repeated, as sqlparse doesn't mind.

    Raises
    ------
    InvalidInput
        Anything else than comparisons and AND, or only spaces.
    """
    if text and not text.strip():
        raise InvalidInput("nothing but spaces", field="filter")
    reader = _Reader(text, "filter")
    found: list[Written] = []
    fresh = True  # sqlparse reads a name behind a value as its alias, so that `a = 'b' c IS NULL` is no two comparisons
    while reader.here.kind != "end":
        if reader.take_words("AND"):
            fresh = True
            continue
        if (name := reader.take_name()) is None:
            reader.refuse()
        written = _by_words(reader, name.text) if reader.here.kind in {"word", "reserved"} else None
        if written is None:
            written = _by_sign(reader, name.text)
        elif not fresh:
            raise InvalidInput(f"write AND before {name.text[:40]!r}", field="filter")
        found.append(written)
        fresh = written.value is None
    return found


def _by_words(reader: _Reader, name: str) -> Written | None:
    here = reader.here
    if reader.take_words("IS", "NULL"):
        return Written(name, "IS NULL", None)
    if reader.take_words("IS", "NOT NULL"):
        return Written(name, "IS NOT NULL", None)
    if reader.take_words("NOT", "IN"):
        comparator = "NOT IN"
    elif reader.take_words("IN"):
        comparator = here.text
    else:
        return None
    return Written(name, comparator, reader.take_list() or reader.refuse())


def _by_sign(reader: _Reader, name: str) -> Written:
    if (comparator := reader.take({"comparator", "like"})) is None:
        reader.refuse()
    return Written(name, comparator.text, reader.take(_VALUES) or reader.take_name() or reader.refuse())


def ordering(text: str) -> str:
    """`text`, if it is one name, or one name and ASC or DESC; how names are quoted is left as it is.

    Raises
    ------
    InvalidInput
    """
    reader = _Reader(text, "order_by")
    if reader.here.start or reader.take_name() is None:
        reader.refuse()
    reader.take({"order"})
    if reader.here.kind != "end" or text[-1:].isspace():
        reader.refuse()
    return text


_PYTHON_STRING = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_LITERAL = re.compile(_PYTHON_STRING, re.DOTALL)
_SPACES = r"[ \t\f\r\n]*"
_ITEM = rf"{_PYTHON_STRING}(?:{_SPACES}{_PYTHON_STRING})*"
_LIST = re.compile(rf"\({_SPACES}{_ITEM}{_SPACES}(?:,{_SPACES}{_ITEM}{_SPACES})*(?:,{_SPACES})?\)", re.DOTALL)
_ESCAPE = re.compile(
    r"""\\(?:\n|[\\'"abfnrtv]|[0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U00(?:0[\da-fA-F]|10)[\da-fA-F]{4}|([xuUN]))"""
)


def strings(value: Token) -> tuple[str, ...]:
    """The strings of a list, which is written as Python's: MLflow reads it with `ast.literal_eval`.

    Raises
    ------
    InvalidInput
        Empty, or not of quoted strings alone.
    """
    if not _LIST.fullmatch(value.text):
        raise InvalidInput(f"write a list of quoted strings instead of {value.text[:40]!r}", field="filter")
    found: list[list[str]] = [[]]
    for match in re.finditer(rf"(,)|{_PYTHON_STRING}", value.text, re.DOTALL):
        if match[1]:
            found.append([])
        else:
            found[-1].append(_ESCAPE.sub(_unescaped, match[0][1:-1]))
    return tuple("".join(parts) for parts in found if parts)


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        raise InvalidInput(f"not an escape of a Python string: {match[0]!r}", field="filter")
    return match[0].encode().decode("unicode_escape")
