"""Predicting: which version answers, what it says, and the receipt of each answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from zeroloop import clock
from zeroloop.errors import InvalidInput
from zeroloop.inference import assignment, receipts, v2
from zeroloop.inference.answers import Answer
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.receipts import Key, Receipt
from zeroloop.inference.requests import PredictRequest, check_size, inputs
from zeroloop.inference.v2 import InferRequest
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
        served = self._choose(name, request.unit or request_id, request.version, known)
        asked = inputs(request, served.model.field)
        check_size(len(asked.values), served.model.package)
        return self._sign(name, request.unit, served, served.model.predict(asked.values, asked.where), known, at)

    def infer(  # noqa: PLR0913 - as predict, and the version from the path
        self, name: str, version: int | None, request: InferRequest, known: Known, *, request_id: str, at: int
    ) -> tuple[Outcome, list[dict[str, Any]]]:
        """As `predict`, for the Open Inference Protocol; with the outputs that `request` wants."""
        unit = v2.unit(request)
        if request.model_name not in {None, name}:
            raise InvalidInput(f"the path says {name!r}", field="model_name")
        served = self._choose(name, unit or request_id, version, known)
        model = served.model
        wanted, given = v2.wanted(request, model.package), v2.given(request, model)
        answers, arrays = model.infer(given)
        outputs = v2.tensors(wanted, model.package, answers, arrays)
        return self._sign(name, unit, served, answers, known, at), outputs

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
        lineup = self._lineups.get(check_name(name))
        number = assignment.champion(lineup) if version is None else version
        serving = [one for one in (lineup.champion, lineup.challenger, lineup.previous) if one is not None]
        return self._models.get(lineup.model_id, number), serving if version is None else [version]

    def check(self) -> None:
        """Unavailable unless the registry answers."""
        self._lineups.check()

    def _choose(self, name: str, key: str, pinned: int | None, known: Known) -> Served:
        """The version that answers; `known` is filled on the way."""
        lineup = self._lineups.get(check_name(name))
        known.model_id = lineup.model_id
        assigned = assignment.assign(lineup, key, pinned)
        known.variant, known.version = assigned.variant, assigned.version
        return self._models.get(lineup.model_id, assigned.version)

    def _sign(  # noqa: PLR0913, PLR0917 - the facts of an outcome
        self, name: str, unit: str | None, served: Served, answers: list[Answer], known: Known, at: int
    ) -> Outcome:
        """The answers with their receipts."""
        key, variant = self._signing_key(), known.variant or ""
        hashed = receipts.unit_hash(unit, key) if unit else None
        predictions = [
            Predicted(answer, receipts.sign(_receipt(answer, served, variant, hashed, key.kid, at), key))
            for answer in answers
        ]
        return Outcome(name, served, variant, hashed, predictions)

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
    """The answered label as one string; several are joined by `|`; None where there are no labels."""
    if answer.prediction is None or isinstance(answer.prediction, float):
        return None
    return "|".join(answer.prediction) if isinstance(answer.prediction, list) else answer.prediction


def score(answer: Answer) -> float | None:
    """The confidence; for regression the number itself; None for tensors."""
    return answer.prediction if isinstance(answer.prediction, float) else answer.confidence


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


def present_inferred(outcome: Outcome, request: InferRequest, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of the protocol's answer. No parameter is a list: the receipts of several rows are joined by commas."""
    receipts = ",".join(prediction_id for _, prediction_id in outcome.predictions)
    version = outcome.served.version
    return {
        "model_name": outcome.model,
        "model_version": str(version.version),
        **({} if request.id is None else {"id": request.id}),
        "parameters": {
            "version_id": version.version_id,
            "variant": outcome.variant,
            "prediction_id" if len(outcome.predictions) == 1 else "prediction_ids": receipts,
        },
        "outputs": outputs,
    }


def _present(answer: Answer) -> dict[str, Any]:
    return {"prediction": answer.prediction, "confidence": answer.confidence, "scores": answer.scores}
