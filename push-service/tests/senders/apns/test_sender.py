"""What APNs and a device get."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.push_payloads import MAX_APNS_BYTES
from contracts.recipients import PushToken
from delivery.outcomes import AccountRefused, Expired, Permanent, Sent
from push_service.senders.apns.token import RENEW_SECONDS, ApnsKey, ProviderToken
from push_service.senders.es256 import SigningKey

ID = "018f0000-0000-7000-8000-000000000001"


def shown(simulators) -> dict:
    return json.loads(next(iter(simulators.inbox.pushes)).raw)


async def test_a_device_shows_an_alert_and_a_copy_takes_its_place(send, simulators) -> None:
    assert isinstance(await send(title="Hé", body="There", link="myapp://a", image="https://a.example/i.png"), Sent)
    assert shown(simulators) == {
        "headers": {
            "apns-topic": "com.example.app",
            "apns-push-type": "alert",
            "apns-priority": "5",
            "apns-collapse-id": ID,
        },
        "message": {
            "aps": {"alert": {"title": "Hé", "body": "There"}, "mutable-content": 1},
            "notification_id": ID,
            "correlation_id": "story-1",
            "link": "myapp://a",
            "image": "https://a.example/i.png",
        },
    }


async def test_an_urgent_one_is_shown_at_once_and_kept_until_it_expires(send, simulators) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=100)
    await send(priority=9, expires_at=expires)
    headers = shown(simulators)["headers"]
    assert headers["apns-priority"] == "10"
    assert abs(int(headers["apns-expiration"]) - expires.timestamp()) <= 2


async def test_a_message_with_less_than_a_second_left_is_delivered_at_once_or_never(send, simulators) -> None:
    await send(expires_at=datetime.now(UTC) + timedelta(seconds=0.9))
    assert shown(simulators)["headers"]["apns-expiration"] == "0"


async def test_an_expired_message_is_not_sent(send, simulators) -> None:
    assert await send(expires_at=datetime.now(UTC)) == Expired()
    assert simulators.inbox.pushes.total == 0


async def test_the_largest_payload_passes_and_one_byte_more_is_not_sent(send, simulators) -> None:
    await send(body="x")
    fixed = len(json.dumps(shown(simulators)["message"], separators=(",", ":"))) - 1
    assert isinstance(await send(body="x" * (MAX_APNS_BYTES - fixed)), Sent)
    assert await send(body="x" * (MAX_APNS_BYTES - fixed + 1)) == Permanent(
        "payload_too_large", f"{MAX_APNS_BYTES + 1} bytes"
    )
    assert simulators.inbox.pushes.refused == 0


@pytest.mark.parametrize("token", ["../../3/device/aa", "ab" * 31, "AB" * 32, "a" * 65, "x" * 64, "ab" * 101])
async def test_an_invalid_device_token_is_not_sent(sender, attempts_of, token: str) -> None:
    outcome = await attempts_of(sender)(device=PushToken(provider="apns", token=token))
    assert outcome == Permanent("invalid_token", "not a device token", dead_recipient=True)


@pytest.mark.parametrize(
    ("changes", "code", "detail"),
    [
        ({"apns_key_id": "ANOTHERKEY"}, "credentials_refused", "HTTP 403 InvalidProviderToken"),
        ({"apns_team_id": "ANOTHERONE"}, "credentials_refused", "HTTP 403 InvalidProviderToken"),
        ({"apns_topic": "com.example.other"}, "provider_refused", "HTTP 400 BadTopic"),
    ],
)
async def test_our_account_is_no_notifications_failure(send, make_sender, changes, code, detail) -> None:
    assert await send(by=make_sender(**changes)) == AccountRefused(code, detail)


async def test_an_expired_token_is_replaced_within_the_attempt(send, sender, simulators) -> None:
    old = ProviderToken(sender._tokens._key, clock=lambda: 1_000_000.0)
    sender._tokens._token, sender._tokens._renew_at = old.get(), float("inf")
    assert isinstance(await send(), Sent)
    assert (simulators.inbox.pushes.total, simulators.inbox.pushes.refused) == (1, 1)


def test_a_token_is_made_once_and_renewed_before_an_hour() -> None:
    now = [1_000_000.0]
    key = ApnsKey(SigningKey(ec.generate_private_key(ec.SECP256R1())), "KEYKEYKEY1", "TEAMTEAM12")
    tokens = ProviderToken(key, clock=lambda: now[0])
    first = tokens.get()
    now[0] += RENEW_SECONDS - 1
    assert tokens.get() is first
    now[0] += 1
    second = tokens.get()
    assert second != first
    tokens.forget(first)  # another attempt has renewed it already
    assert tokens.get() is second
    assert 20 * 60 <= RENEW_SECONDS <= 60 * 60
