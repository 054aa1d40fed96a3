"""What is looked at: models, and windows of them."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from zeroloop.monitoring.alerts import Settings
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.rules import Lineup
from zeroloop.registry.service import Registry

Schedule = Literal["minutes", "hour", "day"]

DAY_MINUTES = 1440
MINUTE_MS = 60_000
PAGE = 100


class Subject(Struct, frozen=True):
    """The model that is looked at, and by which settings."""

    model_id: str
    model: str
    lineup: Lineup
    settings: Settings


class Look(Struct, frozen=True):
    """A window, by its first minute and the one after its last, of a model, and when it is looked at, in ms."""

    subject: Subject
    window: tuple[int, int]
    now: int


def names(registry: Registry) -> Iterator[str]:
    """Of all models."""
    after: str | None = None
    while page := registry.models(after, PAGE):
        yield from (model.name for model, _ in page)
        after = page[-1][0].name


def find(registry: Registry, watch: WatchStore, name: str) -> Subject:
    """The model called `name` as it is now; NotFound."""
    model = registry.model(name)
    return Subject(model.model_id, name, registry.lineup(name), watch.settings(model.model_id))
