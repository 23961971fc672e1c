"""What a body may hold is what the document says of it: no value of another JSON type is made into the right one."""

import re
from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from devstack.openapi import apps
from tests.openapi.conformance import Document, Json

OF_ANOTHER_TYPE = {"integer": ["5", True], "number": ["5", True], "boolean": [0, 1, "true", "no"]}


def taken_models() -> dict[str, type[BaseModel]]:
    """The models of every request body, and of what is in them, by name."""
    known = {model.__name__: model for model in _below(BaseModel)}
    names: set[str] = set()
    for app in apps().values():
        document = Document(app.openapi())
        for _, _, operation in document.operations():
            names |= set(_named(document.content["components"]["schemas"], str(operation.get("requestBody"))))
    return {name: known[name] for name in sorted(names)}


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in model.__subclasses__():
        yield one
        yield from _below(one)


def _named(schemas: Json, text: str) -> Iterator[str]:
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        yield name
        yield from _named(schemas, str(schemas[name]))


@pytest.mark.parametrize("model", taken_models().values(), ids=lambda model: model.__name__)
def test_no_value_of_another_json_type_is_taken(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        adapter = TypeAdapter(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
        schema = adapter.json_schema()
        kinds = {one.get("type") for one in schema.get("anyOf", [schema])}
        for kind in kinds & OF_ANOTHER_TYPE.keys():
            taken = [value for value in OF_ANOTHER_TYPE[kind] if takes(adapter, value)]
            assert taken == [], f"{model.__name__}.{name} takes {taken}"


def takes(adapter: TypeAdapter[object], value: object) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
