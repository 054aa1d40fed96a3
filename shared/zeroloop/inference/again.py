"""What was predicted, asked again of any version: by its input where that is kept, else by what the model saw. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroloop.errors import InvalidInput
from zeroloop.inference.answers import Answer
from zeroloop.inference.columns import Columns
from zeroloop.inference.model import Model
from zeroloop.inference.record import Prediction
from zeroloop.inference.runtime import Array
from zeroloop.inference.text import HashedNgrams

NOT_KEPT = "its input is not kept"
BAG = "of its tokens a bag is kept, not their order"
TENSORS = "a model that takes tensors"
OTHER = "its ids are of another preprocessing"
CATEGORY = "a category is not kept that the model didn't know"


def ask(model: Model, before: Model, request: Sequence[Prediction]) -> list[Answer | str]:
    """What `model` answers now to what `before` answered in one request, at once as then; or why it can't be asked.

    Equal preprocessing makes equal rows of equal inputs, and a text's ids are its whole row: the same version gives
    the same bits.
    """
    rows = [_asked(model, before, one) for one in request]
    kept = [row for row in rows if not isinstance(row, str)]
    answers = iter(model.answers_to(np.stack(kept)) if kept else [])
    return [row if isinstance(row, str) else next(answers) for row in rows]


def _asked(model: Model, before: Model, told: Prediction) -> Array | str:
    try:
        return _row(model, before, told)
    except InvalidInput as error:
        return f"not an input of this version: {error.message}" if error.field else error.message


def _row(model: Model, before: Model, told: Prediction) -> Array:
    """The input of `model`, of one prediction; InvalidInput says why there is none."""
    if model.encoder is None or before.encoder is None:
        raise InvalidInput(TENSORS)
    sent = told.instance if told.instance is not None else _columns(before, told.features)
    if sent is not None:
        row: Array = model.encoder.encode([sent], [model.field])[0]
        return row
    if told.features is None:
        raise InvalidInput(NOT_KEPT)
    if not isinstance(before.encoder, HashedNgrams):
        raise InvalidInput(BAG)
    if model.package.preprocessing.digest != before.package.preprocessing.digest:
        raise InvalidInput(OTHER)
    return np.pad(np.array(told.features, np.int32), (0, model.encoder.width - len(told.features)))


def _columns(before: Model, features: Any) -> Any:
    """A row of a table, whose features are what was sent; None of anything else."""
    if not isinstance(before.encoder, Columns) or features is None:
        return None
    if any(features[name] is None for name, numeric, _ in before.encoder.described if not numeric):
        raise InvalidInput(CATEGORY)
    return features
