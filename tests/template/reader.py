"""Reads template.yaml: its short tags become the long form, so that a rule sees plain dicts and lists."""

import copy
import functools
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Knows `!Ref`, `!Sub`, `!GetAtt` and the other tags."""


def _long_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _long_form)


def read() -> Template:
    """The project's template, the caller's own to change."""
    return copy.deepcopy(_parsed())


@functools.cache
def _parsed() -> Template:
    template: Template = yaml.load((PROJECT / "template.yaml").read_text(), Loader=_Loader)
    return template


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """The properties of the resources of a type, by logical id."""
    return {name: body["Properties"] for name, body in template["Resources"].items() if body["Type"] == kind}


def functions(template: Template) -> dict[str, Any]:
    """The functions' properties, by logical id."""
    return of_type(template, "AWS::Serverless::Function")


def word(function: str) -> str:
    """The one word that names a function's folder, events and tests: PredictFunction is `predict`."""
    return function.removesuffix("Function").lower()


def referred(value: Any) -> str | None:
    """The logical id that `!Ref X`, `!Ref X.Alias` or `!GetAtt X.Y` names."""
    if not isinstance(value, dict):
        return None
    target = value.get("Ref") or value.get("Fn::GetAtt")
    return target[0] if isinstance(target, list) else target.split(".")[0] if isinstance(target, str) else None
