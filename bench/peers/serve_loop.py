"""Ours, and the bare loop, behind the smallest HTTP there is: one kept connection at a time, no framework.

Predict's own transport is API Gateway and Lambda's runtime, which no row of the table has in its path.
"""

import socket
import sys
from collections.abc import Callable
from json import loads
from typing import Any

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

Answers = Callable[[bytes], bytes]


def predict() -> Answers:
    """The deployed handler, its AWS calls answered from memory."""
    from bench.workload import CONTEXT, EVENT, function  # noqa: PLC0415 - only one of the two is loaded

    handler = function().lambda_handler

    def answers(body: bytes) -> bytes:
        told: dict[str, Any] = handler({**EVENT, "body": body.decode()}, CONTEXT)
        return str(told["body"]).encode()

    return answers


def bare() -> Answers:
    """The least that could answer."""
    from json import dumps  # noqa: PLC0415

    from bench.peers.sentiment import Sentiment  # noqa: PLC0415

    model = Sentiment()

    def answers(body: bytes) -> bytes:
        prediction, confidence = model.answer(loads(body)["text"])
        return dumps({"prediction": prediction, "confidence": confidence}).encode()

    return answers


def serve(port: int, answers: Answers) -> None:
    """Answer each request of each connection."""
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as sent:
                while sent.readline():
                    length = 0
                    while (line := sent.readline()) not in {b"\r\n", b""}:
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    body = answers(sent.read(length))
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
                        body
                    )
                    connection.sendall(head + body)


if __name__ == "__main__":
    serve(int(sys.argv[1]), {"predict": predict, "bare": bare}[sys.argv[2]]())
