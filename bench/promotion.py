"""Promotions under load, on the deployed local stack: which version answered each of a thousand requests, and rightly.

Sixteen clients ask for two sentences at a time while two versions are promoted in turn. Each answer must be, number for
number, that of the one version that it names, as that version answers when it is asked for by its number. It counts,
and times nothing.
"""

import itertools
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from bench.deployed import deployed
from bench.workload import reviews
from cli import model
from cli.api import local_api
from cli.local.home import PROJECT, Home

REQUESTS, CLIENTS, TEXTS = 1_000, 16, 50
NAME, PACKAGES = "promoted", ("small", "large")


def main() -> None:
    """Print what came of it."""
    with deployed() as (home, _):
        print(told(*under_load(home)))


def under_load(home: Home) -> tuple[list[str], Counter[int]]:
    """What is wrong with the answers, and how many came from each version."""
    api = local_api(home)
    numbers = [model.register(api, PROJECT / "examples/sentiment/packages" / one, NAME)["version"] for one in PACKAGES]
    http = urllib3.PoolManager(maxsize=CLIENTS, timeout=60, retries=False)
    texts, done = reviews(TEXTS), threading.Event()
    promoted = 0

    def ask(at: int, **more: Any) -> tuple[int, dict[str, Any]]:
        pair = [{"text": texts[(at + i) % TEXTS]} for i in range(2)]
        answer = http.request("POST", f"{api.url}/predict/{NAME}", body=json.dumps({"instances": pair, **more}))
        return answer.status, dict(json.loads(answer.data))

    def promote() -> None:
        nonlocal promoted
        for number in itertools.cycle(reversed(numbers)):
            if done.is_set():
                return
            api.post(f"/models/{NAME}/promote", {"version": number, "reason": "bench"})
            promoted += 1
            done.wait(1)

    api.post(f"/models/{NAME}/promote", {"version": numbers[0], "reason": "bench"})
    right = {(number, at): _scores(ask(at, version=number)[1]) for number in numbers for at in range(TEXTS)}
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        promoter = pool.submit(promote)
        try:
            answers = list(pool.map(lambda i: ask(i % TEXTS), range(REQUESTS)))
        finally:
            done.set()
        promoter.result()
    wrong = [str(body) for status, body in answers if status != 200]
    good = [(i % TEXTS, body) for i, (status, body) in enumerate(answers) if status == 200]
    wrong += [str(body) for at, body in good if _scores(body) != right[body["model_version"], at]]
    if promoted < 2:
        wrong.append(f"only {promoted} promotions met the requests")
    return wrong, Counter(body["model_version"] for _, body in good)


def told(wrong: list[str], versions: Counter[int]) -> str:
    """The result in words."""
    came = ", ".join(f"{n} from version {version}" for version, n in sorted(versions.items()))
    holds = not wrong and len(versions) == len(PACKAGES)
    return (
        f"{REQUESTS:,} requests, {CLIENTS} in flight, on the local stack while versions were promoted: {came}\n"
        f"errors and answers that aren't those of their version: {len(wrong)} {wrong[:3] or ''}\n"
        f"wanted: none, and both versions met: {'holds' if holds else 'DOES NOT HOLD'}\n"
    )


def _scores(body: dict[str, Any]) -> list[Any]:
    return [one["scores"] for one in body.get("predictions", [])]


if __name__ == "__main__":
    main()
