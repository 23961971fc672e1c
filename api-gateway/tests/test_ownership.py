"""An application sees, cancels, retries and reports on its own notifications only, with any of its keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.security import Sender, hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from contracts.messages import NotificationMessage
from contracts.users import NO_APPLICATION

SCOPES = ("notifications:read", "notifications:write", "notifications:urgent", "status:write")


def _key(gateway, application: UUID, scopes: tuple[str, ...] = SCOPES, **more: object) -> dict[str, str]:
    key = new_api_key()
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=scopes, application_id=application, **more)
    gateway.peers.api_keys[hash_api_key(key)] = info
    return {"X-API-Key": key}


@pytest.fixture
def applications(gateway) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Two keys of one application, and one of another."""
    ours, theirs = uuid4(), uuid4()
    gateway.peers.add_template()
    return _key(gateway, ours), _key(gateway, ours), _key(gateway, theirs)


async def _sent(gateway, headers: dict[str, str], **more: object) -> str:
    user = gateway.peers.add_user()
    answer = await gateway.send(user_id=str(user.id), headers=headers, **more)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["notification_id"]


async def test_one_application_is_one_caller_whichever_key_it_uses(gateway, applications) -> None:
    first, second, other = applications
    user = gateway.peers.add_user()
    answers = [await gateway.send(user_id=str(user.id), request_id="same", headers=headers) for headers in applications]
    ids = [answer.json()["data"]["notification_id"] for answer in answers]
    assert ids[0] == ids[1] != ids[2]
    for headers, seen in ((first, ids[0]), (second, ids[0]), (other, ids[2])):
        listed = (await gateway.http.get("/api/v1/notifications", headers=headers)).json()
        assert ([one["notification_id"] for one in listed["data"]], listed["meta"]["total"]) == ([seen], 1)


async def test_anothers_notification_looks_like_a_missing_one(gateway, applications) -> None:
    ours, second, theirs = applications
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    name = await _sent(gateway, ours, send_at=later, request_id="ours")
    path = "/api/v1/notifications"
    for method, tail in (("GET", ""), ("GET", "/status"), ("DELETE", ""), ("POST", "/retry")):
        real = await gateway.http.request(method, f"{path}/{name}{tail}", headers=theirs)
        missing = await gateway.http.request(method, f"{path}/{uuid4()}{tail}", headers=theirs)
        assert (real.status_code, real.content) == (404, missing.content), (method, tail)
    for called in (name, "ours"):
        body = {"notification_id": called, "status": "delivered"}
        refused = await gateway.http.post("/api/v1/email/status", json=body, headers=theirs)
        assert (refused.status_code, refused.json()["error"]) == (404, "notification_not_found")
    assert (await gateway.http.delete(f"{path}/{name}", headers=second)).json()["data"]["status"] == "cancelled"


async def test_dead_letters_are_their_applications(gateway, applications) -> None:
    ours, _, theirs = applications
    names = [await _sent(gateway, headers) for headers in (ours, theirs)]
    for name in names:
        await gateway.until(name, "queued")
    await gateway.change("UPDATE notifications SET status = 'failed', ended_at = now(), code = 'bounced'")
    for headers, name in ((ours, names[0]), (theirs, names[1])):
        listed = (await gateway.http.get("/api/v1/failed", headers=headers)).json()["data"]
        assert [one["notification_id"] for one in listed] == [name]
    named = await gateway.http.post("/api/v1/failed/replay", json={"notification_ids": [names[0]]}, headers=theirs)
    assert named.json()["data"] == {"replayed": 0}
    every = await gateway.http.post("/api/v1/failed/replay", json={}, headers=ours)
    assert every.json()["data"] == {"replayed": 1}
    assert (await gateway.detail(names[1]))["status"] == "failed"


async def test_administrators_see_all(gateway, applications) -> None:
    names = {await _sent(gateway, headers) for headers in applications}
    listed = (await gateway.http.get("/api/v1/notifications", headers=gateway.token())).json()["data"]
    assert {one["notification_id"] for one in listed} == names


async def test_a_callback_says_only_the_status_and_touches_nothing_that_was_not_sent(gateway, applications) -> None:
    ours = applications[0]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waiting = {"notification_id": await _sent(gateway, ours, send_at=later), "status": "delivered"}
    early = await gateway.http.post("/api/v1/email/status", json=waiting, headers=ours)
    assert (early.status_code, early.json()["error"]) == (409, "not_sent_yet")
    assert (await gateway.detail(waiting["notification_id"]))["status"] == "pending"
    name = await _sent(gateway, ours)
    await gateway.until(name, "queued")
    body = {"notification_id": name, "status": "delivered"}
    for _ in range(2):
        answered = await gateway.http.post("/api/v1/email/status", json=body, headers=ours)
        assert (answered.status_code, answered.json()["data"]) == (
            200,
            {"notification_id": name, "status": "delivered"},
        )


