"""The gateway's OpenAPI document."""

import json
from pathlib import Path
from typing import Any

DOCUMENT = json.loads((Path(__file__).parents[3] / "api-gateway" / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
# Operation id → method, path, operation.
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
OTHER_NAMES = {"channel", "type", "notification_type", "template_type"}  # of `channels`, in a template's body


def variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives that the schema allows; itself if it has none."""
    schema = resolved(schema)
    found = schema.get("anyOf") or schema.get("oneOf")
    return [inner for one in found for inner in variants(one)] if found else [schema]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
