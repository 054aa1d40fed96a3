"""What the runtime client is given: predict, its AWS calls answered from memory, the bare loop, and no-op."""

from collections.abc import Callable
from functools import cache
from typing import Any

_ANSWER = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "x" * 600}


def nothing(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """An answer as long as predict's."""
    return _ANSWER


def predict(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The deployed handler, loaded at the first call."""
    answer: dict[str, Any] = _deployed()(event, context)
    return answer


def bare(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The bare loop of `bench.predict`, loaded at the first call."""
    return {**_ANSWER, "body": _bare()(event)}


# The handler that does nothing needs none of these imports.


@cache
def _deployed() -> Callable[..., Any]:
    from bench.workload import function  # noqa: PLC0415

    handler: Callable[..., Any] = function().lambda_handler
    return handler


@cache
def _bare() -> Callable[[dict[str, Any]], Any]:
    from bench import workload  # noqa: PLC0415
    from bench.predict import bare  # noqa: PLC0415
    from zeroloop.inference.model import Model  # noqa: PLC0415

    return bare(Model(workload.files()))
