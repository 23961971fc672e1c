"""Holds: matching notifications wait, none is lost, and the caller who placed a hold releases or cancels them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from api_gateway.services.known_holds import KnownHolds
from chassis.errors import Unavailable
from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from contracts.holds import HoldRules
from contracts.messages import NotificationMessage
from contracts.topology import queues_of
from testkit.brokers import BrokerThatMayBeAway
from testkit.eventually import eventually, stays

SCOPES = ("notifications:read", "notifications:write", "notifications:urgent")
NEVER = 1_000


def _key(gateway, application: UUID, scopes: tuple[str, ...] = SCOPES, **more: object) -> dict[str, str]:
    key = new_api_key()
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=scopes, application_id=application, **more)
    gateway.peers.api_keys[hash_api_key(key)] = info
    return {"X-API-Key": key}


async def _hold(gateway, status: int = 201, headers: dict[str, str] | None = None, **target: object) -> dict:
    body = {"reason": "wrong price", **(target or {"template_code": "welcome"})}
    answered = await gateway.http.post("/api/v1/holds", json=body, headers=headers or gateway.token(UUID(int=9)))
    assert answered.status_code == status, answered.text
    return answered.json()["data"]


async def _release(gateway, hold: dict, status: int = 200, headers: dict[str, str] | None = None, **query: object):
    path = f"/api/v1/holds/{hold['hold_id']}"
    answered = await gateway.http.delete(path, params=query, headers=headers or gateway.token())
    assert answered.status_code == status, answered.text
    return answered.json()


async def _cancel(gateway, hold: dict, status: int = 200, headers: dict[str, str] | None = None):
    path = f"/api/v1/holds/{hold['hold_id']}/cancel"
    answered = await gateway.http.post(path, headers=headers or gateway.token())
    assert answered.status_code == status, answered.text
    return answered.json()


async def _listed(gateway, headers: dict[str, str] | None = None, **query: object) -> list[dict]:
    answered = await gateway.http.get("/api/v1/holds", params=query, headers=headers or gateway.token())
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


async def _got(gateway, hold: dict, status: int = 200, headers: dict[str, str] | None = None) -> dict:
    answered = await gateway.http.get(f"/api/v1/holds/{hold['hold_id']}", headers=headers or gateway.token())
    assert answered.status_code == status, answered.text
    return answered.json()["data"]


async def _sent(gateway, **changes: object) -> str:
    if "user_id" not in changes:
        changes["user_id"] = str(gateway.peers.add_user().id)
    answered = await gateway.send(**changes)
    assert answered.status_code == 202, answered.text
    return answered.json()["data"]["notification_id"]


async def _until_held(gateway, name: str, hold: dict) -> dict:
    async def held() -> dict | None:
        detail = await gateway.detail(name)
        return detail if detail["held_by"] == hold["hold_id"] else None

    return await eventually(held, 10)


async def _depths(gateway) -> list[int]:
    return [(await gateway.broker.depth(queue)).ready for queue in queues_of("email")]


@pytest.fixture
async def gateway(start):
    gateway = await start()
    gateway.peers.add_template()
    return gateway


def _steps(detail: dict) -> list[str]:
    return [step["status"] for step in detail["timeline"]]


async def test_what_is_accepted_under_a_hold_waits_and_is_sent_after_its_release(gateway) -> None:
    hold = await _hold(gateway)
    name, other = await _sent(gateway), await _sent(gateway, priority=9)
    for one in (name, other):
        detail = await _until_held(gateway, one, hold)
        assert (detail["status"], _steps(detail)) == ("pending", ["accepted", "held"])
    assert await _depths(gateway) == [0, 0]
    [listed] = await _listed(gateway, standing=True)
    assert (listed["held"], listed["held_by_channel"], listed["status"]) == (2, {"email": 2}, "standing")
    assert listed["oldest_held_at"] == (await gateway.detail(name))["created_at"]
    assert await _got(gateway, hold) == listed
    found = await gateway.http.get(
        "/api/v1/notifications", params={"held_by": hold["hold_id"]}, headers=gateway.token()
    )
    assert {one["notification_id"] for one in found.json()["data"]} == {name, other}
    await _release(gateway, hold)
    for one in (name, other):
        detail = await gateway.until(one, "queued")
        assert (detail["held_by"], _steps(detail)) == (None, ["accepted", "held", "released", "queued"])
    assert await _depths(gateway) == [1, 1]
    assert [one["status"] for one in await _listed(gateway)] == ["released"]


async def test_only_what_matches_is_held(gateway) -> None:
    gateway.peers.add_template("other")
    await _hold(gateway, template_code="welcome", notification_type="push")
    name = await _sent(gateway, notification_type="push")
    others = [await _sent(gateway), await _sent(gateway, notification_type="push", template_code="other")]
    for one in others:
        await gateway.until(one, "queued")
    assert (await gateway.detail(name))["status"] == "pending"


async def test_a_relay_holds_what_comes_due_and_expires_at_counts(gateway) -> None:
    hold = await _hold(gateway)
    later = datetime.now(UTC) + timedelta(seconds=3)
    scheduled = await _sent(gateway, send_at=later.isoformat())
    brief = await _sent(gateway, expires_at=(datetime.now(UTC) + timedelta(seconds=3)).isoformat())
    detail = await gateway.detail(scheduled)
    assert detail["held_by"] is None or datetime.now(UTC) >= later  # before its time it only waits
    await _until_held(gateway, scheduled, hold)
    detail = await gateway.until(brief, "expired")
    assert (detail["error"], detail["held_by"]) == ("expired", None)
    assert await _depths(gateway) == [0, 0]
    assert (await gateway.detail(scheduled))["status"] == "pending"


async def test_what_is_held_can_be_cancelled_one_by_one_and_all_at_once(gateway) -> None:
    hold = await _hold(gateway)
    names = [await _sent(gateway) for _ in range(4)]
    later = await _sent(gateway, send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    for name in names:
        await _until_held(gateway, name, hold)
    one = await gateway.http.delete(f"/api/v1/notifications/{names[0]}", headers=gateway.token())
    assert one.json()["data"]["status"] == "cancelled"
    answered = await _cancel(gateway, hold)
    assert answered["data"]["held"] == 3
    for name in names[1:]:
        detail = await gateway.until(name, "cancelled")
        assert detail["error"] == "hold_cancelled"
    assert (await gateway.detail(later))["status"] == "pending"  # its time has not come, so it was not held
    assert [one["status"] for one in await _listed(gateway, standing=False)] == ["cancelled"]
    await gateway.until(await _sent(gateway), "queued")


async def test_it_is_released_with_another_version_of_the_template(gateway) -> None:
    hold = await _hold(gateway)
    names = [await _sent(gateway) for _ in range(2)]
    for name in names:
        await _until_held(gateway, name, hold)
    refused = await _release(gateway, hold, 404, template_version=9)
    assert refused["error"] == "template_version_not_found"
    await gateway.mend(version=9)
    released = await _release(gateway, hold, template_version=9)
    assert released["data"]["template_version"] == 9
    assert {
        NotificationMessage.model_validate_json(body).template.version for body in await gateway.published(number=2)
    } == {9}
    again = await _hold(gateway)
    held = await _sent(gateway, template_version=3)
    await _until_held(gateway, held, again)
    assert (await _release(gateway, again, active_version=True))["data"]["active_version"] is True
    assert (await gateway.until(held, "queued"))["template_version"] == 9
    channel = await _hold(gateway, notification_type="email")
    assert (await _release(gateway, channel, 422, template_version=9))["error"] == "hold_without_template"
    for bad in ({"template_version": 0}, {"template_version": "x"}, {"template_version": 1, "active_version": True}):
        await _release(gateway, channel, 422, **bad)


async def test_what_a_worker_gives_back_waits_and_a_late_mark_changes_nothing(start) -> None:
    gateway = await start(queued_mark_seconds=NEVER)
    gateway.peers.add_template()
    name = await _sent(gateway)
    [body] = await gateway.published()
    message = NotificationMessage.model_validate_json(body)
    hold = await _hold(gateway)
    back = {"replay": 0, "queued_at": message.queued_at, "hold_id": UUID(hold["hold_id"])}
    marks = await eventually(lambda: dict(gateway.root.marks.waiting), 10)
    await gateway.report(name, "held", **back)
    detail = await _until_held(gateway, name, hold)
    assert (detail["status"], detail["queued_at"]) == ("pending", None)
    assert await gateway.root.store.mark_queued(list(marks.values())) == []
    assert (await gateway.detail(name))["held_by"] == hold["hold_id"]
    await _release(gateway, hold)
    assert len(await gateway.published()) == 1
    await gateway.report(name, "held", **back)  # the report is delivered again
    await gateway.report(name, "sent", queued_at=message.queued_at)
    assert (await gateway.until(name, "sent"))["held_by"] is None


async def test_what_is_given_back_after_the_hold_has_ended_is_published_again(gateway) -> None:
    name = await _sent(gateway)
    await gateway.until(name, "queued")
    message = NotificationMessage.model_validate_json((await gateway.published())[0])
    hold = await _hold(gateway)
    await _release(gateway, hold)
    await gateway.report(name, "held", queued_at=message.queued_at, hold_id=UUID(hold["hold_id"]))
    await gateway.published()
    assert _steps(await gateway.until(name, "queued"))[1:3] == ["held", "released"]


async def test_a_cancelled_hold_cancels_what_a_worker_gives_back_later(gateway) -> None:
    name = await _sent(gateway)
    await gateway.until(name, "queued")
    message = NotificationMessage.model_validate_json((await gateway.published())[0])
    hold = await _hold(gateway)
    await _cancel(gateway, hold)
    rules: HoldRules = await gateway.root.known_holds.other_than("")
    assert [(str(one.id), one.ended_at is None) for one in rules.holds] == [(hold["hold_id"], False)]
    await gateway.report(name, "held", queued_at=message.queued_at, hold_id=UUID(hold["hold_id"]))
    assert (await gateway.until(name, "cancelled"))["error"] == "hold_cancelled"


async def test_a_report_of_another_copy_still_counts_while_it_is_held(gateway) -> None:
    name = await _sent(gateway)
    await gateway.until(name, "queued")
    message = NotificationMessage.model_validate_json((await gateway.published())[0])
    hold = await _hold(gateway)
    await gateway.report(name, "held", queued_at=message.queued_at, hold_id=UUID(hold["hold_id"]))
    await _until_held(gateway, name, hold)
    await gateway.report(name, "sent", queued_at=message.queued_at)
    detail = await gateway.until(name, "sent")
    assert detail["held_by"] is None
    await gateway.report(name, "held", queued_at=message.queued_at, hold_id=UUID(hold["hold_id"]))
    await _release(gateway, hold)
    await stays(lambda: _depths(gateway), 0.3, holds=lambda depths: depths == [0, 0])
    assert (await gateway.detail(name))["status"] == "sent"


async def test_a_gateway_that_has_not_read_the_holds_does_not_tell_workers_that_there_are_none(gateway) -> None:
    known = KnownHolds(gateway.root.database)
    with pytest.raises(Unavailable):
        await known.other_than("")
    await known.refresh()
    assert await known.other_than("") == HoldRules()


async def test_a_worker_that_knows_the_list_waits_for_another_one(gateway) -> None:
    known = gateway.root.known_holds
    before = await known.other_than("")
    waiting = asyncio.create_task(known.other_than(before.digest))
    await stays(waiting.done, 0.1, holds=lambda done: not done)
    hold = await _hold(gateway)
    async with asyncio.timeout(0.5):
        assert [str(rule.id) for rule in (await waiting).holds] == [hold["hold_id"]]
        await known.other_than(before.digest)


async def test_a_gateway_that_stops_answers_the_workers_that_wait(gateway) -> None:
    known = gateway.root.known_holds
    list_ = await known.other_than("")
    waiting = asyncio.create_task(known.other_than(list_.digest))
    await stays(waiting.done, 0.1, holds=lambda done: not done)
    for stop in gateway.app.state.stops:
        stop()
    async with asyncio.timeout(0.5):
        assert await waiting == await known.other_than(list_.digest) == list_


async def test_an_ended_hold_is_not_looked_up_before_publishing(gateway) -> None:
    await _cancel(gateway, await _hold(gateway))
    known = gateway.root.known_holds
    assert (known.any_stands, known.any_in_force) == (False, True)


async def test_another_gateway_knows_the_hold_within_a_second(start) -> None:
    first, second = await start(), await start()
    first.peers.add_template()
    hold = await _hold(first)
    await eventually(lambda: second.root.known_holds.any_stands, 1)
    await _until_held(second, await _sent(second), hold)


async def test_what_a_dead_gateway_accepted_is_held_by_another(start) -> None:
    dead = await start(broker=BrokerThatMayBeAway(), lease_seconds=0.5, relay_interval_seconds=NEVER)
    dead.peers.add_template()
    dead.root.outbox.offer = lambda *_: None  # it dies between its commit and its publishing
    name = await _sent(dead)
    hold = await _hold(dead)
    living = await start()

    async def held_or_queued() -> str | None:
        return (await living.detail(name))["held_by"] or (await living.detail(name))["queued_at"]

    # The dead gateway may have published it, so it goes to a worker, which gives it back.
    await eventually(held_or_queued, 10)
    [body] = await living.published()
    message = NotificationMessage.model_validate_json(body)
    await living.report(name, "held", queued_at=message.queued_at, hold_id=UUID(hold["hold_id"]))
    await _until_held(living, name, hold)


async def test_a_release_goes_in_pieces_highest_priority_first(start, monkeypatch) -> None:
    monkeypatch.setattr("api_gateway.services.hold_releaser.PIECE", 2)
    gateway = await start()
    gateway.peers.add_template()
    hold = await _hold(gateway)
    names = {priority: await _sent(gateway, priority=priority) for priority in (1, 5, 3, 9, 7)}
    for name in names.values():
        await _until_held(gateway, name, hold)
    await _release(gateway, hold)
    released = {}
    for priority, name in names.items():
        steps = (await gateway.until(name, "queued"))["timeline"]
        released[priority] = next(step["at"] for step in steps if step["status"] == "released")
    assert [len(set(released.values())), sorted(released, key=lambda one: (released[one], -one))] == [
        3,
        [9, 7, 5, 3, 1],
    ]


async def test_an_erased_user_has_nothing_held(gateway) -> None:
    user = gateway.peers.add_user()
    hold = await _hold(gateway)
    name = await _sent(gateway, user_id=str(user.id))
    await _until_held(gateway, name, hold)
    await gateway.root.eraser.erase(user.id)
    detail = await gateway.until(name, "cancelled")
    assert detail["error"] == "user_erased"
    assert (await _listed(gateway))[0]["held"] == 0


async def test_a_retry_of_a_dead_letter_is_held_too(gateway) -> None:
    name = await _sent(gateway)
    await gateway.until(name, "queued")
    await gateway.change("UPDATE notifications SET status = 'failed', ended_at = now(), code = 'bounced'")
    hold = await _hold(gateway)
    retried = await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
    assert retried.status_code == 202
    await _until_held(gateway, name, hold)


async def test_held_ones_are_not_late_and_are_counted(gateway) -> None:
    hold = await _hold(gateway)
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    await _until_held(gateway, await _sent(gateway, expires_at=soon), hold)
    await gateway.change("UPDATE notifications SET created_at = created_at - interval '1 hour'")
    await gateway.root.watch.find_oldest()
    await gateway.root.watch.count_held()
    value = gateway.app.state.metrics.get_sample_value
    assert value("notifications_oldest_seconds", {"type": "email", "status": "pending"}) == 0
    assert value("notifications_held", {"type": "email"}) == 1
    assert value("notifications_held", {"type": "push"}) == 0
    assert 0 < value("holds_oldest_seconds") < 60
    proof = await gateway.http.get("/api/v1/reconcile", headers=gateway.token())
    assert proof.json()["data"]["channels"]["email"]["held"] == 1
    assert proof.json()["data"]["unaccounted"] == 0


async def test_an_application_holds_only_its_own_notifications(gateway) -> None:
    ours, theirs = uuid4(), uuid4()
    key, test_key, other = _key(gateway, ours), _key(gateway, ours, test=True), _key(gateway, theirs)
    hold = await _hold(gateway, headers=key, template_code="welcome")
    assert (hold["application_id"], hold["test"]) == (str(ours), False)
    held = await _sent(gateway, headers=key)
    free = [await _sent(gateway, headers=other), await _sent(gateway, headers=test_key), await _sent(gateway)]
    await _until_held(gateway, held, hold)
    for name in free:
        await gateway.until(name, "queued")
    refused = await gateway.http.post("/api/v1/holds", json={"application_id": str(ours), "reason": "x"}, headers=other)
    assert refused.status_code == 403
    for headers, seen in ((key, 1), (test_key, 0), (other, 0)):
        assert len(await _listed(gateway, headers)) == seen
    for headers in (test_key, other):
        assert (await _release(gateway, hold, 404, headers))["error"] == "hold_not_found"
        await _got(gateway, hold, 404, headers)
    assert (await _got(gateway, hold, headers=key))["hold_id"] == hold["hold_id"]
    admins = await _hold(gateway, application_id=str(ours))
    assert len(await _listed(gateway, key)) == 2
    assert (await _release(gateway, admins, 403, key))["error"] == "forbidden"
    await _release(gateway, hold, headers=key)
    assert (await _until_held(gateway, held, admins))["status"] == "pending"  # the other hold stands
    await _release(gateway, admins)
    await gateway.until(held, "queued")


async def test_a_held_provider_is_told_to_workers_and_holds_no_notification(gateway) -> None:
    hold, other = await _hold(gateway, provider="smtp"), await _hold(gateway, provider="fcm")
    assert (await _hold(gateway, 200, provider="smtp"))["hold_id"] == hold["hold_id"]
    known = gateway.root.known_holds
    assert [rule.provider for rule in (await known.other_than("")).holds] == ["smtp", "fcm"]
    assert not known.any_in_force
    await gateway.until(await _sent(gateway), "queued")
    assert (await _got(gateway, hold))["held"] == 0
    assert (await _cancel(gateway, hold, 422))["error"] == "hold_of_provider"
    versioned = await _release(gateway, hold, 422, template_version=2)
    assert versioned["error"] == "hold_without_template"
    assert (await _release(gateway, hold))["data"]["status"] == "released"
    assert [rule.provider for rule in (await known.other_than("")).holds] == ["fcm"]
    assert other["provider"] == "fcm"


async def test_only_administrators_hold_providers(gateway) -> None:
    key = _key(gateway, uuid4())
    refused = await gateway.http.post("/api/v1/holds", json={"provider": "smtp", "reason": "x"}, headers=key)
    assert refused.status_code == 403
    hold = await _hold(gateway, provider="smtp")
    assert await _listed(gateway, key) == []
    await _got(gateway, hold, 404, key)


async def test_whoever_may_not_hold(gateway) -> None:
    body = {"template_code": "welcome", "reason": "x"}
    reader = _key(gateway, uuid4(), ("notifications:read",))
    for headers, status in ((gateway.token(role="user"), 403), (reader, 403), ({}, 401)):
        assert (await gateway.http.post("/api/v1/holds", json=body, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "x"}, "body"),
        ({"provider": "smtp", "notification_type": "email", "reason": "x"}, "body"),
        ({"provider": "no such name!", "reason": "x"}, "provider"),
        ({"template_code": "welcome"}, "reason"),
        ({"template_code": "", "reason": "x"}, "template_code"),
        ({"template_code": "no such code!", "reason": "x"}, "template_code"),
        ({"notification_type": "fax", "reason": "x"}, "notification_type"),
        ({"application_id": "7", "reason": "x"}, "application_id"),
        ({"template_code": "t", "reason": "a\u0000b"}, "reason"),
        ({"template_code": "t", "reason": "x", "colour": "red"}, "colour"),
    ],
)
async def test_a_bad_hold_is_refused_with_its_field(gateway, body: dict[str, object], field: str) -> None:
    answered = await gateway.http.post("/api/v1/holds", json=body, headers=gateway.token())
    assert answered.status_code == 422
    assert [problem["field"] for problem in answered.json()["data"]["errors"]] == [field]


async def test_the_same_hold_twice_is_one_and_its_end_too(gateway) -> None:
    first = await _hold(gateway)
    again = await _hold(gateway, 200)
    assert again["hold_id"] == first["hold_id"]
    await _release(gateway, first)
    assert (await _release(gateway, first))["data"]["status"] == "released"
    assert (await _cancel(gateway, first, 409))["error"] == "hold_ended"
    assert (await _hold(gateway))["hold_id"] != first["hold_id"]
    assert (await _release(gateway, {"hold_id": uuid4()}, 404))["error"] == "hold_not_found"


async def test_an_application_cannot_place_holds_without_end(gateway, monkeypatch) -> None:
    monkeypatch.setattr("api_gateway.services.holds.MAX_IN_FORCE", 2)
    key = _key(gateway, uuid4())
    for number in range(2):
        await _hold(gateway, headers=key, template_code=f"t{number}")
    body = {"template_code": "t2", "reason": "x"}
    refused = await gateway.http.post("/api/v1/holds", json=body, headers=key)
    assert (refused.status_code, refused.json()["error"]) == (409, "too_many_holds")
    await _hold(gateway, template_code="t2")  # administrators may


async def test_who_held_and_released_is_in_the_audit_trail(gateway) -> None:
    hold = await _hold(gateway)
    await _release(gateway, hold)
    found = await gateway.http.get(
        "/api/v1/audit",
        params={"target": f"hold:{hold['hold_id']}", "service": "api-gateway"},
        headers=gateway.token(),
    )
    events = found.json()["data"]
    assert [event["action"] for event in events] == ["hold.released", "hold.placed"]
    assert events[1]["after"]["reason"] == "wrong price"
    assert json.dumps(events[1]["after"]["template_code"]) == '"welcome"'


async def test_old_holds_are_forgotten_and_those_with_held_rows_are_not(gateway) -> None:
    empty, full = await _hold(gateway, template_code="t"), await _hold(gateway)
    await _until_held(gateway, await _sent(gateway), full)
    gateway.root.releaser._release = gateway.root.releaser._cancel = lambda *_: eventually(lambda: True)
    await gateway.change("UPDATE holds SET ended_at = now() - interval '40 days', outcome = 'released'")
    await gateway.root.housekeeping.forget_holds()
    assert [one["hold_id"] for one in await _listed(gateway)] == [full["hold_id"]]
    assert empty["hold_id"] != full["hold_id"]