async def test_no_application_sends_in_the_words_of_the_system_itself(gateway) -> None:
    gateway.peers.add_template(code="system.password_reset")
    user = gateway.peers.add_user()
    body = {"user_id": str(user.id), "template_code": "system.password_reset"}
    refused = await gateway.send(**body, headers=_key(gateway, uuid4()))
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await gateway.send(**body)).status_code == 202


async def test_urgent_priority_needs_a_scope(gateway) -> None:
    gateway.peers.add_template()
    plain, urgent = (_key(gateway, uuid4(), scopes) for scopes in (("notifications:write",), SCOPES))
    user = gateway.peers.add_user()
    outcomes = {
        (name, priority): (await gateway.send(user_id=str(user.id), headers=headers, priority=priority)).status_code
        for name, headers in (("plain", plain), ("urgent", urgent))
        for priority in (7, 8, 10)
    }
    refused = {place for place, status in outcomes.items() if status == 403}
    assert refused == {("plain", 8), ("plain", 10)}
    assert set(outcomes.values()) == {202, 403}
    body = {"notifications": [
        {"notification_type": "email", "template_code": "welcome", "variables": {"name": "A"}, "user_id": str(user.id),
         "priority": priority} for priority in (1, 9)]}  # fmt: skip
    batch = await gateway.http.post("/api/v1/notifications/batch", json=body, headers=plain)
    assert [one["status_code"] for one in batch.json()["data"]["results"]] == [202, 403]


async def test_an_application_sends_on_its_channels(gateway) -> None:
    gateway.peers.add_template()
    headers = _key(gateway, uuid4(), channels=("push",))
    user = gateway.peers.add_user()
    outcomes = [
        (await gateway.send(user_id=str(user.id), headers=headers, notification_type=channel)).status_code
        for channel in ("email", "push")
    ]
    assert outcomes == [403, 202]


