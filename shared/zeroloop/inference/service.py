"""Predicting: which version answers, what it says, and the receipt of each answer."""

from typing import Any, NamedTuple

from msgspec.structs import replace

from zeroloop import clock
from zeroloop.inference import assignment, receipts
from zeroloop.inference.answers import Answer
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.receipts import Key, Receipt
from zeroloop.inference.record import LogRecord, Prediction, input_digest
from zeroloop.inference.requests import PredictRequest, check_size, inputs
from zeroloop.inference.warm import Served, WarmModels


class Outcome(NamedTuple):
    """What a request came to: all its answers come from one version. Their receipts are in the record."""

    served: Served
    answers: list[Answer]


class Predictor:
    """Answers requests.

    With `log_instances` the record keeps what callers sent as they sent it, and not its features alone.
    """

    def __init__(
        self, lineups: Lineups, models: WarmModels, signing_key: SigningKey, *, log_instances: bool = False
    ) -> None:
        self._lineups = lineups
        self._models = models
        self._signing_key = signing_key
        self._log_instances = log_instances

    def predict(self, name: str, request: PredictRequest, record: LogRecord) -> Outcome:
        """The predictions that `request` asks of the model called `name`; `record` is filled on the way.

        The record's `request_id` stands in for the unit where none is given.

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
        lineup = self._lineups.get(name)
        record.model_id = lineup.model_id
        assigned = assignment.assign(lineup, request.unit or record.request_id, request.version)
        record.variant, record.version = assigned.variant, assigned.version
        served = self._models.get(lineup.model_id, assigned.version)
        asked = inputs(request, served.model.field)
        check_size(len(asked.values), served.model.package)
        answers, features = served.model.run(asked.values, asked.where)
        key = self._signing_key.get()
        record.slice = request.slice
        record.unit_hash = receipts.unit_hash(request.unit, key) if request.unit else None
        record.predictions = [
            self._told(answer, record, key, served, value, seen)
            for answer, value, seen in zip(answers, asked.values, features, strict=True)
        ]
        return Outcome(served, answers)

    def preload(self, name: str) -> None:
        """Load the champion of the model called `name`, and have it answer its first golden case.

        Raises
        ------
        ZeroloopError
            As `predict`.
        """
        lineup = self._lineups.get(name)
        champion = assignment.assign(replace(lineup, challenger=None), "", None)
        model = self._models.get(lineup.model_id, champion.version).model
        model.predict([model.package.golden.cases[0].instance[model.field]], [model.field])

    def renew(self) -> None:
        """After a restore from a snapshot: lineups and the key are as old as the snapshot."""
        self._lineups.expire()
        self._signing_key.forget()

    def _told(  # noqa: PLR0913, PLR0917 - what an answer is made of
        self, answer: Answer, record: LogRecord, key: Key, served: Served, value: Any, seen: Any
    ) -> Prediction:
        """An answer for the record, with its receipt."""
        said, sure = label(answer), score(answer)
        receipt = Receipt(
            kid=key.kid,
            id=clock.new_id(),
            model_id=served.version.model_id,
            version=served.version.version,
            variant=record.variant or "",
            label=said,
            score=sure,
            time=record.time,
            test_id=record.test_id,
            unit_hash=record.unit_hash,
            slice=record.slice,
        )
        return Prediction(
            receipts.sign(receipt, key),
            said,
            sure,
            input_digest(served.model.field, value),
            seen,
            value if self._log_instances else None,
        )


def label(answer: Answer) -> str | None:
    """The answered label as one string; several are joined by `|`; None for regression."""
    if isinstance(answer.prediction, float):
        return None
    return "|".join(answer.prediction) if isinstance(answer.prediction, list) else answer.prediction


def score(answer: Answer) -> float:
    """The confidence; for regression the number itself."""
    return answer.prediction if isinstance(answer.prediction, float) else answer.confidence or 0.0


def present(outcome: Outcome, record: LogRecord, *, many: bool) -> dict[str, Any]:
    """The body of the answer: flat for one instance, `predictions` for a list."""
    common = {
        "model": record.model,
        "model_version": record.version,
        "version_id": outcome.served.version.version_id,
        "variant": record.variant,
    }
    shown = [
        {
            "prediction": answer.prediction,
            "confidence": answer.confidence,
            "scores": answer.scores,
            **({} if many else common),
            "prediction_id": told.prediction_id,
        }
        for answer, told in zip(outcome.answers, record.predictions, strict=True)
    ]
    return {"predictions": shown, **common} if many else shown[0]
