"""The message to FCM."""

import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.recipients import PushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import Expired, Permanent, ProviderDown, Sent
from push_service.senders.fcm.message import fcm_message
from templating import RenderedPush

NOTIFICATION = "018f0000-0000-7000-8000-000000000001"


def message_of(request) -> dict:
    return json.loads(request.body)["message"]


async def test_a_notification_arrives_with_its_ids_link_and_image(fcm, send):
    await send(image="https://img.example/a.png", link="https://app.example/orders/1", token="device-9")
    [request] = fcm.sends.requests
    assert request.path == "/v1/projects/p/messages:send"
    assert message_of(request) == {
        "token": "device-9",
        "notification": {"title": "Hello", "body": "There", "image": "https://img.example/a.png"},
        "data": {
            "notification_id": NOTIFICATION,
            "correlation_id": "story-1",
            "link": "https://app.example/orders/1",
        },
        "android": {"notification": {"tag": NOTIFICATION}},
        "apns": {"headers": {"apns-collapse-id": NOTIFICATION}},
        "webpush": {
            "notification": {"tag": NOTIFICATION},
            "fcm_options": {"link": "https://app.example/orders/1"},
        },
    }


async def test_empty_fields_of_the_template_are_left_out(fcm, send):
    await send(title="", correlation_id="")
    message = message_of(fcm.sends.requests[0])
    assert message["notification"] == {"body": "There"}
    assert message["data"] == {"notification_id": NOTIFICATION}
    assert "fcm_options" not in message["webpush"]


async def test_a_browser_is_given_https_links_only(fcm, send):
    await send(link="http://app.example/")
    message = message_of(fcm.sends.requests[0])
    assert message["data"]["link"] == "http://app.example/"
    assert "fcm_options" not in message["webpush"]


@pytest.mark.parametrize(("priority", "android"), [(1, None), (7, None), (8, "HIGH"), (10, "HIGH")])
async def test_only_urgent_notifications_wake_a_device(fcm, send, priority, android):
    await send(priority=priority)
    assert message_of(fcm.sends.requests[0])["android"].get("priority") == android


async def test_a_repeat_is_the_same_byte_for_byte(fcm, send):
    """Its tag is the notification's id: on the device the second copy takes the first one's place."""
    fcm.sends.hangs_up()
    await send()
    await send()
    first, second = fcm.sends.requests
    assert first.body == second.body


async def test_the_correlation_id_goes_with_the_call(fcm, send):
    await send(correlation_id="story-7")
    assert fcm.sends.requests[0].headers["x-correlation-id"] == "story-7"


@pytest.mark.parametrize("story", ["a\r\nX-Evil: 1", "ünsafe", "x" * 129])
async def test_a_correlation_id_that_is_no_header_value_stays_in_the_message(fcm, send, story):
    assert isinstance(await send(correlation_id=story), Sent)
    request = fcm.sends.requests[0]
    assert not {"x-correlation-id", "x-evil"} & request.headers.keys()
    assert message_of(request)["data"]["correlation_id"] == story


def lifespans_of(request) -> tuple[str | None, str | None, str | None]:
    message = message_of(request)
    return (
        message["android"].get("ttl"),
        message["apns"]["headers"].get("apns-expiration"),
        message["webpush"].get("headers", {}).get("TTL"),
    )


async def test_a_message_is_kept_until_its_expiry_on_every_platform(fcm, send):
    began = int(time.time())
    expires_at = datetime.fromtimestamp(began + 600, UTC)
    assert isinstance(await send(expires_at=expires_at), Sent)
    ttl, expiration, web = lifespans_of(fcm.sends.requests[0])
    seconds = int(web)
    assert ttl == f"{seconds}s"
    assert 590 <= seconds <= 600
    assert began + 590 <= int(expiration) <= began + 600
    assert message_of(fcm.sends.requests[0])["apns"]["headers"]["apns-collapse-id"] == NOTIFICATION


async def test_a_message_without_expiry_is_kept_for_the_providers_default(fcm, send):
    await send()
    assert lifespans_of(fcm.sends.requests[0]) == (None, None, None)


NOW = 1_800_000_000.25


@pytest.mark.parametrize(
    ("left", "ttl", "expiration"),
    [
        (0.2, "0", "0"),  # at once or never, in Apple's words too
        (1.0, "1", "1800000001"),
        (59.9, "59", "1800000059"),
        (28 * 24 * 3600, "2419200", "1802419200"),
        (400 * 24 * 3600, "2419200", "1802419200"),  # FCM refuses a longer one
        (-30, "0", "0"),
    ],
)
def test_a_lifespan_is_whole_seconds_and_not_longer_than_what_is_left(left, ttl, expiration):
    context = DeliveryContext(UUID(NOTIFICATION), "story-1", 5, datetime.fromtimestamp(NOW + left, UTC))
    body = fcm_message(
        RenderedPush(title="Hi", body="", image="", link=""), PushToken(token="t"), context, now=NOW
    ).request_body
    message = json.loads(body)["message"]
    assert message["android"]["ttl"] == f"{ttl}s"
    assert message["webpush"]["headers"] == {"TTL": ttl}
    assert message["apns"]["headers"]["apns-expiration"] == expiration


async def test_an_expired_message_is_not_sent(fcm, send):
    assert await send(expires_at=datetime.now(UTC)) == Expired()
    assert fcm.sends.requests == []


async def test_a_message_that_expires_while_the_access_token_is_fetched_is_not_sent(fcm, send):
    fcm.grants.says_nothing()
    expires_at = datetime.now(UTC) + timedelta(seconds=0.3)
    assert isinstance(await send(expires_at=expires_at), ProviderDown)  # 0.5 s of silence
    assert await send(expires_at=expires_at) == Expired()
    assert fcm.sends.requests == []


async def test_fcms_schema_takes_every_lifespan(send_to_simulator):
    for days in (0.001, 1, 28, 400):
        expires_at = datetime.now(UTC) + timedelta(days=days)
        assert isinstance(await send_to_simulator(expires_at=expires_at), Sent)


IDS_BYTES = len("notification_id") + 36 + len("correlation_id") + len("story-1")


@pytest.mark.parametrize("letter", ["a", "é", "€", "🎉"])
async def test_the_largest_payload_is_sent_and_one_byte_more_is_not(fcm, send, letter):
    space = 4096 - IDS_BYTES - len("titleHello") - len("body")
    body = letter * (space // len(letter.encode())) + "a" * (space % len(letter.encode()))
    assert isinstance(await send(body=body), Sent)
    assert await send(body=body + "a") == Permanent("payload_too_large", "4097 bytes")
    assert len(fcm.sends.requests) == 1


async def test_fcms_schema_takes_what_is_built_up_to_the_limit(send_to_simulator, simulators):
    space = 4096 - IDS_BYTES - len("titleHello") - len("body")
    assert isinstance(await send_to_simulator(body="a" * space), Sent)
    link = "https://app.example/" + "x" * 100
    assert isinstance(await send_to_simulator(image="https://img.example/a.png", link=link, priority=10), Sent)
    newest = max(simulators.inbox.pushes, key=lambda push: push.id)
    assert (newest.token, newest.correlation_id, newest.key) == ("device-1", "story-1", NOTIFICATION)
