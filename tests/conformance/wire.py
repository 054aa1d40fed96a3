"""Plays sequences of raw requests against a server and records what it answers."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import urllib3

from tests.conformance.compare import Answer
from tests.conformance.wire_cases import Case

BASE = "/api/2.0/mlflow/"
HTTP_REFUSED = 400
MOST = {"read": 2, "refusal": 1}


class Recording(NamedTuple):
    """What a sequence was answered, by the case's name, and the values that its answers gave."""

    answers: dict[str, Answer]
    kept: dict[str, str]


Send = Callable[[str, str, bytes | None, dict[str, str]], Answer]


def over_http(url: str) -> Send:
    """Requests to a server; redirects are followed, as the client does."""
    pool = urllib3.PoolManager(maxsize=16, timeout=120, retries=urllib3.Retry(0, redirect=3, raise_on_redirect=False))

    def send(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        answer = pool.request(method, url + path, body=body, headers=headers)
        return Answer(answer.status, read(answer.data))

    return send


def read_json(send: Send, method: str, path: str, body: Any = None) -> Any:
    """The answer to a call that must succeed."""
    status, answer = send(*request(Case("", method, path, body), {}))
    assert status == 200, answer
    return answer


def read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")


def play(send: Send, sequence: Iterable[Case]) -> Recording:
    """One sequence in its order."""
    kept: dict[str, str] = {}
    given: dict[str, Answer] = {}
    for case in sequence:
        answer = given[case.name] = send(*request(case, kept))
        kept |= {name: str(_at(answer.body, where)) for name, where in case.keep}
    return Recording(given, kept)


def play_all(send: Send, sequences: Mapping[str, list[Case]], *, clients: int = 4) -> dict[str, Recording]:
    """Sequences side by side, `clients` at a time."""
    with ThreadPoolExecutor(clients) as pool:
        return dict(zip(sequences, pool.map(lambda cases: play(send, cases), sequences.values()), strict=True))


def answers(recordings: Mapping[str, Recording]) -> dict[str, Answer]:
    """All answers, each under its sequence and case."""
    return {f"{name}: {case}": answer for name, part in recordings.items() for case, answer in part.answers.items()}


def sparing(sequence: Iterable[Case], stock: Recording) -> Iterator[Case]:
    """The cases worth a call of the deployed stack: every write that stock takes, and of each route's reads and
    refusals the first few.
    """
    count: Counter[tuple[str, str, str]] = Counter()
    for case in sequence:
        is_read = case.method == "GET" or case.path.endswith("/search")
        kind = "refusal" if stock.answers[case.name].status >= HTTP_REFUSED else "read" if is_read else "write"
        count[case.method, case.path, kind] += 1
        if case.keep or kind == "write" or count[case.method, case.path, kind] <= MOST[kind]:
            yield case


def request(case: Case, kept: Mapping[str, str]) -> tuple[str, str, bytes | None, dict[str, str]]:
    """Method, path with query, body and headers, as `Send` takes them."""
    path = _filled(case.path if case.path.startswith("/") else BASE + case.path, kept)
    if case.query:
        path += "?" + urlencode([(name, _filled(value, kept)) for name, value in case.query], quote_via=quote)
    body = case.body if isinstance(case.body, bytes) else None if case.body is None else json.dumps(case.body).encode()
    if body is not None:
        body = _filled(body.decode("latin-1"), kept).encode("latin-1")
    return (
        case.method,
        path,
        body,
        {"Content-Type": case.content_type} if case.content_type and body is not None else {},
    )


def _filled(text: str, kept: Mapping[str, str]) -> str:
    for name, value in kept.items():
        text = text.replace("{" + name + "}", value)
    return text


def _at(body: Any, where: str) -> Any:
    """What stands at `a.b.c`; nothing where the answer isn't what it should be, which the comparison then tells."""
    for key in where.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body
