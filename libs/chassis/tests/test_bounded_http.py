"""The limits of one connection: memory and time."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import orjson
import pytest
import uvicorn

from chassis.http.bounded import BoundedProtocol, Bounds, bounded
from testkit.eventually import eventually, pause, stays, time_passes

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


class Seen:
    """What the app was asked, and how each request's body ended. It can be held up before it begins."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.endings: list[str] = []
        self.protocol = BoundedProtocol
        self.size = 2
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def app(self, scope, receive, send) -> None:
        await self.go_on.wait()
        self.paths.append(scope["path"])
        if scope["path"] != "/early":
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message["more_body"]:
                    self.endings.append(message["type"])
                    break
        self.headers.append(scope["headers"])
        length = str(self.size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"ok".ljust(self.size)})


Serve = Callable[[Bounds], AbstractAsyncContextManager[int]]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def serve(seen: Seen) -> Serve:
    @contextlib.asynccontextmanager
    async def serving(bounds: Bounds) -> AsyncIterator[int]:
        seen.protocol = bounded(bounds)
        options = {"log_config": None, "lifespan": "off", "interface": "asgi3", "timeout_keep_alive": 1}
        config = uvicorn.Config(seen.app, http=seen.protocol, **options)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            running = asyncio.create_task(server.serve([listening]))
            yield listening.getsockname()[1]
            server.should_exit = True
            await running

    return serving


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return int(head.split(b" ")[1]), await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Until it is closed."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), 5)
        return b""

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def connection(port: int) -> AsyncIterator[Connection]:
    made = Connection(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield made
    finally:
        made.close()


async def refused(made: Connection) -> tuple[int, str]:
    """Status and code of a refusal. It is in the envelope, and the connection is closed after it."""
    status, body = await made.answer()
    envelope = orjson.loads(body)
    assert (envelope["success"], envelope["data"], envelope["meta"]) == (False, None, None)
    assert await made.rest() == b""
    return status, envelope["error"]


@pytest.mark.parametrize(
    "endless",
    [
        (b"X-A: ", b"a" * 1_000),  # one field without end
        (b"", b"X-A: " + b"a" * 900 + b"\r\n"),  # fields without end
        (b"", b"A: b\r\n" * 50),
    ],
)
async def test_a_head_without_end_is_431_and_the_connection_is_closed(serve, seen, endless) -> None:
    first, more = endless
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(HEAD + first)
        for _ in range(300):
            await made.write(more)
        assert await refused(made) == (431, "headers_too_large")
    assert seen.paths == []


async def test_a_url_counts_too(serve) -> None:
    async with serve(Bounds(head_bytes=1_000)) as port, connection(port) as made:
        await made.write(b"GET /" + b"a" * 2_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await refused(made) == (431, "headers_too_large")


async def test_a_request_within_the_bounds_is_answered_and_the_connection_kept(serve, seen) -> None:
    async with serve(Bounds(head_bytes=1_000, head_fields=5)) as port, connection(port) as made:
        for _ in range(20):  # bounds are of a request
            await made.write(HEAD + b"X-A: " + b"a" * 700 + b"\r\nContent-Length: 5\r\n\r\nhello")
            assert await made.answer() == (200, b"ok")
    assert len(seen.paths) == 20


async def test_trailers_are_bounded_and_dropped(serve, seen) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
    async with serve(Bounds(head_bytes=1_000)) as port:
        async with connection(port) as made:
            await made.write(chunked + b"X-Role: admin\r\n\r\n")
            assert await made.answer() == (200, b"ok")
        async with connection(port) as made:
            await made.write(chunked + b"X-A: ")
            await time_passes(0.05)  # the end of the body has been read
            await made.write(b"a" * 10_000)
            assert await refused(made) == (431, "headers_too_large")
        async with connection(port) as made:
            await made.write(chunked + b"X-A: b\r\n" * 500)
            assert await refused(made) == (431, "headers_too_large")
    assert [name for headers in seen.headers for name, _ in headers if name.startswith(b"x-")] == []
    assert seen.endings == ["http.request", "http.disconnect", "http.disconnect"]


async def test_chunks_are_as_many_as_they_like(serve) -> None:
    async with serve(Bounds(head_bytes=1_000)) as port, connection(port) as made:
        await made.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5_000 + b"0\r\n\r\n")
        assert await made.answer() == (200, b"ok")


async def test_half_a_head_is_408_in_time_and_a_byte_now_and_then_does_not_help(serve, seen) -> None:
    async with serve(Bounds(head_seconds=0.5)) as port, connection(port) as made:
        await made.write(HEAD)

        async def drip() -> None:
            while True:
                await time_passes(0.1)
                await made.write(b"a")

        dripping = asyncio.create_task(drip())
        assert await refused(made) == (408, "request_timeout")
        dripping.cancel()
    assert seen.paths == []


async def test_half_a_body_is_408_and_a_disconnect_for_the_app(serve, seen) -> None:
    async with serve(Bounds(body_seconds=0.3)) as port, connection(port) as made:
        await made.write(HEAD + b"Content-Length: 50\r\n\r\nhello")
        assert await refused(made) == (408, "request_timeout")
    assert seen.endings == ["http.disconnect"]


@pytest.mark.parametrize("said", [b"", b"\r\n"])
async def test_a_silent_connection_is_closed_without_an_answer(serve, said: bytes) -> None:
    async with serve(Bounds(head_seconds=0.3)) as port, connection(port) as made:
        await made.write(said)
        assert await made.rest() == b""


async def test_an_idle_connection_is_closed_after_its_time(serve) -> None:
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await made.answer() == (200, b"ok")
        assert await made.rest() == b""


async def test_a_body_that_was_answered_before_its_end_is_cut_off(serve) -> None:
    early = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n"
    async with serve(Bounds(rest_bytes=100_000, rest_seconds=30)) as port, connection(port) as made:
        await made.write(early)
        assert await made.answer() == (200, b"ok")

        async def cut_off() -> bool:
            await made.write(b"a" * 65_536)
            return made.writer.is_closing() or made.reader.at_eof()

        await eventually(cut_off, 5, every=0.01)
    async with serve(Bounds(rest_seconds=0.3)) as port, connection(port) as made:
        await made.write(early)
        assert await made.answer() == (200, b"ok")
        assert await made.rest() == b""


async def test_a_body_that_ends_after_its_answer_keeps_the_connection(serve) -> None:
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert await made.answer() == (200, b"ok")
        await made.write(b"hello")
        await made.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await made.answer() == (200, b"ok")


async def test_requests_ahead_of_their_answers_are_bounded(serve) -> None:
    one = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serve(Bounds(pipelined=5)) as port:
        async with connection(port) as made:
            await made.write(one * 5)
            assert [await made.answer() for _ in range(5)] == [(200, b"ok")] * 5
        async with connection(port) as made:
            await made.write(one * 1_000)
            assert (await made.rest()).count(b"200 OK") < 10


@pytest.mark.parametrize(
    "said", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"]
)
async def test_what_is_not_http_is_400_in_the_envelope(serve, said: bytes) -> None:
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(said)
        assert await refused(made) == (400, "invalid_http")


async def test_connections_of_one_address_are_bounded_and_come_free_again(serve, seen) -> None:
    async with serve(Bounds(of_one_address=2)) as port:
        async with connection(port) as first, connection(port) as second, connection(port) as third:
            assert await refused(third) == (429, "too_many_connections")
            for one in (first, second):
                await one.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await one.answer() == (200, b"ok")
        await eventually(lambda: not seen.protocol.by_address, 5)
        async with connection(port) as again:
            await again.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await again.answer() == (200, b"ok")


async def test_proxies_may_have_as_many_as_they_like(serve) -> None:
    bounds = Bounds(of_one_address=1, trusted=("127.0.0.0/8",))
    async with serve(bounds) as port, connection(port), connection(port) as second:
        await second.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await second.answer() == (200, b"ok")
    assert Bounds(trusted=("*",)).trusts("192.0.2.1")
    assert not Bounds(trusted=("::1", "10.0.0.0/8")).trusts("192.0.2.1")
    assert not Bounds(trusted=("10.0.0.0/8",)).trusts("not an address")


async def test_nothing_is_left_of_a_connection(serve, seen) -> None:
    async with serve(Bounds(of_one_address=5)) as port:
        async with connection(port) as made:
            await made.write(HEAD)
            await eventually(lambda: seen.protocol.by_address, 5)
            await stays(lambda: seen.protocol.by_address, 0.1, holds=lambda found: found == {"127.0.0.1": 1})
        await eventually(lambda: seen.protocol.by_address == {}, 5)


async def test_a_client_that_does_not_read_its_answer_is_cut_off(serve, seen) -> None:
    seen.size = 50_000_000
    async with serve(Bounds(unread_seconds=0.3, of_one_address=5)) as port, connection(port) as made:
        await made.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: seen.headers and not seen.protocol.by_address, 5)


