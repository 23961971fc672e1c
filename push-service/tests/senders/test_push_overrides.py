"""The message to FCM when a caller changes a notification's message."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from contracts.recipients import PushToken
from delivery.outcomes import Permanent, Sent
from testkit.push_options import EVERYTHING

ID = "018f0000-0000-7000-8000-000000000001"


async def message_to_fcm(fcm, send, push: dict, **given: object) -> dict:
    assert isinstance(await send(push=push, **given), Sent)
    return json.loads(fcm.sends.requests[-1].body)["message"]


async def test_every_field_is_on_the_wire(fcm, send):
    began = int(time.time())
    message = await message_to_fcm(fcm, send, EVERYTHING, image="https://a.example/p.png", link="https://a.example/1")
    expiration = int(message["apns"]["headers"].pop("apns-expiration"))
    assert began + 600 <= expiration <= time.time() + 600
    assert message == {
        "token": "device-1",
        "notification": {"title": "Hello", "body": "There", "image": "https://a.example/p.png"},
        "data": {
            "order_id": "A-1",
            "notification_id": ID,
            "correlation_id": "story-1",
            "link": "https://a.example/1",
        },
        "fcm_options": {"analytics_label": "orders~1"},
        "android": {
            "collapse_key": "order-A-1",
            "ttl": "600s",
            "notification": {
                "tag": "order-A-1",
                "sound": "ding.caf",
                "notification_count": 3,
                "channel_id": "orders",
                "click_action": "OPEN_ORDER",
                "icon": "bag",
                "color": "#a1B2c3",
                "visibility": "SECRET",
            },
        },
        "apns": {
            "headers": {"apns-collapse-id": "order-A-1"},
            "payload": {
                "aps": {
                    "alert": {"title": "Hello", "subtitle": "Sub", "body": "There"},
                    "badge": 3,
                    "sound": "ding.caf",
                    "mutable-content": 1,
                    "category": "ORDER",
                    "thread-id": "orders",
                    "interruption-level": "time-sensitive",
                    "relevance-score": 0.5,
                }
            },
            "fcm_options": {"image": "https://a.example/p.png"},
        },
        "webpush": {
            "headers": {"TTL": "600", "Topic": "order-A-1", "Urgency": "low"},
            "notification": {
                "tag": "order-A-1",
                "icon": "https://a.example/i.png",
                "requireInteraction": True,
                "silent": False,
                "actions": EVERYTHING["web_push"]["actions"],
            },
            "fcm_options": {"link": "https://a.example/1"},
        },
    }


async def test_one_field_adds_nothing_else(fcm, send):
    plain = await message_to_fcm(fcm, send, {})
    assert plain == await message_to_fcm(fcm, send, {"data": {}})
    assert await message_to_fcm(fcm, send, {"data": {"a": "b"}}) == {**plain, "data": {"a": "b", **plain["data"]}}
    assert await message_to_fcm(fcm, send, {"analytics_label": "x"}) == {
        **plain,
        "fcm_options": {"analytics_label": "x"},
    }


async def test_no_data_of_the_caller_replaces_ours(fcm, send):
    message = await message_to_fcm(fcm, send, {"data": {"notification_id": "x", "correlation_id": "y"}})
    assert message["data"] == {"notification_id": ID, "correlation_id": "story-1"}


async def test_no_badge_is_a_number_for_apple_and_nothing_for_android(fcm, send):
    message = await message_to_fcm(fcm, send, {"badge": 0})
    assert message["apns"]["payload"]["aps"]["badge"] == 0
    assert "notification_count" not in message["android"]["notification"]


@pytest.mark.parametrize(
    ("ttl_seconds", "left", "expected"),
    [(0, None, 0), (60, None, 60), (60, 20, 20), (60, 600, 60), (2_419_200, None, 2_419_200)],
)
async def test_the_earlier_end_counts(fcm, send, ttl_seconds, left, expected):
    expires_at = None if left is None else datetime.now(UTC) + timedelta(seconds=left + 0.9)
    message = await message_to_fcm(fcm, send, {"ttl_seconds": ttl_seconds}, expires_at=expires_at)
    assert message["android"]["ttl"] == f"{expected}s"
    assert message["webpush"]["headers"]["TTL"] == str(expected)
    assert (message["apns"]["headers"]["apns-expiration"] == "0") == (expected == 0)


async def test_a_background_message_shows_nothing_anywhere(fcm, send):
    push = {"content_available": True, "data": {"sync": "orders"}, "collapse_key": "sync", "ttl_seconds": 60}
    message = await message_to_fcm(fcm, send, push, link="https://a.example/1", priority=9)
    message["apns"]["headers"].pop("apns-expiration")
    assert message == {
        "token": "device-1",
        "data": {
            "sync": "orders",
            "notification_id": ID,
            "correlation_id": "story-1",
            "link": "https://a.example/1",
        },
        "android": {"priority": "HIGH", "ttl": "60s", "collapse_key": "sync"},
        "apns": {
            "headers": {"apns-collapse-id": "sync", "apns-push-type": "background", "apns-priority": "5"},
            "payload": {"aps": {"content-available": 1}},
        },
        "webpush": {"headers": {"TTL": "60", "Topic": "sync"}, "fcm_options": {"link": "https://a.example/1"}},
    }


async def test_a_collapse_key_that_is_no_web_topic_is_hashed(fcm, send):
    message = await message_to_fcm(fcm, send, {"collapse_key": "order/" + "x" * 40})
    assert len(message["webpush"]["headers"]["Topic"]) == 32
    assert message["android"]["collapse_key"] == message["apns"]["headers"]["apns-collapse-id"]


async def test_data_counts_for_the_size(fcm, send):
    space = 4096 - len("notification_id") - 36 - len("correlation_idstory-1") - len("titleHellobodyTherek")
    assert isinstance(await send(push={"data": {"k": "x" * space}}), Sent)
    assert await send(push={"data": {"k": "é" + "x" * (space - 1)}}) == Permanent("payload_too_large", "4097 bytes")
    assert len(fcm.sends.requests) == 1


@pytest.mark.parametrize("kind", ["topic", "condition"])
async def test_a_topic_and_a_condition_replace_the_token(fcm, send, kind):
    text = {"topic": "news", "condition": "'news' in topics && !('muted' in topics)"}[kind]
    message = await message_to_fcm(fcm, send, {}, device=PushToken(token=text, kind=kind))
    assert message[kind] == text
    assert "token" not in message
    assert await send(body="x" * 2_048, device=PushToken(token=text, kind=kind)) == Permanent(
        "payload_too_large", f"{2_048 + len('bodytitleHello') + 51 + 21} bytes"
    )


async def test_fcms_schema_takes_all_of_it(send_to_simulator, simulators):
    assert isinstance(await send_to_simulator(push=EVERYTHING, image="https://a.example/p.png"), Sent)
    assert isinstance(await send_to_simulator(push={"content_available": True, "ttl_seconds": 0}), Sent)
    condition = PushToken(token="'a' in topics || ('b' in topics && !('c' in topics))", kind="condition")
    assert isinstance(await send_to_simulator(push={"badge": 0}, device=condition), Sent)
    assert isinstance(await send_to_simulator(device=PushToken(token="news", kind="topic")), Sent)
    first, *_, last = simulators.inbox.pushes
    assert (first.badge, first.data["order_id"], first.link) == (3, "A-1", "")
    assert last.token == "/topics/news"
