"""What MLflow's searches may ask, and whether a thing is what was asked for. Pure.

Accepts, refuses and finds what the server of MLflow 3.17.2 does on SQLite; `tests/conformance/search_fuzz.py` compares.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from msgspec import Struct

from zeroloop.errors import InvalidInput
from zeroloop.mlflow.grammar import Token, Written, comparisons, strings
from zeroloop.mlflow.kinds import EXPERIMENTS, LOGGED_MODELS, RUNS, VERSIONS, Kind

Value = str | int | float | None
Lookup = Callable[[str, str], Value | tuple[Value, ...]]

PROMPT = "mlflow.prompt.is_prompt"
"""The tag by which MLflow keeps prompts among its models."""

_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_NUMERIC = frozenset(_SIGNS)
_STRING = frozenset({"=", "!=", "LIKE", "ILIKE"})
_LISTS = frozenset({"IN", "NOT IN"})
_NULLS = frozenset({"IS NULL", "IS NOT NULL"})
_LONGEST_PATTERN = 50_000  # bytes, SQLite's limit
_LARGEST = 2**63  # of integers in a column


class Clause(Struct, frozen=True):
    """One condition: `entity` is attribute, metric, param, tag or dataset; a tuple of values after [NOT] IN only."""

    entity: str
    key: str
    comparator: str
    value: Value | tuple[str | int, ...]


def parse(text: str, kind: Kind) -> tuple[Clause, ...]:
    """The conditions of a filter, all of which must hold; none for an empty one.

    Raises
    ------
    InvalidInput
        Not of MLflow's search language, or not to be asked of this kind.
    """
    clauses = tuple(_clause(written, kind) for written in comparisons(text))
    return _without_prompts(clauses) if kind.has_prompts else clauses


def _without_prompts(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    """MLflow keeps prompts among its models, and shows them only to those who ask for them; the first ask counts."""
    first = next((clause for clause in clauses if clause.key == PROMPT and clause.entity == "tag"), None)
    if first and (first.comparator, str(first.value).lower()) in {("=", "true"), ("!=", "false")}:
        return clauses
    others = (clause for clause in clauses if clause.key != PROMPT or clause.entity != "tag")
    return (*others, Clause("tag", PROMPT, "IS NOT", "true"))


def _clause(written: Written, kind: Kind) -> Clause:
    entity, key = identify(written.identifier, kind, kind.attributes, "filter")
    # Stock reads experiments' comparators in capitals only.
    comparator = written.comparator if kind is EXPERIMENTS else written.comparator.upper()
    if comparator not in (allowed := _comparators(kind, entity, key)):
        known = ", ".join(sorted(allowed))
        raise _refused(f"{written.identifier[:40]!r} of {kind.name} is compared by {known}, not by {comparator[:40]!r}")
    if (token := written.value) is None:
        return Clause(entity, key, comparator, None)
    if (token.kind == "list") != (comparator in _LISTS):
        raise _refused(f"IN wants a list in parentheses, and nothing else does: {token.text[:40]!r}")
    value: Value | tuple[str | int, ...]
    if allowed == _NUMERIC:
        value = _number(token, kind, entity, key)
    else:
        value = strings(token) if token.kind == "list" else _string(token, kind)
    if entity == "attribute" and key == "experiment_id" and kind is EXPERIMENTS:
        value = tuple(map(_integer, value)) if isinstance(value, tuple) else _integer(value)
    if comparator in {"LIKE", "ILIKE"} and len(str(value).encode(errors="replace")) > _LONGEST_PATTERN:
        raise _refused(f"a pattern of over {_LONGEST_PATTERN} bytes")
    return Clause(entity, key, comparator, value)


def _comparators(kind: Kind, entity: str, key: str) -> frozenset[str]:
    if entity == "metric" or (entity == "attribute" and key in kind.numeric):
        return _NUMERIC
    if entity == "attribute" and key == "experiment_id" and kind is EXPERIMENTS:
        return _LISTS | {"=", "!="}
    lists = _LISTS if (key if entity == "attribute" else entity) in kind.listable else frozenset[str]()
    return _STRING | lists | (_NULLS if entity in kind.nullable else frozenset[str]())


def identify(identifier: str, kind: Kind, attributes: Mapping[str, str], field: str) -> tuple[str, str]:
    """What `identifier` means: the entity and the key, an attribute being one of `attributes`.

    Raises
    ------
    InvalidInput
    """
    before, dot, after = identifier.partition(".")
    if kind is LOGGED_MODELS:
        key = after.strip("`") if dot else before.strip("`")
    elif kind.has_prompts and not (dot and before != "attribute"):
        key = after if dot else before
    else:
        key = unquoted(unquoted(after if dot else before, "'", '"'), "`")
    entity = "attribute"
    if dot and (known := kind.entities.get(unquoted(before, "`") if kind is RUNS else before)):
        entity = known
    elif dot:
        words = ", ".join(kind.entities)
        raise _refused(f"there is no {before[:40]!r} here: begin with one of {words}, or name an attribute", field)
    if entity == "attribute":
        if key not in attributes:
            raise _refused(f"there is no attribute {key[:40]!r} here: it is one of {', '.join(attributes)}", field)
        key = attributes[key]
    if entity == "dataset" and key not in {"name", "digest", "context"}:
        raise _refused(f"datasets have no {key[:40]!r}: it is one of name, digest, context", field)
    return entity, key


def unquoted(text: str, *quotes: str) -> str:
    """`text` without one of `quotes` around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in quotes else text


