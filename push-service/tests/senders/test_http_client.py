"""What a provider's network can do to a request: was it sent, was it answered, and is it ever sent twice?"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from push_service.senders.http_client import HttpClient, NoAnswer, NotSent
from testkit.eventually import other_tasks, time_passes

WAIT, CONNECT = 0.3, 0.2


def said(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(timeout_seconds=WAIT, connections=2, connect_seconds=CONNECT)
    yield client
    await client.close()


class Peer:
    """A server whose every step is the test's."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        self.accepted: list[socket.socket] = []

    async def take(self) -> socket.socket:
        async with asyncio.timeout(5):
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        connection.setblocking(False)
        self.accepted.append(connection)
        return connection

    async def answer(self, connection: socket.socket, content: bytes) -> bytes:
        """The body that was asked with: head and body come in one piece."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            request = await loop.sock_recv(connection, 65_536)
        await loop.sock_sendall(connection, content)
        return request.partition(b"\r\n\r\n")[2]

    def is_left_alone(self) -> bool:
        """Nobody else has connected."""
        try:
            self.accepted.append(self._listener.accept()[0])
        except BlockingIOError:
            return True
        return False

    async def serve(self, content: bytes) -> bytes:
        return await self.answer(await self.take(), content)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        made = Peer(listener)
        yield made
        for connection in made.accepted:
            connection.close()


def ends(connection: socket.socket) -> None:
    connection.close()


def half_closes(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("closes", [ends, half_closes, resets])
@pytest.mark.parametrize("turns", [0, 3], ids=["unseen by the event loop", "seen"])
async def test_a_kept_connection_that_the_server_closed_is_not_written_to(http, peer, closes, turns):
    answer, body = await asyncio.gather(http.post(peer.url, b"first", {}), peer.serve(said(b"1")))
    assert (answer.content, body) == (b"1", b"first")
    closes(peer.accepted[0])
    await other_tasks(turns)
    answer, body = await asyncio.gather(http.post(peer.url, b"second", {}), peer.serve(said(b"2")))
    assert (answer.content, body) == (b"2", b"second")
    assert len(peer.accepted) == 2


async def test_an_answer_that_came_unasked_answers_nothing(http, peer):
    await asyncio.gather(http.post(peer.url, b"first", {}), peer.serve(said(b"1")))
    peer.accepted[0].sendall(said(b"unasked"))
    await other_tasks(3)
    answer, body = await asyncio.gather(http.post(peer.url, b"second", {}), peer.serve(said(b"2")))
    assert (answer.content, body) == (b"2", b"second")


async def test_a_request_that_was_written_is_not_written_again(http, peer):
    """Not even when it goes over a connection that had worked, where a library may think it safe."""
    await asyncio.gather(http.post(peer.url, b"first", {}), peer.serve(said(b"1")))
    kept = peer.accepted[0]
    second = asyncio.create_task(http.post(peer.url, b"second", {}))
    assert await asyncio.get_running_loop().sock_recv(kept, 65_536)
    resets(kept)
    with pytest.raises(NoAnswer):
        await second
    assert peer.is_left_alone()


async def test_connections_are_kept_and_used_again(http, peer):
    await asyncio.gather(http.post(peer.url, b"first", {}), peer.serve(said(b"1")))
    again = peer.answer(peer.accepted[0], said(b"2"))
    answer, body = await asyncio.gather(http.post(peer.url, b"second", {}), again)
    assert (answer.content, body) == (b"2", b"second")


async def not_sent(http: HttpClient, url: str) -> str:
    with pytest.raises(NotSent) as caught:
        await http.post(url, b"a body", {})
    return caught.value.reason


async def test_nothing_is_sent_to_a_closed_port(http):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    assert await not_sent(http, url) == "ClientConnectorError"


async def test_to_a_name_without_an_address_nothing_is_sent(http):
    assert "Unicode" in await not_sent(http, "http://no..name/")
    assert await not_sent(http, "http://nobody.invalid/") in {"ClientConnectorDNSError", "ConnectionTimeoutError"}


async def test_a_request_that_waits_for_a_connection_in_vain_is_not_sent(http, peer):
    """Both connections are taken by requests that nobody answers."""
    waiting = [asyncio.create_task(http.post(peer.url, b"", {})) for _ in range(2)]
    for _ in waiting:
        await peer.take()
    assert await not_sent(http, peer.url) == "ConnectionTimeoutError"
    assert peer.is_left_alone()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_without_a_tls_handshake_nothing_is_sent(http, peer):
    """The other side takes the connection and says nothing."""
    assert await not_sent(http, peer.url.replace("http:", "https:")) == "ConnectionTimeoutError"


async def test_to_what_speaks_no_tls_nothing_is_sent(http, peer):
    asked = asyncio.create_task(not_sent(http, peer.url.replace("http:", "https:")))
    hello = await peer.serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert b"a body" not in hello
    assert await asked == "ClientConnectorSSLError"


async def test_a_handshake_that_is_broken_off_sends_nothing(http, peer):
    asked = asyncio.create_task(not_sent(http, peer.url.replace("http:", "https:")))
    resets(await peer.take())
    assert await asked == "ClientConnectorError"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["hints", "headers", "chunks"],
)
async def test_an_answer_that_never_ends_is_not_waited_for_longer_than_an_exchange_may_take(http, peer, first, then):
    async def drip() -> None:
        await peer.serve(first)
        with contextlib.suppress(OSError):
            while True:  # never the silence that ends the wait
                await asyncio.get_running_loop().sock_sendall(peer.accepted[0], then)
                await time_passes(WAIT / 20)

    async with asyncio.timeout(5):
        dripping = asyncio.create_task(drip())
        with pytest.raises(NoAnswer) as caught:
            await http.post(peer.url, b"a body", {})
        await dripping
    assert caught.value.reason == "TimeoutError"
