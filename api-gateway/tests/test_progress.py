"""Status events, cancelling, retrying, callbacks: events only move the status forward."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from api_gateway.repositories.outbox import QueuedMark, Round
from chassis.broker import Publication
from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from contracts.messages import StatusEvent, StatusEvents
from contracts.topology import STATUS_KEY, queues_of
from testkit.eventually import eventually


async def _accepted(gateway, **changes) -> str:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    return (await gateway.send(user_id=str(user.id), **changes)).json()["data"]["notification_id"]


def _message(*events: StatusEvent) -> bytes:
    return StatusEvents(events=events).model_dump_json().encode()


async def _report(gateway, notification_id: str, status: str, **fields) -> None:
    event = StatusEvent(
        **{"notification_id": UUID(notification_id), "notification_type": "email", "status": status}
        | {"at": datetime.now(UTC)}
        | fields
    )
    publication = Publication(STATUS_KEY, _message(event), message_id=str(uuid4()))
    assert await gateway.broker.publish_many([publication]) == [None]


async def test_a_workers_reports_make_the_story(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "retrying", code="greylisted", attempts=1)
    await _report(gateway, notification_id, "sent", attempts=2, provider_message_id="p-1")
    detail = await gateway.until(notification_id, "sent")
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "retrying", "sent"]
    assert (detail["attempts"], detail["timeline"][2]["code"]) == (2, "greylisted")
    metrics = (await gateway.http.get("/metrics")).text
    assert 'notifications_total{status="sent",type="email"} 1.0' in metrics
    assert 'notification_processing_seconds_count{type="email"} 1.0' in metrics
    assert all(f'queue_size{{queue="{queue}"}}' in metrics for queue in queues_of("email"))
    assert 'circuit_breaker_state{name="user-service"} 0.0' in metrics


async def test_an_event_that_cannot_be_applied_is_put_aside_and_its_neighbours_are_applied(gateway) -> None:
    first, second = await _accepted(gateway), await _accepted(gateway, request_id="another")
    for name in (first, second):
        await gateway.until(name, "queued")
    at = datetime.now(UTC)
    poison, good = (
        StatusEvent(notification_id=UUID(name), notification_type="email", status="sent", attempts=attempts, at=at)
        for name, attempts in ((first, 2**40), (second, 1))
    )
    publication = Publication(STATUS_KEY, _message(poison, good), message_id=str(uuid4()))
    assert await gateway.broker.publish_many([publication]) == [None]
    await gateway.until(second, "sent")
    await eventually(lambda: gateway.broker.depth("failed.queue"), 10, until=lambda found: found.ready == 1)
    assert (await gateway.broker.depth("status.queue")).ready == 0
    await _report(gateway, first, "sent", attempts=1)
    await gateway.until(first, "sent")


async def test_a_providers_text_is_stored_without_characters_that_postgresql_refuses(gateway) -> None:
    notification_id = await _accepted(gateway)
    event = StatusEvent(
        notification_id=UUID(notification_id), notification_type="email", status="failed", at=datetime.now(UTC)
    )
    body = _message(event).decode().replace('"detail":null', '"detail":"no\\u0000such user"').encode()
    assert await gateway.broker.publish_many([Publication(STATUS_KEY, body, message_id="m")]) == [None]
    assert (await gateway.until(notification_id, "failed"))["error_detail"] == "nosuch user"


async def test_a_mark_that_comes_after_the_report_does_not_turn_the_story_round(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "sent", attempts=1)
    await gateway.until(notification_id, "sent")
    mark = QueuedMark(Round(UUID(notification_id)), datetime.now(UTC))
    await gateway.root.store.mark_queued([mark])
    detail = await gateway.detail(notification_id)
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "sent"]
    assert detail["queued_at"] <= detail["sent_at"]


async def test_a_worker_that_was_faster_than_the_mark_does_not_turn_the_story_round(gateway) -> None:
    notification_id = await _accepted(gateway)
    marked = datetime.fromisoformat((await gateway.until(notification_id, "queued"))["queued_at"])
    await _report(gateway, notification_id, "sent", attempts=1, at=marked - timedelta(milliseconds=3))
    detail = await gateway.until(notification_id, "sent")
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "sent"]


@pytest.mark.parametrize("mark_first", [True, False])
async def test_nor_does_a_refusal_that_was_faster_than_the_mark(gateway, mark_first: bool) -> None:
    """A worker refused before the mark was written. The refusal's report may be applied before or after the mark."""
    notification_id = await _accepted(gateway)
    marked = datetime.fromisoformat((await gateway.until(notification_id, "queued"))["queued_at"])
    if not mark_first:
        await gateway.change("UPDATE notifications SET queued_at = NULL, status = 'pending', claimed_at = NULL")
    at = marked - timedelta(milliseconds=1)
    await _report(gateway, notification_id, "retrying", code="deferred", attempts=1, at=at)
    await eventually(
        lambda: gateway.detail(notification_id),
        10,
        until=lambda found: any(step["status"] == "retrying" for step in found["timeline"]),
    )
    if not mark_first:
        mark = QueuedMark(Round(UUID(notification_id)), marked)
        await gateway.root.store.mark_queued([mark])
    steps = (await gateway.detail(notification_id))["timeline"]
    assert [step["status"] for step in steps] == ["accepted", "queued", "retrying"]