def _string(token: Token, kind: Kind) -> str:
    if kind is LOGGED_MODELS:
        return token.text.strip("'")
    # A dotted name counts as quoted if it begins and ends so: MLflow looks at the ends alone.
    if token.kind in {"integer", "float"} or (value := unquoted(token.text, "'", '"')) == token.text:
        raise _refused(f"put quotes around {token.text[:40]!r}")
    return value


def _number(token: Token, kind: Kind, entity: str, key: str) -> float:
    integer = entity == "attribute" and key in kind.integers
    if kind is VERSIONS and token.kind not in {"integer", "float"}:
        return _integer(_string(token, kind))
    if (
        kind is LOGGED_MODELS
        or (token.kind == "float" and not integer)
        or (token.kind == "integer" and entity == "metric")
    ):
        try:
            return float(token.text)
        except ValueError:
            pass  # logged models take any word for a value until it turns out not to be one
    elif token.kind == "integer":
        return _integer(token.text)
    raise _refused(f"write {'an integer' if integer else 'a number'} instead of {token.text[:40]!r}")


def _integer(value: Value | str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise _refused(f"write an integer instead of {str(value)[:40]!r}") from None
    if not -_LARGEST <= number < _LARGEST:
        raise _refused(f"an integer beyond 64 bits: {str(value)[:40]!r}")
    return number


def _refused(message: str, field: str = "filter") -> InvalidInput:
    return InvalidInput(message, field=field)


def matches(clause: Clause, lookup: Lookup) -> bool:
    """Whether what `lookup(entity, key)` gives meets the clause; None is a value that isn't there.

    SQL's rules: what isn't there meets no comparison, `!=` and NOT IN included; LIKE goes by case, ILIKE folds
    ASCII alone. A tuple is several values, of which one must do (a run's datasets, a logged model's metric at its
    steps). NaN differs from everything. `experiment_id` of experiments is an int.
    """
    found = lookup(clause.entity, clause.key)
    values = found if isinstance(found, tuple) else (found,)
    return any(_meets(value, clause.comparator, clause.value) for value in values)


def _meets(value: Value, comparator: str, wanted: Value | tuple[str | int, ...]) -> bool:
    if comparator == "IS NOT":
        return value != wanted
    if comparator in _NULLS:
        return (value is None) == (comparator == "IS NULL")
    if value is None or wanted != wanted:  # noqa: PLR0124 - NaN, which SQLite takes for NULL
        return False
    if isinstance(wanted, tuple):
        return (value in wanted) == (comparator == "IN")
    if (sign := _SIGNS.get(comparator)) is not None:
        return sign(value, wanted)
    return _pattern(str(wanted), comparator).fullmatch(str(value)) is not None


@lru_cache(maxsize=64)
def _pattern(like: str, comparator: str) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression. Each part is found once and never again, so no pattern is slow."""
    first, *rest = (re.escape(part).replace("_", ".") for part in like.split("%"))
    *middle, last = rest or [""]
    found = "".join(f"(?>.*?{part})" for part in middle if part)
    flags = re.DOTALL | (re.IGNORECASE | re.ASCII if comparator == "ILIKE" else re.NOFLAG)
    return re.compile(f"{first}{found}{f'.*{last}' if rest else ''}", flags)
