"""Promotes in turns while AWS throttles, conflicts and loses answers: `chaotic_promoter.py TABLE MODEL SEED ROUNDS`.

Writes one line of JSON: the promotions that were told as done, and what was injected.
"""

import json
import sys

from tests.aws_chaos import Chaos
from zeroloop.errors import Conflict, Unavailable
from zeroloop.objects import Bucket
from zeroloop.registry.service import Change, Registry
from zeroloop.registry.store import RegistryStore

table, model, seed, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chaos = Chaos(
    seed, throttle=0.1, conflict=0.2, server_error=0.05, lost_answer=0.1, only=("dynamodb.TransactWriteItems",)
)
chaos.install()

registry = Registry(RegistryStore(table), Bucket("unused"), lambda _model, _version: None, max_package_bytes=1)
done = unsure = 0
for i in range(rounds):
    try:
        registry.promote(model, 1 + i % 2, Change(actor="test", at=i, reason="test"))
    except Conflict:  # already champion: the promotion before this one was carried out, or refused
        continue
    except Unavailable:
        unsure += 1
    else:
        done += 1
injected = {f"{call} {fault}": n for (call, fault), n in chaos.injected.items()}
sys.stdout.write(json.dumps({"done": done, "unsure": unsure, "injected": injected}) + "\n")
