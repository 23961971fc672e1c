"""What the network does to a call: certainly not sent, or nobody can know."""

import asyncio
import socket

import httpcore2
import httpx2
import pytest

from contracts.recipients import PushToken
from delivery.channel import Envelope
from delivery.outcomes import Ambiguous, ProviderDown, Sent
from push_service.senders.fcm import FcmSender, fcm_client
from push_service.senders.google_auth import AccessTokens
from templating import RenderedPush


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_a_provider_that_nobody_can_reach_is_down(sender, send):
    sender._send_url = f"http://127.0.0.1:{closed_port()}/v1/projects/p/messages:send"
    assert await send() == ProviderDown("unreachable", "ConnectError")


async def test_a_silence_after_the_request_is_ambiguous(fcm, send):
    fcm.sends.says_nothing()
    assert await send() == Ambiguous("no_answer", "ReadTimeout")
    assert len(fcm.sends.requests) == 1


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{", b"HTTP/1.1 2", b"nonsense\r\n\r\n"]
)
async def test_a_connection_lost_after_the_request_is_ambiguous(fcm, send, said):
    fcm.sends.hangs_up(after=said)
    outcome = await send()
    assert isinstance(outcome, Ambiguous)
    assert outcome.code == "no_answer"
    assert len(fcm.sends.requests) == 1


async def test_a_kept_connection_that_dies_under_a_request_is_ambiguous_and_not_tried_again_here(fcm, send):
    assert await send() == Sent("projects/p/messages/1")
    fcm.sends.hangs_up()
    assert isinstance(await send(), Ambiguous)
    assert len(fcm.sends.requests) == 2
    assert await send() == Sent("projects/p/messages/3")


async def test_a_connection_that_was_closed_while_idle_is_not_used(fcm, send):
    fcm.sends.answers(200, {"name": "n"}, connection="close")
    assert [await send(), await send()] == [Sent("n"), Sent("projects/p/messages/2")]


async def test_connections_are_kept_as_many_as_attempts_are_in_flight(fcm, send):
    for _ in range(3):
        await asyncio.gather(*(send() for _ in range(4)))
    assert len(fcm.sends.requests) == 12
    assert fcm.connections <= 4


async def test_a_redirect_is_not_followed(fcm, send):
    fcm.sends.answers(307, b"", location=f"{fcm.base_url}/elsewhere")
    assert isinstance(await send(), ProviderDown)
    assert [request.path for request in fcm.sends.requests] == ["/v1/projects/p/messages:send"]


async def test_a_proxy_in_the_environment_is_not_used(fcm, at_script, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    http = fcm_client(timeout_seconds=1, connections=1)
    sender = FcmSender(http, AccessTokens(at_script, http), send_url=f"{fcm.base_url}/send")
    assert isinstance(await attempt(sender), Sent)
    await sender.close()


class Stream(httpcore2.AsyncNetworkStream):
    """Takes as many writes as it is told and then is broken."""

    def __init__(self, writes: int) -> None:
        self._left = writes

    async def read(self, max_bytes, timeout=None):  # noqa: ASYNC109 - the interface's
        raise httpcore2.ReadError

    async def write(self, buffer, timeout=None):  # noqa: ASYNC109
        self._left -= 1
        if self._left < 0:
            raise httpcore2.WriteError

    async def aclose(self):
        pass

    def get_extra_info(self, info):
        return None


class Network(httpcore2.AsyncNetworkBackend):
    def __init__(self, writes: int) -> None:
        self._writes = writes

    async def connect_tcp(self, *args, **options):
        return Stream(self._writes)


class Known:
    """Access tokens without a server."""

    async def get(self) -> str:
        return "access"

    async def close(self) -> None:
        pass


def over(network: Network) -> FcmSender:
    transport = httpx2.AsyncHTTPTransport()
    transport._pool = httpcore2.AsyncConnectionPool(network_backend=network)
    return FcmSender(httpx2.AsyncClient(transport=transport), Known(), send_url="http://fcm.example/send")


async def attempt(sender: FcmSender):
    envelope = Envelope("018f0000-0000-7000-8000-000000000001", "story-1", 5)
    return await sender.send(RenderedPush("Hello", "", "", ""), PushToken(token="device-1"), envelope)


@pytest.mark.parametrize(
    ("writes", "outcome"),
    [
        (0, ProviderDown("unreachable", "ReadError")),  # the headers did not go out: no server has the message
        (1, Ambiguous("no_answer", "ReadError")),  # the body was begun, and how much of it arrived nobody knows
        (2, Ambiguous("no_answer", "ReadError")),
    ],
)
async def test_only_a_request_whose_headers_broke_off_was_certainly_not_sent(writes, outcome):
    sender = over(Network(writes))
    assert await attempt(sender) == outcome
    await sender.close()
