"""Promotes a version and dies at a chosen step: `killed_promoter.py TABLE MODEL VERSION STEP`.

A step is a request about to be sent, or an answer about to be read; exits with 9 if it got that far.
"""

import itertools
import os
import sys

import botocore.handlers

from zeroloop.objects import Bucket
from zeroloop.registry.service import Change, Registry
from zeroloop.registry.store import RegistryStore

table, model, version, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
steps = itertools.count()


def die_at_last(**_event: object) -> None:
    if next(steps) == last:
        os._exit(9)  # no clean-up, as kill -9


for name in ("before-send.dynamodb", "response-received.dynamodb"):
    botocore.handlers.BUILTIN_HANDLERS.append((name, die_at_last))

registry = Registry(RegistryStore(table), Bucket("unused"), lambda _model, _version: None, max_package_bytes=1)
registry.promote(model, version, Change(actor="test", at=0, reason="test"))
