"""What DynamoDB refuses in the expressions of a request."""

import re
from collections.abc import Mapping
from typing import Any

from tests.aws_dynamodb_items import item_bytes
from tests.aws_hook import invalid

EXPRESSION_BYTES = 4096  # of the text as sent, placeholders not replaced
OPERATORS = 300
PLACEHOLDER_BYTES = 2 * 1024 * 1024

EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
)
_OPERATOR = re.compile(r"<>|<=|>=|[=<>+-]|(?<![#:.\w])(?:AND|OR|NOT|BETWEEN|IN)\b", re.IGNORECASE)
_FUNCTION = re.compile(r"(?<![#:.\w])(?!(?:AND|OR|NOT|IN)\b)[a-z_]+\s*\(", re.IGNORECASE)
PLACEHOLDER = re.compile(r"[#:]\w+")
_NAME = re.compile(r"(?<![#:.\w])(#?[A-Za-z_]\w*)\b(?!\s*\()")

Params = Mapping[str, Any]


def check_expressions(part: Params) -> None:
    """Length, operators and placeholders of each expression of one request."""
    given = {name: part[name] for name in EXPRESSIONS if part.get(name)}
    for name, text in given.items():
        if (size := len(text.encode())) > EXPRESSION_BYTES:
            message = "Expression size has exceeded the maximum allowed size; expression size:"
            raise invalid(f"Invalid {name}: {message} {size}")
        if count_operators(text) > OPERATORS:
            # The service stops counting there, whatever the number is.
            message = "The expression contains too many operators; operator count:"
            raise invalid(f"Invalid {name}: {message} {OPERATORS + 1}")
    used = {placeholder for text in given.values() for placeholder in PLACEHOLDER.findall(text)}
    for argument in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        _check_placeholders(argument, part.get(argument) or {}, used, any_expression=bool(given))
    _check_placeholder_bytes(part)


def count_operators(expression: str) -> int:
    """Operators and functions as AWS's own example counts them.

    One each for a comparison, `AND`, `OR`, `NOT`, `+`, `-`, the `=` of a SET action, a function; `IN` is one whatever
    its list, `BETWEEN` two with its `AND`; parentheses, commas, paths and the clause keywords none
    (docs.aws.amazon.com/code-library, "Count expression operators in DynamoDB"). The limit is written for update
    expressions; real tables apply it to all (scylladb/scylladb#14473, aws/aws-sdk-js#3721).

    >>> count_operators("a BETWEEN :x AND :y AND NOT (size(b) IN (:p, :q))")
    6
    """
    return len(_OPERATOR.findall(expression)) + len(_FUNCTION.findall(expression))


def _check_placeholders(argument: str, given: Params, used: set[str], *, any_expression: bool) -> None:
    if given and not any_expression:
        raise invalid(f"{argument} can only be specified when using expressions")
    if unused := [name for name in given if name not in used]:
        raise invalid(f"Value provided in {argument} unused in expressions: keys: {{{', '.join(unused)}}}")


def _check_placeholder_bytes(part: Params) -> None:
    names = part.get("ExpressionAttributeNames") or {}
    values = part.get("ExpressionAttributeValues") or {}
    size = sum(len(key.encode()) + len(name.encode()) for key, name in names.items())
    if size + item_bytes(values) > PLACEHOLDER_BYTES:
        raise invalid("The total size of the expression attribute names and values exceeds the limit of 2097152 bytes")


def names(expression: str, part: Params) -> list[str]:
    """Attributes at the head of the expression's paths, placeholders replaced."""
    aliases = part.get("ExpressionAttributeNames") or {}
    words = (word for word in _NAME.findall(expression) if word.upper() not in {"AND", "OR", "NOT", "BETWEEN", "IN"})
    return [aliases.get(word, word) for word in words]
