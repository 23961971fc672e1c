"""The push service as Firefox talks to it (tests/browser does it with a real one), also while Firefox is not connected."""

import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import orjson
import pytest
from jose import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from devstack.simulators.run import RunningSimulators, SimulatorOptions, running_simulators
from devstack.simulators.web_push.autopush import SUBPROTOCOL
from devstack.simulators.web_push.mailbox import MAX_WAITING, Mailbox
from testkit.eventually import time_passes

BODY = b"\x00 what only the browser can decrypt \xff"


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[RunningSimulators]:
    async with running_simulators(SimulatorOptions(folder, smtp_port=0, http_port=0)) as running:
        yield running


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningSimulators]:
    async with simulated(tmp_path) as started:
        yield started


class Browser:
    """One connection. `agent` is the id that it got."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.agent = ""

    async def send(self, **message: object) -> None:
        await self._socket.send(orjson.dumps(message).decode())

    async def next(self) -> Any:
        return orjson.loads(await self._socket.recv())

    async def hello(self, agent: str | None = None) -> str:
        await self.send(messageType="hello", broadcasts={}, use_webpush=True, **({"uaid": agent} if agent else {}))
        answer = await self.next()
        assert (answer["messageType"], answer["status"], answer["use_webpush"]) == ("hello", 200, True)
        self.agent = answer["uaid"]
        return self.agent

    async def register(self, channel: str, **key: str) -> str:
        await self.send(messageType="register", channelID=channel, **key)
        answer = await self.next()
        assert (answer["messageType"], answer["channelID"], answer["status"]) == ("register", channel, 200)
        return str(answer["pushEndpoint"])

    async def acknowledge(self, message: Any) -> None:
        update = {"channelID": message["channelID"], "version": message["version"], "code": 100}
        await self.send(messageType="ack", updates=[update])

    async def nothing_waits(self) -> None:
        """A ping comes after everything that was sent before."""
        await self.send()
        assert await self.next() == {}


@asynccontextmanager
async def browser(running: RunningSimulators) -> AsyncIterator[Browser]:
    address = running.base_url.replace("http", "ws") + "/web-push"
    async with connect(address, subprotocols=[SUBPROTOCOL], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == SUBPROTOCOL
        yield Browser(socket)


async def push(running: RunningSimulators, endpoint: str, body: bytes = BODY, **headers: str) -> httpx2.Response:
    """As the application server sends it."""
    claims = {"aud": running.base_url, "exp": int(time.time()) + 3600, "sub": "mailto:push@example.com"}
    token = jwt.encode(claims, running.vapid_key.read_text(), algorithm="ES256")
    given = {
        "TTL": "60",
        "Content-Encoding": "aes128gcm",
        "Authorization": f"vapid t={token}, k={running.vapid_public_key}",
    }
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.post(endpoint, content=body, headers=given | headers)


async def test_a_connected_browser_gets_the_encrypted_body_at_once(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        await firefox.hello()
        channel = str(uuid4())
        endpoint = await firefox.register(channel, key=f"{running.vapid_public_key}=")
        assert endpoint.startswith(f"{running.base_url}/web-push/firefox-")
        answer = await push(running, endpoint)
        assert answer.status_code == 201
        message = await firefox.next()
        assert (message["messageType"], message["channelID"]) == ("notification", channel)
        assert message["headers"] == {"encoding": "aes128gcm"}
        assert urlsafe_b64decode(message["data"] + "==") == BODY
        [shown] = running.inbox.pushes
        assert (shown.provider, shown.title) == ("web_push", "")
        assert shown.body == f"{len(BODY)} encrypted bytes, which only the browser can read"


async def test_a_message_is_sent_again_until_it_is_acknowledged_also_after_a_restart(tmp_path: Path) -> None:
    async with simulated(tmp_path) as running:
        async with browser(running) as firefox:
            agent = await firefox.hello()
            endpoint = await firefox.register(str(uuid4()))
        assert (await push(running, endpoint)).status_code == 201  # no browser is connected
        async with browser(running) as firefox:
            assert await firefox.hello(agent) == agent
            first = await firefox.next()
    async with simulated(tmp_path) as running, browser(running) as firefox:
        assert await firefox.hello(agent) == agent
        assert await firefox.next() == first
        await firefox.acknowledge(first)
        await firefox.nothing_waits()
        async with browser(running) as again:
            await again.hello(agent)
            await again.nothing_waits()
    assert (tmp_path / "subscriptions.json").stat().st_mode & 0o777 == 0o600


async def test_a_message_whose_time_is_over_is_not_sent(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        agent = await firefox.hello()
        endpoint = await firefox.register(str(uuid4()))
        assert (await push(running, endpoint, b"now", TTL="0")).status_code == 201
        assert (await firefox.next())["messageType"] == "notification"
    assert (await push(running, endpoint, b"never", TTL="0")).status_code == 201
    async with browser(running) as firefox:
        await firefox.hello(agent)
        await firefox.nothing_waits()


async def test_a_message_replaces_a_waiting_one_with_the_same_topic(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        agent = await firefox.hello()
        endpoint = await firefox.register(str(uuid4()))
    for body, topic in ((b"old", "a"), (b"other", "b"), (b"new", "a")):
        await push(running, endpoint, body, Topic=topic)
    async with browser(running) as firefox:
        await firefox.hello(agent)
        bodies = [urlsafe_b64decode((await firefox.next())["data"] + "==") for _ in range(2)]
        assert bodies == [b"other", b"new"]
        await firefox.nothing_waits()


async def test_after_unsubscribing_the_endpoint_is_gone(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        agent = await firefox.hello()
        channel = str(uuid4())
        endpoint = await firefox.register(channel)
        await firefox.send(messageType="unregister", channelID=channel, code=200)
        assert await firefox.next() == {"messageType": "unregister", "channelID": channel, "status": 200}
        answer = await push(running, endpoint)
        assert (answer.status_code, answer.json()["errno"]) == (410, 106)
        assert running.inbox.pushes.refused == 1
    async with browser(running) as firefox:
        assert await firefox.hello(agent) != agent, "a browser without subscriptions begins anew"


async def test_endpoints_of_connected_browsers_are_as_strict_as_the_others(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        await firefox.hello()
        endpoint = await firefox.register(str(uuid4()))
        foreign = await firefox.register(str(uuid4()), key="BAAA")
    for headers, status in (
        ({"Authorization": ""}, 401),
        ({"Authorization": "vapid t=a.b.c, k=d"}, 403),
        ({"TTL": ""}, 400),
        ({"Content-Encoding": "aesgcm"}, 400),
    ):
        assert (await push(running, endpoint, **headers)).status_code == status
    assert (await push(running, endpoint, b"x" * 4097)).status_code == 413
    refused = await push(running, foreign)
    assert (refused.status_code, refused.json()["message"]) == (401, "VAPID public key mismatch")


async def test_the_same_registration_again_is_the_same_subscription(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        await firefox.hello()
        channel = str(uuid4())
        assert await firefox.register(channel) == await firefox.register(channel)
        await firefox.send(messageType="register", channelID="no channel")
        assert (await firefox.next())["status"] == 400


@pytest.mark.parametrize("text", ["{", b"{}", "[]", '{"messageType": "launch"}', '{"messageType": "ack"}'])
async def test_an_unknown_message_ends_the_connection(running: RunningSimulators, text: str | bytes) -> None:
    async with browser(running) as firefox:
        await firefox.hello()
        await firefox._socket.send(text)
        with pytest.raises(ConnectionClosedError) as closed:
            await firefox.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


async def test_nothing_is_answered_before_a_hello(running: RunningSimulators) -> None:
    async with browser(running) as firefox:
        await firefox.send(messageType="register", channelID=str(uuid4()))
        with pytest.raises(ConnectionClosedError):
            await firefox.next()


async def test_a_connection_outlives_the_deadlines_of_http(running: RunningSimulators) -> None:
    """HTTP's keep-alive is five seconds; a browser is connected for days."""
    async with browser(running) as firefox:
        await firefox.hello()
        await time_passes(5.5)
        await firefox.nothing_waits()


def test_only_so_many_messages_wait() -> None:
    mailbox = Mailbox()
    subscription = mailbox.subscribe("agent", "channel", None)
    for number in range(MAX_WAITING + 1):
        mailbox.put(subscription, str(number), ttl=60, topic=None)
    assert [message.data for message in mailbox.waiting(subscription)] == [str(n) for n in range(1, MAX_WAITING + 1)]


def test_a_message_waits_as_long_as_its_ttl() -> None:
    now = [0.0]
    mailbox = Mailbox(clock=lambda: now[0])
    subscription = mailbox.subscribe("agent", "channel", None)
    mailbox.put(subscription, "data", ttl=10, topic=None)
    mailbox.put(subscription, "data", ttl=10**30, topic=None)
    now[0] = 9.9
    assert len(mailbox.waiting(subscription)) == 2
    now[0] = 10
    assert len(mailbox.waiting(subscription)) == 1
