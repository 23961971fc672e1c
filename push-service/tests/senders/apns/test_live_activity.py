"""Updates of Live Activities, as APNs and the device get them."""

import json
import time
from datetime import UTC, datetime

import pytest

from contracts.push_payloads import MAX_APNS_BYTES
from contracts.recipients import PushToken
from delivery.outcomes import AccountRefused, Permanent, Sent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())
UPDATE = {"event": "update", "timestamp": NOON, "content_state": {"driver": "Ada", "stops": 2, "eta": None}}
ACTIVITY = PushToken(provider="apns", token="ab" * 80)


@pytest.fixture
def update(sender, attempts_of):
    """`await update({...}, sound=…)`: one attempt at a Live Activity."""

    async def to(activity: dict, *, device=ACTIVITY, by=sender, given=None, **push):
        overrides = {"apns": {"live_activity": activity}, **push}
        return await attempts_of(by)(device=device, push=overrides, link="https://a.example", **(given or {}))

    return to


def shown(simulators) -> dict:
    return json.loads(next(simulators.inbox.pushes.newest_first()).raw)


async def test_an_update_is_all_that_is_sent(update, simulators) -> None:
    assert isinstance(await update(UPDATE), Sent)
    assert shown(simulators) == {
        "headers": {
            "apns-topic": "com.example.app.push-type.liveactivity",
            "apns-push-type": "liveactivity",
            "apns-priority": "5",
        },
        "message": {"aps": {"timestamp": SECONDS, "event": "update", "content-state": UPDATE["content_state"]}},
    }


async def test_every_field_is_on_the_wire(update, simulators) -> None:
    end = {
        "event": "end",
        "timestamp": NOON,
        "content_state": {"stops": 0},
        "stale_date": NOON,
        "dismissal_date": NOON,
        "relevance_score": 75.5,
        "alert": True,
    }
    given = {"priority": 9, "title": "Arrived", "body": "At the door"}
    assert isinstance(await update(end, given=given, sound="ding.caf", collapse_key="order-1", ttl_seconds=60), Sent)
    found = shown(simulators)
    assert abs(int(found["headers"].pop("apns-expiration")) - time.time() - 60) <= 2
    assert found["headers"] == {
        "apns-topic": "com.example.app.push-type.liveactivity",
        "apns-push-type": "liveactivity",
        "apns-priority": "10",
        "apns-collapse-id": "order-1",
    }
    assert found["message"]["aps"] == {
        "timestamp": SECONDS,
        "event": "end",
        "content-state": {"stops": 0},
        "stale-date": SECONDS,
        "dismissal-date": SECONDS,
        "relevance-score": 75.5,
        "alert": {"title": "Arrived", "body": "At the door", "sound": "ding.caf"},
    }


async def test_an_end_needs_no_state(update, simulators) -> None:
    assert isinstance(await update({"event": "end", "timestamp": NOON}), Sent)
    assert shown(simulators)["message"] == {"aps": {"timestamp": SECONDS, "event": "end"}}


async def test_the_largest_update_passes_and_one_byte_more_is_not_sent(update, simulators) -> None:
    fixed = len(
        json.dumps(
            {"aps": {"timestamp": SECONDS, "event": "update", "content-state": {"k": ""}}}, separators=(",", ":")
        )
    )
    for size, outcome in ((MAX_APNS_BYTES, Sent), (MAX_APNS_BYTES + 1, Permanent)):
        state = {"k": "x" * (size - fixed)}
        assert isinstance(await update(UPDATE | {"content_state": state}), outcome)
    assert (simulators.inbox.pushes.total, simulators.inbox.pushes.refused) == (1, 0)


async def test_a_devices_token_is_not_a_live_activitys(send, update) -> None:
    wrong = Permanent("sender_mismatch", "HTTP 400 DeviceTokenNotForTopic")
    assert await update(UPDATE, device=PushToken(provider="apns", token="ab" * 32)) == wrong
    assert await send("ab" * 80) == wrong


async def test_an_activity_that_has_ended_is_gone(update) -> None:
    ended = PushToken(provider="apns", token="e410000".ljust(160, "a"))
    outcome = Permanent("invalid_token", "HTTP 410 Unregistered", dead_recipient=True)
    assert await update(UPDATE, device=ended) == outcome


async def test_another_apps_topic_is_our_account(update, make_sender) -> None:
    other = make_sender(apns_topic="com.example.other")
    assert await update(UPDATE, by=other) == AccountRefused("provider_refused", "HTTP 400 BadTopic")


async def test_the_simulator_says_what_a_device_would_ignore_in_silence(update) -> None:
    outcome = await update(UPDATE | {"content_state": None})
    assert outcome == Permanent("rejected", "HTTP 400 IgnoredByTheDevice")
