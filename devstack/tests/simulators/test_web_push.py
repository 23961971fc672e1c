"""The simulated push service is as strict as a real one. Its magic names: push-service/tests/senders/webpush."""

import time

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.web_push import decoded
from devstack.simulators.run import SimulatorOptions, running_simulators

HEADERS = {"TTL": "60", "Content-Encoding": "aes128gcm"}
MESSAGE = b'{"web_push": 8030, "notification": {"title": "T", "body": "B", "navigate": "https://a.example/"}}'


@pytest.fixture
async def subscription(http) -> dict:
    return (await http.get("/api/web-push/subscriptions/a-browser")).json()


def encrypted(subscription: dict, message: bytes = MESSAGE) -> bytes:
    return http_ece.encrypt(
        message,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=decoded(subscription["keys"]["p256dh"], 65),
        auth_secret=decoded(subscription["keys"]["auth"], 16),
    )


async def push(http, vapid, subscription, *, body: bytes | None = None, claims: dict | None = None, **headers: str):
    content = encrypted(subscription) if body is None else body
    given = HEADERS | {"Authorization": vapid.authorization(**claims or {})} | headers
    return await http.post(subscription["endpoint"], content=content, headers=given)


async def test_a_message_is_decrypted_and_shown_as_a_browser_would(http, vapid, subscription, inbox) -> None:
    answer = await push(http, vapid, subscription, Topic="a-topic")
    assert answer.status_code == 201
    assert answer.headers["location"].startswith("http://simulator.test/web-push/messages/")
    [shown] = inbox.pushes
    assert (shown.provider, shown.token, shown.title, shown.body, shown.link) == (
        "web_push", "a-browser", "T", "B", "https://a.example/",
    )  # fmt: skip
    page = (await http.get(f"/pushes/{shown.id}")).text
    for part in (
        'class="screen browser"',
        "Web Push",
        '<strong class="title" dir="auto">T</strong>',
        'href="https://a.example/"',
        "a-topic",
    ):
        assert part in page


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"TTL": ""}, 400),
        ({"TTL": "soon"}, 400),
        ({"TTL": "9" * 5000}, 400),
        ({"Content-Encoding": "aesgcm"}, 400),
        ({"Urgency": "now"}, 400),
        ({"Topic": "x" * 33}, 400),
        ({"Topic": "a b"}, 400),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer x"}, 401),
    ],
)
async def test_headers_are_checked(http, vapid, subscription, headers, status, inbox) -> None:
    assert (await push(http, vapid, subscription, **headers)).status_code == status
    assert (inbox.pushes.total, inbox.pushes.refused) == (0, 1)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example"},
        {"exp": int(time.time()) - 60},
        {"exp": int(time.time()) + 25 * 3600},
        {"exp": None},
        {"sub": "mailto:me@localhost"},
        {"sub": None},
    ],
)
async def test_a_bad_signature_is_refused_as_apple_does(http, vapid, subscription, claims) -> None:
    answer = await push(http, vapid, subscription, claims=claims)
    assert (answer.status_code, answer.json()) == (403, {"reason": "BadJwtToken"})


async def test_a_body_for_another_browser_or_too_large_is_refused(http, vapid, subscription) -> None:
    other = (await http.get("/api/web-push/subscriptions/another")).json()
    assert (await push(http, vapid, subscription, body=encrypted(other))).status_code == 400
    assert (await push(http, vapid, subscription, body=b"")).status_code == 400
    assert (await push(http, vapid, subscription, body=encrypted(other, b"x" * 4000))).status_code == 413


async def test_subscriptions_and_the_key_survive_a_restart(tmp_path) -> None:
    options = SimulatorOptions(data=tmp_path, smtp_port=0, http_port=0, journal=False)
    async with running_simulators(options) as first:
        key = first.vapid_public_key
    async with running_simulators(options) as second:
        assert second.vapid_public_key == key
    assert second.vapid_key.stat().st_mode & 0o777 == 0o600
