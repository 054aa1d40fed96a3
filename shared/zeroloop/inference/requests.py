"""A predict request: what the caller sent, checked as far as that needs no model. Pure."""

from operator import attrgetter
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from zeroloop.errors import InvalidInput
from zeroloop.inference.package import Package

MAX_INSTANCES = 1_000

Unit = Annotated[str, Meta(min_length=1, max_length=256)]
Slice = Annotated[str, Meta(min_length=1, max_length=64)]
Number = Annotated[int, Meta(ge=1, le=99_999_999)]


class PredictRequest(Struct, forbid_unknown_fields=True, gc=False):
    """Body of a prediction: one of text, features, inputs or instances."""

    text: Any = UNSET
    features: Any = UNSET
    inputs: Any = UNSET
    instances: list[Any] | UnsetType = UNSET
    unit: Unit | None = None
    version: Number | None = None
    slice: Slice | None = None

    @property
    def many(self) -> bool:
        """Whether the caller sent a list and gets one back."""
        return self.instances is not UNSET


class ExplainRequest(Struct, forbid_unknown_fields=True, gc=False):
    """Body of an explanation: one of text and features; `label` says which score, if not that of the prediction."""

    text: Any = UNSET
    features: Any = UNSET
    label: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    unit: Unit | None = None
    version: Number | None = None


_ONE_OF = ("text", "features", "inputs", "instances")
_sent = attrgetter(*_ONE_OF)

# Lambda answers 6,291,556 bytes at the most, what is around the body among them.
MAX_ANSWER_BYTES = 5_000_000
MAX_CARRIED_BYTES = 6_291_000
_RECEIPT_BYTES = 700
_SCORE_BYTES = 24
_MOST_SCORES = 1_000_000


def carried(data: bytes) -> int:
    """Bytes of `data`, JSON, in what Lambda answers: it stands there as a string, so JSON once more."""
    return len(data) + data.count(b'"') + data.count(b"\\")


def inputs(request: PredictRequest, field: str) -> tuple[list[Any], list[str]]:
    """The values that a model which reads `field` ("text", "features" or "inputs") takes, and where each stands.

    Raises
    ------
    InvalidInput
        None or several of text, features, inputs, instances; the wrong one for this model; no or too many instances.
    """
    sent = _sent(request)
    if sent.count(UNSET) != len(sent) - 1:
        given = [name for name, value in zip(_ONE_OF, sent, strict=True) if value is not UNSET]
        raise InvalidInput(f"send one of {field} or instances, not {' and '.join(given) or 'none'}", field=field)
    if isinstance(request.instances, UnsetType):
        value = getattr(request, field)
        if value is UNSET:
            other = next(name for name in _ONE_OF if getattr(request, name) is not UNSET)
            raise InvalidInput(f"this model reads {field}, not {other}", field=other)
        return [value], [field]
    if not 0 < len(request.instances) <= MAX_INSTANCES:
        raise InvalidInput(f"send 1 to {MAX_INSTANCES:,} instances, not {len(request.instances):,}", field="instances")
    values = [_value(instance, field, f"instances[{i}]") for i, instance in enumerate(request.instances)]
    return values, [f"instances[{i}].{field}" for i in range(len(values))]


def instance(request: ExplainRequest, field: str) -> Any:
    """The value that a model which reads `field` ("text" or "features") takes from `request`.

    Raises
    ------
    InvalidInput
        None or both of text and features, or the wrong one for this model.
    """
    given = [name for name in ("text", "features") if getattr(request, name) is not UNSET]
    if given != [field]:
        wrong = next((name for name in given if name != field), field)
        raise InvalidInput(f"this model reads {field}: send that, and nothing beside it", field=wrong)
    return getattr(request, field)


def check_size(n_instances: int, package: Package) -> None:
    """Refuse a request whose answer could be over what Lambda can answer.

    Raises
    ------
    InvalidInput
    """
    if n_instances == 1:
        return
    # An answer that is a list of labels stands in the scores, and in the prediction.
    each = receipt_bytes(package) + _label_bytes(package) * (2 if package.task == "multilabel" else 1)
    most = max(1, MAX_ANSWER_BYTES // each)
    if n_instances > most:
        raise InvalidInput(
            f"send at most {most:,} instances to a model of {len(package.labels):,} labels, not {n_instances:,}",
            field="instances",
        )


def check_scores(n_rows: int, package: Package) -> None:
    """Refuse more scores than memory should hold, whoever is to see them.

    Raises
    ------
    InvalidInput
        `too_large`
    """
    if n_rows > 1 and n_rows * len(package.labels) > _MOST_SCORES:
        most = max(1, _MOST_SCORES // len(package.labels))
        raise InvalidInput(
            f"send at most {most:,} rows to a model of {len(package.labels):,} labels, not {n_rows:,}",
            code="too_large",
            field="inputs",
        )


def receipt_bytes(package: Package) -> int:
    """What the receipt of a row takes at most: of several labels it holds all, in base64."""
    return _RECEIPT_BYTES + (2 * _label_bytes(package) if package.task == "multilabel" else 0)


def _label_bytes(package: Package) -> int:
    return sum(len(label.encode()) + _SCORE_BYTES for label in package.labels)


def _value(instance: Any, field: str, where: str) -> Any:
    """A bare string stands for {"text": ...}, as other servers take it."""
    if isinstance(instance, str) and field == "text":
        return instance
    if not isinstance(instance, dict) or instance.keys() != {field}:
        raise InvalidInput(f'an instance is {{"{field}": ...}}', field=where)
    return instance[field]
