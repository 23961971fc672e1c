"""The SDK and the gateway's OpenAPI document say the same: paths, parameters, bodies and answers.

Every method is called with values for all that it takes, and what it would send is looked up in the document.
"""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

import notifications as sdk
from notifications.answers.base import PageOf
from notifications.calls import Call
from notifications.endpoints import Resource, endpoint, listing
from notifications.paging import Listing
from notifications.requests import notifications as mails
from notifications.requests import people

DOCUMENT = json.loads((Path(__file__).parents[3] / "api-gateway" / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
NOW, ID = datetime(2026, 1, 1, tzinfo=UTC), "01a2013a-c30a-7000-8000-000000000000"

LEFT_OUT = {
    "get_notification_status": "the same as get_notification",
    "get_health": "the same as get_api_health",
    "get_liveness": "for probes",
    "get_readiness": "for probes",
    "report_email_status": "for providers",
    "report_push_status": "for providers",
    "report_provider_events": "for providers",
    "report_bounce": "for mail servers",
    "confirm_address": "for the page that a mail links to",
    "take_back_address": "for the page that a mail links to",
    "verify_email": "for the page that a mail links to",
    "reset_password": "for the page that a mail links to",
    "request_password_reset": "for a page to log in",
    "resend_verification": "for a page to log in",
    "set_up_totp": "for a page to log in",
    "confirm_totp": "for a page to log in",
    "remove_totp": "for a page to log in",
    "remove_push_token": "remove_push_token_by_id does it without the token",
}
# Of the document, and not offered: other names of a field.
OTHER_NAMES = {"channel", "type", "notification_type", "template_type"}
# What the client adds to answers.
OWN_FIELDS = {"Accepted.request_id", "Accepted.replayed", "BatchItem.request_id"}

SENDER = {"from_name": "N", "from_email": "a@example.com", "reply_to": "b@example.com"}
PAGED = {"page_size": 10, "page": 2}
CURSOR = {"page_size": 10, "cursor": ID}
PARTS = {"subject": "s", "preheader": "p", "content": "c", "text": "t", "title": "t", "body": "b", "image": "i",
         "link": "l", "link_schemes": ["https"], "inline_css": True}  # fmt: skip
SAVED = {**PARTS, "channels": ["email"], "purpose": "news", "sender": SENDER}
CHANGED = {**SAVED, "name": "N", "description": "d", "default_language": "en"}
PREFERENCES = {"email": True, "push": False, "unsubscribed": ["news"]}
PERSON = {"name": "N", "email": "a@example.com", "language": "en", "preferences": PREFERENCES}
ACCOUNT = {**PERSON, "password": "a long password", "push_token": "device"}
PUSH = {
    "analytics_label": "a", "badge": 1, "collapse_key": "k", "content_available": True, "data": {"a": "b"},
    "image": "https://example.com/i.png", "sound": "default", "ttl_seconds": 60,
    "android": {"channel_id": "c", "click_action": "a", "color": "#aabbcc", "icon": "i", "visibility": "private"},
    "apns": {"category": "c", "interruption_level": "active", "mutable_content": True, "relevance_score": 0.5,
             "subtitle": "s", "thread_id": "t"},
    "web_push": {"icon": "i", "require_interaction": True, "silent": False, "urgency": "high",
                 "actions": [{"action": "a", "title": "t", "icon": "i", "navigate": "https://example.com"}]},
}  # fmt: skip
MAIL = {
    "notification_type": "email", "template_code": "welcome", "user_id": ID, "to": {"email": "a@example.com", "name": "N"},
    "variables": {"name": "N"}, "metadata": {"k": 1}, "request_id": "r-1", "priority": 5, "send_at": NOW, "expires_at": NOW,
    "language": "en", "template_version": 1, "delivery_guarantee": "at_most_once", "overrides": {"push": PUSH},
    "email": {"cc": ["a@example.com"], "bcc": ["b@example.com"], "reply_to": "c@example.com",
              "attachments": [{**sdk.attachment("a.txt", b"text"), "content_id": "a", "disposition": "inline"}]},
}  # fmt: skip
FILTERS = {"user_id": ID, "status": "failed", "notification_type": "email", "template_code": "w", "request_id": "r",
           "created_after": NOW, "created_before": NOW}  # fmt: skip
AUDIT = {"actor": "a", "action": "b", "target": "t", "service": "api-gateway", "since": NOW, "until": NOW, **CURSOR}
REPLAY = {"notification_ids": [ID], "notification_type": "email", "error": "bounced", "template_version": 1, "limit": 5}

# Method → operation → values for every parameter that it has.
METHODS: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "send": ("create_notification", [], MAIL),
    "send_batch": ("create_notification_batch", [[MAIL]], {}),
    "get": ("get_notification", [ID], {}),
    "cancel": ("cancel_notification", [ID], {}),
    "retry": ("retry_notification", [ID], {"template_version": 1}),
    "wait_until_final": ("get_notification", [ID], {}),
    "list": ("list_notifications", [], {**FILTERS, **PAGED, **CURSOR}),
    "failed": ("list_failed_notifications", [], {"notification_type": "push", **PAGED, **CURSOR}),
    "replay": ("replay_failed_notifications", [], REPLAY),
    "reconcile": ("reconcile_notifications", [], {"hours": 1, "recount": True}),
    "audit": ("list_audit_events", [], AUDIT),
    "health": ("get_api_health", [], {}),
    "vapid_key": ("get_vapid_key", [], {}),
    "login": ("log_in", ["a@example.com", "a password"], {"totp": "123456"}),
    "refresh": ("refresh_tokens", ["token"], {}),
    "logout": ("log_out", [], {}),
    "me": ("get_current_user", [], {}),
    "templates.list": ("list_templates", [], {"search": "s", "language": "en", "channel": "push", **PAGED}),
    "templates.get": ("get_template", ["w"], {"language": "en", "version": 1}),
    "templates.create": ("create_template", [], {**SAVED, "code": "w", "name": "N", "description": "d", "language": "en"}),
    "templates.update": ("update_template", ["w"], {**CHANGED, "language": "en"}),
    "templates.replace": ("replace_template", ["w"], {**CHANGED, "language": "en"}),
    "templates.archive": ("archive_template", ["w"], {}),
    "templates.versions": ("list_template_versions", ["w"], {"language": "en", **PAGED}),
    "templates.activate": ("activate_template_version", ["w", 2], {"language": "en"}),
    "templates.refresh": ("refresh_template", ["w"], {"language": "en"}),
    "templates.render": (
        "render_template", ["w"], {"variables": {"a": 1}, "language": "en", "version": 1, "channel": "push"},
    ),
    "templates.render_unsaved": (
        "render_unsaved_template", [], {**PARTS, "name": "N", "channel": "email", "variables": {"a": 1}},
    ),
    "snippets.list": ("list_snippets", [], {"search": "s", **PAGED}),
    "snippets.get": ("get_snippet", ["s"], {"version": 1}),
    "snippets.create": ("create_snippet", ["s", "content"], {"description": "d"}),
    "snippets.replace": ("replace_snippet", ["s", "content"], {"description": "d"}),
    "snippets.archive": ("archive_snippet", ["s"], {}),
    "snippets.versions": ("list_snippet_versions", ["s"], PAGED),
    "snippets.templates": ("list_snippet_templates", ["s"], PAGED),
    "users.list": ("list_users", [], {"email": "a@example.com", "role": "user", **PAGED}),
    "users.get": ("get_user", [ID], {}),
    "users.create": (
        "create_user", [], {**ACCOUNT, "external_id": "e", "preferences": {"email": True, "push": True}},
    ),
    "users.update": ("update_user", [ID], {**ACCOUNT, "current_password": "p"}),
    "users.replace": ("replace_user", [ID], {**ACCOUNT, "current_password": "p"}),
    "users.delete": ("delete_user", [ID], {}),
    "users.erasure": ("get_erasure", [ID], {}),
    "users.export": ("export_user", [ID], {}),
    "users.disable": ("disable_user", [ID], {}),
    "users.enable": ("enable_user", [ID], {}),
    "users.preferences": ("get_preferences", [ID], {}),
    "users.update_preferences": ("update_preferences", [ID], PREFERENCES),
    "users.set_preferences": ("set_preferences", [ID], PREFERENCES),
    "users.devices": ("list_push_tokens", [ID], {}),
    "users.removed_devices": ("list_removed_devices", [ID], {}),
    "users.add_device": ("add_push_token", [ID, "device"], {}),
    "users.replace_devices": ("replace_push_token", [ID, "device"], {}),
    "users.remove_device": ("remove_push_token_by_id", [ID, ID], {}),
    "users.sessions": ("list_sessions", [ID], {}),
    "users.end_session": ("end_session", [ID, ID], {}),
    "users.end_sessions": ("end_sessions", [ID], {}),
    "contacts.get": ("get_contact", ["e"], {}),
    "contacts.put": ("set_contact", ["e"], {**PERSON, "push_token": "device"}),
    "contacts.put_all": ("set_contacts", [[{**PERSON, "external_id": "e"}]], {}),
    "contacts.delete": ("get_contact", ["e"], {}),  # first; then delete_user
    "applications.list": ("list_applications", [], PAGED),
    "applications.get": ("get_application", [ID], {}),
    "applications.create": (
        "create_application", [], {"name": "N", "channels": ["email"], "rate_limit_per_minute": 5, "sender": SENDER},
    ),
    "applications.update": (
        "update_application",
        [ID],
        {"name": "N", "channels": ["email"], "rate_limit_per_minute": 5, "sender": SENDER, "disabled": True},
    ),
    "applications.delete": ("delete_application", [ID], {}),
    "api_keys.list": ("list_api_keys", [], {"application_id": ID, **PAGED}),
    "api_keys.create": (
        "create_api_key",
        [],
        {"name": "N", "application_id": ID, "scopes": ["users:read"], "test": True, "expires_at": NOW},
    ),
    "api_keys.rotate": ("rotate_api_key", [ID], {"overlap_seconds": 60}),
    "api_keys.revoke": ("revoke_api_key", [ID], {}),
    "suppressions.list": ("list_suppressions", [], {"reason": "manual", **PAGED}),
    "suppressions.get": ("get_suppression", ["a@example.com"], {}),
    "suppressions.add": ("add_suppressions", [["a@example.com"]], {"reason": "bounced"}),
    "suppressions.import_file": ("import_suppressions", [b"email\n"], {"reason": "bounced"}),
    "suppressions.remove": ("remove_suppression", ["a@example.com"], {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[sdk.Notifications]:
    with sdk.Notifications("http://127.0.0.1:9", api_key="k") as made:
        yield made


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }


OPERATIONS = operations()


def described(client: sdk.Notifications, name: str) -> Call[Any]:
    """The first call that the method makes."""
    _, positional, named = METHODS[name]
    owner_name, _, method = name.rpartition(".")
    owner = attrgetter(owner_name)(client) if owner_name else client
    found = inspect.getattr_static(type(owner), method).describe(owner, *positional, **named)
    call = found.first if isinstance(found, Listing) else next(iter(found))
    assert isinstance(call, Call)
    return call


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


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (mails.EmailTo, "EmailTo"),
        (mails.DevicesTo, "DevicesTo"),
        (mails.TopicTo, "TopicTo"),
        (mails.ConditionTo, "ConditionTo"),
        (mails.NotificationRequest, "NotificationRequest"),
        (mails.Attachment, "Attachment"),
        (mails.WebPushAction, "WebPushActionOption"),
        (people.WebPushSubscription, "WebPushSubscription"),
        (people.SubscriptionKeys, "SubscriptionKeys"),
        (people.AppleDevice, "AppleDevice"),
        (people.ContactFields, "ContactRequest"),
        (people.BulkContact, "BulkContact"),
        (people.NewUser, "SignUp"),
        (people.UserReplacement, "UserReplacement"),
    ],
)
def test_what_must_be_given_is_what_the_document_requires(kind: Any, name: str) -> None:
    schema = SCHEMAS[name]
    assert set(kind.__annotations__) == set(schema["properties"])
    assert set(kind.__required_keys__) == set(schema["required"])


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


def variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    schema = resolved(schema)
    found = schema.get("anyOf") or schema.get("oneOf")
    return [inner for one in found for inner in variants(one)] if found else [schema]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def test_the_statuses_are_the_document_s() -> None:
    statuses = set(SCHEMAS["Status"]["enum"])
    assert set(typing.get_args(sdk.Status)) == statuses
    assert statuses == sdk.SENT_OR_FINAL | {"pending", "queued"}
    assert sdk.SENT_OR_FINAL - {"sent"} == sdk.FINAL_STATUSES
    scopes = SCHEMAS["ApiKeyRequest"]["properties"]["scopes"]["items"]["enum"]
    assert set(typing.get_args(sdk.Scope)) == set(scopes)
