"""Predicting: which version answers, what it says, and the receipt of each answer."""

import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from zeroloop import clock
from zeroloop.errors import InvalidInput, ZeroloopError
from zeroloop.inference import assignment, receipts, v2
from zeroloop.inference.answers import Answer
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.model import Model, Result
from zeroloop.inference.receipts import Receipt
from zeroloop.inference.record import LogRecord, Prediction, Shadow, input_digest
from zeroloop.inference.requests import PredictRequest, check_scores, check_size, inputs
from zeroloop.inference.v2 import InferRequest
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.rules import answering


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

    def predict(self, name: str, request: PredictRequest, record: LogRecord) -> tuple[Served, list[Answer]]:
        """Who answers `request` to the model called `name`, and what; `record` is filled on the way, with the receipts.

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
        record.slice = request.slice
        served, shadow = self._choose(name, request.unit, request.version, record)
        values, where = inputs(request, served.model.field)
        check_size(len(values), served.model.package)
        result = served.model.answers(values, where)
        shadows = None
        if shadow is not None:
            run = partial(Model.answers, values=values, where=where)
            shadows = self._score_beside(served, shadow, result, run)
        self._sign(request.unit, served, result, record, shadows)
        return served, result.answers

    def infer(
        self, name: str, version: int | None, request: InferRequest, record: LogRecord
    ) -> tuple[Served, list[dict[str, Any]]]:
        """As `predict`, for the Open Inference Protocol: who answers, and the outputs that `request` wants."""
        if request.model_name not in {None, name}:
            raise InvalidInput(f"the path says {name!r}", field="model_name")
        unit, record.slice = request.parameters.unit, request.parameters.slice
        served, shadow = self._choose(name, unit, version, record)
        model = served.model
        wanted, given = v2.wanted(request, model.package), v2.given(request, model)
        if model.rows:
            v2.check_size(next(iter(given.values())).shape[0], wanted, model.package)
        result = model.infer(given, {output.name for output in wanted})
        outputs = v2.tensors(wanted, model.package, result)
        shadows = None
        if shadow is not None:
            run = partial(_infer_alone, request=request)
            shadows = self._score_beside(served, shadow, result, run)
        self._sign(unit, served, result, record, shadows)
        return served, outputs

    def look(self, name: str, version: int | None) -> tuple[Served, list[int]]:
        """A version, the champion where none is named, and the versions that serve; it is loaded, so ready.

        Raises
        ------
        NotFound
        Conflict
        InvalidInput
        Unavailable
            As `predict`.
        """
        lineup = self._lineups.get(name)
        number = assignment.champion(lineup) if version is None else version
        serving = dict.fromkeys((lineup.champion, *sorted(answering(lineup)), lineup.previous))
        known = [one for one in serving if one is not None]
        return self._models.get(lineup.model_id, number), known if version is None else [version]

    def check(self) -> None:
        """Unavailable unless the registry answers."""
        self._lineups.check()

    def _choose(self, name: str, unit: str | None, pinned: int | None, record: LogRecord) -> tuple[Served, int | None]:
        """Who answers, and the version that scores beside it, if any."""
        lineup = self._lineups.get(name)
        record.model_id = lineup.model_id
        assigned = assignment.assign(lineup, unit or record.request_id, pinned, unit)
        record.variant, record.test_id = assigned.variant, assigned.test_id
        if pinned is None:  # a caller's number is told once there is such a version: each one told makes a metric
            record.version = assigned.version
        served = self._models.get(lineup.model_id, assigned.version)
        record.version = assigned.version
        return served, assigned.shadow

    def _score_beside(
        self, served: Served, number: int, result: Result, run: Callable[[Model], Result]
    ) -> list[Shadow]:
        """What version `number` says of the same instances. Whatever happens to it, the caller has an answer."""
        try:
            model = self._models.get(served.version.model_id, number).model
            check_scores(len(result.answers), model.package)
            found = run(model)
            return [Shadow(number, *said(answer)) for answer, _ in zip(found.answers, result.answers, strict=True)]
        except ZeroloopError as error:
            code = error.code
        except Exception:  # noqa: BLE001 - a bug, ours or the model's: the log has it
            sys.stderr.write(traceback.format_exc())
            code = "internal"
        return [Shadow(number, code=code)] * len(result.answers)

    def _sign(
        self, unit: str | None, served: Served, result: Result, record: LogRecord, shadows: list[Shadow] | None
    ) -> None:
        """Put each answer into the record, with its receipt."""
        key = self._signing_key.get()
        record.unit_hash = receipts.unit_hash(unit, key) if unit else None
        of, version, told = served.model.field, served.version, []
        features = result.features()
        for i, answer in enumerate(result.answers):
            value = result.values[i]
            label, score = said(answer)
            receipt = Receipt(
                kid=key.kid,
                id=clock.new_id(),
                model_id=version.model_id,
                version=version.version,
                variant=record.variant or "",
                label=label,
                score=score,
                time=record.time,
                test_id=record.test_id,
                unit_hash=record.unit_hash,
                slice=record.slice,
            )
            signed, digest = receipts.sign(receipt, key), input_digest(of, value)
            kept, shadow = value if self._log_instances else None, shadows[i] if shadows else None
            told.append(Prediction(signed, label, score, digest, features[i], kept, shadow))
        record.predictions = told

    def preload(self, name: str) -> None:
        """Load the champion of the model called `name`, and have it answer its first golden case.

        Raises
        ------
        ZeroloopError
            As `predict`.
        """
        lineup = self._lineups.get(name)
        model = self._models.get(lineup.model_id, assignment.champion(lineup)).model
        model.run([model.package.golden.cases[0].instance[model.field]], [model.field])

    def renew(self) -> None:
        """After a restore from a snapshot: lineups and the key are as old as the snapshot."""
        self._lineups.expire()
        self._signing_key.forget()


def _infer_alone(model: Model, request: InferRequest) -> Result:
    """What `model` answers to `request`, without the outputs that nobody will see."""
    return model.infer(v2.given(request, model), ())


def said(answer: Answer) -> tuple[str | None, float | None]:
    """The answered label as one string, several joined by `|`, and how sure it is; of regression the number alone."""
    prediction = answer.prediction
    if isinstance(prediction, float):
        return None, prediction
    return "|".join(prediction) if isinstance(prediction, list) else prediction, answer.confidence


def present(served: Served, answers: list[Answer], record: LogRecord, *, many: bool) -> dict[str, Any]:
    """The body of the answer: flat for one instance, `predictions` for a list."""
    common = {
        "model": record.model,
        "model_version": record.version,
        "version_id": served.version.version_id,
        "variant": record.variant,
    }
    if many:
        return {"predictions": list(map(_one, answers, repeat({}), record.predictions)), **common}
    return _one(answers[0], common, record.predictions[0])


def _one(answer: Answer, common: dict[str, Any], told: Prediction) -> dict[str, Any]:
    return {
        "prediction": answer.prediction,
        "confidence": answer.confidence,
        "scores": answer.scores,
        **common,
        "prediction_id": told.prediction_id,
    }


def present_inferred(
    served: Served, record: LogRecord, request: InferRequest, outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    """The body of the protocol's answer. No parameter is a list: the receipts of several rows are joined by commas."""
    receipts = [told.prediction_id for told in record.predictions]
    return {
        "model_name": record.model,
        "model_version": str(record.version),
        **({} if request.id is None else {"id": request.id}),
        "parameters": {
            "version_id": served.version.version_id,
            "variant": record.variant,
            "prediction_id" if len(receipts) == 1 else "prediction_ids": ",".join(receipts),
        },
        "outputs": outputs,
    }
