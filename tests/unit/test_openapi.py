"""docs/openapi.yaml describes every route of our own, and none else. Its answers: tests/conformance/test_openapi.py."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.template import reader

ROOT = reader.PROJECT
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "put", "patch", "delete")
WITH_A_ROUTER = ("abtest", "batch", "explain", "feedback", "monitor", "registry")
MLFLOWS = ("/api", "/ajax-api", "/health", "/version", "/get-artifact", "/v1/traces")

Route = tuple[str, str]


def described() -> dict[Route, dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, operations in SPEC["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def routed(word: str) -> Iterator[Route]:
    """The routes of a function with a router, by its decorators."""
    source = (ROOT / "functions" / word / "app.py").read_text()
    for method, path in re.findall(r"^@app\.(\w+)\(\"(.*)\"\)$", source, re.MULTILINE):
        yield method.upper(), re.sub(r"<(\w+)>", r"{\1}", path)


def compared() -> Iterator[Route]:
    """The tracker's calls that MLflow has none for."""
    source = (ROOT / "shared/zeroloop/tracking/calls.py").read_text()
    own = source[source.index("def own_table") :]
    yield from re.findall(r"Rpc\(\"(GET|POST)\", \"(/runs/\w+)\"", own)


def open_inference() -> Iterator[Route]:
    """The protocol's paths, by the two `match` statements of predict: those of the server, then those of a model."""
    tree = ast.parse((ROOT / "functions/predict/app.py").read_text())
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_open_inference"]
    of_server, of_model = [node for node in ast.walk(function) if isinstance(node, ast.Match)]
    for method, *rest in _constants(of_server):
        yield method, "/".join(["/v2", *filter(None, rest)])
    for method, *rest in _constants(of_model):
        for version in ([], ["versions", "{version}"]):
            yield method, "/".join(["/v2/models/{model}", *version, *rest])


def _constants(match: ast.Match) -> Iterator[list[str]]:
    """The patterns that consist of nothing but words."""
    for case in match.cases:
        words = [
            part.value.value
            for part in getattr(case.pattern, "patterns", [None])
            if isinstance(part, ast.MatchValue) and isinstance(part.value, ast.Constant)
        ]
        if words and len(words) == len(getattr(case.pattern, "patterns", [])):
            yield [str(word) for word in words]


def test_every_route_is_described_and_no_other() -> None:
    served = {("POST", "/predict/{model}"), *open_inference(), *compared()}
    for word in WITH_A_ROUTER:
        served |= set(routed(word))
    assert set(described()) == served


def test_functions_that_are_asked_over_http_are_known_here() -> None:
    template = reader.read()
    integrations = reader.of_type(template, "AWS::ApiGatewayV2::Integration").values()
    asked = {reader.word(reader.referred(one["IntegrationUri"]) or "") for one in integrations}
    assert asked == {*WITH_A_ROUTER, "predict", "tracker"}


def keys() -> list[Route]:
    """The template's route keys, without MLflow's and browsers' preflights."""
    routes = reader.of_type(reader.read(), "AWS::ApiGatewayV2::Route").values()
    split = [tuple(route["RouteKey"].split(" ", 1)) for route in routes]
    return [(method, path) for method, path in split if method != "OPTIONS" and not path.startswith(MLFLOWS)]


def _leads_to(key: Route, route: Route) -> bool:
    path = re.sub(r"\{\w+\\\+\}", ".+", re.escape(key[1]).replace(r"\{", "{").replace(r"\}", "}"))
    return key[0] in {"ANY", route[0]} and bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), route[1]))


@pytest.mark.parametrize("route", described())
def test_the_gateway_leads_to_what_is_described(route: Route) -> None:
    assert any(_leads_to(key, route) for key in keys())


@pytest.mark.parametrize("key", keys())
def test_what_the_gateway_leads_to_is_described(key: Route) -> None:
    assert any(_leads_to(key, route) for route in described())


def test_operations_have_names_of_their_own_and_tags_that_exist() -> None:
    names = [operation["operationId"] for operation in described().values()]
    tags = {tag["name"] for tag in SPEC["tags"]}
    assert len(set(names)) == len(names)
    assert all(set(operation["tags"]) <= tags and operation["summary"] for operation in described().values())


def schemas(node: Any, file: Path) -> Iterator[tuple[Path, str]]:
    """Every reference, and the file that it stands in."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield file, node["$ref"]
        for part in node.values():
            yield from schemas(part, file)
    elif isinstance(node, list):
        for part in node:
            yield from schemas(part, file)


def test_every_reference_leads_somewhere() -> None:
    found = set(schemas(SPEC, ROOT / "docs/openapi.yaml"))
    assert len(found) > 30
    for file, reference in found:
        name, _, pointer = reference.partition("#")
        node = json.loads((file.parent / name).read_text()) if name else SPEC
        for step in filter(None, pointer.split("/")):
            node = node[step]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "required" in node and "properties" in node:
            yield node
        for part in node.values():
            yield from objects(part)
    elif isinstance(node, list):
        for part in node:
            yield from objects(part)


def test_what_is_required_is_described_and_nothing_else_is_allowed() -> None:
    """schemathesis allows what is required and not described."""
    found = list(objects(SPEC))
    assert len(found) > 30
    for one in found:
        assert set(one["required"]) <= set(one["properties"])
        assert one["additionalProperties"] is False


def examples() -> Iterator[tuple[str, Any, Any]]:
    for operation in described().values():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        given = [example["value"] for example in content.get("examples", {}).values()]
        for example in [*given, *([content["example"]] if "example" in content else [])]:
            yield operation["operationId"], content["schema"], example


@pytest.mark.parametrize(("name", "schema", "example"), list(examples()))
def test_an_example_is_as_its_schema_says(name: str, schema: Any, example: Any) -> None:
    whole = {**SPEC, "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:openapi"}
    registry = Registry().with_resource("urn:openapi", Resource.from_contents(whole))
    Draft202012Validator(_within(schema), registry=registry).validate(example)


def _within(schema: Any) -> Any:
    """`schema` with its references into the whole description."""
    return json.loads(json.dumps(schema).replace('"#/', '"urn:openapi#/'))
