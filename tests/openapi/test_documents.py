"""What holds for the OpenAPI document of every service: clients are generated from it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api_gateway.routers.proxy import FORWARDED
from devstack.openapi import apps
from tests.openapi.conformance import JSON, Document, Json

SERVICES = ("api-gateway", "user-service", "template-service", "email-service", "push-service")
PUBLIC = {
    "log_in", "refresh_tokens", "create_user", "get_key_set", "get_vapid_key", "get_health", "get_api_health", "get_liveness",
    "get_readiness", "request_password_reset", "reset_password", "verify_email", "confirm_address", "take_back_address",
    "report_provider_events",
}  # fmt: skip
VERBS = {
    "activate", "add", "archive", "cancel", "confirm", "create", "delete", "disable", "enable", "end", "export",
    "find", "get", "import", "list", "log", "reconcile", "refresh", "remove", "render", "replace", "replay",
    "report", "request", "resend", "reset", "retry", "revoke", "rotate", "set", "take", "try", "update", "verify",
}  # fmt: skip


FILES = {"/api/v1/suppressions/export"}  # answered
FILES_TAKEN = {"/api/v1/bounces", "/api/v1/suppressions/import"}


@cache
def document_of(service: str) -> Document:
    return Document(apps()[service].openapi())


def operations(service: str) -> Iterator[tuple[str, str, Json]]:
    return document_of(service).operations()


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_with_query_parameters_refuses_those_that_it_does_not_know(service: str) -> None:
    app = apps()[service]
    for context in iter_route_contexts(app.router.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for parameter in route.dependant.query_params:
                assert parameter.field_info.annotation.model_config.get("extra") == "forbid", (
                    route.path,
                    parameter.name,
                )


def resolved(document: Document, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    found: Json = document.content["components"]["schemas"][name]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_typed_and_in_the_envelope(service: str) -> None:
    document = document_of(service)
    for path, method, operation in operations(service):
        for status, response in operation["responses"].items():
            if status == "200" and path in FILES:
                continue
            schema = response["content"][JSON]["schema"]
            for one in schema.get("anyOf", [schema]):
                fields = resolved(document, one).get("properties", {})
                where = (method, path, status)
                if path.startswith("/.well-known"):
                    assert "keys" in fields or status == "503", where
                    continue
                assert {"success", "message", "data", "error", "meta"} <= fields.keys(), where
                assert fields["success"]["const"] is (status[0] == "2"), where
                assert fields["data"], where
                assert resolved(document, one)["required"], where


@pytest.mark.parametrize("service", SERVICES)
def test_an_operation_declares_what_follows_from_what_it_asks_for_and_nothing_else(service: str) -> None:
    for path, method, operation in operations(service):
        statuses, where = operation["responses"].keys(), (method, path)
        assert any(status[0] == "2" for status in statuses), where
        if operation["security"]:
            assert {"401", "403", "503"} <= statuses, where
        takes_body = "requestBody" in operation
        assert ({"400", "413"} <= statuses) is takes_body, where
        if not takes_body and not operation.get("parameters"):
            assert "422" not in statuses, where


@pytest.mark.parametrize("service", SERVICES)
def test_public_operations_say_so_and_the_others_say_what_opens_them(service: str) -> None:
    schemes = document_of(service).content["components"].get("securitySchemes", {})
    for path, method, operation in operations(service):
        needed = {name for one in operation["security"] for name in one}
        if operation["operationId"] in PUBLIC:
            assert needed == set(), (method, path)
        else:
            assert needed == {"access_token", "api_key"} <= schemes.keys(), (method, path)


@pytest.mark.parametrize("service", SERVICES)
def test_operation_ids_are_unique_and_say_what_is_done(service: str) -> None:
    ids = Counter(operation["operationId"] for _, _, operation in operations(service))
    assert [name for name, times in ids.items() if times > 1] == []
    assert [
        name for name in ids if name.split("_")[0] not in VERBS or not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    ] == []


@pytest.mark.parametrize("service", SERVICES)
def test_everything_is_described(service: str) -> None:
    content = document_of(service).content
    assert content["info"].keys() >= {"title", "summary", "description", "version", "license"}
    assert content["servers"][0]["url"] == "/"
    described = {tag["name"] for tag in content["tags"] if tag["description"]}
    for path, method, operation in operations(service):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert set(operation["tags"]) <= described, (method, path)


@pytest.mark.parametrize("service", SERVICES)
def test_components_have_names_for_a_client_s_code(service: str) -> None:
    names = document_of(service).content["components"]["schemas"].keys()
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)] == []
    assert not {"HTTPValidationError", "ValidationError"} & names


@pytest.mark.parametrize("service", SERVICES)
def test_an_answer_leaves_nothing_out(service: str) -> None:
    """Else a generated client has to look whether it is there."""
    document = document_of(service)
    taken = json.dumps([operation.get("requestBody") for _, _, operation in operations(service)])
    for name, schema in document.content["components"]["schemas"].items():
        if f'/{name}"' in json.dumps([operation["responses"] for _, _, operation in operations(service)]):
            assert f'/{name}"' in taken or set(schema["required"]) == set(schema["properties"]), name


@pytest.mark.parametrize("service", SERVICES)
def test_every_body_and_every_answer_has_examples_and_they_are_valid(service: str) -> None:
    document = document_of(service)
    for path, method, operation in operations(service):
        parts = [("requestBody", operation.get("requestBody"))]
        parts += [(f"responses {status}", response) for status, response in operation["responses"].items()]
        for where, part in parts:
            if part is None:
                continue
            [(kind, content)] = part["content"].items()
            assert kind == JSON or path in {*FILES, *FILES_TAKEN}, (method, path, where)
            examples = content["examples"]
            assert examples, (method, path, where)
            location = ("paths", path, method, *where.split(), "content", kind, "schema")
            for name, example in examples.items():
                assert document.problems(example["value"], *location) == [], (method, path, where, name)


@pytest.mark.parametrize("service", SERVICES)
def test_the_examples_of_models_are_valid(service: str) -> None:
    document = document_of(service)
    for name, schema in document.content["components"]["schemas"].items():
        for example in schema.get("examples", []):
            assert document.problems(example, "components", "schemas", name) == [], name


def test_what_the_gateway_forwards_is_in_its_document_as_its_owner_has_it() -> None:
    gateway = document_of("api-gateway").content["paths"]
    for owner in ("user-service", "template-service", "email-service"):
        public = {path: item for path, item in document_of(owner).content["paths"].items() if _is_forwarded(path)}
        assert public
        for path, item in public.items():
            ids = {method: operation["operationId"] for method, operation in item.items()}
            assert {method: operation["operationId"] for method, operation in gateway[path].items()} == ids
    assert [path for path in gateway if "internal" in path or "well-known" in path] == []


def _is_forwarded(path: str) -> bool:
    return path.startswith(FORWARDED)


def test_a_notification_is_one_named_component_alone_and_in_a_batch() -> None:
    content = document_of("api-gateway").content
    one = content["paths"]["/api/v1/notifications"]["post"]["requestBody"]["content"][JSON]["schema"]
    assert one == {"$ref": "#/components/schemas/NotificationRequest"}
    batch = content["components"]["schemas"]["BatchRequest"]["properties"]["notifications"]
    assert batch["items"] == one
