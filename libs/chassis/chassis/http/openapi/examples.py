"""Builds examples for schemas without one, from the examples, constants and defaults of their parts; adds their nulls."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
_BY_FORMAT = {
    "uuid": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "email": "john@example.com",
}
_BY_TYPE: dict[str, Any] = {"string": "text", "boolean": True, "null": None}


def example_of(schema: Json, components: Mapping[str, Json]) -> Any:
    """`components` are the document's schemas by name. Schemas that refer to themselves get no example."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components)
    for key, pick in (("examples", 0), ("enum", 0), ("const", None), ("default", None)):
        if key in schema:
            return schema[key] if pick is None else schema[key][pick]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return example_of(schema[key][0], components)
    return _of_type(schema, components)


def _of_type(schema: Json, components: Mapping[str, Json]) -> Any:
    match schema.get("type"):
        case "object":
            fields = {name: example_of(field, components) for name, field in schema.get("properties", {}).items()}
            return fields or _of_map(schema, components)
        case "array":
            return [example_of(schema["items"], components)] if schema.get("items") else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case kind:
            return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(kind or "null"))


def _of_map(schema: Json, components: Mapping[str, Json]) -> Json:
    values = schema.get("additionalProperties")
    if not isinstance(values, dict) or not values:
        return {}
    names = schema.get("propertyNames")
    return {example_of(names, components) if names else "name": example_of(values, components)}


def with_nulls(example: Any, schema: Json, components: Mapping[str, Json]) -> Any:
    """`example` plus null for each property that the schema requires and allows to be null: FastAPI drops all nulls."""
    if "$ref" in schema:
        return with_nulls(example, components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        kind = "object" if isinstance(example, dict) else "array" if isinstance(example, list) else None
        fitting = [one for one in schema["anyOf"] if _resolved(one, components).get("type") == kind]
        return with_nulls(example, fitting[0], components) if fitting else example
    match example:
        case list() if isinstance(schema.get("items"), dict):
            return [with_nulls(one, schema["items"], components) for one in example]
        case dict():
            return _object_with_nulls(example, schema, components)
        case _:
            return example


def _object_with_nulls(example: Json, schema: Json, components: Mapping[str, Json]) -> Json:
    fields, values = schema.get("properties", {}), schema.get("additionalProperties")
    missing = {
        name: None
        for name in schema.get("required", ())
        if name not in example and _takes_null(fields.get(name, {}), components)
    }
    rest = values if isinstance(values, dict) else {}
    return {name: with_nulls(one, fields.get(name, rest), components) for name, one in example.items()} | missing


def _takes_null(schema: Json, components: Mapping[str, Json]) -> bool:
    schema = _resolved(schema, components)
    return schema.get("type") == "null" or any(_takes_null(one, components) for one in schema.get("anyOf", ()))


def _resolved(schema: Json, components: Mapping[str, Json]) -> Json:
    return components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
