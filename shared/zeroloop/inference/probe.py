"""The child in which admission tries a model: `python -m zeroloop.inference.probe DIRECTORY MEGABYTES`.

A crafted model can crash the interpreter or ask it for gigabytes (5 of 4,000 structure-biased mutants of a good model
ended in SIGSEGV), so this runs apart, under an address-space limit and without keys in its
environment (which is no sandbox: code that a crash would let in runs as the function's own user, whose role may read
packages and settle versions, and nothing else). Writes one line of JSON: what is wrong, or, as a number, the seconds
that a row of a batch takes. A crash writes nothing.
"""

import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Beside 141 MB of Python and libraries and 600 MB of models that are warm, predict has a thousand left.
RUN_MEGABYTES = 500


@contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    """Let this process have no more addresses than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (min(soft, n_bytes), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def addresses() -> int | None:
    """Bytes of addresses that this process has; None where nobody tells it, as on macOS."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[0]) * resource.getpagesize() if told.exists() else None


def main(directory: Path, megabytes: int) -> str | float:
    """What is wrong with the package in `directory`; if it loads and gives its golden predictions, a row's seconds."""
    limit = megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is told by its signal, and leaves no file
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nothing here writes files
    # Behind the limit, so that it holds for what the imports reserve as well.
    from zeroloop.errors import ZeroloopError  # noqa: PLC0415
    from zeroloop.inference import golden  # noqa: PLC0415
    from zeroloop.inference.model import Model  # noqa: PLC0415
    from zeroloop.inference.tokenizer import Tokenizer  # noqa: PLC0415

    try:
        model = Model({path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()})
        loaded = addresses()
        most = limit if loaded is None else loaded + RUN_MEGABYTES * 1_000_000
        golden.check(model)
        if isinstance(model.encoder, Tokenizer):
            model.encoder.check()
        seconds = golden.row_seconds(model)
    except ZeroloopError as error:
        return f"{error.field}: {error.message}" if error.field else error.message
    except MemoryError:
        return f"the model needs more than {megabytes} MB of memory"
    try:
        with at_most(most):
            return max(seconds, golden.check_greatest(model))
    except ZeroloopError as error:
        return f"{error.field}: {error.message}" if error.field else error.message
    except MemoryError:
        return f"a run of the greatest tensors needs more than {RUN_MEGABYTES} MB of memory: state a smaller max_shape"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
