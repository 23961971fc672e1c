"""What a push service and a browser get, and to whom nothing is sent."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.http.public_addresses import PublicResolver
from contracts.push_payloads import MAX_WEB_PUSH_BYTES
from contracts.recipients import PushToken, WebPushKeys
from contracts.web_push import PushServices
from delivery.outcomes import AccountRefused, Ambiguous, Expired, Permanent, RetryLater, Sent
from push_service.senders.es256 import SigningKey
from push_service.senders.http_client import HttpClient
from push_service.senders.webpush.sender import WebPushSender
from push_service.senders.webpush.vapid import LIFETIME_SECONDS, MAX_AUDIENCES, RENEW_SECONDS, Vapid

ID = "018f0000-0000-7000-8000-000000000001"


def shown(simulators) -> dict:
    [push] = simulators.inbox.pushes
    return json.loads(push.raw)


async def test_a_browser_gets_a_message_that_it_shows_without_a_service_worker(send, simulators) -> None:
    assert isinstance(
        await send(title="Hé", body="There", image="https://a.example/i.png", link="https://a.example/"), Sent
    )
    assert shown(simulators)["message"] == {
        "web_push": 8030,
        "notification": {
            "title": "Hé",
            "body": "There",
            "image": "https://a.example/i.png",
            "navigate": "https://a.example/",
            "tag": ID,
            "data": {"notification_id": ID, "correlation_id": "story-1"},
        },
    }


@pytest.mark.parametrize("link", ["", "myapp://order/1", "mailto:a@b.example"])
async def test_a_click_without_a_web_address_opens_the_site(send, simulators, link: str) -> None:
    await send(link=link, body="")
    notification = shown(simulators)["message"]["notification"]
    assert notification["navigate"] == "/"
    assert "body" not in notification


async def test_the_push_service_keeps_it_for_four_weeks_and_a_copy_takes_the_first_ones_place(send, simulators) -> None:
    await send()
    assert shown(simulators)["headers"] == {"ttl": "2419200", "urgency": "normal", "topic": ID.replace("-", "")}


async def test_an_urgent_one_wakes_the_device_and_is_kept_until_it_expires(send, simulators) -> None:
    await send(priority=9, expires_at=datetime.now(UTC) + timedelta(seconds=100))
    headers = shown(simulators)["headers"]
    assert headers["urgency"] == "high"
    assert 90 <= int(headers["ttl"]) <= 100


async def test_an_expired_message_is_not_sent(send, simulators) -> None:
    assert await send(expires_at=datetime.now(UTC)) == Expired()
    assert simulators.inbox.pushes.total == 0


async def test_the_largest_message_passes_and_one_byte_more_is_not_sent(send, simulators) -> None:
    await send(body="")
    fixed = len(json.dumps(shown(simulators)["message"], separators=(",", ":"))) + len(',"body":""')
    longest = "x" * (MAX_WEB_PUSH_BYTES - fixed)
    assert isinstance(await send(body=longest), Sent)
    assert await send(body=longest + "x") == Permanent("payload_too_large", f"{MAX_WEB_PUSH_BYTES + 1} bytes")
    assert (simulators.inbox.pushes.total, simulators.inbox.pushes.refused) == (2, 0)


async def test_an_address_that_is_no_push_services_is_not_called(sender, attempts_of, simulators, subscribe) -> None:
    known = await subscribe("a-browser")
    for endpoint in (
        f"{simulators.base_url}/health",
        f"{simulators.base_url}/web-push/../api/messages",
        "http://fcm.googleapis.com/x",
        "https://169.254.169.254/latest",
        "https://[::ffff:127.0.0.1]/x",
        "https://push.evil.example/x",
    ):
        device = known.model_copy(update={"token": endpoint})
        assert await attempts_of(sender)(device=device) == Permanent("endpoint_refused")
    assert await attempts_of(sender)(device=known.model_copy(update={"keys": None})) == Permanent("endpoint_refused")


async def test_keys_of_no_browser_are_refused(sender, attempts_of, subscribe) -> None:
    known = await subscribe("a-browser")
    for keys in (
        WebPushKeys(p256dh="AAAA", auth=known.keys.auth),
        WebPushKeys(p256dh="B" + "A" * 86, auth=known.keys.auth),
        WebPushKeys(p256dh=known.keys.p256dh, auth="nonsense!"),
    ):
        assert await attempts_of(sender)(device=known.model_copy(update={"keys": keys})) == Permanent("invalid_keys")


@pytest.fixture
async def to_everywhere(monkeypatch):
    """A sender for which every host is a push service's, as if its name led to this machine."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    )
    http = HttpClient(timeout_seconds=0.5, connections=2, resolver=PublicResolver)
    key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    made = WebPushSender(http, Vapid(key, "mailto:a@example.com"), PushServices())
    yield made
    await made.close()