async def test_an_application_has_its_own_rate_limit(start) -> None:
    gateway = await start(rate_limit_per_minute=100)
    narrow = _key(gateway, application := uuid4(), rate_limit=3)
    second = _key(gateway, application, rate_limit=3)
    path = "/api/v1/notifications"
    answers = [await gateway.http.get(path, headers=headers) for headers in (narrow, second, narrow, second)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Limit"] == "3"
    assert (await gateway.http.get(path, headers=_key(gateway, uuid4()))).headers["RateLimit-Limit"] == "100"


async def test_test_and_live_notifications_of_an_application_are_kept_separate(gateway) -> None:
    gateway.peers.add_template()
    application = uuid4()
    keys = {mode: _key(gateway, application, test=mode == "test") for mode in ("live", "test")}
    ids = {mode: await _sent(gateway, headers, request_id="same") for mode, headers in keys.items()}
    read = [NotificationMessage.model_validate_json(body) for body in await gateway.published(number=2)]
    assert {str(one.notification_id): one.test for one in read} == {ids["live"]: False, ids["test"]: True}
    for mode, headers in keys.items():
        [one] = (await gateway.http.get("/api/v1/notifications", headers=headers)).json()["data"]
        assert (one["notification_id"], one["test"]) == (ids[mode], mode == "test")
    assert (await gateway.http.get(f"/api/v1/notifications/{ids['live']}", headers=keys["test"])).status_code == 404


async def test_test_notifications_use_no_recipient_limit_and_are_counted_separately(start) -> None:
    gateway = await start(recipient_limit_per_hour=12)
    gateway.peers.add_template()
    headers, user = _key(gateway, uuid4(), test=True), gateway.peers.add_user()
    item = {
        "notification_type": "email",
        "user_id": str(user.id),
        "template_code": "welcome",
        "variables": {"name": "A"},
    }
    answer = await gateway.http.post(
        "/api/v1/notifications/batch", json={"notifications": [item] * 20}, headers=headers
    )
    assert answer.json()["data"]["accepted"] == 20
    await _sent(gateway, headers)
    counted = gateway.app.state.metrics.get_sample_value("test_notifications_accepted_total", {"type": "email"})
    assert counted == 21


BATCH = "/api/v1/notifications/batch"
ORDERS = Sender("Orders", "orders@example.com", "help@example.com")


def _item(user, **changes: object) -> dict[str, object]:
    return {
        "notification_type": "email",
        "template_code": "welcome",
        "variables": {"name": "A"},
        "user_id": str(user),
    } | changes


async def test_another_applications_contact_is_answered_like_an_unknown_user(gateway) -> None:
    gateway.peers.add_template()
    application = uuid4()
    ours, test, theirs = _key(gateway, application), _key(gateway, application, test=True), _key(gateway, uuid4())
    admins = _key(gateway, uuid4(), ("admin",))
    contact, orphan, person = (
        gateway.peers.add_user(application_id=owner) for owner in (application, NO_APPLICATION, None)
    )
    for headers in (theirs, admins):
        for user in (contact, orphan):
            for changes in ({}, {"template_code": "unknown"}, {"variables": {}}, {"notification_type": "push"}):
                real = await gateway.send(user_id=str(user.id), headers=headers, **changes)
                unknown = await gateway.send(user_id=str(uuid4()), headers=headers, **changes)
                assert (real.status_code, real.json()["error"], real.content) == (
                    404,
                    "user_not_found",
                    unknown.content,
                )
        items = [_item(one) for one in (contact.id, person.id, uuid4(), orphan.id)]
        batch = await gateway.http.post(BATCH, json={"notifications": items}, headers=headers)
        first, second, *rest = batch.json()["data"]["results"]
        assert second["status_code"] == 202
        assert [{**one, "index": 0} for one in rest] == [first, first]
        assert (first["status_code"], first["error"]) == (404, "user_not_found")
    for headers in (ours, test, gateway.token()):
        assert (await gateway.send(user_id=str(contact.id), headers=headers)).status_code == 202
    assert (await gateway.send(user_id=str(orphan.id), headers=ours)).status_code == 404
    assert (await gateway.send(user_id=str(orphan.id), headers=gateway.token())).status_code == 202


async def test_who_has_claimed_an_account_a_moment_ago_is_sent_to_by_all(gateway) -> None:
    gateway.peers.add_template()
    contact, theirs = gateway.peers.add_user(application_id=uuid4()), _key(gateway, uuid4())
    assert (await gateway.send(user_id=str(contact.id), headers=theirs)).status_code == 404
    await gateway.changed(contact, application_id=None)
    assert (await gateway.send(user_id=str(contact.id), headers=theirs)).status_code == 202


async def test_anothers_contact_is_found_out_when_the_user_service_is_back(gateway) -> None:
    gateway.peers.add_template()
    application = uuid4()
    contact, ours, theirs = (
        gateway.peers.add_user(application_id=application),
        _key(gateway, application),
        _key(gateway, uuid4()),
    )
    for headers in (ours, theirs):  # known from now on, so that they may send while the user service is down
        await gateway.http.get("/api/v1/notifications", headers=headers)
    gateway.peers.down = True
    accepted = [await gateway.send(user_id=str(contact.id), headers=headers) for headers in (ours, theirs)]
    assert [one.status_code for one in accepted] == [202, 202]
    gateway.peers.down = False
    mine, other = (one.json()["data"]["notification_id"] for one in accepted)
    detail = await gateway.until(other, "failed")
    assert detail["error"] == "user_not_found"
    await gateway.until(mine, "queued")
    for headers in (theirs, gateway.token()):  # for any caller it would be sent as that application's
        again = await gateway.http.post(f"/api/v1/notifications/{other}/retry", headers=headers)
        assert (again.status_code, again.json()["error"]) == (404, "user_not_found")
    replayed = await gateway.http.post(
        "/api/v1/failed/replay", json={"notification_ids": [other]}, headers=gateway.token()
    )
    assert replayed.json()["data"] == {"replayed": 1}
    assert (await gateway.until(other, "failed"))["replays"] == 1
    [body] = await gateway.published()
    assert str(NotificationMessage.model_validate_json(body).notification_id) == mine


async def test_an_email_goes_in_the_name_of_its_application(gateway) -> None:
    gateway.peers.add_template()
    named, plain, user = _key(gateway, uuid4(), sender=ORDERS), _key(gateway, uuid4()), gateway.peers.add_user()
    cases = [(named, "email", ORDERS), (named, "push", None), (plain, "email", None), (gateway.token(), "email", None)]
    for headers, channel, sender in cases:
        sent = await gateway.send(user_id=str(user.id), headers=headers, notification_type=channel)
        assert sent.status_code == 202
        [body] = await gateway.published(f"{channel}.queue")
        assert NotificationMessage.model_validate_json(body).sender == sender
    batch = await gateway.http.post(BATCH, json={"notifications": [_item(user.id)]}, headers=named)
    assert batch.status_code == 202
    assert NotificationMessage.model_validate_json((await gateway.published())[0]).sender == ORDERS


async def test_it_keeps_the_name_that_it_was_accepted_with(gateway) -> None:
    gateway.peers.add_template()
    named, user = _key(gateway, uuid4(), sender=ORDERS), gateway.peers.add_user()
    await gateway.http.get("/api/v1/notifications", headers=named)
    gateway.peers.down = True
    name = (await gateway.send(user_id=str(user.id), headers=named)).json()["data"]["notification_id"]
    for key, info in gateway.peers.api_keys.items():
        gateway.peers.api_keys[key] = info.model_copy(update={"sender": None})
    gateway.peers.down = False
    for replay in range(2):
        message = NotificationMessage.model_validate_json((await gateway.published())[0])
        assert (message.replay, message.sender) == (replay, ORDERS)
        await gateway.until(name, "queued")
        await gateway.report(name, "failed", code="bounced", replay=replay)
        await gateway.until(name, "failed")
        retried = await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
        assert retried.status_code == 202
