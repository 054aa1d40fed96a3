"""What the runtime client is given: predict, its AWS calls answered from memory, and a handler that does nothing."""

from typing import Any

_ANSWER = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "x" * 600}
_predict: Any = None


def nothing(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """An answer as long as predict's."""
    return _ANSWER


def predict(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The deployed handler, loaded at the first call."""
    global _predict  # noqa: PLW0603 - one a process, as in Lambda
    if _predict is None:
        from bench.workload import function  # noqa: PLC0415 - the handler that does nothing needs none of it

        _predict = function().lambda_handler
    answer: dict[str, Any] = _predict(event, context)
    return answer
