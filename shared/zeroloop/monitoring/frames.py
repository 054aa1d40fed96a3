"""How the traffic of a version is counted: the frame of its baseline, looked up once."""

from contextlib import suppress

from msgspec.structs import replace

from zeroloop.errors import InvalidInput, NotFound
from zeroloop.inference.registered import Corrupt, Registered
from zeroloop.monitoring import baseline
from zeroloop.monitoring.frame import Frame

_KEPT = 64


class Frames:
    """Frames by (model_id, version), read from the registry's packages and kept."""

    def __init__(self, registered: Registered) -> None:
        self._registered = registered
        self._known: dict[tuple[str, int], Frame] = {}

    def get(self, model_id: str, version: int) -> Frame:
        """The version's frame; of labels alone where it has no baseline, and of nothing for version 0; Unavailable."""
        key = (model_id, version)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._read(model_id, version) if version else Frame()
        return self._known[key]

    def _read(self, model_id: str, version: int) -> Frame:
        try:
            found = self._registered.ready(model_id, version)
        except NotFound:  # deleted since
            return Frame()
        labels = frozenset(found.facts.labels if found.facts else ())
        for file in found.files:
            if file.path == baseline.NAME:
                with suppress(Corrupt, InvalidInput):
                    frame = baseline.frame_of(self._registered.fetch(found, file))
                    return frame if frame.labels else replace(frame, labels=labels)
        return Frame(labels=labels)
