"""MLflow's calls as routes on a Powertools resolver: each is read, done, and answered in MLflow's words."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from zeroloop import http
from zeroloop.errors import NotFound
from zeroloop.mlflow import wire

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver


_REST = re.compile(r"<(\w+)\+>$")


class Redirect(NamedTuple):
    """An answer that lies elsewhere."""

    url: str


class Rpc(NamedTuple):
    """One call: `POST /2.0/mlflow/runs/create`, what it takes, and what answers it.

    The path may end in `<name+>`: all that is left of it, slashes included. The answer is a Message, None for `{}`, or
    a Redirect.
    """

    method: str
    path: str
    message: type[wire.Message]
    answer: Callable[[Any], Any]
    required: tuple[str, ...] = ()


def serve(app: "APIGatewayHttpResolver", calls: Iterable[Rpc], prefixes: tuple[str, ...] = wire.PREFIXES) -> None:
    """Route `calls` under each of `prefixes`."""
    for call in calls:
        for prefix in prefixes:
            app.route(prefix + _REST.sub(".+", call.path), method=call.method)(_endpoint(app, call))


def _endpoint(app: "APIGatewayHttpResolver", call: Rpc) -> Callable[..., Any]:
    from aws_lambda_powertools.event_handler import Response  # noqa: PLC0415 - as in http: predict does without

    rest = _REST.search(call.path)

    def endpoint(**path: str) -> Response[str]:
        event = app.current_event.raw_event
        query = http.query(event) if call.method == "GET" else {}
        if rest:
            path[rest[1]] = app.current_event.path.partition(call.path[: rest.start()])[2]
        named = {name: http.name(value) for name, value in path.items()}
        message = wire.read(call.message, body=http.body(event), query=query, path=named)
        wire.require(message, *call.required)
        answer = call.answer(message)
        if isinstance(answer, Redirect):
            return Response(302, body="", headers={"Location": answer.url})
        return Response(200, "application/json", "{}" if answer is None else wire.write(answer))

    return endpoint


def tell(path: str, error: Exception) -> tuple[int, dict[str, str]]:
    """Status and body of a failure: in MLflow's words at its paths, in ours elsewhere."""
    if isinstance(error, NotFound) and error.code == "no_route" and wire.is_unsupported(path):
        served = "MLflow's tracking, artifacts and model registry"
        error = NotFound(f"{path[:200]} is not supported by Zeroloop, which serves {served}", code="not_supported")
    in_mlflows_words = path.startswith((*wire.PREFIXES, wire.FILE_PATH, wire.TRACES_PATH))
    return wire.error(error) if in_mlflows_words else http.tell(path, error)
