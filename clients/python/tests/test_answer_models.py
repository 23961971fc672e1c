"""The models of answers have the fields of the gateway's OpenAPI document, all of them, with types that read every value."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

import notifications as sdk
from clients.python.tests.document import OPERATIONS, SCHEMAS, resolved, variants
from clients.python.tests.methods import METHODS, described
from notifications.answers.base import PageOf

# What the client adds to answers.
OWN_FIELDS = {"Accepted.request_id", "Accepted.replayed", "BatchItem.request_id"}


@pytest.fixture(scope="module")
def client() -> Iterator[sdk.Notifications]:
    with sdk.Notifications("http://127.0.0.1:9", api_key="k") as made:
        yield made


@pytest.mark.parametrize("name", METHODS)
def test_an_answer_has_every_field_of_its_model_and_the_other_way_round(client: sdk.Notifications, name: str) -> None:
    responses = OPERATIONS[METHODS[name][0]][2]["responses"]
    envelope = next(
        resolved(answer["content"]["application/json"]["schema"]) for code, answer in responses.items() if code < "300"
    )
    data, meta = envelope["properties"]["data"], envelope["properties"]["meta"]
    read = described(client, name).read
    if name == "health":
        state = resolved(data)
        with_status = {**state["properties"], "status": envelope["properties"]["status"]}
        data = {**state, "properties": with_status, "required": [*state["required"], "status"]}
    if isinstance(read, PageOf):
        assert set(resolved(meta)["properties"]) <= set(sdk.Meta.model_fields)
        compare(read.kind, data["items"], name)
    else:
        compare(sdk.Health if name == "health" else read.kind, data, name)


def compare(kind: Any, schema: dict[str, Any], where: str) -> None:
    """The model reads everything that the schema allows, and leaves no field out."""
    allowed = variants(schema)
    optional = {one.get("type") for one in allowed} - {None}
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:
        assert ("null" in optional) <= (type(None) in typing.get_args(kind)), f"{where} may be null"
        inner = [one for one in typing.get_args(kind) if one is not type(None)]
    else:
        assert kind in {Any, type(None)} or "null" not in optional, f"{where} may be null"
        inner = [kind]
    for one in (one for one in allowed if one.get("type") != "null" and one):
        assert any(fits(candidate, one, where) for candidate in inner), f"{where}: {inner} does not read {one}"


def fits(kind: Any, schema: dict[str, Any], where: str) -> bool:
    if typing.get_origin(kind) in {list, dict}:
        return fits_collection(kind, schema, where)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return fits_model(kind, schema, where)
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind)} == set(schema.get("properties", {}))
    names = {str: {"string"}, bool: {"boolean"}, int: {"integer"}, float: {"number", "integer"}, datetime: {"string"}}
    is_time = schema.get("format") == "date-time"
    return kind is Any or (schema.get("type") in names[kind] and is_time == (kind is datetime))


def fits_collection(kind: Any, schema: dict[str, Any], where: str) -> bool:
    if typing.get_origin(kind) is list:
        if schema.get("type") == "array":
            compare(typing.get_args(kind)[0], schema["items"], f"{where}[]")
        return schema.get("type") == "array"
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        compare(typing.get_args(kind)[1], values, f"{where}{{}}")
    return schema.get("type") == "object" and "properties" not in schema


def fits_model(kind: type[BaseModel], schema: dict[str, Any], where: str) -> bool:
    fields = {name: one for name, one in kind.model_fields.items() if f"{kind.__name__}.{name}" not in OWN_FIELDS}
    properties = schema.get("properties", {})
    if not properties or not set(properties) & set(fields):
        return False
    assert set(fields) == set(properties), f"{where}: {kind.__name__} and {schema.get('title')} differ"
    for name, field in fields.items():
        assert not field.is_required() or name in schema["required"], f"{where}.{name} may be absent"
        compare(field.annotation, properties[name], f"{where}.{name}")
    return True


def test_the_statuses_are_the_document_s() -> None:
    statuses = set(SCHEMAS["Status"]["enum"])
    assert set(typing.get_args(sdk.Status)) == statuses
    assert statuses == sdk.SENT_OR_FINAL | {"pending", "queued"}
    assert sdk.SENT_OR_FINAL - {"sent"} == sdk.FINAL_STATUSES
