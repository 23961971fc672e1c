"""The completion of FastAPI's document, and the merge of two documents."""

import copy

import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import Conflict, NotFound, Unprocessable
from chassis.http.app import operation_id
from chassis.http.envelope import Envelope, JsonResponse, Page, answer
from chassis.http.openapi.document import complete, refusals
from chassis.http.openapi.examples import example_of, with_nulls
from chassis.http.openapi.merging import DuplicateInDocuments, add, only
from chassis.security import identity_of


class Thing(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "a", "size": None}]})

    name: str
    size: int | None


class Odd(Unprocessable):
    code, message, field = "odd", "It is odd", "size"


class Parcel(BaseModel):
    """Read by hand."""

    things: list[Thing]
    speed: int = Field(default=3, description="In knots")
    note: str | None = None


def document(prefix: str = "") -> dict:
    app = FastAPI(default_response_class=JsonResponse, generate_unique_id_function=operation_id)
    open_routes, closed = APIRouter(prefix=prefix), APIRouter(prefix=prefix, dependencies=[Depends(identity_of)])

    @open_routes.get("/things/{name}", response_model=Envelope[Thing], responses=refusals(NotFound))
    async def get_thing(name: str) -> Response:
        return answer(name)

    @closed.get("/things", response_model=Page[Thing])
    async def list_things(limit: int = 20) -> Response:
        return answer(limit)

    @closed.post("/things", status_code=201, response_model=Envelope[Thing], responses=refusals(Conflict, Odd))
    async def create_thing(thing: Thing) -> Response:
        return answer(thing)

    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Parcel"}}}}

    @open_routes.post("/parcels", response_model=Envelope[None], openapi_extra={"requestBody": body})
    async def create_parcel() -> Response:
        return answer()

    app.include_router(open_routes)
    app.include_router(closed)
    made = copy.deepcopy(app.openapi())
    complete(made, [Parcel])
    return made


def statuses(path: str, method: str) -> set[str]:
    return set(document()["paths"][path][method]["responses"])


def test_refusals_follow_from_what_an_operation_asks_for() -> None:
    assert statuses("/things/{name}", "get") == {"200", "404"}
    assert statuses("/things", "get") == {"200", "401", "403", "422", "503"}
    assert statuses("/things", "post") == {"201", "400", "401", "403", "409", "413", "422", "503"}
    assert statuses("/parcels", "post") == {"200", "400", "413", "422"}


def test_every_error_of_a_status_is_an_example_and_a_422_names_its_field() -> None:
    declared = document()["paths"]["/things"]["post"]["responses"]["422"]
    content = declared["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/ValidationRefusal"}
    assert content["examples"].keys() == {"odd", "validation_error"}
    assert content["examples"]["odd"]["value"] == {
        "success": False,
        "message": "It is odd",
        "data": {"errors": [{"field": "size", "message": "It is odd"}]},
        "error": "odd",
        "meta": None,
    }


def test_an_unprocessable_that_is_raised_names_its_field_too() -> None:
    assert Odd().data == {"errors": [{"field": "size", "message": "It is odd"}]}
    assert Unprocessable("Too deep").data == {"errors": [{"field": "body", "message": "Too deep"}]}


def test_successes_are_typed_and_named_and_a_page_has_its_meta() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["ThingEnvelope"]["properties"]["data"] == {"$ref": "#/components/schemas/Thing"}
    assert schemas["ThingPage"]["properties"]["data"]["items"] == {"$ref": "#/components/schemas/Thing"}
    assert schemas["ThingPage"]["properties"]["meta"] == {"$ref": "#/components/schemas/Meta"}
    assert set(schemas["ThingEnvelope"]["required"]) == {"success", "message", "data", "error", "meta"}
    assert schemas["EmptyEnvelope"]["properties"]["data"]["type"] == "null"