async def test_an_answered_request_has_no_second_answer(serve) -> None:
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(b"POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await made.answer() == (200, b"ok")
        await made.write(b"nonsense\r\n")
        assert await made.rest() == b""


async def test_a_request_that_cannot_be_read_does_not_answer_the_one_before(serve, seen) -> None:
    seen.go_on.clear()
    async with serve(Bounds()) as port, connection(port) as made:
        await made.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nCONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        await time_passes(0.2)  # the second has been read, the first is not answered yet
        seen.go_on.set()
        assert b"400" not in await made.rest()


async def test_a_client_that_waits_for_100_continue_gets_only_the_refusal(serve, caplog) -> None:
    async with serve(Bounds()) as port, connection(port) as made:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        await made.write(head + b"nonsense\r\n")
        assert await refused(made) == (400, "invalid_http")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_slow_answer_does_not_make_the_next_request_late(serve, seen) -> None:
    seen.go_on.clear()
    one = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serve(Bounds(head_seconds=0.3)) as port, connection(port) as made:
        await made.write(one + one + one[:10])
        await time_passes(1)
        seen.go_on.set()
        assert [await made.answer() for _ in range(2)] == [(200, b"ok")] * 2


@pytest.mark.parametrize("first", [True, False])
async def test_a_request_that_came_in_time_is_answered_however_busy_the_loop_was(serve, first: bool) -> None:
    """The idle time ends while the loop is busy, and a request arrives during that time."""
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serve(Bounds(head_seconds=1)) as port, connection(port) as made:
        if not first:
            await made.write(request)
            assert await made.answer() == (200, b"ok")
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        # The second one runs in the same turn as the deadline, and before it.
        loop.call_at(began + 0.85, pause, 0.3)
        loop.call_at(began + 0.9, pause, 0.4)
        client = made.writer.get_extra_info("socket")
        sending = threading.Timer(1.35, os.write, (client.fileno(), request))
        sending.start()
        assert await made.answer() == (200, b"ok")
        sending.join()