async def test_late_and_repeated_reports_change_nothing(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "delivered")
    before = await gateway.until(notification_id, "delivered")
    for status in ("sent", "failed", "retrying", "delivered", "expired"):
        await _report(gateway, notification_id, status, code="late")
    other = await _accepted(gateway)
    await _report(gateway, other, "sent")
    await gateway.until(other, "sent")
    assert await gateway.detail(notification_id) == before


async def test_an_unreadable_report_goes_to_the_dead_letters_and_harms_no_neighbour(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.broker.publish_many([Publication(STATUS_KEY, b"{", message_id="x")])
    await _report(gateway, notification_id, "sent")
    await gateway.until(notification_id, "sent")
    assert (await gateway.broker.depth("failed.queue")).ready == 1


async def test_an_unreadable_event_harms_no_neighbour_in_its_message(gateway) -> None:
    first, second = await _accepted(gateway), await _accepted(gateway)
    events = [
        StatusEvent(notification_id=UUID(name), notification_type="email", status="sent", at=datetime.now(UTC))
        for name in (first, second)
    ]
    stranger = _message(*events).replace(b'"status":"sent"', b'"status":"teleported"', 1)
    await gateway.broker.publish_many([Publication(STATUS_KEY, stranger, message_id="x")])
    await gateway.until(second, "sent")
    assert (await gateway.detail(first))["status"] != "sent"
    assert (await gateway.broker.depth("failed.queue")).ready == 1, "for people to look at"


async def test_events_of_one_notification_in_one_message_count_in_their_order(gateway) -> None:
    name = await _accepted(gateway)
    await gateway.until(name, "queued")
    events = [
        StatusEvent(notification_id=UUID(name), notification_type="email", status=status, at=datetime.now(UTC))
        for status in ("retrying", "sent", "delivered")
    ]
    await gateway.broker.publish_many([Publication(STATUS_KEY, _message(*events), message_id="x")])
    detail = await gateway.until(name, "delivered")
    assert [step["status"] for step in detail["timeline"]][2:] == ["retrying", "sent", "delivered"]


async def test_only_a_notification_that_was_not_handed_over_can_be_cancelled(gateway) -> None:
    scheduled = await _accepted(gateway, send_at=(datetime.now(UTC) + timedelta(days=30)).isoformat())
    for _ in range(2):
        answered = await gateway.http.delete(f"/api/v1/notifications/{scheduled}", headers=gateway.token())
        assert (answered.status_code, answered.json()["data"]["status"]) == (200, "cancelled")
    queued = await _accepted(gateway)
    await gateway.until(queued, "queued")
    refused = await gateway.http.delete(f"/api/v1/notifications/{queued}", headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (409, "not_cancellable")


async def test_a_notification_that_may_be_on_its_way_to_the_broker_cannot_be_cancelled(gateway) -> None:
    gateway.root.outbox.offer = lambda *_: None  # accepted, and still being published
    leased = await _accepted(gateway)
    refused = await gateway.http.delete(f"/api/v1/notifications/{leased}", headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (409, "not_cancellable")


async def test_a_dead_letter_is_listed_and_tried_again_with_a_fresh_budget(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    early = await gateway.http.post(f"/api/v1/notifications/{notification_id}/retry", headers=gateway.token())
    assert (early.status_code, early.json()["error"]) == (409, "not_retryable")
    await _report(gateway, notification_id, "failed", code="exhausted", detail="451 later", attempts=6)
    await gateway.until(notification_id, "failed")
    listed = (await gateway.http.get("/api/v1/failed", headers=gateway.token())).json()
    assert [(one["error"], one["error_detail"], one["attempts"]) for one in listed["data"]] == [
        ("exhausted", "451 later", 6)
    ]
    again = await gateway.http.post(f"/api/v1/notifications/{notification_id}/retry/", headers=gateway.token())
    assert again.status_code == 202
    detail = await gateway.until(notification_id, "queued")
    assert (detail["attempts"], detail["replays"], detail["error"]) == (0, 1, None)
    await _report(gateway, notification_id, "failed", code="late", replay=0)  # of the first round
    await _report(gateway, notification_id, "sent", replay=1)
    assert (await gateway.until(notification_id, "sent"))["error"] is None


async def test_unknown_notifications_are_replayed_only_by_id(gateway) -> None:
    notification_id = await _accepted(gateway, delivery_guarantee="at_most_once")
    assert (await gateway.until(notification_id, "queued"))["delivery_guarantee"] == "at_most_once"
    await _report(gateway, notification_id, "unknown", code="no_answer", attempts=1)
    detail = await gateway.until(notification_id, "unknown")
    assert (detail["error"], detail["attempts"]) == ("no_answer", 1)
    many = await gateway.http.post("/api/v1/failed/replay", headers=gateway.token(), json={})
    assert many.json()["data"]["replayed"] == 0
    named = await gateway.http.post(f"/api/v1/notifications/{notification_id}/retry", headers=gateway.token())
    assert named.status_code == 202
    assert (await gateway.until(notification_id, "queued"))["replays"] == 1


async def test_many_dead_letters_are_replayed_by_filter(gateway) -> None:
    ids = [await _accepted(gateway) for _ in range(3)]
    for place, notification_id in enumerate(ids):
        await _report(gateway, notification_id, "failed", code="exhausted" if place else "bounced")
        await gateway.until(notification_id, "failed")
    answered = await gateway.http.post("/api/v1/failed/replay", json={"error": "exhausted"}, headers=gateway.token())
    assert answered.json()["data"] == {"replayed": 2}


async def test_the_public_callback_takes_an_id_or_a_request_id(gateway) -> None:
    await _accepted(gateway, request_id="req_123456")
    body = {"notification_id": "req_123456", "status": "delivered", "timestamp": "2024-01-01T12:00:00Z", "error": None}
    wrong = await gateway.http.post("/api/v1/push/status/", json=body, headers=gateway.token())
    assert wrong.status_code == 404
    answered = await gateway.http.post("/api/v1/email/status/", json=body, headers=gateway.token())
    assert (answered.status_code, answered.json()["data"]["status"]) == (200, "delivered")
    repeated = await gateway.http.post(
        "/api/v1/email/status/", json={**body, "status": "failed"}, headers=gateway.token()
    )
    assert repeated.json()["data"]["status"] == "delivered"
    user = await gateway.http.post("/api/v1/email/status/", json=body, headers=gateway.token(uuid4(), "user"))
    assert user.status_code == 403


async def test_another_users_notification_looks_like_a_missing_one(gateway) -> None:
    notification_id = await _accepted(gateway)
    stranger = gateway.token(uuid4(), "user")
    theirs = await gateway.http.get(f"/api/v1/notifications/{notification_id}", headers=stranger)
    missing = await gateway.http.get(f"/api/v1/notifications/{uuid4()}", headers=stranger)
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    detail = await gateway.detail(notification_id)
    for narrowed in ("", f"?user_id={detail['user_id']}", "?template_code=welcome"):
        listed = await gateway.http.get(f"/api/v1/notifications{narrowed}", headers=stranger)
        assert (listed.json()["data"], listed.json()["meta"]["total"]) == ([], 0), narrowed
    cancelled = await gateway.http.delete(f"/api/v1/notifications/{notification_id}", headers=stranger)
    assert cancelled.content == missing.content


async def test_a_recipient_sees_no_metadata_and_cannot_cancel(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    sent = await gateway.send(user_id=str(user.id), send_at=later, metadata={"segment": "about to leave"})
    path = f"/api/v1/notifications/{sent.json()['data']['notification_id']}"
    mine = gateway.token(user.id, "user")
    assert (await gateway.http.get(path, headers=mine)).json()["data"]["metadata"] == {}
    assert (await gateway.http.get("/api/v1/notifications", headers=mine)).json()["data"][0]["metadata"] == {}
    refused = await gateway.http.delete(path, headers=mine)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    seen = await gateway.http.get(path, headers=gateway.token())
    assert (seen.json()["data"]["metadata"], seen.json()["data"]["status"]) == (
        {"segment": "about to leave"},
        "pending",
    )


async def test_counting_every_row_anew_is_for_administrators(gateway) -> None:
    key = new_api_key()
    gateway.peers.api_keys[hash_api_key(key)] = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:read",))
    headers = {"X-API-Key": key}
    assert (await gateway.http.get("/api/v1/reconcile", headers=headers)).status_code == 200
    assert (await gateway.http.get("/api/v1/reconcile?recount=true", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/api/v1/failed", "/api/v1/reconcile"])
async def test_operations_are_not_for_users(gateway, path: str) -> None:
    assert (await gateway.http.get(path, headers=gateway.token(uuid4(), "user"))).status_code == 403


async def test_lists_page_by_number_and_by_cursor(gateway) -> None:
    ids = [await _accepted(gateway) for _ in range(5)]
    first = (await gateway.http.get("/api/v1/notifications?limit=2", headers=gateway.token())).json()
    assert [one["notification_id"] for one in first["data"]] == ids[:-3:-1]
    assert first["meta"] == {
        "total": 5, "limit": 2, "page": 1, "total_pages": 3, "has_next": True, "has_previous": False,
        "next_cursor": ids[-2],
    }  # fmt: skip
    after = (await gateway.http.get(f"/api/v1/notifications?limit=2&cursor={ids[-2]}", headers=gateway.token())).json()
    assert [one["notification_id"] for one in after["data"]] == [ids[2], ids[1]]
    proof = (await gateway.http.get("/api/v1/reconcile", headers=gateway.token())).json()["data"]
    assert (proof["accepted"], proof["unaccounted"]) == (5, 0)


async def test_a_bounce_fails_what_was_sent_and_the_books_still_count_it_as_sent(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "sent", attempts=1)
    before = await gateway.until(notification_id, "sent")
    await _report(gateway, notification_id, "failed", code="bounced", detail="5.1.1", sent_at=datetime.now(UTC))
    detail = await gateway.until(notification_id, "failed")
    assert (detail["error"], detail["sent_at"]) == ("bounced", before["sent_at"])
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "sent", "failed"]


async def test_a_bounce_that_overtakes_the_report_says_itself_when_the_mail_was_sent(gateway) -> None:
    """Otherwise the ledger would have a sent mail that the gateway never shows as sent."""
    notification_id = await _accepted(gateway)
    queued = await gateway.until(notification_id, "queued")
    sent_at = datetime.fromisoformat(queued["created_at"]) + timedelta(milliseconds=1)
    await _report(gateway, notification_id, "failed", code="bounced", sent_at=sent_at)
    detail = await gateway.until(notification_id, "failed")
    assert datetime.fromisoformat(detail["sent_at"]) == sent_at
    await _report(gateway, notification_id, "sent", attempts=1)
    other = await _accepted(gateway, request_id="another")
    await _report(gateway, other, "sent", attempts=1)
    await gateway.until(other, "sent")
    again = await gateway.until(notification_id, "failed")
    assert (again["error"], again["sent_at"]) == ("bounced", detail["sent_at"])


async def test_a_complaint_after_the_delivery_is_confirmed_changes_nothing(gateway) -> None:
    notification_id = await _accepted(gateway)
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "sent", attempts=1)
    await _report(gateway, notification_id, "delivered", code="complained")
    detail = await gateway.until(notification_id, "delivered")
    await _report(gateway, notification_id, "failed", code="bounced")
    other = await _accepted(gateway, request_id="another")
    await _report(gateway, other, "failed", code="bounced")
    await gateway.until(other, "failed")
    assert (await gateway.until(notification_id, "delivered"))["timeline"] == detail["timeline"]
