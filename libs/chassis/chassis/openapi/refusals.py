"""How a route declares the errors it answers with: by the classes it raises.

What every route of a kind can answer (401 where credentials are asked for, 422 where something can be invalid, …) is not
declared: `chassis.openapi.document` adds it.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from chassis.envelope import Refusal, ValidationRefusal
from chassis.errors import ServiceError, Unprocessable

Json = dict[str, Any]
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"description": "Which credentials are taken", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}},
    503: {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}},
}


def refusals(*kinds: type[ServiceError]) -> dict[int | str, Json]:
    """For a route's `responses`: by status, with an example of every kind."""
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
