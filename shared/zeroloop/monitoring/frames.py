"""How the traffic of a version is counted: the frame that its package fixes, looked up once."""

from functools import partial
from typing import Any

from zeroloop.errors import NotFound
from zeroloop.inference import package
from zeroloop.inference.registered import Corrupt, Registered
from zeroloop.monitoring.frame import Frame, Scale

_KEPT = 64


class Frames:
    """Frames by (model_id, version), read from the registry's packages and kept."""

    def __init__(self, registered: Registered) -> None:
        self._registered = registered
        self._known: dict[tuple[str, int], Frame] = {}

    def get(self, model_id: str, version: int) -> Frame:
        """The version's frame; one that names nothing where version 0 is meant, or its package is gone; Unavailable."""
        key = (model_id, version)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._read(model_id, version)
        return self._known[key]

    def _read(self, model_id: str, version: int) -> Frame:
        if not version:
            return Frame()
        try:
            found = self._registered.ready(model_id, version)
            files = {file.path: file for file in found.files}
            told, held_out = (files.get(name) for name in ("package.json", "baseline.json"))
            read = partial(self._registered.fetch, found)
            return frame_of(read(told), read(held_out) if held_out else None) if told else Frame()
        except (NotFound, Corrupt):
            return Frame()


def frame_of(package_json: bytes, _baseline_json: bytes | None) -> Frame:
    """The frame of a version's package."""
    made = package.read(package_json)
    parameters = made.preprocessing.parameters
    columns: list[dict[str, Any]] = parameters.get("columns", []) if made.preprocessing.kind == "columns" else []
    numbers = {c["name"]: Scale(c["mean"], c["std"]) for c in columns if c["type"] == "numeric"}
    categories = {c["name"]: frozenset(c["values"]) for c in columns if c["type"] != "numeric"}
    answer = Scale() if made.task == "regression" else None
    ngrams = int(parameters.get("ngrams", 1)) if made.preprocessing.kind == "hashed_ngrams" else 1
    labels = frozenset(made.labels)
    return Frame(labels=labels, numbers=numbers, categories=categories, answer=answer, ngrams=ngrams)
