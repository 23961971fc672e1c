"""Any invalid body gets a clear 4xx in the envelope, never a 5xx."""

import json
from uuid import uuid4

import pytest

GOOD = {"notification_type": "email", "user_id": str(uuid4()), "template_code": "welcome"}


@pytest.mark.parametrize(
    ("raw", "status", "error"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"[]", 422, "validation_error"),
        (b"null", 422, "validation_error"),
        (b'{"a": NaN}', 400, "invalid_json"),
        (b'{"a": "\\ud800"}', 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 10_000 + b"]" * 10_000, 422, "validation_error"),
        (json.dumps({**GOOD, "variables": {"x": "\0"}}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "metadata": {"\0": 1}}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "variables": {"x": "a" * 70_000}}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "request_id": "a b"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "request_id": ""}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "template_code": "a\0"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "expires_at": "2020-01-01T00:00:00Z"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "send_at": "2999-01-01T00:00:00Z"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "variables": [1]}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "priority": "5"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "priority": True}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "template_version": "1"}).encode(), 422, "validation_error"),
        (json.dumps({**GOOD, "send_at": 4_000_000_000}).encode(), 422, "validation_error"),
    ],
)
async def test_a_bad_body_is_refused(gateway, raw: bytes, status: int, error: str) -> None:
    answered = await gateway.http.post("/api/v1/notifications", content=raw, headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (status, error)
    assert answered.json()["success"] is False


async def test_every_field_that_is_not_valid_is_listed(gateway) -> None:
    body = {"notification_type": "sms", "user_id": "x", "priority": 11}
    answered = await gateway.http.post("/api/v1/notifications", json=body, headers=gateway.token())
    fields = {problem["field"] for problem in answered.json()["data"]["errors"]}
    assert fields == {"notification_type", "user_id", "priority", "template_code"}


async def test_deep_variables_are_refused_and_numbers_of_any_size_are_not_a_fault(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(required=())
    deep: object = 1
    for _ in range(50):
        deep = [deep]
    assert (await gateway.send(user_id=str(user.id), variables={"x": deep})).status_code == 422
    huge = json.dumps({**GOOD, "user_id": str(user.id), "variables": {"x": 1}}).replace(": 1}", ": 1" + "0" * 400 + "}")
    answered = await gateway.http.post("/api/v1/notifications", content=huge.encode(), headers=gateway.token())
    assert answered.status_code in {202, 400, 422}


async def test_privileged_fields_in_a_body_have_no_effect(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    forged = await gateway.send(
        user_id=str(user.id), status="sent", id=str(uuid4()), caller="key:x", recipient={"email": "v@e.f"}
    )
    assert forged.json()["data"]["status"] == "pending"


async def test_a_large_body_is_413_and_a_large_batch_is_422(gateway) -> None:
    async def chunks():
        for _ in range(60):
            yield b" " * 100_000

    answered = await gateway.http.post("/api/v1/notifications", content=chunks(), headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (413, "payload_too_large")
    batch = await gateway.http.post("/api/v1/notifications/batch", json=[GOOD] * 1_001, headers=gateway.token())
    assert batch.status_code == 422
    empty = await gateway.http.post("/api/v1/notifications/batch", json=[], headers=gateway.token())
    assert empty.status_code == 422


@pytest.mark.parametrize(
    "query",
    ["limit=1000000000", "page=0", "status=gone", "user_id=1", "template_code=%00", "cursor=x", "created_after=y"],
)
async def test_a_bad_query_is_422(gateway, query: str) -> None:
    answered = await gateway.http.get(f"/api/v1/notifications?{query}", headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (422, "validation_error")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/notifications/not-an-id", "/internal/users/1"])
async def test_an_unknown_path_is_a_4xx_in_the_envelope(gateway, path: str) -> None:
    answered = await gateway.http.get(path, headers=gateway.token())
    assert answered.status_code in {404, 422}
    assert answered.json()["success"] is False


async def test_a_key_that_no_answer_could_hold_is_refused_all_the_same(gateway) -> None:
    headers = {**gateway.token(), "Content-Type": "application/json"}
    answered = await gateway.http.post("/api/v1/failed/replay", content=b'{"a\\ud800": 1}', headers=headers)
    assert (answered.status_code, answered.json()["error"]) == (422, "validation_error")


@pytest.mark.parametrize("depth", [33, 300, 900, 1_000, 1_020, 1_100, 5_000])
async def test_no_depth_of_nesting_is_a_fault(gateway, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    raw = json.dumps(GOOD)[:-1].encode() + b', "variables": {"x": ' + nested.encode() + b"}}"
    for path, content in (("", raw), ("/batch", b"[" + raw + b"]")):
        answered = await gateway.http.post(f"/api/v1/notifications{path}", content=content, headers=gateway.token())
        assert (answered.status_code, answered.json()["success"]) == (422, False)
