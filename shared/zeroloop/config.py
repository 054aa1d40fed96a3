"""Settings of a function: a frozen dataclass read once from the environment, at cold start."""

import dataclasses
import os
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_CASTS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: {"true": True, "false": False}.__getitem__,
}


class BadSettings(RuntimeError):  # noqa: N818
    """The environment lacks a variable or holds one that can't be read: the deployment is wrong, not the request."""


def read(settings: type[T], environ: Mapping[str, str] = os.environ) -> T:  # noqa: TID251 - the owner
    """`settings`, a dataclass, filled from the environment: field `registry_table` is variable `REGISTRY_TABLE`.

    Raises
    ------
    BadSettings
        Names every variable that is missing or can't be read, at once.
    """
    values, problems = {}, []
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        variable = field.name.upper()
        text = environ.get(variable)
        if text is not None:
            try:
                values[field.name] = _CASTS[hints[field.name]](text)
            except (KeyError, ValueError):
                problems.append(f"{variable}={text!r} is not {hints[field.name].__name__}")
        elif field.default is dataclasses.MISSING:
            problems.append(f"{variable} is not set")
    if problems:
        raise BadSettings("; ".join(problems))
    return settings(**values)


@dataclasses.dataclass(frozen=True)
class Aws:
    """What the Lambda runtime tells of itself: the names are AWS's, the empty string means not there."""

    aws_region: str
    aws_access_key_id: str = ""
    aws_secret_access_key: str = dataclasses.field(default="", repr=False)
    aws_session_token: str = dataclasses.field(default="", repr=False)
    aws_container_credentials_full_uri: str = ""
    aws_container_authorization_token: str = dataclasses.field(default="", repr=False)
    aws_endpoint_url: str = ""


@dataclasses.dataclass(frozen=True)
class Function:
    """Which function runs, by the Lambda runtime's word."""

    aws_lambda_function_name: str = "local"


def for_child(environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - the owner
    """The environment for a child that runs what we don't trust: without the role's keys, one thread for BLAS."""
    secrets = [name for name in environ if name.startswith("AWS_")]
    kept = {name: value for name, value in environ.items() if name not in secrets}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
