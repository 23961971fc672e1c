"""Requests over an HTTP/2 connection that ends: certainly not accepted, answered late, or ambiguous."""

import asyncio
import socket
import ssl

import pytest

from delivery.outcomes import Ambiguous, ProviderDown, Sent
from push_service.senders.apns.http2 import IDLE_SECONDS, Connection, Http2Client
from push_service.senders.http_client import NoAnswer, NotSent


async def test_a_request_that_a_stopping_server_did_not_process_is_sent_again_at_once(send, simulators) -> None:
    assert isinstance(await send("f001001"), Sent)
    assert simulators.inbox.pushes.total == 1


async def test_a_server_that_goes_again_and_again_is_down(send, simulators) -> None:
    assert await send("f001002") == ProviderDown("unreachable", "GoAway")
    assert simulators.inbox.pushes.total == 0


async def test_a_request_that_a_stopping_server_processes_is_answered(send, simulators) -> None:
    assert await send("f002001") == Sent("after-go-away")
    assert isinstance(await send(), Sent)
    assert simulators.inbox.pushes.total == 2


async def test_others_on_a_going_connection_are_each_sent_once(send, simulators) -> None:
    """Those before the GOAWAY are answered, those after it go over the next one; who meets two was not sent."""
    await send()
    tokens = ["f002001", *(f"{number:04x}" for number in range(0x1000, 0x1040)), "f001001"]
    outcomes = await asyncio.gather(*(send(token) for token in tokens))
    sent = [outcome for outcome in outcomes if isinstance(outcome, Sent)]
    assert all(outcome == ProviderDown("unreachable", "GoAway") for outcome in outcomes if outcome not in sent)
    taken = [push.token for push in simulators.inbox.pushes]
    assert len(taken) == len(set(taken)) == len(sent) + 1


async def test_a_refused_stream_is_sent_again_at_once(send, simulators) -> None:
    assert isinstance(await send("f003001"), Sent)
    assert simulators.inbox.pushes.total == 1


async def test_a_reset_stream_is_ambiguous_and_its_neighbours_are_not(send) -> None:
    reset, *others = await asyncio.gather(send("f004001"), *(send(f"{number:04x}") for number in range(0x1000, 0x1010)))
    assert reset == Ambiguous("no_answer", "StreamReset")
    assert all(isinstance(outcome, Sent) for outcome in others)


async def test_a_connection_that_ends_without_an_answer_is_ambiguous(send, simulators) -> None:
    assert await send("f005001") == Ambiguous("no_answer", "ConnectionLost")
    assert simulators.inbox.pushes.total == 1
    assert isinstance(await send(), Sent)


async def test_a_late_answer_is_ambiguous_and_its_neighbours_are_not(send) -> None:
    late, *others = await asyncio.gather(send("f006001"), *(send(f"{number:04x}") for number in range(0x1000, 0x1010)))
    assert late == Ambiguous("no_answer", "TimeoutError")
    assert all(isinstance(outcome, Sent) for outcome in others)


async def test_more_requests_than_streams_wait_for_a_place(send, simulators) -> None:
    outcomes = await asyncio.gather(*(send(f"{number:04x}") for number in range(0x1000, 0x1000 + 300)))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert simulators.inbox.pushes.total == 300


async def test_an_unreachable_server_is_down(send, make_sender) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = make_sender(apns_base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
    assert await send(by=away) == ProviderDown("unreachable", "ConnectionRefusedError")


async def _server(connected):
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b""])
async def test_a_server_that_speaks_something_else_was_sent_nothing(send, make_sender, said: bytes) -> None:
    async def connected(_reader, writer):
        writer.write(said)
        await writer.drain()
        writer.close()

    server, url = await _server(connected)
    outcome = await send(by=make_sender(apns_base_url=url))
    assert isinstance(outcome, ProviderDown)
    server.close()


async def test_a_server_that_says_nothing_was_sent_nothing(send, make_sender) -> None:
    async def connected(reader, writer):
        await reader.read()
        writer.close()

    server, url = await _server(connected)
    assert await send(by=make_sender(apns_base_url=url)) == ProviderDown("unreachable", "TimeoutError")
    server.close()


async def test_a_connection_that_was_idle_for_long_is_replaced(send, sender, monkeypatch) -> None:
    await send()
    first: Connection = sender._http._connection
    first._used_at -= IDLE_SECONDS + 1
    assert not first.usable
    assert isinstance(await send(), Sent)
    assert sender._http._connection is not first


async def test_one_connection_serves_all(send, sender) -> None:
    await send()
    first = sender._http._connection
    await asyncio.gather(*(send(f"{number:04x}") for number in range(0x1000, 0x1020)))
    assert sender._http._connection is first


async def test_a_connection_that_the_server_has_closed_is_not_written_to(send, sender, simulators) -> None:
    await send()
    sender._http._connection._transport.get_extra_info("socket").shutdown(socket.SHUT_RD)  # as after its FIN
    assert isinstance(await send(), Sent)
    assert simulators.inbox.pushes.total == 2


async def test_without_tls_where_it_is_due_nothing_is_sent() -> None:
    async def connected(reader, writer):
        await reader.read(100)
        writer.close()

    server, url = await _server(connected)
    client = Http2Client(url.replace("http", "https"), ssl.create_default_context(), timeout_seconds=0.5)
    with pytest.raises(NotSent):
        await client.post("/x", b"{}", [])
    server.close()


async def test_a_cancelled_request_frees_its_place(send, sender) -> None:
    task = asyncio.create_task(send("f006009"))
    await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sender._http._connection._streams == {}
    assert isinstance(await send(), Sent)
    assert not issubclass(NotSent, NoAnswer)