async def test_a_name_that_leads_into_a_private_network_is_not_connected_to(
    to_everywhere, attempts_of, subscribe
) -> None:
    device = (await subscribe("a")).model_copy(update={"token": "https://db5p.notify.windows.com/w/?token=x"})
    outcome = await attempts_of(to_everywhere)(device=device)
    assert outcome == RetryLater("unreachable", "ClientConnectorDNSError")  # refused before connecting


async def test_a_push_service_that_is_away_is_waited_for_and_no_others_wait(simulators, sender, attempts_of, subscribe):
    device = await subscribe("a-browser")
    gone = WebPushSender(
        HttpClient(timeout_seconds=0.5, connections=1),
        sender._vapid,
        PushServices(simulator_url="http://127.0.0.1:9"),
    )
    outcome = await attempts_of(gone)(device=device.model_copy(update={"token": "http://127.0.0.1:9/web-push/a"}))
    assert outcome == RetryLater("unreachable", "ClientConnectorError")
    await gone.close()


async def test_a_silent_push_service_is_ambiguous(send, simulators) -> None:
    simulators.faults.web_push = "stall"
    assert await send() == Ambiguous("no_answer", "SocketTimeoutError")


async def test_a_foreign_key_is_recognised_by_the_push_service(simulators, attempts_of, subscribe) -> None:
    key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    sender = WebPushSender(
        HttpClient(timeout_seconds=1, connections=1),
        Vapid(key, "mailto:a@example.com"),
        PushServices(simulator_url=simulators.base_url),
    )
    assert await attempts_of(sender)(device=await subscribe("a")) == Permanent("sender_mismatch", "HTTP 403")
    await sender.close()


async def test_an_unusable_subject_is_an_error_of_our_configuration(sender, attempts_of, simulators, subscribe) -> None:
    named = WebPushSender(
        HttpClient(timeout_seconds=1, connections=1),
        Vapid(sender._vapid._key, "mailto:me@localhost"),
        PushServices(simulator_url=simulators.base_url),
    )
    assert await attempts_of(named)(device=await subscribe("a")) == AccountRefused(
        "credentials_refused", "HTTP 403 BadJwtToken", affects_all=False
    )
    await named.close()


def test_a_signature_is_made_once_for_each_push_service_and_renewed_in_time() -> None:
    now = [1_000_000.0]
    vapid = Vapid(SigningKey(ec.generate_private_key(ec.SECP256R1())), "mailto:a@example.com", clock=lambda: now[0])
    first = vapid.authorization("https://fcm.googleapis.com/fcm/send/1")
    assert vapid.authorization("https://fcm.googleapis.com/fcm/send/2") is first
    assert vapid.authorization("https://web.push.apple.com/1") != first
    now[0] += LIFETIME_SECONDS - RENEW_SECONDS
    assert vapid.authorization("https://fcm.googleapis.com/fcm/send/1") != first


def test_a_thousand_hosts_do_not_fill_the_memory() -> None:
    vapid = Vapid(SigningKey(ec.generate_private_key(ec.SECP256R1())), "mailto:a@example.com")
    for number in range(MAX_AUDIENCES + 10):
        vapid.authorization(f"https://host-{number}.notify.windows.com/w")
    assert len(vapid._signed) <= MAX_AUDIENCES


def test_a_registration_token_is_not_a_subscription() -> None:
    assert not PushServices().has(PushToken(token="an-fcm-token").token)
