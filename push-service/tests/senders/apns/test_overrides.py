"""What a caller changes in a notification's message, at APNs."""

import json
import time

from delivery.outcomes import Permanent, Sent


def shown(simulators) -> dict:
    return json.loads(next(simulators.inbox.pushes.newest_first()).raw)


async def test_every_field_is_on_the_wire(send, simulators) -> None:
    push = {
        "data": {"order_id": "A-1"},
        "sound": "ding.caf",
        "badge": 0,
        "collapse_key": "order/A-1",
        "ttl_seconds": 600,
        "apns": {
            "subtitle": "Sub",
            "category": "ORDER",
            "thread_id": "orders",
            "interruption_level": "passive",
            "relevance_score": 1.0,
            "mutable_content": True,
        },
        "android": {"channel_id": "orders"},
    }
    assert isinstance(await send(push=push), Sent)
    found = shown(simulators)
    assert abs(int(found["headers"].pop("apns-expiration")) - time.time() - 600) <= 2
    assert found == {
        "headers": {
            "apns-topic": "com.example.app",
            "apns-push-type": "alert",
            "apns-priority": "5",
            "apns-collapse-id": "order/A-1",
        },
        "message": {
            "aps": {
                "alert": {"title": "Hello", "subtitle": "Sub", "body": "There"},
                "badge": 0,
                "sound": "ding.caf",
                "mutable-content": 1,
                "category": "ORDER",
                "thread-id": "orders",
                "interruption-level": "passive",
                "relevance-score": 1.0,
            },
            "order_id": "A-1",
            "notification_id": "018f0000-0000-7000-8000-000000000001",
            "correlation_id": "story-1",
        },
    }


async def test_a_background_message_has_no_alert_and_the_priority_that_apns_takes(send, simulators) -> None:
    push = {"content_available": True, "data": {"sync": "orders"}, "ttl_seconds": 0}
    assert isinstance(await send(push=push, priority=9, image="https://a.example/i.png"), Sent)
    found = shown(simulators)
    assert found["headers"] | {"apns-collapse-id": ""} == {
        "apns-topic": "com.example.app",
        "apns-push-type": "background",
        "apns-priority": "5",
        "apns-collapse-id": "",
        "apns-expiration": "0",
    }
    assert found["message"] == {
        "aps": {"content-available": 1},
        "sync": "orders",
        "notification_id": "018f0000-0000-7000-8000-000000000001",
        "correlation_id": "story-1",
    }


async def test_data_counts_for_the_size(send, simulators) -> None:
    assert isinstance(await send(push={"data": {"k": "x" * 3_500}}), Sent)
    outcome = await send(push={"data": {"k": "x" * 4_000}})
    assert isinstance(outcome, Permanent)
    assert outcome.code == "payload_too_large"
    assert simulators.inbox.pushes.total == 1
