"""Explaining: which version answers, as for a prediction, and what each part of the instance adds to its score."""

from typing import Any

from zeroloop.errors import InvalidInput
from zeroloop.inference import assignment, attribution
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.requests import ExplainRequest, instance
from zeroloop.inference.warm import WarmModels

METHOD = "leave_one_out"
LIMITS = (
    "An attribution is the score less the score without that part. Where parts act together, each of them or none is "
    "credited, and the gap says by how much the sum is off: a model that is linear in its parts has none. It tells "
    "what moves this model's score, not what moves the world."
)


class Explainer:
    """Answers what made a score what it is. Signs nothing: an explanation is no prediction that could get feedback."""

    def __init__(self, lineups: Lineups, models: WarmModels) -> None:
        self._lineups = lineups
        self._models = models

    def explain(self, name: str, request: ExplainRequest, request_id: str) -> dict[str, Any]:
        """The body of the answer; `request_id` stands in for the unit where none is given.

        Raises
        ------
        NotFound
            Unknown model or version.
        Conflict
            No champion.
        InvalidInput
            What the model can't read, a label that it doesn't have, or `not_explainable`.
        Unavailable
            The registry didn't answer and nothing is known yet.
        """
        lineup = self._lineups.get(name)
        assigned = assignment.assign(lineup, request.unit or request_id, request.version, request.unit)
        version, model = self._models.get(lineup.model_id, assigned.version)
        if not isinstance(model.encoder, attribution.Explainable):
            raise InvalidInput(
                "a model that takes tensors has no parts that could be left out", code="not_explainable", field="model"
            )
        made = attribution.parts(model.encoder, instance(request, model.field), model.field, model.baseline)
        answers = model.answers_to(made.rows)
        label = attribution.label(model.package, answers[0], request.label)
        scores = attribution.scores(answers, label)
        found = attribution.attribute(scores)
        return {
            "prediction": answers[0].prediction,
            "label": label,
            "score": scores[0],
            "attributions": [{**told, "attribution": added} for told, added in zip(made.told, found.each, strict=True)],
            "baseline": {"of": made.without, "score": scores[1]},
            "completeness": {"sum": found.total, "difference": found.difference, "gap": found.gap},
            "limits": {"method": METHOD, "parts": made.total, "explained": len(made.told), "note": LIMITS},
            "model": name,
            "model_version": version.version,
            "version_id": version.version_id,
            "variant": assigned.variant,
        }
