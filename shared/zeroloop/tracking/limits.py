"""What may be logged: names, lengths and counts, as MLflow's server has them (`mlflow.utils.validation`). Pure."""

import posixpath
import re
from collections.abc import Iterable, Mapping

from zeroloop.errors import InvalidInput
from zeroloop.tracking.points import Point
from zeroloop.tracking.rules import Dataset

MAX_KEY, MAX_PARAM, MAX_TAG = 250, 6_000, 8_000
MAX_EXPERIMENT_NAME, MAX_EXPERIMENT_TAG, MAX_LOCATION = 500, 20_000, 2_048
MAX_WHOLE = 100_000  # of what MLflow's database takes at any length
MAX_BATCH_METRICS, MAX_BATCH_PARAMS, MAX_BATCH_TAGS, MAX_BATCH = 1_000, 100, 100, 1_000
MAX_BATCH_BYTES = 1_000_000
MAX_DATASET = {"name": 500, "digest": 36, "schema": 1_048_575, "source": 65_535, "profile": 16_777_215}
MAX_INPUT_TAG_KEY, MAX_INPUT_TAG = 255, 500
MAX_USES = {"datasets": 100, "models": 1_000}

_KEY = re.compile(r"[/\w.\- :]*")
_LOCATION_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_key(key: str, field: str) -> None:
    """Refuse what can't be the key of a metric, param or tag.

    Raises
    ------
    InvalidInput
        Other characters than letters, digits and ``/_-. :``, a path that isn't in its normal form, or too long.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            f"Invalid value {key[:300]!r} for parameter '{field}' supplied: names may only contain alphanumerics, "
            "underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
            field=field,
        )
    normal = posixpath.normpath(key)
    if normal != key or normal == "." or normal.startswith(("..", "/")):
        raise InvalidInput(
            f"Invalid value {key[:300]!r} for parameter '{field}' supplied: as a path it would be {normal[:300]!r}",
            field=field,
        )
    check_length(key, MAX_KEY, field)


def check_length(text: str, most: int, field: str) -> None:
    """Refuse more than `most` characters.

    Raises
    ------
    InvalidInput
    """
    if len(text) > most:
        raise InvalidInput(f"'{field}' exceeds the maximum length of {most} characters", field=field)


def check_params(params: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """`params` that may be logged together, values cut to 6,000 characters.

    Raises
    ------
    InvalidInput
        A bad key, or one twice.
    """
    checked = _check_pairs(params, "params", MAX_PARAM)
    keys = [key for key, _ in checked]
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise InvalidInput(f"Duplicate parameter keys have been submitted: {twice}", field="params")
    return checked


def check_tags(tags: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """`tags`, values cut to 8,000 characters.

    Raises
    ------
    InvalidInput
        A bad key.
    """
    return _check_pairs(tags, "tags", MAX_TAG)


def check_whole(pairs: Iterable[tuple[str, str]], field: str, most: int) -> dict[str, str]:
    """Tags or params which nothing is cut from; `field` says which they are.

    Raises
    ------
    InvalidInput
        A bad key, one twice, or a value of more than `most` characters.
    """
    checked = _check_pairs(pairs, field, most + 1)
    for i, (_, value) in enumerate(checked):
        check_length(value, most, f"{field}[{i}].value")
    if len(found := dict(checked)) < len(checked):
        raise InvalidInput("one of the keys is given twice", code="repeated", field=field)
    return found


def _check_pairs(pairs: Iterable[tuple[str, str]], field: str, most: int) -> list[tuple[str, str]]:
    checked = []
    for i, (key, value) in enumerate(pairs):
        if not key:
            name = f"{field}[{i}].key"
            raise InvalidInput(f"Missing value for required parameter '{name}'.", field=name)
        check_key(key, f"{field}[{i}].key")
        checked.append((key, value[:most]))
    return checked


def check_point(key: str, point: Point, where: str) -> None:
    """Refuse a metric with a bad key, a time before 1970, or a time or step beyond 64 bits.

    Raises
    ------
    InvalidInput
    """
    check_key(key, f"{where}name")
    if point.timestamp < 0:
        raise InvalidInput(
            f"Invalid value {point.timestamp} for parameter '{where}timestamp' supplied: metric '{key}' "
            f"(value={point.value}). Timestamp must be a nonnegative long (64-bit integer)",
            field=f"{where}timestamp",
        )


def check_dataset(dataset: Dataset, tags: Mapping[str, str], where: str) -> None:
    """Refuse a dataset with a part, or a tag, that is too long.

    Raises
    ------
    InvalidInput
    """
    for name, most in MAX_DATASET.items():
        check_length(getattr(dataset, name) or "", most, f"{where}.dataset.{name}")
    for key, value in tags.items():
        check_length(key, MAX_INPUT_TAG_KEY, f"{where}.tags.key")
        check_length(value, MAX_INPUT_TAG, f"{where}.tags.value")


def check_uses(counts: Mapping[str, int], model_ids: Iterable[str]) -> None:
    """Refuse more datasets or logged models than one request may name, and ids of models that can't be any.

    Raises
    ------
    InvalidInput
    """
    for name, count in counts.items():
        if count > MAX_USES[name]:
            raise InvalidInput(f"A request can name at most {MAX_USES[name]} {name}. Got {count}.", field=name)
    for model_id in model_ids:
        if not model_id:
            raise InvalidInput("Missing value for required parameter 'model_id'.", field="models")
        check_length(model_id, MAX_KEY, "model_id")


def check_counts(counts: Mapping[str, int]) -> None:
    """Refuse a batch with too many `metrics`, `params`, `tags`, or too many in all.

    Raises
    ------
    InvalidInput
    """
    most = {"metrics": MAX_BATCH_METRICS, "params": MAX_BATCH_PARAMS, "tags": MAX_BATCH_TAGS}
    for name, count in counts.items():
        if count > most[name]:
            raise InvalidInput(
                f"A batch logging request can contain at most {most[name]} {name}. Got {count} {name}.", field=name
            )
    if (total := sum(counts.values())) > MAX_BATCH:
        raise InvalidInput(f"A batch logging request can contain at most {MAX_BATCH} entities. Got {total}.")


def check_location(location: str) -> str:
    """`location`, without a slash at its end, if artifacts may lie there.

    Raises
    ------
    InvalidInput
        No scheme, a fragment, parameters, control characters, or too long.
    """
    field = "artifact_location"
    check_length(location, MAX_LOCATION, field)
    if "#" in location or ";" in location:
        raise InvalidInput(f"'{field}' URL can't include fragments or params.", field=field)
    if _LOCATION_CONTROL.search(location):
        raise InvalidInput(f"'{field}' holds control characters", field=field)
    if not re.match(r"[a-z][a-z0-9+.-]*:", location):
        raise InvalidInput(f"'{field}' needs a scheme, as in s3://bucket/path: no server has a disk here", field=field)
    return location.rstrip("/")
