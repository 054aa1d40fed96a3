"""When versions served, read off the audit chain."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from cli.api import Api, path
from cli.model import pages
from cli.show import when

_ROLES = ("champion", "challenger")


class Period(NamedTuple):
    """A version in a role, from and until (ms since 1970; None: still)."""

    role: str
    begin: int
    end: int | None

    def __str__(self) -> str:
        until = when(self.end) if self.end is not None else "now"
        return f"{self.role} {when(self.begin)} to {until}"


def history(api: Api, name: str) -> list[dict[str, Any]]:
    """All audit records of a model, oldest first."""
    return pages(api, path("models", name, "history"), "history", "before")[::-1]


def periods(records: Iterable[dict[str, Any]], number: int) -> list[Period]:
    """When version `number` was champion or challenger, by records from the oldest to the newest."""
    found: list[Period] = []
    since: dict[str, int] = {}
    for record in records:
        for role in _ROLES:
            serves = record["after"][role] == number
            if serves and role not in since:
                since[role] = record["at"]
            elif not serves and role in since:
                found.append(Period(role, since.pop(role), record["at"]))
    return sorted([*found, *(Period(role, begin, None) for role, begin in since.items())], key=lambda one: one.begin)
