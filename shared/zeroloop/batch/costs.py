"""What a job costs on AWS, from what it did: list prices of us-east-1 in USD, without any free tier. Pure.

Sources, read November 2026: the pricing pages of Lambda (arm64), Step Functions (Express and Standard), S3, DynamoDB.
"""

import math
from collections.abc import Sequence
from typing import Any

from zeroloop.batch.rules import Piece

MEMORY_GB = 1769 / 1024
LAMBDA_GB_SECOND = 0.0000133334
LAMBDA_CALL = 0.20 / 1e6
EXPRESS_RUN = 1.00 / 1e6
EXPRESS_GB_SECOND = 0.00001667
EXPRESS_GB = 64 / 1024
"""What an Express execution is billed for at the least; ours carry a kilobyte."""
TRANSITION = 25.0 / 1e6
"""Of a Standard execution; Distributed Map counts one for starting each child."""
PUT = 5.0 / 1e6
GET = 0.4 / 1e6
TABLE_WRITE = 0.625 / 1e6
TABLE_READ = 0.125 / 1e6
_TRANSITIONS = 8


def job(mapped_chunks: int, size: int, pieces: Sequence[Piece], *, measured: bool) -> dict[str, Any]:
    """USD by what it went to; `mapped_chunks` of the job went through Distributed Map, once more if `measured`."""
    seconds = sum(piece.seconds for piece in pieces)
    measuring = size / 80e6 if measured else 0.0  # S3 gives a function about 80 MB/s
    passes = 2 if measured else 1
    children = mapped_chunks * passes
    calls = max(1, children) + 2
    express = children * EXPRESS_RUN + (seconds + measuring) * EXPRESS_GB * EXPRESS_GB_SECOND
    written = 1 + sum(bool(piece.part) + bool(piece.rejected) for piece in pieces)
    items = {
        "lambda": (seconds + measuring) * MEMORY_GB * LAMBDA_GB_SECOND + calls * LAMBDA_CALL,
        "distributed_map": children * TRANSITION + (express if mapped_chunks else 0.0),
        "step_functions": _TRANSITIONS * TRANSITION,
        "s3": written * PUT + math.ceil(size / 64e6) * passes * GET,
        "dynamodb": (len(pieces) * 2 + 5) * (TABLE_WRITE + TABLE_READ),
    }
    return {**{name: round(usd, 8) for name, usd in items.items()}, "usd": round(sum(items.values()), 8)}
