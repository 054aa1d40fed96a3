"""A local stack of its own for a benchmark."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.local import stack, tools
from cli.local.home import Home, Record


@contextmanager
def deployed() -> Iterator[tuple[Home, Record]]:
    """The stack's home and where all is, on a free port, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="zeroloop-bench-") as folder:
        home = Home(Path(folder))
        try:
            yield home, stack.up(home, uv=tools.find_uv(None), port=_free_port(), iam=False)
        finally:
            stack.down(home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
