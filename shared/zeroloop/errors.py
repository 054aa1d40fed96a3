"""What can go wrong, by kind. The domain raises kinds; only `http` knows statuses."""

_MOST_SAID, _MOST_NAMED = 2_000, 500


class ZeroloopError(Exception):
    """Something the caller can be told.

    `code` is public API: a program may branch on it. `field` names the input at fault, as a path (`instances[3].text`).
    Both message and field are cut: they may quote the caller, whose megabytes would make an answer that Lambda drops.
    """

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        self.message = _cut(message, _MOST_SAID)
        super().__init__(self.message)
        self.code = code or self.code
        self.field = field and _cut(field, _MOST_NAMED)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


class InvalidInput(ZeroloopError):  # noqa: N818 - kinds are named for what is the case
    """The caller sent what can't be understood or isn't allowed; sending it again will fail again."""

    code = "invalid_input"


class NotFound(ZeroloopError):  # noqa: N818
    """The thing that was named doesn't exist."""

    code = "not_found"


class Conflict(ZeroloopError):  # noqa: N818
    """The state of things forbids it: stale, taken, or not allowed from here."""

    code = "conflict"


class Unavailable(ZeroloopError):  # noqa: N818
    """A service that we stand on didn't answer; sending it again may succeed."""

    code = "unavailable"


class ModelFailed(ZeroloopError):  # noqa: N818
    """The model, or what its package reads texts with, broke on these inputs: its own fault, and not the caller's."""

    code = "model_failed"
