"""A prediction is asked again by what is kept of it: with the same bits, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from zeroloop.inference import again
from zeroloop.inference.model import Model
from zeroloop.inference.record import Prediction
from zeroloop.inference.service import said
from zeroloop_training import packaging

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL, LARGE, FLOAT = (packaging.load(EXAMPLES / f"sentiment/packages/{name}") for name in ("small", "large", "float"))
MACHINE = packaging.load(EXAMPLES / "tabular/packages/v1")
TEXTS = ["A wonderful, moving film.", "?!", "Dull " * 90, "It isn't bad."]
READING = json.loads((EXAMPLES / "tabular/packages/v1/package.json").read_text())["golden"]["cases"][0]["instance"]


def logged(model: Model, values: list[Any], *, instances: bool = False) -> list[Prediction]:
    """As predict logs one request."""
    result = model.answers(values, [model.field] * len(values))
    return [
        Prediction("zr1.x", *said(answer), None, kept, value if instances else None)
        for answer, kept, value in zip(result.answers, result.features(), values, strict=True)
    ]


def all_said(answers: list[Any]) -> list[Any]:
    return [said(one) for one in answers]


@pytest.mark.parametrize(
    ("model", "values"),
    [(SMALL, TEXTS), (LARGE, TEXTS), (MACHINE, [READING["features"]] * 3)],
    ids=["words", "pairs", "columns"],
)
@pytest.mark.parametrize("instances", [False, True], ids=["features", "as sent"])
def test_the_same_version_gives_the_same_bits(model: Model, values: list[Any], *, instances: bool) -> None:
    request = logged(model, values, instances=instances)
    assert all_said(again.ask(model, model, request)) == [(one.label, one.score) for one in request]


def test_ids_are_read_by_every_version_of_the_same_preprocessing() -> None:
    request = logged(SMALL, TEXTS)
    assert all_said(again.ask(FLOAT, SMALL, request)) == all_said(FLOAT.predict(TEXTS, TEXTS))


def test_an_input_as_it_was_sent_is_read_by_any_version() -> None:
    request = logged(SMALL, TEXTS, instances=True)
    assert all_said(again.ask(LARGE, SMALL, request)) == all_said(LARGE.predict(TEXTS, TEXTS))


def category_lost() -> Prediction:
    [told] = logged(MACHINE, [READING["features"]])
    name = next(name for name, numeric, _ in MACHINE.encoder.described if not numeric)  # type: ignore[union-attr] # Columns
    return Prediction("zr1.x", told.label, told.score, None, {**told.features, name: None})


@pytest.mark.parametrize(
    ("model", "before", "told", "why"),
    [
        (LARGE, SMALL, logged(SMALL, TEXTS[:1])[0], again.OTHER),
        (SMALL, SMALL, Prediction("zr1.x", "positive", 0.9), again.NOT_KEPT),
        (MACHINE, MACHINE, category_lost(), again.CATEGORY),
        (MACHINE, SMALL, logged(SMALL, TEXTS[:1], instances=True)[0], "not an input of this version: must be"),
    ],
    ids=["other hashes", "cut from its line", "unknown category", "another model's"],
)
def test_what_cannot_be_asked_says_why_and_stops_no_other(
    model: Model, before: Model, told: Prediction, why: str
) -> None:
    [answer] = again.ask(model, before, [told])
    assert isinstance(answer, str)
    assert answer.startswith(why)
    kept = logged(before, TEXTS[:1] if before is SMALL else [READING["features"]])
    if model is before:
        assert all_said(again.ask(model, before, [told, *kept])[1:]) == [(kept[0].label, kept[0].score)]
