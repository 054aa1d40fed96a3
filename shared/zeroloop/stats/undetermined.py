"""What stands in place of a number that can't be computed."""

from msgspec import Struct


class Undetermined(Struct, frozen=True):
    """No number, and why: p = 1 or drift 0 would be taken for an answer."""

    reason: str
