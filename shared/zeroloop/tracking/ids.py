"""Ids that say where a thing lies, so that no index is needed to find it. Pure.

A run's id is 32 hex digits: 8 of its experiment's number, 2 of its shard, 22 random ones. A logged model's is `m-` and
the same. Runs of one experiment lie in 8 shards, partitions of their own: a busy experiment of 1,000 writes a second
gives each 125, of the 1,000 that a partition takes.
"""

import re
from typing import NamedTuple

SHARDS = 8

_ID = re.compile(r"(?:m-)?([0-9a-f]{8})([0-9a-f]{2})[0-9a-f]{22}")
_EXPERIMENT = re.compile(r"[0-9]{1,10}")
_MOST = 2**32


class Place(NamedTuple):
    """Where a run or a logged model lies."""

    experiment_id: str
    shard: int


def new_id(experiment_id: str, random: str) -> str:
    """An id for a thing of an experiment out of 32 random hex digits."""
    return f"{int(experiment_id):08x}{int(random[:2], 16) % SHARDS:02x}{random[2:24]}"


def place(thing_id: str) -> Place | None:
    """Where the thing of that id would lie; None if none can be called so."""
    found = _ID.fullmatch(thing_id)
    if not found or (shard := int(found[2], 16)) >= SHARDS:
        return None
    return Place(str(int(found[1], 16)), shard)


def new_experiment_id(random: str) -> str:
    """A number from 1 to 2^32 - 1 out of random hex digits, as text."""
    return str(int(random, 16) % (_MOST - 1) + 1)


def is_experiment_id(text: str) -> bool:
    """Whether an experiment may have that number."""
    return bool(_EXPERIMENT.fullmatch(text)) and int(text) < _MOST and str(int(text)) == text
