"""Who serves, as predict knows it: fresh for 5 s, and stale rather than silent when the table doesn't answer.

Stale is what this environment has read itself; what a snapshot knew may be weeks old, and serves nobody.

A read costs one request in 5 s about 5 ms. Nothing is refreshed behind an answer: Lambda freezes there.
"""

from collections.abc import Callable

from msgspec import Struct

from zeroloop.errors import NotFound, Unavailable
from zeroloop.registry.manifest import check_name
from zeroloop.registry.rules import Lineup

FRESH_SECONDS = 5.0
STALE_SECONDS = 30.0
BUDGET_SECONDS = 0.2
FIRST_SECONDS = 3.0
# After a failed refresh the old lineup serves this long before the next try: an outage costs no request 200 ms twice.
PAUSE_SECONDS = 1.0
_EXPIRED = float("-inf")


class _Known(Struct):
    lineup: Lineup
    read_at: float
    tried_at: float


class Lineups:
    """Lineups by model name.

    `model_id(name, timeout)` and `lineup(model_id, timeout)` read the table; each answers None for what isn't there.
    `on_stale` is told the name when a lineup older than 30 s had to serve.
    """

    def __init__(
        self,
        model_id: Callable[[str, float], str | None],
        lineup: Callable[[str, float], Lineup | None],
        *,
        monotonic: Callable[[], float],
        on_stale: Callable[[str], None],
    ) -> None:
        self._model_id = model_id
        self._lineup = lineup
        self._monotonic = monotonic
        self._on_stale = on_stale
        self._known: dict[str, _Known] = {}

    def get(self, name: str) -> Lineup:
        """The lineup of the model called `name`.

        Raises
        ------
        InvalidInput
            A name that no model can have.
        NotFound
            `unknown_model`.
        Unavailable
            It was never read, or not since the restore, and can't be now.
        """
        known, now = self._known.get(name), self._monotonic()
        if known is None:
            return self._remember(name, self._read(check_name(name), None, FIRST_SECONDS), now)
        if now - known.read_at <= FRESH_SECONDS:
            return known.lineup
        if now - known.tried_at <= PAUSE_SECONDS:
            return self._told(name, known, now)
        expired = known.read_at == _EXPIRED
        known.tried_at = _EXPIRED if expired else now
        try:
            budget = FIRST_SECONDS if expired else BUDGET_SECONDS
            return self._remember(name, self._read(name, known.lineup.model_id, budget), now)
        except Unavailable:
            if expired:
                raise
            return self._told(name, known, now)
        except NotFound:
            self._known.pop(name, None)  # another thread may have found out first
            raise

    def check(self) -> None:
        """Read from the table, whose answer doesn't matter; Unavailable where it gives none."""
        self._model_id("", FIRST_SECONDS)  # a name that no model has

    def expire(self) -> None:
        """Let no name be served before it is read anew: a snapshot's lineup is as old as the snapshot."""
        for known in self._known.values():
            known.read_at = known.tried_at = _EXPIRED

    def _told(self, name: str, known: _Known, now: float) -> Lineup:
        if now - known.read_at > STALE_SECONDS:
            self._on_stale(name)
        return known.lineup

    def _remember(self, name: str, lineup: Lineup, now: float) -> Lineup:
        self._known[name] = _Known(lineup, now, now)
        return lineup

    def _read(self, name: str, model_id: str | None, timeout: float) -> Lineup:
        """One read by the id known for the name; a second by name where there is none, or the name has moved on."""
        lineup = self._lineup(model_id, timeout) if model_id else None
        if lineup and lineup.model == name:
            return lineup
        found = self._model_id(name, timeout)
        lineup = self._lineup(found, timeout) if found else None
        if lineup is None:
            raise NotFound(f"there is no model {name!r}", code="unknown_model", field="model")
        if lineup.model != name:
            raise Unavailable(f"{name!r} was just renamed; try again")
        return lineup
