"""Completes the OpenAPI document from the code: envelopes, errors, examples."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from chassis.errors import (
    Forbidden,
    InvalidJson,
    PayloadTooLarge,
    ServiceError,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from chassis.http.envelope import MAY_BE_ABSENT, Refusal, ValidationRefusal
from chassis.http.openapi.examples import example_of, with_nulls
from chassis.http.openapi.merging import rename, used_components

# A route declares its errors by the classes that it raises.
#
# Errors that every route of a kind can answer are not declared (401 for routes with credentials, 422 for routes with input
# that can be invalid, …): `chassis.http.openapi.document` adds them.

Json = dict[str, Any]
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"description": "Which credentials are taken", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}},
    503: {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}},
}


def refusals(*kinds: type[ServiceError]) -> dict[int | str, Json]:
    """For a route's `responses`: grouped by status, with an example of each kind."""
    ordered = sorted(kinds, key=lambda kind: kind.status)
    return {status: _response(list(alike)) for status, alike in groupby(ordered, key=lambda kind: kind.status)}


def _response(kinds: Sequence[type[ServiceError]]) -> Json:
    model = ValidationRefusal if issubclass(kinds[0], Unprocessable) else Refusal
    content = {
        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": {kind.code: {"summary": kind.message, "value": _example(kind)} for kind in kinds},
    }
    described: Json = {"description": "; ".join(dict.fromkeys(kind.message for kind in kinds))}
    if kinds[0].status in _HEADERS:
        described["headers"] = _HEADERS[kinds[0].status]
    return {**described, "content": {"application/json": content}}


def _example(kind: type[ServiceError]) -> Json:
    problems = {"errors": [{"field": kind.field, "message": kind.message}]} if issubclass(kind, Unprocessable) else None
    return {"success": False, "message": kind.message, "data": problems, "error": kind.code, "meta": None}


# Completes FastAPI's OpenAPI document. This code knows no particular service.
#
# - Operations without credentials say so.
# - Refusals that every operation of a kind can answer are declared (`refusals(…)` declares those of single routes).
# - Every body and every answer has an example, with its nulls: FastAPI drops them.

JSON = "application/json"


def complete(document: Json, bodies: Iterable[type[BaseModel]] = ()) -> None:
    """`bodies` are the models of bodies that routes read by hand and refer to in their `openapi_extra`."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas([(model, "validation") for model in bodies])
    schemas |= _schemas([(Refusal, "serialization"), (ValidationRefusal, "serialization")])
    for operation in _operations(document):
        operation.setdefault("security", [])
        _drop_the_frameworks_422(operation["responses"])
        _declare(operation["responses"], refusals(*_implied(operation)))
    _require_all_of_answers(document)
    _show_examples(document, schemas)
    _describe_defaults_of_bodies(document)
    document["components"] = used_components(document["paths"], document["components"])
    _call_by_title(document)


def _schemas(models: list[tuple[type[BaseModel], JsonSchemaMode]]) -> Json:
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")
    found: Json = schema.get("$defs", {})
    return found


def _operations(document: Json) -> Iterator[Json]:
    for item in document["paths"].values():
        yield from item.values()


def _drop_the_frameworks_422(responses: Json) -> None:
    """Removes FastAPI's own form of a 422, which is never answered here."""
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]


def _require_all_of_answers(document: Json) -> None:
    """Marks all fields of answers as required, even fields with a default, except fields marked as possibly absent."""
    taken = _schemas_of(document, lambda operation: operation.get("requestBody"))
    answered = _schemas_of(document, lambda operation: operation["responses"])
    for name in answered.keys() - taken.keys():
        if "properties" in answered[name]:
            fields = answered[name]["properties"]
            answered[name]["required"] = [field for field in fields if not fields[field].pop(MAY_BE_ABSENT, False)]


def _describe_defaults_of_bodies(document: Json) -> None:
    """Writes defaults of bodies into the description: type generators treat a property with `default` as required."""
    for schema in _schemas_of(document, lambda operation: operation.get("requestBody")).values():
        for name in schema.get("properties", {}).keys() - schema.get("required", ()):
            _describe_default(schema["properties"][name])


def _schemas_of(document: Json, part: Callable[[Json], Any]) -> Json:
    """The components to which this part of any operation refers."""
    parts = {path: [part(operation) for operation in item.values()] for path, item in document["paths"].items()}
    found: Json = used_components(parts, document["components"]).get("schemas", {})
    return found


def _describe_default(field: Json) -> None:
    default = field.pop("default", None)
    if default is not None:
        parts = [field["description"]] if "description" in field else []
        field["description"] = ". ".join([*parts, f"Default: `{json.dumps(default)}`"])


def _call_by_title(document: Json) -> None:
    """Renames generic models to their title: `UserViewEnvelope` is better than `Envelope_UserView_`."""
    schemas = document["components"].get("schemas", {})
    titles = Counter(schema.get("title", name) for name, schema in schemas.items())
    names = {
        name: schema["title"]
        for name, schema in schemas.items()
        if schema.get("title", name) not in schemas and schema["title"].isidentifier() and titles[schema["title"]] == 1
    }
    rename(document, {f"#/components/schemas/{name}": f"#/components/schemas/{title}" for name, title in names.items()})
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}


def _implied(operation: Json) -> Iterator[type[ServiceError]]:
    """The errors that an operation can answer because of its inputs."""
    if operation["security"]:
        yield from (Unauthorized, Forbidden, Unavailable)
    if "requestBody" in operation:
        yield from (InvalidJson, PayloadTooLarge, Unprocessable)
    elif any(_can_be_invalid(parameter["schema"]) for parameter in operation.get("parameters", ())):
        yield Unprocessable


def _can_be_invalid(schema: Json) -> bool:
    """False for a string without constraints: it accepts every value."""
    return {key: value for key, value in schema.items() if key not in {"title", "examples", "description"}} != {
        "type": "string"
    }


def _declare(declared: Json, implied: dict[int | str, Json]) -> None:
    """Adds responses. If the route declares a status itself, adds only examples to it."""
    for status, response in implied.items():
        own = declared.setdefault(str(status), response)
        declared_json, added = own.setdefault("content", response["content"])[JSON], response["content"][JSON]
        if declared_json["schema"] == added["schema"]:
            declared_json["examples"] = {**declared_json.get("examples", {}), **added["examples"]}


def _show_examples(document: Json, schemas: Json) -> None:
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [with_nulls(example, schema, schemas) for example in schema["examples"]]
    for operation in _operations(document):
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            if JSON in part.get("content", {}):
                _show(part["content"][JSON], schemas)


def _show(media: Json, schemas: Json) -> None:
    schema: Json = media["schema"]
    if "examples" not in media:
        named: Json = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        shown = named.get("examples") or [example_of(schema, schemas)]
        media["examples"] = {f"example_{number}": {"value": value} for number, value in enumerate(shown, 1)}
    for example in media["examples"].values():
        example["value"] = with_nulls(example["value"], schema, schemas)
