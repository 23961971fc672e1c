"""The SDK's methods and the gateway's OpenAPI document say the same: paths, parameters, bodies.

Every method is called with values for all that it takes, and what it would send is looked up in the document.
"""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import notifications as sdk
from clients.python.tests.document import OPERATIONS, OTHER_NAMES, variants
from clients.python.tests.methods import LEFT_OUT, METHODS, described
from notifications.endpoints import Resource, endpoint, listing


@pytest.fixture(scope="module")
def client() -> Iterator[sdk.Notifications]:
    with sdk.Notifications("http://127.0.0.1:9", api_key="k") as made:
        yield made


def test_every_method_has_a_row_here(client: sdk.Notifications) -> None:
    groups = {"": client, **{name: value for name, value in vars(client).items() if isinstance(value, Resource)}}
    assert len(groups) > 5
    methods = {
        f"{group}.{name}".lstrip(".")
        for group, resource in groups.items()
        if not group.startswith("_")
        for name in dir(type(resource))
        if isinstance(inspect.getattr_static(type(resource), name), endpoint | listing)
    }
    assert methods == set(METHODS)


def test_every_operation_is_covered_or_left_out_for_a_reason() -> None:
    covered = {operation for operation, _, _ in METHODS.values()}
    assert covered | set(LEFT_OUT) == set(OPERATIONS)
    assert covered & set(LEFT_OUT) == set()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_calls_its_operation_with_parameters_that_it_has(client: sdk.Notifications, name: str) -> None:
    method, path, operation = OPERATIONS[METHODS[name][0]]
    call = described(client, name)
    steps = httpx2.URL(call.url).path.split("/")
    expected = path.split("/")
    assert call.method == method
    assert len(steps) == len(expected)
    assert all(known.startswith("{") or known == step for step, known in zip(steps, expected, strict=True)), path
    known = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert set(call.params) <= known
    assert known - set(call.params) - {"cursor", "page", "limit"} == set()


@pytest.mark.parametrize("name", METHODS)
def test_a_body_has_the_document_s_fields_all_of_them(client: sdk.Notifications, name: str) -> None:
    content = OPERATIONS[METHODS[name][0]][2].get("requestBody", {}).get("content", {})
    call = described(client, name)
    if call.body is None:
        assert content == {}
    elif isinstance(call.body, bytes):
        assert call.all_headers["Content-Type"] in content
    else:
        compare_body(json.loads(call.content or b""), content["application/json"]["schema"], name)


def compare_body(value: Any, schema: dict[str, Any], where: str) -> None:
    if isinstance(value, dict):
        kinds = [one for one in variants(schema) if "properties" in one]
        if not kinds:
            assert any(one.get("type") == "object" for one in variants(schema)), where
            return
        fitting = [one for one in kinds if set(value) <= set(one["properties"])]
        assert fitting, f"{where}: {sorted(value)} are not all fields of {[one.get('title') for one in kinds]}"
        assert set(fitting[0].get("required", [])) <= set(value), where
        missing = set(fitting[0]["properties"]) - set(value) - OTHER_NAMES - {"refresh_token"}
        missing -= {"language"} if where in {"templates.update", "templates.replace"} else set()  # in the query
        assert missing == set(), f"{where}: the SDK does not offer these"
        for field, inner in value.items():
            compare_body(inner, fitting[0]["properties"][field], f"{where}.{field}")
    elif isinstance(value, list):
        items = [one["items"] for one in variants(schema) if one.get("type") == "array"]
        assert items, where
        for inner in value:
            compare_body(inner, items[0], f"{where}[]")
    else:
        assert json_types(value) & {one.get("type") for one in variants(schema)}, f"{where}: {value!r} for {schema}"


def json_types(value: object) -> set[str]:
    kinds = {str: {"string"}, bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}, type(None): {"null"}}
    return kinds[type(value)]
