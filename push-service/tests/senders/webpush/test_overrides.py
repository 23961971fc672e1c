"""What a caller changes in a notification's message, in browsers."""

import json

from delivery.outcomes import Permanent, Sent, Suppressed

ID = "018f0000-0000-7000-8000-000000000001"


def shown(simulators) -> dict:
    return json.loads(next(simulators.inbox.pushes.newest_first()).raw)


async def test_every_field_is_on_the_wire(send, simulators) -> None:
    actions = [{"action": "open", "title": "Open", "navigate": "https://a.example/1"}, {"action": "no", "title": "No"}]
    push = {
        "data": {"order_id": "A-1"},
        "badge": 3,
        "collapse_key": "order-A-1",
        "ttl_seconds": 600,
        "web_push": {
            "actions": actions,
            "icon": "https://a.example/i.png",
            "require_interaction": True,
            "silent": True,
            "urgency": "very-low",
        },
        "apns": {"subtitle": "for Apple devices only"},
    }
    assert isinstance(await send(push=push, priority=9), Sent)
    assert shown(simulators) == {
        "headers": {"ttl": "600", "urgency": "very-low", "topic": "order-A-1"},
        "message": {
            "web_push": 8030,
            "app_badge": 3,
            "notification": {
                "title": "Hello",
                "body": "There",
                "navigate": "/",
                "tag": "order-A-1",
                "icon": "https://a.example/i.png",
                "requireInteraction": True,
                "silent": True,
                "actions": actions,
                "data": {"order_id": "A-1", "notification_id": ID, "correlation_id": "story-1"},
            },
        },
    }


async def test_a_collapse_key_that_is_no_topic_is_hashed(send, simulators) -> None:
    await send(push={"collapse_key": "order/A-1"})
    found = shown(simulators)
    assert len(found["headers"]["topic"]) == 32
    assert found["message"]["notification"]["tag"] == "order/A-1"


async def test_without_a_collapse_key_the_topic_is_the_notifications_id(send, simulators) -> None:
    await send(push={"badge": 1})
    assert shown(simulators)["headers"]["topic"] == ID.replace("-", "")


async def test_a_background_message_is_not_for_browsers(send, simulators) -> None:
    assert await send(push={"content_available": True}) == Suppressed("background_unsupported")
    assert simulators.inbox.pushes.total == 0


async def test_data_counts_for_the_size(send, simulators) -> None:
    outcome = await send(push={"data": {"k": "x" * 4_000}})
    assert isinstance(outcome, Permanent)
    assert outcome.code == "payload_too_large"
