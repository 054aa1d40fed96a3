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
from pathlib import Path


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
        golden.check(model)
        if isinstance(model.encoder, Tokenizer):
            model.encoder.check()
        return golden.row_seconds(model)
    except ZeroloopError as error:
        return f"{error.field}: {error.message}" if error.field else error.message
    except MemoryError:
        return f"the model needs more than {megabytes} MB of memory"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