def test_operations_without_credentials_say_so() -> None:
    paths = document()["paths"]
    assert paths["/parcels"]["post"]["security"] == []
    assert {name for one in paths["/things"]["get"]["security"] for name in one} == {"access_token", "api_key"}


def test_a_body_that_is_read_by_hand_is_a_component_and_what_nothing_refers_to_is_none() -> None:
    schemas = document()["components"]["schemas"]
    assert "Parcel" in schemas
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()


def test_what_a_body_may_leave_out_has_no_default_that_would_make_it_required_in_generated_types() -> None:
    schema = document()["components"]["schemas"]["Parcel"]
    assert schema["required"] == ["things"]
    assert "default" not in str(schema["properties"])
    assert schema["properties"]["speed"]["description"] == "In knots. Default: `3`"
    assert "description" not in schema["properties"]["note"]


def test_examples_keep_their_nulls() -> None:
    made = document()
    assert made["components"]["schemas"]["Thing"]["examples"] == [{"name": "a", "size": None}]
    listed = made["paths"]["/things"]["get"]["responses"]["200"]["content"]["application/json"]["examples"]
    assert listed["example_1"]["value"]["data"] == [{"name": "a", "size": None}]


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T12:00:00Z"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": False}, False),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "null"}, None),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}, {"a": 5}),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": ["k"]}}, {"k": 1}),
        ({"type": "object"}, {}),
    ],
)
def test_a_schema_without_an_example_gets_one(schema: dict, example: object) -> None:
    assert example_of(schema, {"A": {"default": 5}}) == example


def test_only_a_null_that_is_wanted_is_put_back() -> None:
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schema = {"type": "object", "required": ["a", "b"], "properties": {"a": nullable, "b": {}, "c": nullable}}
    assert with_nulls({}, schema, {}) == {"a": None}
    inside = {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/S"}}, {"type": "null"}]}
    assert with_nulls([{}], inside, {"S": schema}) == [{"a": None}]


def test_a_part_of_a_document_is_whole_and_no_more() -> None:
    part = only(document(), ["/things"])
    assert part["paths"].keys() == {"/things", "/things/{name}"}
    assert "Thing" in part["components"]["schemas"]
    assert "Parcel" not in part["components"]["schemas"]
    assert part["components"]["securitySchemes"].keys() == {"access_token", "api_key"}
    assert only(document(), ["/thing"])["paths"] == {}


def other(**thing: object) -> dict:
    """The document of another service, whose Thing is another one if `thing` says so."""
    made = document("/other")
    for item in made["paths"].values():
        for operation in item.values():
            operation["operationId"] = f"{operation['operationId']}_there"
    made["components"]["schemas"]["Thing"] |= thing
    return only(made, ["/other"])


def test_components_that_are_alike_are_shared() -> None:
    merged = document()
    before = set(merged["components"]["schemas"])
    add(merged, other(), "Other")
    assert set(merged["components"]["schemas"]) == before
    assert {"/things", "/other/things"} <= merged["paths"].keys()


def test_a_component_that_differs_gets_a_name_of_its_own_and_so_does_what_refers_to_it() -> None:
    merged, mine = document(), document()["components"]["schemas"]
    add(merged, other(description="Another"), "Other")
    schemas = merged["components"]["schemas"]
    assert schemas["OtherThing"]["description"] == "Another"
    assert {name: schemas[name] for name in mine} == mine
    found = merged["paths"]["/other/things"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert found == {"$ref": "#/components/schemas/OtherThingPage"}
    assert schemas["OtherThingPage"]["properties"]["data"]["items"] == {"$ref": "#/components/schemas/OtherThing"}
    assert "OtherMeta" not in schemas


def test_a_path_or_an_operation_id_that_both_claim_is_an_error() -> None:
    with pytest.raises(DuplicateInDocuments, match="/things"):
        add(document(), only(document(), ["/things"]), "Other")
    same_ids = only(document("/other"), ["/other"])
    with pytest.raises(DuplicateInDocuments, match="list_things"):
        add(document(), same_ids, "Other")
