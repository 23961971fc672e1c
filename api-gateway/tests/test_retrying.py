"""A failed notification can be retried after its template was repaired. Late events of the old round do not change it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api_gateway.repositories import outbox
from api_gateway.repositories.outbox import Ended, LeasedRound, QueuedMark, ResolvedRow, Round
from contracts.messages import NotificationMessage
from contracts.status import Status
from testkit.eventually import eventually, stays


async def _failed(gateway, **changes) -> str:
    """Sent with version 3, which needs `name`, and failed with it."""
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    accepted = (await gateway.send(user_id=str(user.id), **changes)).json()["data"]["notification_id"]
    await gateway.published()
    await gateway.report(accepted, "failed", code="render_failed", attempts=1)
    await gateway.until(accepted, "failed")
    return accepted


async def _retry(gateway, notification_id: str, body: object = None):
    path = f"/api/v1/notifications/{notification_id}/retry"
    return await gateway.http.post(path, json=body, headers=gateway.token())


async def _replay(gateway, **wanted: object):
    return await gateway.http.post("/api/v1/failed/replay", json=wanted, headers=gateway.token())


async def _next_message(gateway) -> NotificationMessage:
    return NotificationMessage.model_validate_json((await gateway.published())[0])


async def test_a_retry_takes_the_version_that_is_active_now(gateway) -> None:
    notification_id = await _failed(gateway)
    await gateway.mend(version=4)
    assert (await _retry(gateway, notification_id)).status_code == 202
    message = await _next_message(gateway)
    assert (message.template.version, message.replay) == (4, 1)
    detail = await gateway.until(notification_id, "queued")
    assert (detail["template_version"], detail["replays"], detail["error"]) == (4, 1, None)


async def test_so_does_a_replay_of_many(gateway) -> None:
    ids = {await _failed(gateway) for _ in range(3)}
    await gateway.mend(version=4)
    assert (await _replay(gateway, error="render_failed")).json()["data"] == {"replayed": 3}
    messages = [NotificationMessage.model_validate_json(body) for body in await gateway.published(number=3)]
    assert {str(message.notification_id) for message in messages} == ids
    assert {message.template.version for message in messages} == {4}


async def test_a_version_may_be_named(gateway) -> None:
    notification_id = await _failed(gateway)
    await gateway.mend(version=4)
    await gateway.mend(version=5)
    assert (await _retry(gateway, notification_id, {"template_version": 4})).status_code == 202
    assert (await _next_message(gateway)).template.version == 4
    await gateway.report(notification_id, "failed", replay=1)
    await gateway.until(notification_id, "failed")
    named = await _replay(gateway, notification_ids=[notification_id], template_version=3)
    assert named.json()["data"] == {"replayed": 1}
    message = await _next_message(gateway)
    assert (message.template.version, message.replay) == (3, 2)


async def test_the_timeline_keeps_every_round(gateway) -> None:
    """Three failed notifications: ended by a worker, bounced after sending, ended by the gateway."""
    notification_id = await _failed(gateway)
    await eventually(lambda: gateway.detail(notification_id), 10, until=lambda found: found["queued_at"] is not None)
    assert (await _retry(gateway, notification_id)).status_code == 202
    sent = {"replay": 1, "queued_at": (await _next_message(gateway)).queued_at, "at": datetime.now(UTC)}
    await gateway.report(notification_id, "sent", provider="smtp", **sent)
    await gateway.until(notification_id, "sent")
    await gateway.report(notification_id, "failed", code="bounced", **sent)
    await gateway.until(notification_id, "failed")
    await gateway.mend(version=4, required=("name", "order.id"))
    assert (await _replay(gateway)).json()["data"] == {"replayed": 1}
    await eventually(
        lambda: gateway.detail(notification_id),
        10,
        until=lambda found: found["replays"] >= 2 and found["status"] == "failed",
    )
    assert (await _retry(gateway, notification_id, {"template_version": 3})).status_code == 202
    await _next_message(gateway)
    detail = await gateway.until(notification_id, "queued")
    steps = [(step["status"], step["code"]) for step in detail["timeline"]]
    assert steps == [
        ("accepted", None), ("queued", None), ("failed", "render_failed"),
        ("replayed", None), ("queued", None), ("sent", None), ("failed", "bounced"),
        ("replayed", None), ("failed", "missing_variables"),
        ("replayed", None), ("queued", None),
    ]  # fmt: skip
    assert [step["provider"] for step in detail["timeline"] if step["status"] in {"queued", "sent"}] == [
        None, None, "smtp", None,
    ]  # fmt: skip


@pytest.mark.parametrize("many", [False, True])
async def test_a_row_that_something_has_in_hand_is_waited_for(gateway, many: bool) -> None:
    notification_id = await _failed(gateway)
    async with gateway.root.database.begin() as mark:
        await mark.execute(text("SELECT 1 FROM notifications WHERE id = :id FOR UPDATE"), {"id": UUID(notification_id)})
        asked = asyncio.create_task(_replay(gateway) if many else _retry(gateway, notification_id))
        await stays(lambda: not asked.done(), 0.3)
    answer = await asked
    assert answer.json()["data"]["replayed"] == 1 if many else answer.status_code == 202
    assert (await _next_message(gateway)).replay == 1


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"template_version": 9}, 404, "template_version_not_found"),
        ({"template_version": 0}, 422, "validation_error"),
        ({"template_version": 2**31}, 422, "validation_error"),
        ({"template_version": "x"}, 422, "validation_error"),
        ({"template_verion": 4}, 422, "validation_error"),
        ([], 422, "validation_error"),
    ],
)
async def test_a_version_that_is_not_there_is_refused(gateway, body: object, status: int, error: str) -> None:
    notification_id = await _failed(gateway)
    refused = await _retry(gateway, notification_id, body)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    if isinstance(body, dict):
        many = await _replay(gateway, **body)
        assert (many.status_code, many.json()["error"]) == (status, error)
    assert (await gateway.detail(notification_id))["status"] == "failed"


async def test_a_retry_without_a_required_variable_is_refused_with_its_name(gateway) -> None:
    notification_id = await _failed(gateway)
    await gateway.mend(version=4, required=("name", "order.id"))
    refused = await _retry(gateway, notification_id)
    assert (refused.status_code, refused.json()["error"]) == (422, "missing_variables")
    assert [one["field"] for one in refused.json()["data"]["errors"]] == ["variables.order.id"]
    assert (await gateway.detail(notification_id))["replays"] == 0
    assert (await _retry(gateway, notification_id, {"template_version": 3})).status_code == 202


async def test_among_many_it_fails_again_and_says_why(gateway) -> None:
    notification_id = await _failed(gateway)
    await gateway.mend(version=4, required=("name", "order.id"))
    assert (await _replay(gateway)).json()["data"] == {"replayed": 1}
    detail = await eventually(
        lambda: gateway.detail(notification_id),
        10,
        until=lambda found: found["replays"] > 0 and found["status"] == "failed",
    )
    assert (detail["error"], "order.id" in detail["error_detail"]) == ("missing_variables", True)


async def test_while_the_template_service_is_down_a_retry_waits_for_it(gateway) -> None:
    notification_id = await _failed(gateway)
    await gateway.mend(version=4)
    gateway.peers.down = True
    assert (await _retry(gateway, notification_id, {"template_version": 4})).json()["data"]["status"] == "pending"
    gateway.peers.down = False
    assert (await _next_message(gateway)).template.version == 4


async def test_a_version_may_be_named_when_sending(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(version=3)
    gateway.peers.add_template(version=4, required=("name", "order.id"))
    asked = {"user_id": str(user.id), "template_version": 3, "request_id": "r"}
    assert (await gateway.send(**asked)).status_code == 202
    assert (await _next_message(gateway)).template.version == 3
    assert (await gateway.send(**asked)).headers["Idempotent-Replayed"] == "true"
    other = await gateway.send(**{**asked, "template_version": 4})
    assert other.json()["error"] == "idempotency_key_reused"
    for version, status, error in ((9, 404, "template_version_not_found"), (4, 422, "missing_variables")):
        refused = await gateway.send(user_id=str(user.id), template_version=version)
        assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert (await gateway.send(user_id=str(user.id), template_version=0)).status_code == 422
    items = [{"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, **asked}]
    items = [{**items[0], "template_version": version, "request_id": str(version)} for version in (3, 9)]
    batch = await gateway.http.post("/api/v1/notifications/batch", json=items, headers=gateway.token())
    assert [one["error"] for one in batch.json()["data"]["results"]] == [None, "template_version_not_found"]


async def test_a_named_version_is_kept_until_its_time_comes(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(version=3)
    at = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    assert (await gateway.send(user_id=str(user.id), template_version=3, send_at=at)).status_code == 202
    gateway.peers.down = True
    assert (await gateway.send(user_id=str(gateway.peers.add_user().id), template_version=3)).status_code == 202
    await gateway.mend(version=4)
    gateway.peers.down = False
    versions = [
        NotificationMessage.model_validate_json(body).template.version for body in await gateway.published(number=2)
    ]
    assert versions == [3, 3]


async def test_nothing_late_of_an_earlier_round_disturbs_a_fresh_one(gateway) -> None:
    """The queued-mark of a message waits a moment; by then a worker may have failed it and a person have begun anew."""
    notification_id = await _failed(gateway)
    await gateway.mend(version=4)
    gateway.peers.down = True  # the new round waits: no late write may mark it as queued, ended or resolved
    assert (await _retry(gateway, notification_id)).status_code == 202
    store = gateway.root.store
    late = UUID(notification_id)
    await store.mark_queued([QueuedMark(Round(late, 0), datetime.now(UTC))])
    await store.end_leases([LeasedRound(Round(late, 0), datetime.now(UTC))], delay_seconds=1_000)
    async with store.database.begin() as connection:
        await outbox.set_resolved(connection, [ResolvedRow(Round(late, 0), {}, 3, "en")], data_keys=store.data_keys)
        ended = [Ended(Round(late, 0), Status.EXPIRED, "expired")]
        assert await outbox.finish(connection, ended, data_keys=store.data_keys) == []
    await gateway.report(notification_id, "failed", code="late", replay=0)
    detail = await gateway.detail(notification_id)
    assert (detail["status"], detail["queued_at"], detail["template_version"]) == ("pending", None, None)
    gateway.peers.down = False
    message = await _next_message(gateway)
    assert (message.replay, message.template.version) == (1, 4)


async def test_a_callback_finds_a_request_id_that_looks_like_an_id(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    for request_id in (str(uuid4()), str(uuid4()).upper(), uuid4().hex, f"{{{uuid4()}}}"):
        made = await gateway.send(user_id=str(user.id), request_id=request_id)
        answered = await gateway.callback(request_id, "delivered")
        assert (answered.status_code, answered.json()["data"]["status"]) == (200, "delivered"), request_id
        assert answered.json()["data"]["notification_id"] == made.json()["data"]["notification_id"]
        by_id = await gateway.callback(answered.json()["data"]["notification_id"].upper(), "delivered")
        assert by_id.status_code == 200
    assert (await gateway.callback(str(uuid4()), "delivered")).status_code == 404


async def test_an_id_goes_before_a_request_id_that_is_the_same(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    first = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    await gateway.send(user_id=str(user.id), request_id=first)
    assert (await gateway.callback(first, "delivered")).json()["data"]["notification_id"] == first


@pytest.mark.parametrize("field", ["notification_id", "error"])
@pytest.mark.parametrize("bad", ["a\0b", "a\ud800"])
async def test_a_callback_that_cannot_be_kept_is_refused_by_name(gateway, field: str, bad: str) -> None:
    notification_id = await _failed(gateway)
    raw = json.dumps({"notification_id": notification_id, "status": "failed", field: bad})
    headers = {**gateway.token(), "Content-Type": "application/json"}
    answered = await gateway.http.post("/api/v1/email/status", content=raw, headers=headers)
    assert (answered.status_code, answered.json()["data"]["errors"][0]["field"]) == (422, field)
