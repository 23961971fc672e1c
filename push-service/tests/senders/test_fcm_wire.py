"""Failures of the network during a call: certainly not sent, or ambiguous."""

import asyncio
import gzip
import logging
import socket

import pytest

from delivery.outcomes import AccountRefused, Ambiguous, ProviderDown, Sent
from push_service.senders.fcm.google_auth import google_access_token
from push_service.senders.fcm.sender import FcmSender
from push_service.senders.http_client import HttpClient
from push_service.settings import PushSettings
from push_service.worker import create_fcm_sender


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_an_unreachable_provider_is_down(sender, send):
    sender.send_url = f"http://127.0.0.1:{closed_port()}/v1/projects/p/messages:send"
    assert await send() == ProviderDown("unreachable", "ClientConnectorError")


async def test_a_silence_after_the_request_is_ambiguous(fcm, send):
    fcm.sends.says_nothing()
    assert await send() == Ambiguous("no_answer", "SocketTimeoutError")
    assert len(fcm.sends.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\n{",
        b"HTTP/1.1 2",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdef\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
    ids=range(11),
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


async def test_a_proxy_in_the_environment_is_not_used(fcm, at_script, attempts_of, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    http = HttpClient(timeout_seconds=1, connections=1)
    sender = FcmSender(http, google_access_token(at_script, http), send_url=f"{fcm.base_url}/send")
    assert isinstance(await attempts_of(sender)(), Sent)
    await sender.close()


async def test_an_informational_response_is_not_the_answer(fcm, send):
    fcm.sends.says(
        b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"name":"n"}'
    )
    assert await send() == Sent("n")


async def test_bytes_after_the_answer_belong_to_no_request(fcm, send):
    fcm.sends.says(
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"name":"n"}HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n'
    )
    assert [await send(), await send()] == [Sent("n"), Sent("projects/p/messages/2")]


async def test_an_answer_is_asked_for_as_it_is_and_never_unpacked(fcm, send):
    """A few packed bytes can stand for gigabytes."""
    fcm.sends.answers(200, gzip.compress(b'{"name":"n"}'), content_encoding="gzip")
    assert await send() == Ambiguous("unreadable_answer", "HTTP 200")
    assert fcm.sends.requests[0].headers["accept-encoding"] == "identity"


async def test_an_answer_without_an_end_is_not_read_to_it(fcm, send):
    fcm.sends.answers(200, b'{"name":"' + b"n" * 10_000_000 + b'"}')
    assert await send() == Ambiguous("unreadable_answer", "HTTP 200")
    fcm.sends.answers(404, b"<html>" * 1_000_000)
    assert await send() == AccountRefused("provider_refused", "HTTP 404")
    assert await send() == Sent("projects/p/messages/3")


async def test_a_cookie_is_not_kept(fcm, send):
    fcm.sends.answers(200, {"name": "n"}, set_cookie="session=1; Path=/")
    await send()
    await send()
    assert "cookie" not in fcm.sends.requests[1].headers


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"])
async def test_a_failure_tells_no_access_token_on(fcm, send, caplog, said):
    caplog.set_level(logging.DEBUG)
    fcm.sends.hangs_up(after=said)
    outcome = await send(token="device-9")
    output = f"{outcome!r} {caplog.text}"
    assert not [secret for secret in ("access-1", "device-9", "Bearer") if secret in output]


def test_a_sender_is_made_where_no_event_loop_runs(account_json):
    sender = create_fcm_sender(PushSettings(_env_file=None, fcm_service_account_json=account_json))
    asyncio.run(sender.close())


async def test_a_closed_sender_has_let_go_of_its_connections(fcm, sender, send):
    await asyncio.gather(*(send() for _ in range(4)))
    await sender.close()
    await fcm.left()
