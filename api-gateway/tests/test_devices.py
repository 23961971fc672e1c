"""A push notification to several devices: what became of each is in its answer and in its timeline."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.broker import Publication
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.messages import DeviceResult, StatusEvent, StatusEvents
from contracts.topology import STATUS_KEY
from testkit.eventually import eventually

PHONE, BROWSER, TABLET = "phone".ljust(32, "0"), "browser".ljust(32, "0"), "tablet".ljust(32, "0")


def _result(device: str, status: str = "sent", code: str | None = None, **fields: object) -> DeviceResult:
    values = {"device": device, "status": status, "code": code, "provider": "fcm", "at": datetime.now(UTC), **fields}
    return DeviceResult(**values)


async def _queued(gateway, **changes: object) -> str:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    accepted = await gateway.send(user_id=str(user.id), notification_type="push", **changes)
    notification_id = accepted.json()["data"]["notification_id"]
    await gateway.until(notification_id, "queued")
    return notification_id


async def _report(gateway, notification_id: str, status: str, *devices: DeviceResult, **fields: object) -> None:
    await gateway.report(notification_id, status, notification_type="push", devices=devices, **fields)


async def _reported_devices(gateway, notification_id: str, number: int) -> dict:
    """The notification, once so many of its devices are known."""
    return await eventually(
        lambda: gateway.detail(notification_id), 10, until=lambda detail: len(detail.get("devices", ())) == number
    )


async def _all_is_read(gateway) -> None:
    """A report that comes later has been applied."""
    other = await _queued(gateway, request_id=uuid4().hex)
    await _report(gateway, other, "sent", _result(PHONE))
    await _reported_devices(gateway, other, 1)


async def test_each_device_is_in_the_answer_and_in_the_timeline(gateway) -> None:
    notification_id = await _queued(gateway)
    dead = _result(TABLET, "failed", "invalid_token")
    await _report(gateway, notification_id, "sent", _result(PHONE), _result(BROWSER, provider="web_push"), dead)
    detail = await gateway.until(notification_id, "sent")
    assert [(one["device"], one["status"], one["code"], one["provider"]) for one in detail["devices"]] == [
        (PHONE, "sent", None, "fcm"),
        (BROWSER, "sent", None, "web_push"),
        (TABLET, "failed", "invalid_token", "fcm"),
    ]
    steps = {step["device"]: step for step in detail["timeline"] if "device" in step}
    assert steps.keys() == {PHONE, BROWSER, TABLET}
    assert (steps[TABLET]["status"], steps[TABLET]["code"]) == ("failed", "invalid_token")
    assert [step["status"] for step in detail["timeline"] if "device" not in step] == ["accepted", "queued", "sent"]


async def test_a_notification_to_one_recipient_has_none(gateway) -> None:
    notification_id = await _queued(gateway)
    await gateway.report(notification_id, "sent", notification_type="push")
    detail = await gateway.until(notification_id, "sent")
    assert "devices" not in detail
    assert not [step for step in detail["timeline"] if "device" in step]


async def test_a_device_that_ends_after_the_notification_is_added_and_an_older_report_takes_none_away(gateway) -> None:
    notification_id = await _queued(gateway)
    phone, browser = _result(PHONE), _result(BROWSER, "failed", "exhausted")
    await _report(gateway, notification_id, "sent", phone)
    await _reported_devices(gateway, notification_id, 1)
    await _report(gateway, notification_id, "sent", phone, browser)
    whole = await _reported_devices(gateway, notification_id, 2)
    await _report(gateway, notification_id, "sent", phone)
    await _all_is_read(gateway)
    assert await gateway.detail(notification_id) == whole
    assert (whole["status"], whole["error"], whole["attempts"]) == ("sent", None, 0)


async def test_a_retry_begins_anew_and_the_timeline_keeps_the_earlier_round(gateway) -> None:
    notification_id = await _queued(gateway)
    both = [_result(PHONE, "failed", "rejected"), _result(BROWSER, "failed", "rejected")]
    await _report(gateway, notification_id, "failed", *both, code="rejected")
    await _reported_devices(gateway, notification_id, 2)
    answered = await gateway.http.post(f"/api/v1/notifications/{notification_id}/retry", headers=gateway.token())
    assert answered.status_code == 202
    await gateway.until(notification_id, "queued")
    await _report(gateway, notification_id, "sent", _result(PHONE), replay=1)
    await gateway.until(notification_id, "sent")
    await _report(gateway, notification_id, "failed", *both, _result(TABLET), replay=0)  # of the round before: too late
    await _all_is_read(gateway)
    detail = await gateway.detail(notification_id)
    assert [(one["device"], one["status"]) for one in detail["devices"]] == [(PHONE, "sent")]
    reported = [(step["device"], step["status"]) for step in detail["timeline"] if "device" in step]
    assert sorted(reported) == sorted([(PHONE, "failed"), (BROWSER, "failed"), (PHONE, "sent")])


async def test_the_devices_times_are_within_the_notifications_own(gateway) -> None:
    """The clock of the ledger's database may be wrong."""
    notification_id = await _queued(gateway)
    hour = timedelta(hours=1)
    before, after = (_result(name, at=datetime.now(UTC) + by) for name, by in ((PHONE, -hour), (TABLET, hour)))
    await _report(gateway, notification_id, "sent", before, after)
    detail = await gateway.until(notification_id, "sent")
    assert [one["at"] for one in detail["devices"]] == [detail["created_at"], detail["updated_at"]]


async def test_a_gateway_reads_reports_of_older_and_newer_workers(gateway) -> None:
    older, newer = await _queued(gateway, request_id="older"), await _queued(gateway, request_id="newer")
    for name, more in (
        (older, ""),
        (newer, '"devices":[{"device":"d","status":"moved_on","at":"2026-01-01T00:00:00Z","x":1}],'),
    ):
        event = StatusEvent(notification_id=UUID(name), notification_type="push", status="sent", at=datetime.now(UTC))
        body = StatusEvents(events=(event,)).model_dump_json(exclude_none=True)
        body = body.replace('"status":"sent"', f'{more}"status":"sent"')
        assert await gateway.broker.publish_many([Publication(STATUS_KEY, body.encode(), str(uuid4()))]) == [None]
        await gateway.until(name, "sent")
    assert [one["status"] for one in (await gateway.detail(newer))["devices"]] == ["moved_on"]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_an_erased_person_has_no_known_devices(gateway, late: bool) -> None:
    notification_id = await _queued(gateway)
    phone, browser = _result(PHONE), _result(BROWSER)
    await _report(gateway, notification_id, "sent", phone)
    await _reported_devices(gateway, notification_id, 1)
    detail = await gateway.detail(notification_id)
    await gateway.change(f"UPDATE notifications SET history = jsonb_build_array(jsonb_build_object('device', '{PHONE}',"
                         " 'status', 'failed', 'at', now()))")  # fmt: skip
    headers = {"Authorization": f"Bearer {ServiceTokens(development_key('user-service')).issue('api-gateway')}"}
    body = {"user_id": detail["user_id"]}
    assert (await gateway.http.post("/internal/erasures", json=body, headers=headers)).status_code == 200
    if late:
        await _report(gateway, notification_id, "sent", phone, browser)
        await _all_is_read(gateway)
    detail = await gateway.detail(notification_id)
    assert "devices" not in detail
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "sent"]
