"""What methods take has the fields of the gateway's OpenAPI document, all of them, and types that the gateway takes."""

import collections.abc
import types
import typing
from datetime import datetime
from typing import Any

import pytest

from clients.python.tests.document import OTHER_NAMES, SCHEMAS, variants
from notifications.requests import access, people, templates
from notifications.requests import notifications as mails

BODIES = [
    (mails.NotificationRequest, "NotificationRequest"),
    (people.ContactFields, "ContactRequest"),
    (people.BulkContact, "BulkContact"),
    (people.NewUser, "SignUp"),
    (people.UserChange, "UserChange"),
    (people.UserReplacement, "UserReplacement"),
    (people.PreferencesChange, "PreferencesChange"),
    (templates.NewTemplate, "CreateTemplate"),
    (templates.TemplateChange, "PatchTemplate"),
    (templates.TemplateChange, "ReplaceTemplate"),
    (templates.UnsavedTemplate, "RenderUnsaved"),
    (access.NewApplication, "NewApplication"),
    (access.ApplicationChange, "ApplicationChange"),
    (access.ApiKeyRequest, "ApiKeyRequest"),
]


@pytest.mark.parametrize(("kind", "name"), BODIES)
def test_a_body_s_type_is_the_document_s(kind: Any, name: str) -> None:
    fields = set(typing.get_type_hints(kind))
    in_the_query = {"language"} if kind is templates.TemplateChange else set()
    other_names = OTHER_NAMES if "channels" in fields else set()
    assert fields == set(SCHEMAS[name]["properties"]) - other_names - in_the_query
    assert is_taken(kind, SCHEMAS[name], name)


def is_taken(kind: Any, schema: dict[str, Any], where: str) -> bool:
    """Every value of the type fits the schema."""
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:
        for one in typing.get_args(kind):
            assert is_taken(one, schema, where), f"{where}: {one} is not taken"
        return True
    return any(_fits(kind, variant, where) for variant in variants(schema))


def _fits(kind: Any, schema: dict[str, Any], where: str) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if typing.is_typeddict(kind):
        return _fits_object(kind, schema, where)
    if origin is typing.Literal:
        return set(arguments) == set(schema.get("enum", [schema.get("const")]))
    if origin is collections.abc.Sequence:
        return schema.get("type") == "array" and is_taken(arguments[0], schema["items"], f"{where}[]")
    if origin is collections.abc.Mapping:
        return schema.get("type") == "object" and "properties" not in schema
    names = {str: "string", datetime: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    is_open = "enum" not in schema and "const" not in schema
    return schema.get("type") == names[kind] and is_open and (kind is not datetime or schema["format"] == "date-time")


def _fits_object(kind: Any, schema: dict[str, Any], where: str) -> bool:
    fields, properties = typing.get_type_hints(kind), schema.get("properties", {})
    if not properties or not set(fields) <= set(properties):
        return False
    assert kind.__required_keys__ == set(schema.get("required", [])), where
    for name, field in fields.items():
        assert is_taken(field, properties[name], f"{where}.{name}"), f"{where}.{name}: {field} is not taken"
    return True
