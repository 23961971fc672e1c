"""Refusals of the gateway's own, as its OpenAPI document has them (every client of these tests checks that)."""

from uuid import uuid4

import pytest

from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo

BATCH = "/api/v1/notifications/batch"


async def test_a_batch_of_which_nothing_was_accepted_is_no_success(gateway) -> None:
    batch = {"notifications": [{}, {"notification_type": "email", "user_id": str(uuid4()), "template_code": "none"}]}
    answered = await gateway.http.post(BATCH, json=batch, headers=gateway.token())
    body = answered.json()
    assert (answered.status_code, body["success"], body["error"]) == (422, False, "batch_rejected")
    assert [(one["index"], one["status_code"]) for one in body["data"]["results"]] == [(0, 422), (1, 404)]
    assert body["data"]["rejected"] == 2


async def test_a_key_that_may_not_send_is_refused_before_its_batch_is_parsed(gateway) -> None:
    key = new_api_key()
    gateway.peers.api_keys[hash_api_key(key)] = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:read",))
    answered = await gateway.http.post(BATCH, json={"notifications": [{}]}, headers={"X-API-Key": key})
    assert (answered.status_code, answered.json()["error"]) == (403, "forbidden")


async def test_a_flood_is_refused_as_documented(start) -> None:
    gateway, id_ = await start(rate_limit_per_minute=1), uuid4()
    headers = gateway.token(id_)
    first, second = [await gateway.http.get("/api/v1/failed", headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["Retry-After"]) > 0


async def test_every_422_names_fields(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    once = {"user_id": str(user.id), "request_id": "once"}
    assert (await gateway.send(**once)).status_code == 202
    reused = await gateway.send(**once, priority=1)
    assert reused.json()["data"] == {"errors": [{"field": "request_id", "message": reused.json()["message"]}]}
    deep = b'{"a":' * 2_000 + b"1" + b"}" * 2_000
    nested = await gateway.http.post("/api/v1/notifications", content=deep, headers=gateway.token())
    assert (nested.status_code, nested.json()["data"]["errors"][0]["field"]) == (422, "body")


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/users/1/preferences", "/api/v1/templates/render"])
async def test_the_owner_of_a_forwarded_path_names_its_methods(gateway, path: str) -> None:
    """The stand-in has GET and POST, and FastAPI's own 405."""
    for method in ("OPTIONS", "TRACE", "DELETE"):
        answered = await gateway.http.request(method, path, headers=gateway.token())
        assert set(answered.headers["Allow"].split(", ")) == {"GET", "POST"}, method


async def test_head_is_forwarded_as_get(gateway) -> None:
    answered = await gateway.http.head("/api/v1/users", headers=gateway.token())
    assert (answered.status_code, answered.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/notifications", "GET, HEAD, OPTIONS, POST"),
        (BATCH, "OPTIONS, POST"),
        (f"/api/v1/notifications/{uuid4()}", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/v1/email/status", "OPTIONS, POST"),
        ("/api/v1/health", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_of_the_gateway_s_own_paths(gateway, path: str, allowed: str) -> None:
    answered = await gateway.http.options(path)
    assert (answered.status_code, answered.headers["Allow"]) == (204, allowed)
