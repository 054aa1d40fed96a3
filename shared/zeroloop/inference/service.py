"""Predicting: which version answers, what it says, and the receipt of each answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from zeroloop import clock
from zeroloop.inference import assignment, receipts
from zeroloop.inference.answers import Answer
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.receipts import Key, Receipt
from zeroloop.inference.requests import PredictRequest, check_size, inputs
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.manifest import check_name


class Predicted(NamedTuple):
    """An answer and its receipt."""

    answer: Answer
    prediction_id: str


class Known(Struct):
    """What a request has come to so far, for its record: also where it fails on the way."""

    model_id: str | None = None
    version: int | None = None
    variant: str | None = None


class Outcome(Struct, frozen=True):
    """Everything that one request came to; all its predictions come from one version."""

    model: str
    served: Served
    variant: str
    unit_hash: str | None
    predictions: list[Predicted]


class Predictor:
    """Answers requests. `signing_key` is asked once, at the first answer."""

    def __init__(self, lineups: Lineups, models: WarmModels, signing_key: Callable[[], Key]) -> None:
        self._lineups = lineups
        self._models = models
        self._ask_key = signing_key
        self._key: Key | None = None

    def predict(self, name: str, request: PredictRequest, known: Known, *, request_id: str, at: int) -> Outcome:
        """The predictions that `request` asks of the model called `name`.

        `request_id` stands in for the unit where none is given; `at` is now, in ms since 1970; `known` is filled on
        the way.

        Raises
        ------
        NotFound
            Unknown model or version.
        Conflict
            No champion.
        InvalidInput
            A name that no model has, or what the model can't read; names the field.
        Unavailable
            The registry didn't answer and nothing is known yet.
        """
        lineup = self._lineups.get(check_name(name))
        known.model_id = lineup.model_id
        assigned = assignment.assign(lineup, request.unit or request_id, request.version)
        known.variant, known.version = assigned.variant, assigned.version
        served = self._models.get(lineup.model_id, assigned.version)
        asked = inputs(request, served.model.field)
        check_size(len(asked.values), served.model.package)
        answers = served.model.predict(asked.values, asked.where)
        key = self._signing_key()
        hashed = receipts.unit_hash(request.unit, key) if request.unit else None
        predictions = [
            Predicted(answer, receipts.sign(_receipt(answer, served, assigned.variant, hashed, key.kid, at), key))
            for answer in answers
        ]
        return Outcome(name, served, assigned.variant, hashed, predictions)

    def renew(self) -> None:
        """After a restore from a snapshot: lineups and the key are as old as the snapshot."""
        self._lineups.expire()
        self._key = None

    def _signing_key(self) -> Key:
        if self._key is None:
            self._key = self._ask_key()
        return self._key


def _receipt(  # noqa: PLR0913, PLR0917 - the fields of a receipt
    answer: Answer, served: Served, variant: str, unit_hash: str | None, kid: str, at: int
) -> Receipt:
    return Receipt(
        kid=kid,
        id=clock.new_id(),
        model_id=served.version.model_id,
        version=served.version.version,
        variant=variant,
        label=label(answer),
        score=score(answer),
        time=at,
        unit_hash=unit_hash,
    )


def label(answer: Answer) -> str | None:
    """The answered label as one string; several are joined by `|`; None for regression."""
    if isinstance(answer.prediction, float):
        return None
    return "|".join(answer.prediction) if isinstance(answer.prediction, list) else answer.prediction


def score(answer: Answer) -> float:
    """The confidence; for regression the number itself."""
    return answer.prediction if isinstance(answer.prediction, float) else answer.confidence or 0.0


def present(outcome: Outcome, *, many: bool) -> dict[str, Any]:
    """The body of the answer: flat for one instance, `predictions` for a list."""
    version = outcome.served.version
    common = {
        "model": outcome.model,
        "model_version": version.version,
        "version_id": version.version_id,
        "variant": outcome.variant,
    }
    shown = [(_present(answer), {"prediction_id": prediction_id}) for answer, prediction_id in outcome.predictions]
    if many:
        return {"predictions": [{**said, **receipt} for said, receipt in shown], **common}
    [(said, receipt)] = shown
    return {**said, **common, **receipt}


def _present(answer: Answer) -> dict[str, Any]:
    return {"prediction": answer.prediction, "confidence": answer.confidence, "scores": answer.scores}
